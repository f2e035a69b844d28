"""What a replay needs before it runs: the folder, the interpreter, the command, its variables."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import env, tracking
from reprise.capture import numerics
from reprise.data import splits
from reprise.errors import ProjectError
from reprise.git import repository_root
from reprise.process.launcher import programs
from reprise.projects import containment, entry_points, search_path, typed
from reprise.record.schema import ALLOW_LARGE, Code, Step, as_text
from reprise.replay.original_run import OriginalRun
from reprise.trust import permissions
from reprise.trust.permissions import Permissions

if TYPE_CHECKING:
    from reprise.runtime.recorder import RunRecorder
# Of a run without a record: an order of sets that differs between replays would hide what differs.
_UNKNOWN_PINS = {"PYTHONHASHSEED": "0"}
_PINNED = frozenset(numerics.pins(numerics.cpu_flags(numerics.read_cpuinfo())))


@dataclass(frozen=True)
class Request:
    """How a run is to be reproduced.

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
    allow_packages : tuple of str
        Packages of its environment that may be installed although only a record names them.
    paths : tuple of str
        Paths, and addresses, outside the project that may be read although only a record says so.
    allow_large : bool
        Whether its source and its bundle may be larger than `limits` allow.
    is_explained : bool
        Whether to reproduce it once more, where nothing recorded explains a difference.
    """

    changes: Mapping[str, str] = field(default_factory=dict)
    current_code: bool = False
    tolerance: float | None = None
    allowed: str | None = None
    allow_build: tuple[str, ...] = ()
    allow_packages: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    allow_large: bool = False
    is_explained: bool = True

    @property
    def is_exact(self) -> bool:
        """Whether the replay is to equal the original run, which ends in a verdict."""
        return not self.changes and not self.current_code

    def raw_parameters(self, step: Step) -> dict[str, str]:
        """Return the raw parameters of a replay; a record lifts no limit, only who asks does."""
        raw = dict(step.raw_parameters)
        if ALLOW_LARGE in raw:
            raw[ALLOW_LARGE] = as_text(self.allow_large)
        return {**raw, **self.changes}


@dataclass(frozen=True)
class Workspace:
    """What the processes of a replay run in.

    Attributes
    ----------
    folder : Path
        The project's, with the code to run.
    cwd : Path
        Where the command is started: the folder, or one within it.
    python : Path
        The interpreter.
    words : sequence of str
        The command.
    environment : mapping of str to str
        All variables but MLFLOW_RUN_ID, which names the replay.
    """

    folder: Path
    cwd: Path
    python: Path
    words: Sequence[str]
    environment: Mapping[str, str]

    @property
    def is_like_this_process(self) -> bool:
        """Whether libraries that this process's interpreter has loaded serve the command too."""
        same_pins = all(self.environment.get(name) == os.environ.get(name) for name in _PINNED)
        return self.python == Path(sys.executable) and same_pins


def prepare(
    original: OriginalRun,
    request: Request,
    *,
    folder: Path,
    python: Path,
    parent: "RunRecorder",
) -> Workspace:
    """Derive all that a replay needs.

    Parameters
    ----------
    original : OriginalRun
    request : Request
    folder : Path
        The project's, with the code to run.
    python : Path
        The interpreter to run it with.
    parent : RunRecorder
        The run that asks.

    Raises
    ------
    NotAllowedError
        If the record names something to read that is neither the project's nor allowed.
    CheckoutError, ProjectError
        If the code has no such entry point or script, or it takes other parameters.
    """
    step = original.record.step
    observed = original.record.observed is not None
    cwd = _working_folder(folder, step, request)
    folders = (cwd, Path.cwd() / step.folder)
    at_hand, checkout = (repository_root(path) for path in (Path.cwd(), folder.absolute()))
    permitted = permissions.of_replay(
        checkout,
        at_hand,
        (*request.paths, *request.changes.values()),  # what the user changes the user names
    )
    _refuse_sources(original, request, permitted, folders)
    stored = splits.stored_input(original.record.inputs)
    raw = request.raw_parameters(step)
    recorded = permissions.without_sources(
        permitted,
        {name: value for name, value in raw.items() if name not in request.changes},
        stored=dict.fromkeys(step.locations, stored) if stored else {},
        folders=folders,
    )
    words = _words(folder, step, request, {**recorded, **request.changes})
    environment = {
        **{name: value for name, value in os.environ.items() if name not in _PINNED},
        **(
            tracking.environment(original.run.info.experiment_id)
            if observed
            else parent.tracking_environment()
        ),
        **_protocol(original, request, permitted, parent.run_id),
        **(_UNKNOWN_PINS if original.unknown else {}),
        **numerics.recorded(original.record.numerics.variables),
        **search_path.variables(
            python, at_hand, checkout, *([folder] if step.command and not observed else [])
        ),
        "PATH": programs(python),
    }
    return Workspace(folder, cwd, python, words, environment)


def command(folder: Path, original: OriginalRun, request: Request) -> list[str]:
    """Return the command that reproduces a run in a folder that has the code to run.

    Raises
    ------
    CheckoutError, ProjectError
        If that code has no such entry point or script, or it takes other parameters.
    """
    step = original.record.step
    _working_folder(folder, step, request)
    return _words(folder, step, request, request.raw_parameters(step))


def _working_folder(folder: Path, step: Step, request: Request) -> Path:
    return containment.working_folder(folder, step.folder, temporary=not request.current_code)


def _refuse_sources(
    original: OriginalRun, request: Request, permitted: Permissions, folders: Sequence[Path]
) -> None:
    """Refuse a record whose command or inputs name what may not be read."""
    step = original.record.step
    permitted.refuse_values((*step.command, *step.words[1:]), folders=folders)
    observed = original.record.observed is not None  # its inputs are checked, and not sent
    if not observed and not request.changes.keys() & {*step.locations}:
        for item in original.record.inputs:
            permitted.refuse(item.uri, folders=folders)


def _words(
    folder: Path, step: Step, request: Request, raw_parameters: Mapping[str, str]
) -> list[str]:
    if not step.command and not step.words:
        given = {**entry_points.other_defaults(folder, step), **raw_parameters}
        recorded = given.keys() - request.changes.keys()
        return entry_points.words(folder, step.entry_point, given, recorded=recorded)
    if request.changes:
        raise ProjectError(
            "expected set= for a run of an entry point, found a run of the script "
            f"{(*step.command, *step.words)[0]}. Run the script with other arguments instead."
        )
    return typed.words(folder, step) if step.words else entry_points.script(folder, step)


def _protocol(
    original: OriginalRun, request: Request, permitted: Permissions, parent_id: str
) -> dict[str, str]:
    """Say to the engine of the run's commit, by the protocol in `env`, what it is to do."""
    step = original.record.step
    variables = {
        env.PROTOCOL: env.VERSION,
        env.DATA_FOLDER: str(Path.cwd() / step.folder),
        env.PERMISSIONS: permitted.to_json(),
    }
    if not request.current_code:
        variables[env.CODE] = _code(original.record.code)
    if step.command:
        variables |= {env.RUN_NUMBER: str(step.number), env.BELOW: parent_id}
    return variables


def _code(code: Code) -> str:
    """Write a run's code for a variable, which may not be long: a list of edited files may be."""
    text = code.model_dump_json()
    if len(text) > entry_points.LONGEST:
        text = code.model_copy(update={"changed_files": ()}).model_dump_json()
    entry_points.refuse_odd_words([text])
    return text
