"""A run is made again by real processes, below the run that asks, and judged with its children."""

import json
import subprocess
import sys

import pytest
from asking import AskingParameters
from repositories import commit_all, fingerprint, git, make_repository, publish

from reprise import tracking
from reprise.errors import ProjectError
from reprise.record.schema import InputData, Outputs
from reprise.record.verdict import Difference, Judgement, Verdict
from reprise.replay import original_run, prepare, replay, verdicts
from reprise.replay.original_run import OriginalRun
from reprise.replay.prepare import Request
from reprise.replay.replay import reproduce
from reprise.replay.verdicts import Replay

pytestmark = pytest.mark.usefixtures("plain_git", "warm_processes")

MLPROJECT = """\
name: tiny
entry_points:
  step:
    parameters:
      size: {type: float, default: 7}
      mode: {type: string, default: ""}
      allow_untracked: {type: string, default: ""}
    command: "python -m step --size {size} --mode {mode} --allow_untracked {allow_untracked}"
  plain:
    parameters: {text: {type: string}}
    command: "python plain.py {text}"
"""
STEP = """\
import os
import sys
import time
from pathlib import Path

from pydantic import Field

from reprise.errors import DataError
from reprise.runtime.parameters import Parameters
from reprise.runtime.launch import launch


class StepParameters(Parameters):
    entry_point = "step"
    size: int = Field(1, description="a size")
    mode: str = Field("", description="what it does besides")
    allow_untracked: str | None = Field(None, description="files to carry")


def main(parameters, run):
    if parameters.mode == "reads a file that git ignores" and not Path("made.log").exists():
        raise DataError("expected made.log, found none. Make it.")
    if parameters.mode == "dies when made again" and run.replays:
        os.kill(os.getpid(), 9)
    run.log_metrics({"double": parameters.size * 2})
    if parameters.mode == "imports the clone's":
        sys.path.insert(0, os.environ.get("REPRISE_DATA_FOLDER", "."))
        import score
    if parameters.mode == "crashes the second time it is made again":
        if run.replays:
            marker = Path(os.environ["REPRISE_DATA_FOLDER"], "made.log")
            if marker.exists():
                os.kill(os.getpid(), 9)
            marker.touch()
        run.log_metrics({"now": time.time()})
    if parameters.mode == "reads the clock":
        run.log_metrics({"now": time.time()})


if __name__ == "__main__":
    launch(StepParameters, main)
"""
PLAIN = "import sys, mlflow\nmlflow.log_metric('length', len(sys.argv[1]))\n"


@pytest.fixture
def project(store, tmp_path, monkeypatch):
    """A project in a repository whose main branch origin has."""
    folder = make_repository(tmp_path / "project")
    (folder / "MLproject").write_text(MLPROJECT)
    (folder / "step.py").write_text(STEP)
    (folder / "plain.py").write_text(PLAIN)
    commit_all(folder)
    publish(folder, tmp_path / "origin.git")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def made(store, project):
    """Make a run of the step by its own process, and return it as a run of the past."""

    def made(**parameters):
        words = [f"--{name}={value}" for name, value in parameters.items()]
        done = subprocess.run(
            [sys.executable, "-m", "step", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return original_run.read(store.runs()[0].info.run_id)

    return made


@pytest.fixture
def again(recording):
    """Make a run again below another."""

    def again(run, request=None):
        with recording(AskingParameters()) as parent:
            return reproduce(parent, run, request or Request())

    return again


class TestReproduce:
    def test_of_edited_code_that_is_gone_is_identical_and_leaves_nothing(
        self, store, project, made, again, temporary
    ):
        (project / "step.py").write_text(STEP.replace("size * 2", "size * 3"))
        run = made(size=4)
        git(project, "checkout", "--quiet", "--force", "main")
        before = fingerprint(project)

        found = again(run)

        new = store.run(found.new_run_id)
        assert (found.verdict, found.judgement.compared) == (Verdict.IDENTICAL, 1)
        assert found.code_from == "the run's own bundle"
        assert new.data.metrics == {"double": 12.0}
        assert new.data.tags["reprise.replay_of"] == run.run_id
        assert tracking.read_record(found.new_run_id).code == run.record.code
        assert store.tags(run.run_id)["reprise.verdict"] == "identical"
        assert new.data.tags["reprise.verdict"] == "identical"
        assert fingerprint(project) == before
        assert list(temporary.iterdir()) == []

    def test_of_a_step_that_reads_the_clock_is_different_because_of_it(self, made, again):
        found = again(made(mode="reads the clock"))

        assert found.verdict is Verdict.DIFFERENT
        assert [d.name for d in found.judgement.differences] == ["now"]
        assert [c.kind for c in found.judgement.causes] == ["a step that is not deterministic"]

    def test_with_another_parameter_is_a_comparison_without_a_verdict(self, store, made, again):
        run = made(size=4)

        found = again(run, Request(changes={"size": "5"}))

        tags = store.tags(found.new_run_id)
        assert found.judgement.differences == (
            Difference(kind="metric", name="double", recorded=8.0, found=10.0),
        )
        assert [str(c) for c in found.judgement.causes] == ["parameter: size was 4, is 5"]
        assert tags["reprise.tweak_of"] == run.run_id
        assert "reprise.verdict" not in {**tags, **store.tags(run.run_id)}

    def test_with_the_present_code_runs_that(self, store, project, made, again):
        run = made(size=4)
        (project / "step.py").write_text(STEP.replace("size * 2", "size * 5"))

        found = again(run, Request(current_code=True))

        assert store.metrics(found.new_run_id) == {"double": 20.0}
        assert [c.kind for c in found.judgement.causes] == ["code"]
        assert tracking.read_record(found.new_run_id).code.dirty

    def test_of_a_step_that_fails_is_not_replayable_for_its_reason(
        self, store, project, made, again
    ):
        (project / "made.log").touch()
        run = made(mode="reads a file that git ignores")

        found = again(run)

        assert found.verdict is Verdict.NOT_REPLAYABLE
        assert "expected made.log, found none" in found.judgement.reason
        assert [c.kind for c in found.judgement.causes] == ["data"]
        assert store.status(found.new_run_id) == "FAILED"

    def test_of_a_step_that_imports_the_clones_modules_is_not_replayable_for_that(
        self, project, made, again
    ):
        found = again(made(mode="imports the clone's"))

        assert found.verdict is Verdict.NOT_REPLAYABLE
        assert f"imported {project}/score.py, which is today's" in found.judgement.reason
        assert [cause.kind for cause in found.judgement.causes] == ["code"]

    def test_of_a_process_that_is_killed_is_not_replayable_and_a_failed_run(
        self, store, made, again
    ):
        found = again(made(mode="dies when made again"))

        assert found.verdict is Verdict.NOT_REPLAYABLE
        assert "ended by signal 9" in found.judgement.reason
        assert store.status(found.new_run_id) == "FAILED"

    def test_of_a_plain_run_says_what_is_unknown_and_passes_no_credentials_on(
        self, store, project, again
    ):
        run_id = store.make_run(
            params={"text": "'a b'"},
            metrics={"length": 3.0},
            tags={
                "mlflow.project.entryPoint": "plain",
                "mlflow.source.name": f"https://ada:s3cr3t@localhost{project}",
                "mlflow.source.git.commit": git(project, "rev-parse", "HEAD"),
            },
        )

        found = again(original_run.read(run_id))

        assert found.verdict is Verdict.IDENTICAL
        assert "environment" in found.judgement.unknown
        assert store.status(found.new_run_id) == "FINISHED"
        assert "s3cr3t" not in "".join(store.tags(found.new_run_id).values())


class TestWithoutAProcess:
    @pytest.mark.parametrize(
        ("change", "kind"),
        [
            ({"commit": None}, "code"),
            ({"commit": "f" * 40}, "code"),
            ({"tree": "f" * 40}, "code"),
            ({"project": "../.."}, "code"),
        ],
        ids=["no commit", "commit that is gone", "another tree", "folder outside"],
    )
    def test_code_that_cannot_be_had_is_not_replayable_and_makes_no_run(
        self, store, project, recording, again, change, kind
    ):
        head = git(project, "rev-parse", "HEAD")
        with recording(AskingParameters()) as run:
            code = run.record.code.model_copy(
                update={"repository": None, "commit": head, "tree": None, **change}
            )
            run.record = run.record.model_copy(update={"code": code})

        found = again(original_run.read(run.run_id))

        assert (found.verdict, found.new_run_id) == (Verdict.NOT_REPLAYABLE, None)
        assert [c.kind for c in found.judgement.causes] == [kind]
        assert store.tags(run.run_id)["reprise.verdict"] == "not replayable"

    def test_an_unfinished_run_is_not_replayable(self, store, again):
        run_id = store.make_run(status="KILLED", tags={"mlflow.project.entryPoint": "step"})

        found = again(original_run.read(run_id))

        assert found.verdict is Verdict.NOT_REPLAYABLE
        assert f"expected a finished run, found run {run_id} KILLED" in found.judgement.reason

    def test_a_script_takes_no_changes(self, store, recording, project):
        with recording(AskingParameters()) as run:
            step = run.record.step.model_copy(update={"command": ("plain.py",)})
            run.record = run.record.model_copy(update={"step": step})
        found = original_run.read(run.run_id)

        with pytest.raises(ProjectError, match=r"found a run of the script plain\.py"):
            prepare.command(project, found, Request(changes={"size": "2"}))


class TestRequest:
    def test_asks_for_the_same_run_unless_something_is_to_change(self):
        assert Request().is_exact
        assert Request(tolerance=1.0, allowed="https://example.org/a.git").is_exact
        assert not Request(changes={"a": "1"}).is_exact
        assert not Request(current_code=True).is_exact


def made_again(verdict, *children, name="a"):
    return Replay(name, "1" * 32, "2" * 32, Judgement(verdict=verdict), children)


class TestReplay:
    def test_has_the_worst_verdict_of_itself_and_all_below(self):
        deep = made_again(Verdict.IDENTICAL, made_again(Verdict.EQUIVALENT))

        assert made_again(Verdict.IDENTICAL).verdict is Verdict.IDENTICAL
        assert made_again(Verdict.IDENTICAL, deep).verdict is Verdict.EQUIVALENT
        assert made_again(Verdict.DIFFERENT, deep).verdict is Verdict.DIFFERENT

    def test_is_told_with_its_children_and_the_verdict_of_the_whole(self):
        told = made_again(Verdict.IDENTICAL, made_again(Verdict.DIFFERENT, name="b")).values()

        assert (told["verdict"], told["children"][0]["verdict"]) == ("different", "different")
        assert told["children"][0]["name"] == "b"
        json.dumps(told)

    def test_tags_both_runs_and_is_an_artifact_of_the_new_one(self, store):
        old, new, below = (store.make_run() for _ in range(3))
        child = Replay("b", below, None, Judgement(verdict=Verdict.DIFFERENT))
        found = Replay("a", old, new, Judgement(verdict=Verdict.IDENTICAL), (child,))

        verdicts.record_verdict(found)

        assert [store.tags(r)["reprise.verdict"] for r in (old, new, below)] == ["different"] * 3
        told = json.loads((store.artifacts(new) / "verdict.json").read_text())
        assert (told["run_id"], told["replayed_by"]) == (old, new)

    def test_of_a_run_that_may_not_be_tagged_is_still_told_of_the_new_one(self, store, capsys):
        new = store.make_run()

        verdicts.record_verdict(Replay("a", "0" * 32, new, Judgement(verdict=Verdict.IDENTICAL)))

        assert store.tags(new)["reprise.verdict"] == "identical"
        assert f"run {'0' * 32} was not tagged" in capsys.readouterr().err


class TestChildren:
    @pytest.fixture
    def family(self, store, recording):
        """Make a run with runs below it, as (metric, run that it makes again) pairs."""

        def family(*children, metrics=None, tags=None):
            with recording(AskingParameters()) as run:
                run.log_metrics(metrics or {})
                run.set_tags(tags or {})
                ids = []
                for value, origin in children:
                    with run.nested(AskingParameters()) as below:
                        below.log_metrics({"a": value})
                        if origin:
                            below.set_tags({"reprise.replay_of": origin})
                    ids.append(below.run_id)
            return original_run.read(run.run_id), ids

        return family

    def test_are_compared_each_with_the_run_that_it_makes_again(self, family):
        old, (first, second) = family((1.0, None), (2.0, None))
        new, _ = family((2.5, second), (1.0, first))

        found = verdicts.compare(old, new)

        assert [(c.run_id, c.verdict) for c in found.children] == [
            (first, Verdict.IDENTICAL),
            (second, Verdict.DIFFERENT),
        ]
        assert found.verdict is Verdict.DIFFERENT

    def test_that_were_not_made_again_are_told(self, family):
        old, (first, second) = family((1.0, None), (2.0, None))
        new, _ = family((1.0, first))

        found = verdicts.compare(old, new)

        assert found.children[1].run_id == second
        assert found.children[1].verdict is Verdict.NOT_REPLAYABLE
        assert found.children[1].judgement.reason == "the replay made no such run"

    def test_of_a_replay_are_matched_with_those_of_another_replay(self, family):
        _, (first,) = family((1.0, None))
        one, _ = family((1.0, first))
        two, _ = family((1.0, first))

        found = verdicts.compare(one, two)

        assert [c.verdict for c in found.children] == [Verdict.IDENTICAL]

    def test_that_a_replay_made_none_of_are_told(self, family):
        old, (first,) = family((1.0, None))
        new, _ = family(tags={tracking.REPLAY_OF: old.run_id})

        (child,) = verdicts.compare(old, new).children

        assert (child.run_id, child.verdict) == (first, Verdict.NOT_REPLAYABLE)

    def test_whose_output_their_parent_has_read_need_not_be_made_again(self, family, store):
        old, (first,) = family((1.0, None))
        read = InputData(name="train", uri=f"runs:/{first}/data/train.parquet", sha256="a" * 64)
        record = old.record.model_copy(
            update={"inputs": (read,), "outputs": Outputs(metrics={"m": 1.0})}
        )
        old = OriginalRun(old.run, record)
        new, _ = family(tags={tracking.REPLAY_OF: old.run_id}, metrics={"m": 1.0})

        found = verdicts.compare(old, new)

        assert (found.verdict, found.children, found.judgement.unknown) == (
            Verdict.IDENTICAL,
            (),
            (),
        )

    def test_that_only_the_replay_made_are_told(self, family):
        old, (first,) = family((1.0, None))
        new, _ = family((1.0, first), (2.0, None))

        found = verdicts.compare(old, new)

        assert found.verdict is Verdict.IDENTICAL
        assert found.judgement.unknown == ("1 child runs that only the replay made",)

    def test_of_a_plain_run_are_told_as_not_compared(self, family):
        old, _ = family((1.0, None), (2.0, None), metrics={"m": 1.0})
        new, _ = family((3.0, None), tags={tracking.REPLAY_OF: old.run_id}, metrics={"m": 1.0})

        found = verdicts.compare(OriginalRun(old.run, old.record, unknown=("data",)), new)

        assert found.judgement.unknown == ("data", "2 child runs")

    def test_that_earlier_runs_made_are_told_as_not_compared(self, family):
        old, (first,) = family((1.0, None), metrics={"runs": 3.0})
        tags = {tracking.REPLAY_OF: old.run_id, tracking.MADE_BEFORE: "2"}
        new, _ = family((1.0, first), metrics={"runs": 3.0}, tags=tags)

        found = verdicts.compare(old, new)

        assert found.verdict is Verdict.IDENTICAL
        assert found.judgement.unknown == ("2 runs that earlier runs had made",)

    def test_that_earlier_runs_made_all_of_leave_nothing_to_be_identical(self, family):
        old, _ = family(metrics={"runs": 3.0})
        tags = {tracking.REPLAY_OF: old.run_id, tracking.MADE_BEFORE: "3"}
        new, _ = family(metrics={"runs": 3.0}, tags=tags)

        found = verdicts.compare(old, new)

        assert found.verdict is Verdict.NOT_REPLAYABLE
        assert "all of its 3 runs were made by earlier runs" in found.judgement.reason

    @pytest.mark.parametrize("tag", ["many", "-1", "9" * 5000, "\u00b2"])
    def test_are_not_counted_by_a_tag_that_is_no_number(self, family, tag):
        old, _ = family(metrics={"m": 1.0})
        tags = {tracking.REPLAY_OF: old.run_id, tracking.MADE_BEFORE: tag}
        new, _ = family(metrics={"m": 1.0}, tags=tags)

        assert verdicts.compare(old, new).verdict is Verdict.IDENTICAL

    def test_of_runs_that_have_nothing_to_do_with_each_other_are_not_compared(self, family):
        one, _ = family((1.0, None))
        two, _ = family((2.0, None))

        assert verdicts.compare(one, two).children == ()


class TestMetricsPastTheRecorder:
    """Metrics that a step has logged by MLflow itself are compared, too."""

    @pytest.fixture
    def measured(self, store, recording):
        def measured(logged, later=None):
            with recording(AskingParameters()) as run:
                run.log_metrics({"a": 1.0})
                for name, value in logged.items():
                    store.client.log_metric(run.run_id, name, value)
            end = store.run(run.run_id).info.end_time
            for name, value in (later or {}).items():
                store.client.log_metric(run.run_id, name, value, timestamp=end + 1)
            return original_run.read(run.run_id)

        return measured

    def test_that_differ_are_a_difference(self, measured):
        found = verdicts.compare(measured({"loss": 0.5}), measured({"loss": 0.25}))

        assert found.verdict is Verdict.DIFFERENT
        assert [(d.name, d.recorded, d.found) for d in found.judgement.differences] == [
            ("loss", 0.5, 0.25)
        ]

    def test_that_only_one_run_has_are_a_difference(self, measured):
        assert verdicts.compare(measured({"b": 1.0}), measured({})).verdict is Verdict.DIFFERENT

    def test_that_came_after_the_end_or_are_of_the_machine_are_none_of_its_results(self, measured):
        old = measured({"system/cpu": 0.5}, later={"test_accuracy": 1.0})

        found = verdicts.compare(old, measured({"system/cpu": 0.25}))

        assert (found.verdict, found.judgement.compared) == (Verdict.IDENTICAL, 1)


class TestExplanation:
    @pytest.fixture
    def judged(self, record_of):
        """A replay of a run that gave 1.0, with another metric and perhaps another input."""

        def judged(value, *, data="a", children=()):
            from reprise.record.verdict import judge

            def record(metric, content):
                inputs = (InputData(name="train", uri="x", sha256=content * 64),)
                outputs = Outputs(metrics={"m": metric})
                return record_of(AskingParameters(), inputs=inputs, outputs=outputs)

            judgement = judge(record(1.0, "a"), record(value, data))
            return Replay("a", "1" * 32, "2" * 32, judgement, children)

        return judged

    def causes(self, replay_):
        return [cause.kind for cause in replay_.judgement.causes]

    def test_is_a_step_that_is_not_deterministic_where_two_replays_disagree(self, judged):
        found = replay._explained(judged(2.0), judged(3.0))

        assert self.causes(found) == ["a step that is not deterministic"]

    def test_is_unknown_where_two_replays_agree(self, judged):
        found = replay._explained(judged(2.0), judged(2.0))

        assert self.causes(found) == ["unknown"]
        assert "two replays agree" in str(found.judgement.causes[0])

    def test_is_a_step_that_is_not_deterministic_where_the_second_is_identical(self, judged):
        found = replay._explained(judged(2.0), judged(1.0))

        assert self.causes(found) == ["a step that is not deterministic"]

    def test_leaves_a_cause_that_is_known(self, judged):
        first = judged(2.0, data="b")

        assert not replay._unexplained(first)
        assert replay._explained(first, judged(3.0)) == first

    def test_is_of_each_child_by_itself(self, judged):
        first = judged(1.0, children=(judged(2.0),))
        second = judged(1.0, children=(judged(3.0),))

        assert replay._unexplained(first)
        (child,) = replay._explained(first, second).children
        assert self.causes(child) == ["a step that is not deterministic"]

    def test_of_a_child_that_a_second_replay_has_not_is_unknown_and_says_so(self, judged):
        first = judged(1.0, children=(judged(2.0),))

        (child,) = replay._explained(first, judged(1.0)).children

        assert self.causes(child) == ["unknown"]
        assert "the second replay made no such run" in str(child.judgement.causes[0])

    def test_is_unknown_where_the_second_replay_fails_and_says_why(self, judged):
        failed = Replay("a", "1" * 32, None, verdicts.not_replayable("", "it ran\nout of memory"))
        first = judged(2.0, children=(judged(3.0),))

        found = replay._explained(first, failed)

        assert self.causes(found) == ["unknown"]
        assert "a second replay failed: it ran out of memory" in str(found.judgement.causes[0])
        assert self.causes(found.children[0]) == ["unknown"]

    def test_of_a_step_that_crashes_the_second_time_is_not_that_it_is_not_deterministic(
        self, store, project, made, again
    ):
        found = again(made(mode="crashes the second time it is made again"))

        assert [d.name for d in found.judgement.differences] == ["now"]
        assert self.causes(found) == ["unknown"]
        assert "a second replay failed: its process was ended by signal 9" in str(
            found.judgement.causes[0]
        )
