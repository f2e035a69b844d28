"""What a replay needs before it runs: the folder, the interpreter, the command, its variables."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import env
from reprise.capture import numerics
from reprise.data import splits
from reprise.errors import ProjectError
from reprise.git import repository_root
from reprise.projects import containment, entry_points, search_path
from reprise.record.schema import ALLOW_LARGE, Code, Step, as_text
from reprise.replay.original_run import OriginalRun
from reprise.trust import permissions
from reprise.trust.permissions import Permissions

if TYPE_CHECKING:
    from reprise.runtime.recorder import RunRecorder
PINNED = frozenset(numerics.pins(numerics.cpu_flags(numerics.read_cpuinfo())))


@dataclass(frozen=True)
class Request:
    """How a run is to be made again.

    Attributes
    ----------
    changes : mapping of str to str
        Parameters to change, with their new raw values.
    current_code : bool
        Whether to run the code in this folder instead of the run's own.
    tolerance : float or None
        How far metrics may be apart in an equivalent run.
    allowed : str or None
        URL of one more repository whose code may be run.
    allow_build : tuple of str
        Packages of its environment that may be built from source.
    paths : tuple of str
        Paths, and addresses, outside the project that may be read although only a record says so.
    allow_large : bool
        Whether its source and its bundle may be larger than `limits` allow.
    """

    changes: Mapping[str, str] = field(default_factory=dict)
    current_code: bool = False
    tolerance: float | None = None
    allowed: str | None = None
    allow_build: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    allow_large: bool = False

    @property
    def replays(self) -> bool:
        """Whether it is to be the same run again, which ends in a verdict."""
        return not self.changes and not self.current_code


@dataclass(frozen=True)
class Workspace:
    """All that one attempt at a run needs."""

    parent: "RunRecorder"
    run: OriginalRun
    request: Request
    folder: Path
    python: Path
    words: Sequence[str]
    permitted: Permissions


def prepare(
    parent: "RunRecorder", run: OriginalRun, request: Request, folder: Path, python: Path
) -> Workspace:
    """Have all that an attempt needs, in a folder that has the run's code.

    Raises
    ------
    NotAllowedError
        If the record names something to read that is neither the project's nor allowed.
    """
    step = run.record.step
    start = containment.working_folder(folder, step.folder, temporary=not request.current_code)
    folders = (start, Path.cwd() / step.folder)
    permitted = permissions.of_replay(
        repository_root(folder),
        repository_root(Path.cwd()),
        (*request.paths, *request.changes.values()),  # what the user changes the user names
    )
    permitted.refuse_values(step.command, folders=folders)
    if not request.changes.keys() & {*step.locations}:
        for item in run.record.inputs:
            permitted.refuse(item.uri, folders=folders)
    stored = splits.stored_input(run.record.inputs)
    given = _raw_parameters(step, request)
    raw = permissions.without_sources(
        permitted,
        {name: value for name, value in given.items() if name not in request.changes},
        stored=dict.fromkeys(step.locations, stored) if stored else {},
        folders=folders,
    )
    words = command(folder, run, request, raw_parameters={**raw, **request.changes})
    return Workspace(parent, run, request, folder, python, words, permitted)


def command(
    folder: Path,
    run: OriginalRun,
    request: Request,
    *,
    raw_parameters: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the command that makes a run again in a folder that has its code.

    Parameters
    ----------
    folder : Path
    run : OriginalRun
    request : Request
    raw_parameters : mapping of str to str, optional
        In place of the recorded and changed ones.

    Raises
    ------
    CheckoutError, ProjectError
        If that code has no such entry point or script, or it takes other parameters.
    """
    step = run.record.step
    containment.working_folder(folder, step.folder, temporary=not request.current_code)
    if step.command:
        if request.changes:
            raise ProjectError(
                "expected set= for a run of an entry point, found a run of the script "
                f"{step.command[0]}. Run the script with other arguments instead."
            )
        return entry_points.script(folder, step)
    return entry_points.words(
        folder,
        step.entry_point,
        raw_parameters or _raw_parameters(step, request),
        recorded=step.raw_parameters.keys() - request.changes.keys(),
    )


def _raw_parameters(step: Step, request: Request) -> dict[str, str]:
    """Return the raw parameters of a replay; a record lifts no limit, only who asks does."""
    raw = dict(step.raw_parameters)
    if ALLOW_LARGE in raw:
        raw[ALLOW_LARGE] = as_text(request.allow_large)
    return {**raw, **request.changes}


def variables(attempt: Workspace, new_run_id: str) -> dict[str, str]:
    """Return the variables of the new run's process: those here, with the old run's numerics."""
    record, step = attempt.run.record, attempt.run.record.step
    kept = {name: value for name, value in os.environ.items() if name not in PINNED}
    given = {
        "PATH": f"{attempt.python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "MLFLOW_RUN_ID": new_run_id,
        env.DATA_FOLDER: str(Path.cwd() / step.folder),
        env.PERMISSIONS: attempt.permitted.to_json(),
        **numerics.recorded(record.numerics.variables),
    }
    # What is imported of the project is of this code, wherever its own is installed.
    folders = [str(attempt.folder.absolute())] if step.command else []
    if not attempt.request.current_code:
        given[env.CODE] = _code(record.code)
        roots = repository_root(Path.cwd()), repository_root(attempt.folder.absolute())
        folders += search_path.moved(search_path.entries(attempt.python), *roots)
    if step.command:
        given |= {env.RUN_NUMBER: str(step.number), env.BELOW: attempt.parent.run_id}
    if folders:
        inherited = os.environ.get("PYTHONPATH")
        given["PYTHONPATH"] = os.pathsep.join([*folders, *([inherited] if inherited else [])])
    return {**kept, **attempt.parent.tracking_environment(), **given}


def _code(code: Code) -> str:
    """Write a run's code for a variable, which may not be long: a list of edited files may be."""
    text = code.model_dump_json()
    if len(text) > entry_points.LONGEST:
        text = code.model_copy(update={"changed_files": ()}).model_dump_json()
    entry_points.refuse_odd_words([text])
    return text
