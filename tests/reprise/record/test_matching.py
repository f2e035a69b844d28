"""Runs of two processes are matched by what they agree in, and compared under one name."""

import pytest
from test_verdict import made

from reprise.record.matching import matched
from reprise.record.schema import LoggedRun, Observation, Outputs
from reprise.record.verdict import Verdict, judge


def run(run_id, name="", *, parameters=None, parent=None, **metrics):
    outputs = Outputs(metrics=metrics, parameters=parameters or {})
    return LoggedRun(
        run_id=run_id, name=name, entry_point="", parent=parent, status="FINISHED", outputs=outputs
    )


def observed(*runs, not_known=(), edited=(), outputs=None):
    observation = Observation(exit_code=0, runs=runs, not_known=not_known, edited=edited)
    record = made(outputs or Outputs(metrics={"loss": 0.5}))
    return record.model_copy(update={"observed": observation})


def metrics(one, other):
    a, b = matched(one, other)
    return a.metrics, b.metrics


def test_runs_are_matched_by_name_and_parameters_whatever_their_order():
    original = observed(run("1", "a", rmse=1.0), run("2", "b", rmse=2.0))
    replay = observed(run("3", "b", rmse=2.0), run("4", "a", rmse=1.0))

    a, b = metrics(original, replay)

    assert a == b == {"loss": 0.5, "run 2 a: rmse": 1.0, "run 3 b: rmse": 2.0}


def test_runs_without_names_are_matched_by_their_parameters():
    original = observed(
        run("1", parameters={"k": "1"}, x=1.0), run("2", parameters={"k": "2"}, x=2.0)
    )
    replay = observed(
        run("3", parameters={"k": "2"}, x=2.0), run("4", parameters={"k": "1"}, x=1.0)
    )

    a, b = metrics(original, replay)

    assert a == b


def test_runs_with_a_clock_in_their_names_are_matched_by_position_and_differ_in_no_metric():
    original = observed(run("1", "at 10:00", x=1.0), run("2", "at 10:01", x=2.0))
    replay = observed(run("3", "at 11:00", x=1.0), run("4", "at 11:01", x=2.0))

    assert judge(original, replay).verdict is Verdict.IDENTICAL


def test_a_child_run_is_not_matched_with_a_run_that_stands_alone():
    original = observed(run("1", x=1.0), run("2", parent="0", x=2.0))
    replay = observed(run("3", parent="0", x=2.0), run("4", x=1.0))

    assert judge(original, replay).verdict is Verdict.IDENTICAL


def test_a_run_that_only_one_process_has_made_is_a_difference():
    judgement = judge(observed(run("1", "a", x=1.0)), observed())

    assert [(d.name, d.recorded, d.found) for d in judgement.differences] == [
        ("run 2 a: x", 1.0, None)
    ]


def test_a_parameter_that_the_process_logs_must_be_equal():
    one, other = (observed(run("1", parameters={"at": time})) for time in ("10:00", "11:00"))

    (difference,) = judge(one, other).differences

    assert (difference.kind, difference.name) == ("parameter", "run 2: at")


def test_a_metric_with_another_history_differs_though_it_ends_alike():
    one, other = (
        observed(outputs=Outputs(metrics={"loss": 0.5}, histories={"loss": digest * 64}))
        for digest in "ab"
    )

    assert [(d.kind, d.name) for d in judge(one, other).differences] == [("history", "loss")]


class TestOpaque:
    def made(self, digest, **others):
        outputs = Outputs(
            metrics={"loss": 0.5}, artifacts={"m.pkl": digest * 64, **others}, opaque=("m.pkl",)
        )
        return observed(outputs=outputs)

    def test_artifacts_with_other_bytes_are_not_compared_and_that_is_said(self):
        judgement = judge(self.made("a"), self.made("b"))

        assert judgement.verdict is Verdict.IDENTICAL
        assert judgement.compared == 1
        assert judgement.basis.startswith("1 metric, ")
        assert judgement.not_compared[0].startswith("m.pkl (opaque")

    def test_artifacts_with_equal_bytes_are_compared(self):
        judgement = judge(self.made("a"), self.made("a"))

        assert (judgement.compared, judgement.not_compared) == (2, ())

    def test_an_artifact_that_is_missing_is_a_difference(self):
        judgement = judge(self.made("a"), observed())

        assert judgement.verdict is Verdict.DIFFERENT


@pytest.mark.parametrize(
    ("field", "kind"), [("datasets", "dataset"), ("registered", "registered model")]
)
def test_a_logged_dataset_and_a_registered_model_are_outputs(field, kind):
    one = made(Outputs(metrics={}, **{field: {"mine": "1"}}))

    for other in (Outputs(metrics={}, **{field: {"mine": "2"}}), Outputs(metrics={})):
        judgement = judge(one, made(other))
        assert judgement.verdict is Verdict.DIFFERENT
        assert [(each.kind, each.name) for each in judgement.differences] == [(kind, "mine")]


class TestBasis:
    def test_names_the_lock_where_both_ran_as_locked(self):
        judgement = judge(made(Outputs(metrics={"a": 1.0, "b": 2.0})), made(Outputs(metrics={})))

        assert judgement.basis == "2 metrics, environment from lock"

    def test_counts_distributions_where_there_is_no_lock(self):
        one = made(Outputs(metrics={}, artifacts={"a": "1"}), environment={"lock_sha256": None})

        assert judge(one, one).basis == (
            "1 artifact by content, environment as recorded (2 distributions)"
        )

    def test_names_what_was_another_package_or_an_edited_one(self):
        one = made(Outputs(metrics={}), environment={"lock_sha256": None, "files": {"numpy": "1"}})
        other = made(
            Outputs(metrics={}),
            environment={
                "lock_sha256": None,
                "files": {"numpy": "2"},
                "packages": {"numpy": "2.4.6", "pandas": "3.0.1"},
            },
        )

        assert judge(one, other).basis == "another environment (numpy, pandas)"

    def test_names_an_edited_file_of_a_package_also_where_both_ran_as_locked(self):
        one = made(Outputs(metrics={"a": 1.0}))
        edited = {"altered": {"numpy/core.py": "1"}}

        judgement = judge(made(Outputs(metrics={"a": 2.0}), environment=edited), one)

        assert judgement.basis == "1 metric, another environment (numpy/core.py)"
        assert [str(cause) for cause in judgement.causes] == [
            "package: numpy/core.py (edited) was 1, is absent"
        ]
        assert judge(one, one).basis == "1 metric, environment from lock"

    def test_what_is_not_known_of_either_run_was_not_compared(self):
        one, other = observed(not_known=("x",), edited=("a.txt",)), observed(not_known=("x", "y"))

        assert judge(one, other).not_compared == (
            "files of the commit that were written while it ran (a.txt)",
            "x",
            "y",
        )
