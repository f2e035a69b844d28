"""`mlflow run … -b reprise`: an original run by its id, or a project at one of its commits.

A thin adapter between MLflow's interface for backends and the command `reprise run`. MLflow does
not wait for a backend of a plug-in, and takes its return for success: so `run` returns when the
step has ended, and raises the error that MLflow's command line turns into a line and exit code 1.
"""

from collections.abc import Mapping
from typing import Any

from mlflow.exceptions import ExecutionException
from mlflow.projects import SubmittedRun
from mlflow.projects.backend.abstract_backend import AbstractBackend

from reprise import extras, tracking
from reprise.commands.run import How, ordered, run
from reprise.errors import RepriseError
from reprise.process.interrupts import interruptible

NAME = "reprise"
_ENVIRONMENT = "ENV_MANAGER"  # of MLflow's backend_config


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
        how = How(
            backend=NAME,
            manager=backend_config.get(_ENVIRONMENT),
            experiment_id=experiment_id,
            configuration=backend_config,
        )
        try:
            with tracking.translating_errors(), interruptible(), extras.explaining_missing():
                raw = {name: str(value) for name, value in (params or {}).items()}
                return EndedRun(run(ordered(project_uri, entry_point, raw, version), how))
        except RepriseError as error:
            raise ExecutionException(str(error)) from None
