"""Runs are named by what they are, wherever they are made, unless their user has named them."""

import sys
from dataclasses import asdict

import mlflow
import pytest
from pydantic import Field

from reprise import tracking
from reprise.data import splits
from reprise.errors import ParameterError
from reprise.process.task import StepTask
from reprise.record.project_run import ProjectRun
from reprise.runtime import launch
from reprise.runtime.parameters import Parameters
from steps import load_data, train_dt
from steps.parameters import LoadDataParameters, TrainDecisionTreeParameters

ORDERED = ProjectRun("tiny", {"size": "2"}, source="file:///project", backend="reprise")


class TinyParameters(Parameters):
    """Do something small."""

    entry_point = "tiny"
    locations = frozenset({"place"})

    size: int = Field(1, ge=0, description="a size")
    place: str = Field("here", description="a place")


class ClerkParameters(TinyParameters):
    """Count what others have made."""

    entry_point = "clerk"
    is_bookkeeping = True


@pytest.fixture
def done(store, tmp_path, monkeypatch):
    """Do a step in this process, and return its run."""
    monkeypatch.chdir(tmp_path)

    def done(*arguments, task=None, main=lambda *_: None, model=TinyParameters):
        monkeypatch.setattr(sys, "argv", ["tiny.py", *arguments])
        seen = []

        def keeping(parameters, run):
            seen.append(run.run_id)
            main(parameters, run)

        launch._record(model, keeping, arguments, task or StepTask())
        return store.run(seen[0])

    return done


def given(store, monkeypatch, name=None):
    """Make a run for this process, as `mlflow run` does."""
    run = store.client.create_run(store.experiment_id, run_name=name)
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    return run


def test_a_run_of_a_module_has_the_step_and_what_is_not_the_default(done):
    assert done("--size", "2", "--place", "there").info.run_name == "tiny size=2"


def test_an_ordered_run_has_too(done):
    task = StepTask(ordered=asdict(ORDERED))

    assert done("--size", "2", task=task).info.run_name == "tiny size=2"


def test_a_name_that_mlflow_has_made_up_is_replaced(done, store, monkeypatch):
    before = given(store, monkeypatch)

    run = done("--size", "2")

    assert tracking.is_made_up(before.info.run_name)
    assert (run.info.run_id, run.info.run_name) == (before.info.run_id, "tiny size=2")


@pytest.mark.parametrize("name", ["mine", "my-best-499", "orderly-conch", "Orderly-conch-1"])
def test_a_name_that_a_user_has_given_is_kept(done, store, monkeypatch, name):
    given(store, monkeypatch, name)

    run = done("--size", "2", main=lambda _, run: run.name_data("iris") or run.rename("x"))

    assert run.info.run_name == name


def test_the_name_of_an_order_is_kept(done):
    task = StepTask(ordered={**asdict(ORDERED), "name": "mine"})

    assert done(task=task, main=lambda _, run: run.name_data("iris")).info.run_name == "mine"


def test_the_name_of_the_data_is_added_when_it_is_known(done):
    assert done(main=lambda _, run: run.name_data("iris")).info.run_name == "tiny · iris"


def test_what_a_command_found_out_is_its_name_also_where_it_fails(done, store):
    def main(_, run):
        run.rename("train_dt 3f0f2f1c: different")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        done(main=main)

    (run,) = store.runs()
    assert run.info.run_name == "tiny train_dt 3f0f2f1c: different"


def test_child_runs_are_named_by_their_parents_data_and_by_what_varies(recording):
    with recording(TrainDecisionTreeParameters()) as run:
        run.name_data("churn.csv")
        child = TrainDecisionTreeParameters(max_depth=2)

        plan = run.plan_child(child, varying=frozenset({"cv", "data"}))

    assert plan.name == "train_dt max_depth=2 cv=5 · churn.csv"


def test_parameters_that_are_refused_are_in_no_name(done, store):
    with pytest.raises(ParameterError, match="size"):
        done("--size", "https://ada:t0ken@example.org")

    (run,) = store.runs()
    assert run.info.run_name == "tiny"


def test_the_runs_of_a_pipeline_are_named_by_the_source_of_their_data(recording, store):
    with recording(LoadDataParameters()) as loading:
        load_data.main(LoadDataParameters(), loading)
    parameters = TrainDecisionTreeParameters(data=f"runs:/{loading.run_id}", cv=0)
    with recording(parameters) as run:
        train_dt.main(parameters, run)

    assert splits.located(loading.run_id, "train").name == "iris"
    assert (loading.name.data, run.name.data) == ("iris", "iris")


def test_runs_about_other_runs_carry_a_tag_and_others_do_not(done):
    assert done(model=ClerkParameters).data.tags[tracking.BOOKKEEPING] == "clerk"
    assert tracking.BOOKKEEPING not in done().data.tags


def test_a_name_costs_no_request_of_its_own(done, monkeypatch):
    sent = []
    log_batch = mlflow.MlflowClient.log_batch
    monkeypatch.setattr(
        mlflow.MlflowClient,
        "log_batch",
        lambda *arguments, **named: sent.append(named) or log_batch(*arguments, **named),
    )

    done()
    unnamed = len(sent)
    sent.clear()
    done(main=lambda _, run: run.name_data("iris"))

    assert len(sent) == unnamed
