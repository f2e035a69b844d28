"""Steps take a run by any of its names, record its full id, and log where they are told."""

import gc
import sys
from typing import ClassVar

import pytest
from pydantic import Field

from reprise import tracking
from reprise.errors import ParameterError, TrackingError
from reprise.record.reference import NamedRun
from reprise.runtime import experiments, named_runs
from reprise.runtime.fields import ExperimentName, OptionalRunId, RunId
from reprise.runtime.launch import launch
from reprise.runtime.parameters import Parameters

NOBODY = "0" * 32
MLPROJECT = "name: churn\nentry_points: {look: {command: python -m steps.look}}\n"


class LookParameters(Parameters):
    """Look at a run."""

    entry_point: ClassVar[str] = "look"

    run_id: RunId = Field(description="a run")
    other: OptionalRunId = Field(None, description="another run")
    size: int = Field(1, description="a size")
    data: str = Field("iris", description="a load, or a source")
    experiment: ExperimentName = None

    def named_runs(self):
        named = super().named_runs()
        if self.data == "iris":
            return named
        return {**named, "data": NamedRun(self.data, steps=("load",), may_be_other=True)}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with steps of this engine, in the current folder, whose experiment nobody named."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "MLproject").write_text(MLPROJECT)
    (folder / "pyproject.toml").write_text('[tool.reprise]\nsteps = "steps"\n')
    monkeypatch.chdir(folder)
    thresholds = gc.get_threshold()
    yield folder
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.fixture
def chosen_by_nobody(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "")  # that the test's end restores what it was
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)


@pytest.fixture
def launched(project, monkeypatch):
    """Launch a step in this process; return its exit code."""
    monkeypatch.setenv("MLFLOW_RUN_ID", "")
    monkeypatch.delenv("MLFLOW_RUN_ID")

    def launched(*words, main=lambda *_: None):
        monkeypatch.setattr(sys, "argv", ["look.py", *words])
        with pytest.raises(SystemExit) as ended:
            launch(LookParameters, main)
        return ended.value.code

    return launched


def runs_of(store, experiment):
    found = store.client.get_experiment_by_name(experiment)
    return store.client.search_runs([found.experiment_id]) if found else []


# Full ids


def test_runs_are_named_by_their_full_ids_wherever_a_parameter_names_one(store):
    train = store.make_run(tags={tracking.ENTRY_POINT: "train"})
    load = store.make_run(tags={tracking.ENTRY_POINT: "load"})
    raw = {"run_id": train[:7], "other": "latest:train", "data": "latest", "size": "3"}

    settled = named_runs.settled(LookParameters, raw)

    assert settled == {"run_id": train, "other": train, "data": load, "size": "3"}


@pytest.mark.parametrize("run_id", [NOBODY, f"runs:/{NOBODY}"])
def test_a_full_id_stays_as_it_is_and_nobody_is_asked(run_id):
    raw = {"run_id": run_id, "other": ""}

    assert named_runs.settled(LookParameters, raw, places=None) == raw


def test_a_source_stays_a_source(store):
    raw = {"run_id": NOBODY, "data": "data/churn.csv"}

    assert named_runs.settled(LookParameters, raw) == raw


def test_a_run_that_does_not_exist_is_refused_with_its_parameter(store):
    with pytest.raises(TrackingError, match=r"^other: expected a run"):
        named_runs.settled(LookParameters, {"run_id": NOBODY, "other": "nobody"})


def test_what_can_name_no_run_is_refused_with_what_can():
    with pytest.raises(ParameterError, match="run_id must be a run: its id"):
        named_runs.settled(LookParameters, {"run_id": "best:"})


def test_a_password_in_the_place_of_a_run_is_not_shown():
    with pytest.raises(ParameterError) as caught:
        LookParameters.parse({"run_id": "https://me:s3cret@host/p"})

    assert "s3cret" not in str(caught.value)


def test_the_full_id_is_logged_and_on_the_record(store, launched):
    seen = store.make_run()

    code = launched("--run_id", "latest", "--other", seen[:6])

    run = store.runs()[0]
    step = tracking.read_record(run.info.run_id).step
    assert code == 0
    assert (run.data.params["run_id"], run.data.params["other"]) == (seen, seen)
    assert (step.raw_parameters["run_id"], step.parameters["other"]) == (seen, seen)


def test_the_record_of_a_run_that_is_there_has_the_full_id(store, launched, monkeypatch):
    seen = store.make_run()
    given = store.make_run(status="RUNNING", params={"run_id": "latest"})
    monkeypatch.setenv("MLFLOW_RUN_ID", given)

    assert launched("--run_id", "latest") == 0

    assert tracking.read_record(given).step.raw_parameters == {"run_id": seen}
    assert store.run(given).data.params["run_id"] == "latest"


@pytest.mark.parametrize("text", ["nobody", "latest", "abcdef"])
def test_a_name_of_no_run_leaves_no_run(store, launched, capsys, text):
    code = launched("--run_id", text)

    assert code == 2
    assert capsys.readouterr().err.startswith("look: run_id: expected a run")
    assert store.runs() == []


def test_a_replay_takes_nothing_for_a_name(store, launched, monkeypatch):
    store.make_run(tags={"mlflow.runName": "churn.csv", tracking.ENTRY_POINT: "load"})
    original = store.make_run()
    given = store.make_run(status="RUNNING", tags={tracking.REPLAY_OF: original})
    monkeypatch.setenv("MLFLOW_RUN_ID", given)
    seen = []

    launched("--run_id", NOBODY, "--data", "churn.csv", main=lambda p, _: seen.append(p.data))

    assert seen == ["churn.csv"]


def test_a_file_on_a_record_that_is_gone_is_no_runs_name(store):
    run = store.client.create_run(store.experiment_id, run_name="churn.csv")
    store.client.set_terminated(run.info.run_id)
    raw = {"run_id": NOBODY, "data": "churn.csv"}

    assert named_runs.settled(LookParameters, raw)["data"] == run.info.run_id
    assert named_runs.settled(LookParameters, raw, is_recorded=True) == raw


# Experiments


@pytest.mark.usefixtures("chosen_by_nobody")
def test_a_run_is_in_the_experiment_of_the_projects_name(store, launched):
    assert launched("--run_id", NOBODY) == 0

    assert len(runs_of(store, "churn")) == 1
    assert runs_of(store, "Default") == []


@pytest.mark.usefixtures("chosen_by_nobody")
def test_a_run_is_in_the_experiment_that_its_parameter_names(store, launched):
    assert launched("--run_id", NOBODY, "--experiment", "spring") == 0

    (run,) = runs_of(store, "spring")
    assert run.data.params["experiment"] == "spring"


def test_what_mlflow_is_told_counts_for_more_than_the_projects_name(store, launched):
    assert launched("--run_id", NOBODY) == 0

    assert len(store.runs()) == 1
    assert runs_of(store, "churn") == []


@pytest.mark.usefixtures("chosen_by_nobody")
def test_a_project_without_steps_of_this_engine_logs_where_mlflow_does(store, project, launched):
    (project / "pyproject.toml").unlink()

    assert launched("--run_id", NOBODY) == 0

    assert len(runs_of(store, "Default")) == 1


@pytest.mark.usefixtures("chosen_by_nobody")
def test_a_typo_makes_no_experiment(store, launched):
    assert launched("--run_id", "nobody", "--experiment", "spring") == 2

    assert store.client.get_experiment_by_name("spring") is None


def test_the_run_of_mlflow_run_stays_where_it_is(store, launched, monkeypatch):
    given = store.make_run(status="RUNNING")
    monkeypatch.setenv("MLFLOW_RUN_ID", given)

    assert launched("--run_id", NOBODY) == 0

    assert store.status(given) == "FINISHED"
    assert [run.info.run_id for run in store.runs()] == [given]


def test_the_run_of_mlflow_run_goes_to_the_experiment_that_its_parameter_names(
    store, launched, monkeypatch
):
    given = store.make_run(status="RUNNING", params={"run_id": NOBODY}, tags={"mine": "yes"})
    store.client.update_run(given, name="by hand")
    monkeypatch.setenv("MLFLOW_RUN_ID", given)

    assert launched("--run_id", NOBODY, "--experiment", "spring") == 0

    (run,) = runs_of(store, "spring")
    assert run.info.status == "FINISHED"
    assert run.data.params["run_id"] == NOBODY
    assert run.data.tags["mine"] == "yes"
    assert run.info.run_name == "by hand"
    assert store.runs() == []
    assert store.status(given) == "FINISHED"  # or `mlflow run` would end it


@pytest.mark.parametrize("tag", [tracking.REPLAY_OF, tracking.TWEAK_OF, tracking.PARENT])
def test_a_replay_stays_where_it_is_whatever_the_original_run_named(
    store, launched, monkeypatch, tag
):
    given = store.make_run(status="RUNNING", tags={tag: store.make_run()})
    monkeypatch.setenv("MLFLOW_RUN_ID", given)

    assert launched("--run_id", NOBODY, "--experiment", "spring") == 0

    assert runs_of(store, "spring") == []
    assert given in {run.info.run_id for run in store.runs()}


@pytest.mark.usefixtures("chosen_by_nobody")
def test_runs_are_looked_for_where_they_would_be_made(store, project):
    assert experiments.looked_in() == "0"  # the project has no run yet

    experiments.choose(None)

    assert experiments.looked_in() == store.client.get_experiment_by_name("churn").experiment_id
    assert experiments.looked_in("tests") == store.experiment_id
    with pytest.raises(TrackingError, match="Did you mean 'tests'"):
        experiments.looked_in("test")


@pytest.mark.usefixtures("chosen_by_nobody")
def test_a_run_of_mlflow_run_looks_in_the_projects_experiment_too(store, project):
    churn = store.client.create_experiment("churn")

    assert experiments.places("0") == ["0", churn]
    assert experiments.places(store.experiment_id) == [store.experiment_id]


def test_the_experiment_changes_no_key_of_a_run():
    here, there = (LookParameters(run_id=NOBODY, experiment=name) for name in ("a", None))

    assert here.values() == there.values()
