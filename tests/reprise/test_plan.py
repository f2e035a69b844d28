"""Planned runs come back in the order of the plan, and none is left open."""

import pytest

from reprise import plan, tracking
from reprise.executor import Result
from steps.parameters import LoadDataParameters, TrainDecisionTreeParameters

PLANNED = [TrainDecisionTreeParameters(max_depth=depth) for depth in (1, 2, 3)]


class FakeExecutor:
    """Ends tasks last to first, with the exit code and the output that a plan's position has."""

    def __init__(self, endings, *, stop_after=None, on_task=lambda _: None):
        self.endings, self.stop_after, self.on_task = endings, stop_after, on_task
        self.tasks, self.environment = [], {}

    def run(self, tasks, environment):
        self.tasks, self.environment = tasks, environment
        for ended, (task, ending) in enumerate(
            reversed(list(zip(tasks, self.endings, strict=True)))
        ):
            if ended == self.stop_after:
                raise KeyboardInterrupt
            self.on_task(task)
            yield Result(task, *ending)


@pytest.fixture
def parent(recording):
    with recording(LoadDataParameters()) as run:
        yield run


def finish(store):
    return lambda task: store.client.set_terminated(task.run_id)


def test_each_is_a_task_of_its_own_run_below_the_parent(store, parent):
    executor = FakeExecutor([(0, 1.0, "")] * 3, on_task=finish(store))

    outcomes = plan.run_all(parent, executor, PLANNED)

    assert [task.module for task in executor.tasks] == ["steps.train_dt"] * 3
    assert [task.raw_parameters for task in executor.tasks] == [p.raw() for p in PLANNED]
    assert executor.environment == {
        "MLFLOW_TRACKING_URI": store.uri,
        "MLFLOW_EXPERIMENT_ID": store.experiment_id,
        "REPRISE_CODE": parent.record.code.model_dump_json(),
    }
    assert {o.run.data.tags["mlflow.parentRunId"] for o in outcomes} == {parent.run_id}


def test_outcomes_are_in_the_order_of_the_plan_whichever_ends_first(store, parent):
    seen = []
    executor = FakeExecutor([(0, float(i), "") for i in range(3)], on_task=finish(store))

    outcomes = plan.run_all(parent, executor, PLANNED, on_end=seen.append)

    assert [outcome.parameters for outcome in outcomes] == PLANNED
    assert [outcome.seconds for outcome in outcomes] == [0.0, 1.0, 2.0]
    assert [outcome.error for outcome in outcomes] == ["", "", ""]
    assert [outcome.run.info.status for outcome in outcomes] == ["FINISHED"] * 3
    assert seen == outcomes[::-1]


def test_a_process_that_died_leaves_a_failed_run_with_its_last_words(store, parent):
    executor = FakeExecutor([(-9, 1.0, "working\nout of memory\n"), (-9, 1.0, ""), (1, 1.0, "no")])

    first, second, third = plan.run_all(parent, executor, PLANNED)

    assert (first.error, second.error, third.error) == (
        "working\nout of memory",
        "exit code -9",
        "no",
    )
    for outcome in (first, second, third):
        assert store.status(outcome.run.info.run_id) == "FAILED"
        assert store.tags(outcome.run.info.run_id)["reprise.error"] == outcome.error


def test_an_error_that_the_run_has_noted_itself_is_the_one_told(store, parent):
    def fail(task):
        tracking.close(task.run_id, "FAILED", "expected rows, found none")

    executor = FakeExecutor([(1, 1.0, "train_dt: expected rows\n")], on_task=fail)

    (outcome,) = plan.run_all(parent, executor, PLANNED[:1])

    assert outcome.error == "expected rows, found none"
    assert outcome.run.info.status == "FAILED"


def test_an_interruption_leaves_no_run_open(store, parent):
    executor = FakeExecutor([(0, 1.0, "")] * 3, stop_after=1, on_task=finish(store))

    with pytest.raises(KeyboardInterrupt):
        plan.run_all(parent, executor, PLANNED)

    statuses = [store.status(task.run_id) for task in executor.tasks]
    assert statuses == ["KILLED", "KILLED", "FINISHED"]


def test_an_outcome_is_refreshed_with_what_was_logged_later(store, parent):
    executor = FakeExecutor([(0, 1.0, "")], on_task=finish(store))
    (outcome,) = plan.run_all(parent, executor, PLANNED[:1])
    tracking.log(outcome.run.info.run_id, metrics={"test_accuracy": 0.5})

    found = plan.refreshed(outcome)

    assert outcome.run.data.metrics == {}
    assert found.run.data.metrics == {"test_accuracy": 0.5}
    assert found.parameters == outcome.parameters
