"""Lets a step of this engine make its own run, in the process that the command starts for it.

The command then needs no MLflow, and the step's imports begin at once. A step that refuses what
it is given does so before there is a run.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from reprise import settings
from reprise.errors import NotBegunError
from reprise.launcher import Ended, Launcher
from reprise.mlproject import Command
from reprise.outcome import REPORT
from reprise.project_run import ORDERED, ProjectRun

_COULD_NOT_BEGIN = 2  # exit code
_ANYWHERE = ("http://", "https://", "sqlite:////")  # stores that mean the same in any folder


def is_possible(folder: Path, command: Command, python: Path) -> bool:
    """Return whether a command starts a step that makes its run itself, where this one would."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    same_store = folder == Path.cwd() or uri.startswith(_ANYWHERE)
    same_engine = python == Path(sys.executable)
    return same_store and same_engine and settings.of(folder).is_step(command.words)


def run_step(planned: ProjectRun, command: Command, folder: Path) -> tuple[str, Ended]:
    """Run a step to its end, in this environment, showing what it prints.

    Parameters
    ----------
    planned : ProjectRun
        The run that it makes.
    command : Command
    folder : Path
        The project's.

    Returns
    -------
    str, Ended
        The run's id, and how the step ended.

    Raises
    ------
    NotBegunError
        If the step refuses what it is given.
    """
    with tempfile.TemporaryDirectory(prefix="reprise-") as name:
        report = Path(name, "report.json")
        variables = {**os.environ, ORDERED: planned.to_json(), REPORT: str(report)}
        variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        try:
            with Launcher(Path(sys.executable), (), variables, shown=True) as launcher:
                ended = launcher.run(command.words, folder=folder, environment=variables)
        except BaseException:
            _end(_reported(report), "KILLED", "interrupted")
            raise
        run_id = _reported(report).get("run_id")
    if run_id is None and ended.exit_code == _COULD_NOT_BEGIN:
        raise NotBegunError("")
    return run_id or _made(planned), ended


def _reported(path: Path) -> dict[str, Any]:
    return json.loads(path.read_bytes()) if path.is_file() else {}


def _end(reported: dict[str, Any], status: str, error: str) -> None:
    """End the run of a step that is gone, if it made one and has not ended it itself."""
    if "run_id" in reported:
        from reprise import tracking

        tracking.close(reported["run_id"], status, error)


def _made(planned: ProjectRun) -> str:
    """Make the run of a step that was gone before it could: it shows that it failed."""
    from reprise import tracking

    return tracking.create_project_run(tracking.current_experiment_id(), planned)
