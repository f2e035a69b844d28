"""A real tracking store for each test, and runs recorded in it without a process for each."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import distribution
import drills
import memory
import pytest
from forking import new_warm_process
from hypothesis import settings
from stores import copy_store, open_stores_quickly

if TYPE_CHECKING:
    from mlflow import MlflowClient

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# The same examples each time; `--hypothesis-profile exploring` looks for others.
settings.register_profile("exploring", deadline=None)
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


def pytest_addoption(parser):
    drills.add_option(parser)


@pytest.hookimpl(tryfirst=True)  # before anything asks for a temporary folder
def pytest_configure(config):
    memory.use(config)


def pytest_make_parametrize_id(val):
    """Name content that is packed by its size: it holds the time, and workers must agree."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and not val.isascii() else None


@pytest.hookimpl(tryfirst=True)  # pytest-xdist's own reads the groups
def pytest_collection_modifyitems(config, items):
    drills.deselect(config, items)
    distribution.distribute(items)
    distribution.name_groups(config, items)


@dataclass(frozen=True)
class Store:
    """A SQLite store with one experiment, whose artifacts are in a folder."""

    client: "MlflowClient"
    uri: str
    experiment_id: str
    folder: Path

    def make_run(self, *, status="FINISHED", params=None, metrics=None, tags=None, start_time=None):
        """Make a run as another process would have left it, and return its id."""
        from reprise import tracking

        run = self.client.create_run(self.experiment_id, start_time=start_time, tags=tags)
        run_id = run.info.run_id
        tracking.log(run_id, params=params, metrics=metrics)
        if status != "RUNNING":
            self.client.set_terminated(run_id, status)
        return run_id

    def run(self, run_id):
        return self.client.get_run(run_id)

    def status(self, run_id):
        return self.run(run_id).info.status

    def tags(self, run_id):
        return self.run(run_id).data.tags

    def metrics(self, run_id):
        return self.run(run_id).data.metrics

    def runs(self):
        return list(self.client.search_runs([self.experiment_id]))

    def artifacts(self, run_id):
        """Folder in which a run's artifacts are."""
        return self.folder / run_id / "artifacts"

    def files(self, run_id):
        """Names of a run's artifacts, those in folders too."""
        folder = self.artifacts(run_id)
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.fixture(scope="session")
def warm_process():
    """One warm process for all commands of a worker; it starts with the first."""
    warm = new_warm_process()
    yield warm
    warm.close()


@pytest.fixture
def warm_processes(warm_process):
    """Let what the test starts with this Python be forks of the warm process."""
    with warm_process.starting_processes():
        yield


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """An empty store: migrating one takes seconds, copying its file does not."""
    from mlflow import MlflowClient

    open_stores_quickly()
    path = tmp_path_factory.mktemp("store") / "empty.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(migrated, tmp_path, monkeypatch):
    """A store of the test's own, which this process and those it starts log to."""
    import mlflow

    uri = copy_store(migrated, tmp_path)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("REPRISE_SPOOL", str(tmp_path / "spool"))
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    folder = tmp_path / "artifacts"
    experiment_id = client.create_experiment("tests", artifact_location=str(folder))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment_id)
    yield Store(client, uri, experiment_id, folder)
    mlflow.set_tracking_uri(uri)
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="session")
def record_of():
    """Make the record that a step begins with, in a clean tree and a locked environment."""
    from reprise.capture import numerics
    from reprise.record.schema import Code, Environment, Numerics, RunRecord, Step

    measured = Numerics.model_validate(numerics.describe())

    def record_of(parameters, **changes):
        fields = {
            "code": Code(
                repository="https://example.org/project.git",
                project="",
                commit="c" * 40,
                tree="d" * 40,
                base_commit="c" * 40,
                dirty=False,
            ),
            "step": Step(
                entry_point=parameters.entry_point,
                raw_parameters=parameters.raw(),
                parameters=parameters.typed(),
            ),
            "environment": Environment(
                python="3.11.7",
                implementation="CPython",
                manager="uv",
                platform="Linux",
                lock_sha256="e" * 64,
                deviations=(),
                packages={"numpy": "2.4.6"},
            ),
            "numerics": measured,
        }
        return RunRecord(**{**fields, **changes})

    return record_of


@pytest.fixture
def recording(store, record_of):
    """Record a run as a step's process does, in this one."""
    import mlflow

    from reprise import tracking
    from reprise.runtime import recorder

    @contextlib.contextmanager
    def recording(parameters, **changes):
        run = mlflow.start_run(nested=True)  # one may read below another that has stored
        with recorder.finalizing_run(run):
            recorded = recorder.RunRecorder(
                run,
                record_of(parameters, **changes),
                parameters=parameters,
                tags={tracking.ENTRY_POINT: parameters.entry_point},
            )
            with recorded.recorded():
                yield recorded

    return recording
