"""What varies between replays is measured, and a policy is suggested that all of them meet."""

import json
from contextlib import nullcontext
from fractions import Fraction

import pytest
from asking import AskingParameters
from evidences import evidence
from hypothesis import given
from hypothesis import strategies as st

from reprise.commands import calibrate, verify
from reprise.commands.parameters import CalibrateParameters
from reprise.errors import NotJudgedError, ParameterError
from reprise.record.verdict import Difference, Judgement, Verdict
from reprise.replay.verdicts import Replay
from reprise.signatures import UNSIGNED
from reprise.verification import calibration
from reprise.verification import policy as policies
from reprise.verification.evidence import Compared
from reprise.verification.judging import Result, judge

RUN = "a" * 32


def differs(kind, name, found, recorded=1.0):
    return Difference(kind=kind, name=name, recorded=recorded, found=found)


def replay(*differences, verdict=None, reason=""):
    judged = Verdict.DIFFERENT if differences else Verdict.IDENTICAL
    judgement = Judgement(
        verdict=verdict or judged, compared=5, differences=differences, reason=reason
    )
    return Replay("train", RUN, "b" * 32, judgement)


def test_what_is_always_equal_does_not_vary():
    assert calibration.measure([replay(), replay()]) == []


def test_a_metric_varies_by_its_largest_deviation_from_the_original():
    replays = [
        replay(differs("metric", "loss", 1.0 + 3e-12)),
        replay(),
        replay(differs("metric", "loss", 1.0 - 1e-12)),
    ]

    (found,) = calibration.measure(replays)

    assert found.values == (1.0, 1.0 + 3e-12, 1.0, 1.0 - 1e-12)
    assert found.deviation == pytest.approx(3e-12, rel=1e-3)
    assert found.tolerance == 7e-12  # 6.0005e-12, rounded up
    assert found.number_of_values == 3


def test_a_deviation_is_relative_for_large_values():
    (found,) = calibration.measure([replay(differs("metric", "n", 1010.0, recorded=1000.0))])

    assert found.deviation == pytest.approx(10 / 1010)


@pytest.mark.parametrize("found", [None, float("nan"), float("inf")])
def test_what_is_missing_or_not_finite_has_no_tolerance(found):
    (varying,) = calibration.measure([replay(differs("metric", "loss", found))])

    assert varying.tolerance is None


def test_a_run_that_could_not_be_reproduced_is_not_measured():
    lost = replay(verdict=Verdict.NOT_REPLAYABLE, reason="its commit is gone")

    with pytest.raises(NotJudgedError, match="could not be reproduced: its commit is gone"):
        calibration.measure([replay(), lost])


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_rounding_up_gives_one_digit_that_is_not_smaller(value):
    rounded = calibration.rounded_up(value)

    assert rounded >= value
    assert Fraction(rounded) <= Fraction(value) * 2 + Fraction(value) / 10
    assert float(f"{rounded:.0e}") == rounded


@pytest.mark.parametrize(
    "differences",
    [
        (),
        (differs("metric", "loss", 1.0 + 1e-9),),
        (differs("metric", "loss", 2.0), differs("history", "loss", "1" * 64, "0" * 64)),
        (differs("metric", 'o"dd[1]\n', float("nan")), differs("metric", "fine", 1.5)),
        (differs("artifact", "a/b.png", "1" * 64, "0" * 64),),
        (differs("model", "fitted arrays", "1" * 64, "0" * 64),),
    ],
    ids=["nothing", "a metric", "a history", "odd", "an artifact", "a model"],
)
def test_the_suggested_policy_is_met_by_all_replays(tmp_path, differences):
    made = [replay(*differences), replay()]
    text = calibration.suggestion(calibration.measure(made))
    (tmp_path / "reprise.toml").write_text(text.replace('reason = ""', 'reason = "a reason"'))

    policy = policies.read(tmp_path)

    for each in made:
        compared = Compared(
            name="train", run_id=RUN, replayed_by="b" * 32, judgement=each.judgement
        )
        assert judge(policy, evidence(compared), UNSIGNED).result is Result.MET


def test_a_suggestion_to_leave_something_out_needs_a_reason(tmp_path):
    made = [replay(differs("artifact", "a/b.png", "1" * 64, "0" * 64))]
    (tmp_path / "reprise.toml").write_text(calibration.suggestion(calibration.measure(made)))

    with pytest.raises(ParameterError, match=r"verify\.allow\.0\.reason"):
        policies.read(tmp_path)


def test_the_command_reports_what_varies(store, recording, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(verify, "Launcher", lambda *_, **__: nullcontext())
    monkeypatch.chdir(tmp_path)
    with recording(AskingParameters()) as original:
        original.log_metrics({"loss": 1.0})
    made = iter([replay(differs("metric", "loss", 1.5)), replay(), replay()])
    requests = []

    def reproduce(_parent, _original, request, **_):
        requests.append(request)
        return next(made)

    monkeypatch.setattr("reprise.replay.replay.reproduce", reproduce)
    parameters = CalibrateParameters.parse({"run_id": original.run_id, "times": "3"})

    with recording(parameters) as run:
        calibrate.main(parameters, run)

    out = capsys.readouterr().out
    assert f"3 replays of run {original.run_id}: 1 of 5 outputs varied" in out
    assert 'metrics = {"loss" = 0.7}' in out
    (entry,) = json.loads((store.artifacts(run.run_id) / "calibration.json").read_text())
    assert entry["values"] == [1.0, 1.5, 1.0, 1.0]
    assert not any(request.is_explained for request in requests)
