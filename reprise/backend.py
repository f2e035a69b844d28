"""`mlflow run … -b reprise`: a run of the past by its id, or a project at one of its commits.

A thin adapter between MLflow's interface for backends and the code that replays use. MLflow does
not wait for a backend of a plug-in, and takes its return for success: so `run` returns when the
step has ended, and raises the error that MLflow's command line turns into a line and exit code 1.
"""

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.exceptions import ExecutionException
from mlflow.projects import SubmittedRun
from mlflow.projects.backend.abstract_backend import AbstractBackend

from reprise import address, code, entry_points, projects, tracking
from reprise.address import Address
from reprise.console import warn
from reprise.errors import ParameterError, ProjectError, RepriseError, RunFailedError
from reprise.launcher import Ended, Launcher
from reprise.process.interrupts import interruptible
from reprise.urls import without_credentials

NAME = "reprise"
REPRODUCE = "reproduce"
_RUNS = "runs:/"
_MAIN = "main"
_ENVIRONMENT = "ENV_MANAGER"  # of MLflow's backend_config
_SCHEDULER = "scheduler"  # of a user's own
_ALLOW_BUILD = "allow_build"


class EndedRun(SubmittedRun):  # type: ignore[misc]
    """A run that has ended, and well: another raises."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    @property
    def run_id(self) -> str:
        """Return the run's id."""
        return self._run_id

    def wait(self) -> bool:
        """Return whether the run has succeeded."""
        return True

    def get_status(self) -> str:
        """Return the run's status."""
        return "FINISHED"

    def cancel(self) -> None:
        """Do nothing: it has ended."""


class Backend(AbstractBackend):  # type: ignore[misc]
    """MLflow's project backend `reprise`."""

    def run(
        self,
        project_uri: str,
        entry_point: str,
        params: Mapping[str, str] | None,
        version: str | None,
        backend_config: Mapping[str, Any],
        tracking_uri: str,  # noqa: ARG002 - the one that MLflow is set to
        experiment_id: str,
    ) -> EndedRun:
        """Run an entry point to its end.

        Raises
        ------
        ExecutionException
            In one line, if the step fails, or cannot be started.
        """
        try:
            with tracking.one_line_errors(), interruptible():
                raw = {name: str(value) for name, value in (params or {}).items()}
                order = ordered(project_uri, entry_point, raw, version)
                with address.opened(order.address) as folder:
                    return EndedRun(_run(order, folder, backend_config, experiment_id))
        except RepriseError as error:
            raise ExecutionException(str(error)) from None


@dataclass(frozen=True)
class Order:
    """What to run, and with which raw parameters."""

    address: Address
    entry_point: str
    parameters: Mapping[str, str]

    @property
    def replays(self) -> bool:
        """Whether it asks for a run of the past: then the environment at hand does for the step."""
        return self.entry_point == REPRODUCE


def ordered(
    uri: str, entry_point: str, parameters: Mapping[str, str], version: str | None
) -> Order:
    """Read a command line; `runs:/<id>` is the entry point `reproduce` of the present folder.

    Raises
    ------
    ParameterError, ProjectError
        If it contradicts itself, or holds a password that would be recorded.
    """
    for name, value in parameters.items():
        if without_credentials(value) != value:
            raise ParameterError(
                f"{name} must be without a user and a password, because it would be recorded; "
                "found a URL with them. Let git's credential helper or variables supply them."
            )
    if not uri.startswith(_RUNS):
        return Order(address.parse(uri, version), entry_point, parameters)
    if entry_point not in (_MAIN, REPRODUCE):
        raise ProjectError(
            f"expected a run's own entry point with {_RUNS}<id>, found -e {entry_point}. "
            "Leave -e out."
        )
    if version:
        raise ProjectError(
            f"expected a run's own commit with {_RUNS}<id>, found --version {version}. "
            "Leave --version out, or run today's code with -P code=current."
        )
    if "run_id" in parameters:
        raise ParameterError(
            f"run_id is in the URI {uri}; found it as a parameter too. Leave out -P run_id."
        )
    return Order(address.parse("."), REPRODUCE, {"run_id": uri, **parameters})


def _run(order: Order, folder: Path, configuration: Mapping[str, Any], experiment_id: str) -> str:
    """Make the run, and do its step in a folder that has the code; return the run's id."""
    with tempfile.TemporaryDirectory(prefix="reprise-") as downloads:
        command = entry_points.command(
            folder, order.entry_point, order.parameters, downloads=Path(downloads)
        )
        there = _SCHEDULER in configuration
        python = _interpreter(order, folder, configuration, there=there)
        run_id = tracking.create_project_run(
            experiment_id,
            tags=_tags(order, folder, python),
            raw_parameters=command.logged_parameters,
        )
        warn(f"=== Running {order.entry_point} in run with ID '{run_id}' ===")
        try:
            if there:
                from reprise.sweeps import single

                ended = single.make(run_id, command.words, folder, configuration)
            else:
                ended = _make(run_id, command.words, folder, python, experiment_id)
        except RepriseError as error:
            tracking.close(run_id, "FAILED", str(error))
            raise
        except BaseException:
            tracking.close(run_id, "KILLED", "interrupted")
            raise
    _close(run_id, ended)
    return run_id


def _make(
    run_id: str, words: Sequence[str], folder: Path, python: Path, experiment_id: str
) -> Ended:
    """Do the step of a run on this machine, showing what it prints."""
    variables = {
        **os.environ,
        **tracking.environment(experiment_id),
        "MLFLOW_RUN_ID": run_id,
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    with Launcher(python, (), variables, shown=True) as launcher:
        return launcher.run(words, folder=folder, environment=variables)


def _interpreter(
    order: Order, folder: Path, configuration: Mapping[str, Any], *, there: bool
) -> Path:
    """Return the Python to run with: of the lock, unless the environment at hand was asked for."""
    manager = "local" if there else configuration.get(_ENVIRONMENT)
    if manager not in (None, "uv", "local"):
        raise ProjectError(
            f"expected --env-manager uv or local, found {manager}: this backend builds "
            "environments with uv. Leave --env-manager out."
        )
    if manager == "local" or order.replays:
        return Path(sys.executable)
    allowed = str(configuration.get(_ALLOW_BUILD, "")).split(",")
    return projects.locked_interpreter(folder, allow_build=tuple(filter(None, allowed)))


def _tags(order: Order, folder: Path, python: Path) -> dict[str, str]:
    """Return the tags of a run before it starts; its step completes and corrects them."""
    source = code.describe(folder)
    tags = {
        tracking.SOURCE_NAME: order.address.shown,
        tracking.ENTRY_POINT: order.entry_point,
        tracking.BACKEND: NAME,
        tracking.PROJECT_FOLDER: source.project,
        tracking.GIT_COMMIT: source.commit,
        tracking.GIT_REPOSITORY: source.repository,
        tracking.PROJECT_ENVIRONMENT: None if python == Path(sys.executable) else "uv",
    }
    return {name: value for name, value in tags.items() if value is not None}


def _close(run_id: str, ended: Ended) -> None:
    """End a run that its step has not ended itself, and say why it failed."""
    if ended.exit_code == 0:
        tracking.close(run_id, "FINISHED", "")
        return
    how = (
        f"its process was ended by signal {-ended.exit_code}"
        if ended.exit_code < 0
        else f"its command ended with exit code {ended.exit_code}"
    )
    tracking.close(run_id, "FAILED", how)
    reason = tracking.get_run(run_id).data.tags.get(tracking.ERROR, how)
    raise RunFailedError(f"run {run_id} failed: {reason}")
