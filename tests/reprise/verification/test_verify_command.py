"""The command verifies the runs that it is given, reports, and ends as the worst of them."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from asking import AskingParameters
from evidences import FAR, compared, evidence

from reprise import tracking
from reprise.commands import verify
from reprise.commands.parameters import VerifyParameters
from reprise.errors import NotJudgedError, ParameterError, PolicyError, TrackingError
from reprise.record.verdict import Verdict
from reprise.replay.prepare import Request
from reprise.signatures import UNSIGNED
from reprise.verification import verifying
from reprise.verification.judging import judge
from reprise.verification.policy import Policy
from reprise.verification.statements import Signing
from reprise.verification.verifying import Verification, Verifier

GOOD = evidence()
BAD = evidence(compared(FAR))
LOST = evidence(compared(verdict=Verdict.NOT_REPLAYABLE, reason="its commit is gone", basis=""))


@pytest.fixture
def command(store, recording, monkeypatch, tmp_path):
    """Be the command, where each run has the given evidence."""
    monkeypatch.setattr(verify, "Launcher", lambda *_, **__: nullcontext())
    monkeypatch.chdir(tmp_path)

    def command(*found, **given):
        known = iter(found)

        def verified(self, run_id, *, model_id=""):
            each = next(known)
            outcome = judge(self.policy, each, UNSIGNED)
            return Verification(run_id, f"train {model_id}", each, UNSIGNED, outcome, False)

        monkeypatch.setattr(Verifier, "verify", verified)
        parameters = VerifyParameters.parse(given)
        verify.check(parameters)
        with recording(parameters) as run:
            verify.main(parameters, run)

    return command


def test_a_policy_that_is_met_ends_well(store, command, capsys):
    command(GOOD, runs=store.make_run())

    assert capsys.readouterr().out.endswith("Result: met; 1 of 1 run met the policy\n")


@pytest.mark.parametrize(
    ("found", "error", "line"),
    [
        ([GOOD, BAD, LOST], PolicyError, "found that 1 of 3 runs met the policy: run "),
        ([GOOD, LOST], NotJudgedError, "could not be judged: run "),
    ],
)
def test_it_ends_as_the_worst_run(store, command, found, error, line):
    with pytest.raises(error) as ended:
        command(*found, runs=" ".join(store.make_run() for _ in found))

    assert ended.value.exit_code == (1 if error is PolicyError else 2)
    assert line in str(ended.value)


def test_the_report_is_an_artifact_and_a_file(store, command, tmp_path):
    command(GOOD, runs=store.make_run(), output="report.json", format="json")

    (run, *_) = store.runs()
    path = store.artifacts(run.info.run_id) / "verification.json"
    assert json.loads(path.read_text()) == json.loads((tmp_path / "report.json").read_text())


def test_json_alone_is_printed(store, command, capsys):
    command(GOOD, runs=store.make_run(), format="json")

    assert json.loads(capsys.readouterr().out)["result"] == "met"


def test_a_run_is_verified_once_however_often_it_is_named(store, command, capsys):
    run_id = store.make_run()

    command(GOOD, runs=f"{run_id} runs:/{run_id}")

    assert "1 of 1 run met" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "expected run ids, --experiment or --model, found none of them"),
        ({"runs": "0" * 32, "model": "iris"}, "found runs and model. Give one."),
        ({"model": "iris", "sample": "2"}, "expected --experiment with --sample"),
        ({"runs": "ftp://x"}, "runs must be names of runs"),
    ],
)
def test_what_is_unclear_is_refused_before_there_is_a_run(store, command, given, problem):
    with pytest.raises(ParameterError, match=problem):
        command(**given)

    assert store.runs() == []


@pytest.mark.parametrize(
    "given", [{"runs": "0" * 32}, {"experiment": "none"}, {"model": "none"}, {"model": "a/b/c"}]
)
def test_what_does_not_exist_is_refused_before_there_is_a_run(store, command, given):
    with pytest.raises(TrackingError):
        command(**given)

    assert store.runs() == []


def test_a_wrong_policy_is_refused_before_there_is_a_run(store, command, tmp_path):
    (tmp_path / "reprise.toml").write_text("[verify]\nverdict = 1\n")

    with pytest.raises(ParameterError, match="expected a policy"):
        command(runs=store.make_run())

    assert len(store.runs()) == 1


class TestChoice:
    @pytest.fixture
    def runs(self, store):
        for tags in ({}, {tracking.REPLAY_OF: "0" * 32}, {tracking.RECORDED_BY: "0" * 32}):
            store.make_run(tags=tags)
        store.make_run(tags={tracking.ENTRY_POINT: "verify"})
        store.make_run(status="FAILED")
        for _ in range(5):
            store.make_run(tags={tracking.ENTRY_POINT: "train"})
        return tracking.all_runs(store.experiment_id)

    def choose(self, runs, sample=None, seed=0):
        return verifying.choose(runs, without={"verify"}, sample=sample, seed=seed)

    def test_finished_runs_with_results_of_their_own_are_verified(self, runs):
        assert self.choose(runs) == [run.info.run_id for run in (runs[0], *runs[5:])]

    def test_a_sample_is_decided_by_its_seed(self, runs):
        assert self.choose(runs, 3) == self.choose(runs, 3)
        assert len(self.choose(runs, 3)) == 3
        assert {*self.choose(runs, 3)} < {*self.choose(runs)}
        assert len({tuple(self.choose(runs, 2, seed)) for seed in range(10)}) > 1

    def test_a_sample_larger_than_the_experiment_is_all_of_it(self, runs):
        assert self.choose(runs, 100) == self.choose(runs)


def test_a_tolerance_of_the_policy_is_that_of_the_replay(recording, monkeypatch):
    asked = []
    run = SimpleNamespace(run_id="0" * 32)
    monkeypatch.setattr(verifying.replay, "reproduce", lambda *a, **_: asked.append(a[2]))
    monkeypatch.setattr(verifying.Evidence, "of", lambda *_: GOOD)
    monkeypatch.setattr(verifying.original_run, "read", lambda _: run)
    monkeypatch.setattr(verifying.statements, "keep", lambda *_: UNSIGNED)
    policy = Policy.model_validate(
        {"verdict": {"equivalent": True, "tolerance": 0.5, "metrics": {"a": 0.75}}}
    )

    with recording(AskingParameters()) as parent:
        run.record, run.name = None, "train"
        Verifier(parent, policy, Signing(), Request()).verify("0" * 32)

    assert asked[0].tolerance == 0.75
