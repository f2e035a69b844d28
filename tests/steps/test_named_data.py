"""`data` names a source, or a load as runs are named; what a replay reads does not change."""

import pytest

from reprise import tracking
from reprise.data import splits
from reprise.runtime import named_runs
from steps import sweep
from steps.parameters import (
    EvaluateParameters,
    SweepParameters,
    TrainDecisionTreeParameters,
    TrainingParameters,
)

ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def loaded(store, monkeypatch):
    """A run that has loaded data; its id."""
    monkeypatch.setattr(
        splits, "located", lambda run_id, _: splits.Located(run_id, "d" * 64, "iris")
    )
    return store.make_run(tags={tracking.ENTRY_POINT: "load_data"})


def settled(model, **raw):
    return named_runs.settled(model, raw)


@pytest.mark.parametrize("data", ["iris", "wine", "https://h/x.csv", "s3://b/k", "no.csv", "irsi"])
def test_a_source_stays_a_source(store, data):
    assert settled(TrainDecisionTreeParameters, data=data) == {"data": data}


def test_a_load_is_named_as_runs_are(store, loaded):
    store.make_run(tags={tracking.ENTRY_POINT: "train_dt"})

    for name in ("latest", "latest:load_data", loaded[:6], f"runs:/{loaded[:8]}"):
        assert settled(TrainDecisionTreeParameters, data=name) == {"data": loaded}


def test_a_file_comes_before_a_run_of_its_name(store, loaded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / loaded[:8]).write_text("x,y\n1,2\n")

    assert settled(TrainDecisionTreeParameters, data=loaded[:8]) == {"data": loaded[:8]}


@pytest.mark.parametrize("data", ["x" * 5000, "a\0b", "~nobody/x"])
def test_what_is_no_path_is_left_to_the_step(store, data):
    assert TrainingParameters.model_construct(data=data).named_runs() is not None


def test_the_run_to_judge_is_one_of_a_training(store):
    trained = store.make_run(tags={tracking.ENTRY_POINT: "train_dt"}, start_time=1)
    store.make_run(tags={tracking.ENTRY_POINT: "evaluate"}, start_time=2)

    assert settled(EvaluateParameters, run_id="latest") == {"run_id": trained}
    assert settled(EvaluateParameters, run_id="") == {"run_id": ""}


def test_the_data_of_a_grid_file_is_on_the_record_by_its_full_id(recording, loaded):
    with recording(SweepParameters()) as run:
        found = sweep.named("latest", run)

    (data,) = run.record.inputs
    assert found == loaded
    assert data.uri == f"runs:/{loaded}"


def test_the_replay_of_a_sweep_reads_what_the_original_run_has_found(recording, loaded, store):
    with recording(SweepParameters()) as run:
        sweep.named("latest", run)
    store.make_run(tags={tracking.ENTRY_POINT: "load_data"})
    with recording(SweepParameters()) as replay:
        replay._original = run.record

        assert sweep.named("latest", replay) == loaded


@pytest.mark.parametrize("data", ["iris", ID, f"runs:/{ID}"])
def test_a_source_and_a_full_id_are_taken_as_they_are(recording, data):
    with recording(SweepParameters()) as run:
        assert sweep.named(data, run) == data

    assert run.record.inputs == ()
