"""The results of a script are kept as those of a step, and its run is closed by any signal."""

import os
import signal

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from reprise import tracking
from reprise.commands import sync
from reprise.errors import SpoolError
from reprise.process.interrupts import Terminated
from reprise.scripts import experiment as experiment_module
from reprise.scripts import script
from reprise.tracking import spool, writes

CONFIG = {"experiment_name": "tests", "use_git_version": False}
UNAVAILABLE = MlflowException("503", error_code=14)  # TEMPORARILY_UNAVAILABLE
STAGES = {
    "the run is made": (mlflow.MlflowClient, "create_run", 1),
    "its first record": (writes.Files, "send", 1),
    "its parameters": (writes.Batch, "send", 1),
    "its metrics": (writes.Batch, "send", 2),
    "what others have logged": (tracking, "get_run", 1),
    "its last record": (writes.Files, "send", 3),
    "its end": (writes.End, "send", 1),
}


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRISE_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("REPRISE_PATIENCE", "0")
    script.current.cache_clear()
    yield
    script.current.cache_clear()


@pytest.fixture
def experiment(store):
    experiment = experiment_module.Experiment(CONFIG)
    experiment._exit_handler._interactive = False  # as in a script's process
    return experiment


def work(experiment):
    experiment.create_run("work")
    experiment.log_params({"depth": 3})
    experiment.log_metrics({"loss": [0.5, 0.25]})
    experiment.terminate_run()


def disturb(patch, stage, action, *, from_then_on):
    """Do something before one call of a function, or before it and all later ones."""
    owner, name, nth = stage
    original, calls = getattr(owner, name), []

    def call(*args, **kwargs):
        calls.append(1)
        if len(calls) == nth or (from_then_on and len(calls) > nth):
            action()
        return original(*args, **kwargs)

    patch.setattr(owner, name, call)


def refuse():
    raise UNAVAILABLE


@pytest.mark.parametrize("name", list(STAGES)[1:])
def test_results_are_kept_when_the_server_goes_away_and_the_script_goes_on(
    store, experiment, monkeypatch, capsys, name
):
    with monkeypatch.context() as patch:
        disturb(patch, STAGES[name], refuse, from_then_on=True)
        work(experiment)
    printed = capsys.readouterr().err

    (run,) = store.runs()
    assert run.info.status == "RUNNING"
    begun, kept = printed.splitlines()
    assert run.info.run_id in begun
    assert run.info.run_id in kept
    assert printed.rstrip().endswith("reprise sync")
    sync.start()
    run = store.run(run.info.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"depth": "3"}
    points = store.client.get_metric_history(run.info.run_id, "loss")
    assert [point.value for point in points] == [0.5, 0.25]
    outputs = tracking.read_record(run.info.run_id).outputs
    assert outputs.metrics == {"loss": 0.25}
    assert spool.kept_runs() == []


def test_the_next_run_of_the_script_delivers_what_the_last_one_kept(store, experiment, monkeypatch):
    with monkeypatch.context() as patch:
        disturb(patch, STAGES["its metrics"], refuse, from_then_on=True)
        work(experiment)

    work(experiment)

    assert [run.info.status for run in store.runs()] == ["FINISHED", "FINISHED"]
    assert spool.kept_runs() == []


@pytest.mark.parametrize("name", STAGES)
def test_a_script_that_is_asked_to_stop_closes_its_run_as_killed(
    store, experiment, monkeypatch, name
):
    stop = signal.SIGHUP if name == "its metrics" else signal.SIGTERM
    before = signal.getsignal(stop)

    with monkeypatch.context() as patch:
        disturb(patch, STAGES[name], lambda: os.kill(os.getpid(), stop), from_then_on=False)
        with pytest.raises(Terminated):
            work(experiment)
    experiment._exit_handler._at_exit()  # as the process ends

    (run,) = store.runs()
    assert run.info.status == "KILLED"
    assert run.data.tags[tracking.ERROR] == "interrupted"
    if name != "the run is made":
        assert tracking.read_record(run.info.run_id).numerics
    assert spool.kept_runs() == []
    assert signal.getsignal(stop) is before


def test_a_spool_that_cannot_be_written_is_refused_before_there_is_a_run(
    store, experiment, monkeypatch, tmp_path
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("REPRISE_SPOOL", str(tmp_path / "file" / "spool"))

    with pytest.raises(SpoolError, match="cannot be written"):
        experiment.create_run()

    assert store.runs() == []
