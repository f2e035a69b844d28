"""Lets a step of this engine make its own run, in the process that the command starts for it.

The command then needs no MLflow, and the step's imports begin at once. A step that refuses what
it is given does so before there is a run.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reprise import env
from reprise.capture import numerics
from reprise.capture.ahead import awaited, captured
from reprise.errors import NotBegunError, ParameterError, RunFailedError, UndeliveredError
from reprise.process import scratch
from reprise.process.launcher import Ended, Launcher, programs
from reprise.process.task import StepTask, is_understood_in
from reprise.projects import settings
from reprise.projects.mlproject import Command
from reprise.record.project_run import ProjectRun

_COULD_NOT_BEGIN = 2  # exit code
_ANYWHERE = ("http://", "https://", "sqlite:////")  # stores that mean the same in any folder


def is_possible(folder: Path, command: Command, python: Path) -> bool:
    """Return whether a command starts a step that makes its run itself, where this one would."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    same_store = folder == Path.cwd() or uri.startswith(_ANYWHERE)
    same_python = python == Path(sys.executable)
    is_step = same_python and settings.of(folder).is_step(command.words)
    return same_store and is_step and is_understood_in(folder)


def run_step(planned: ProjectRun, command: Command, folder: Path) -> str:
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
    str
        The run's id.

    Raises
    ------
    NotBegunError
        If the step refuses what it is given.
    RunFailedError
        If it fails.
    """
    with scratch.folder() as name:
        report = Path(name, "report.json")
        task = StepTask(ordered=asdict(planned), report=str(report), captured=name)
        try:
            ended = _ended(command.words, folder, Path(name), task)
        except BaseException:
            _close(_reported(report), "KILLED", "interrupted")
            raise
        run_id = _reported(report).get("run_id")
    if run_id is None and ended.exit_code == _COULD_NOT_BEGIN:
        raise NotBegunError("")
    if run_id is None or ended.exit_code != 0:  # else the step has ended its run itself
        run_id = run_id or _made(planned)
        conclude(run_id, ended, is_shown=True)
    return str(run_id)


def _ended(words: Sequence[str], folder: Path, shared: Path, task: StepTask) -> Ended:
    """Run a step to its end, and capture its source as it starts, where it is one to carry."""
    python = Path(sys.executable)
    variables = {**numerics.baseline(), "PATH": programs(python), env.TASK: task.to_json()}
    with awaited(shared) as pipe, Launcher(python, (), variables, shown=True) as launcher:
        launcher.begin(words, folder=folder, environment=variables)
        with captured(folder, shared, pipe, allow_untracked=_allowed(words)):
            return launcher.ended()


def _allowed(words: Sequence[str]) -> list[str] | None:
    """Return the untracked files that a step may carry; None: it is not said."""
    from reprise.capture import untracked
    from reprise.record.schema import ALLOW_UNTRACKED
    from reprise.runtime.parameters import parse_argv

    try:
        value = parse_argv(words[3:]).get(ALLOW_UNTRACKED)
    except ParameterError:  # the step will say so
        return None
    return None if value is None else untracked.names(value)


def _reported(path: Path) -> dict[str, Any]:
    return json.loads(path.read_bytes()) if path.is_file() else {}


def _close(reported: dict[str, Any], status: str, error: str) -> None:
    """End the run of a step that is gone, if it made one and has not ended it itself."""
    if "run_id" in reported:
        from reprise import tracking

        tracking.close(reported["run_id"], status, error)


def _made(planned: ProjectRun) -> str:
    """Make the run of a step that was gone before it could: it shows that it failed."""
    from reprise import tracking
    from reprise.runtime import experiments

    experiment_id = experiments.ensured(None) or tracking.current_experiment_id()
    return tracking.create_project_run(experiment_id, planned)


def _refuse_undelivered(run_id: str, ended: Ended) -> None:
    """Leave a run alone whose end its step keeps on this machine: the server does not answer."""
    if ended.exit_code != UndeliveredError.exit_code:
        return
    from reprise import tracking

    if any(kept.run_id == run_id for kept in tracking.kept_runs()):  # other commands may end so
        raise UndeliveredError(
            f"run {run_id} has its results on this machine, as printed above. When the tracking "
            "server is back: reprise sync"
        )


def conclude(run_id: str, ended: Ended, *, is_shown: bool = False) -> None:
    """End a run that its step has not ended itself.

    Parameters
    ----------
    run_id : str
    ended : Ended
    is_shown : bool
        Whether the step has printed its own error where this command prints, which is once enough.

    Raises
    ------
    RunFailedError
        With the reason, if it has failed.
    """
    from reprise import tracking

    _refuse_undelivered(run_id, ended)
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
    if is_shown and reason != how:
        reason = "its error is printed above"
    raise RunFailedError(f"run {run_id} failed: {reason}")
