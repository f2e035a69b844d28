"""How this process was started: its script, project and arguments, and the run made for it.

A replay needs these to start the same script.
"""

import contextlib
import functools
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from reprise import env, tracking
from reprise.capture import code, imports, numerics
from reprise.errors import CodeError
from reprise.process import protocol, started
from reprise.process.task import StepTask
from reprise.record.schema import Code, RunRecord, Step
from reprise.runtime import source_artifacts

if TYPE_CHECKING:
    from mlflow.entities import Run

Carry = Callable[["Run"], tuple[Code, dict[str, str]]]
_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")


@dataclass(frozen=True)
class Script:
    """A script or an interactive session, with its project and its working folder.

    Attributes
    ----------
    project : Path
        The nearest folder at or above it with an MLproject or a git repository.
    source : Path or None
        Its file; None for a notebook, a prompt, `python -c`, or a tool such as pytest.
    arguments : tuple of str
        The words after its file on the command line.
    module : str
        Its module name if it was started with `python -m`; else "".
    started_in : Path
        The working folder.
    """

    project: Path
    source: Path | None
    arguments: tuple[str, ...]
    module: str
    started_in: Path

    @property
    def entry_point(self) -> str:
        """Return its file's path in the project; "" for an interactive session."""
        return self.source.relative_to(self.project).as_posix() if self.source else ""

    def step(self, number: int) -> Step:
        """Return the step that reproduces the run with this position, counted from 1."""
        inside = self.started_in.is_relative_to(self.project)
        folder = self.started_in.relative_to(self.project).as_posix() if inside else ""
        words = ("-m", self.module) if self.module else (self.entry_point,)
        return Step(
            entry_point=self.entry_point,
            raw_parameters={},
            parameters={},
            command=(*words, *self.arguments) if self.source else (),
            number=number,
            folder="" if folder == "." else folder,
        )


class ScriptProcess:
    """The script of this process, the run that was made for it, and the number of its runs.

    Attributes
    ----------
    given : str or None
        Id of a run that another process made for this one.
    number : int
        The position of that run among the script's runs.
    parent : str or None
        Id of the parent of all its other runs, if this is a replay.
    carried : (Code, dict of str to str) or None
        The code of all its runs, once it is captured, and the tags that describe it.
    clone : Path or None
        A folder in the repository that the code is checked out from, if this is a replay.
    text : str
        Text of the script at its first run.
    """

    def __init__(self, script: Script, environment: MutableMapping[str, str]) -> None:
        self.script = script
        # Removed, so that a process which the script starts does not use the same run.
        self.given = environment.pop("MLFLOW_RUN_ID", None)
        self.number = int(environment.get(env.RUN_NUMBER, "1"))
        self.parent = environment.get(env.BELOW)
        given = environment.get(env.CODE)
        self.carried: tuple[Code, dict[str, str]] | None = (
            (Code.model_validate_json(given), {}) if given else None
        )
        folder = environment.get(env.DATA_FOLDER) if given else None
        self.clone = Path(folder) if folder else None
        self.text = ""
        self.made = 0

    @property
    def placed(self) -> str | None:
        """Return the id of a run in the server and experiment of all runs of this process."""
        return self.given or self.parent

    @contextlib.contextmanager
    def source(self, *, allowed: Sequence[str], login: str) -> Iterator[Carry]:
        """Capture the code; yield a function that stores it with a run.

        All runs of a script have the code that its process loaded, even if files are edited later.
        In an interactive session, cells and modules change from run to run.

        Parameters
        ----------
        allowed : sequence of str
            Untracked files that may be large or look like secrets.
        login : str
            User and password, which must not be in the code; "" for none.

        Raises
        ------
        CodeError
            If the code cannot be read, or holds files that must not be carried.
        """
        if self.carried:
            yield self._carry_again
            return
        source = self.script.source
        imports.refuse_stale(self.script.project)
        with code.capture(self.script.project, allow_untracked=allowed) as captured:
            if source:
                self.text = source.read_text(encoding="utf-8", errors="replace")
            if login and (login in self.text or captured.holds(login)):
                raise CodeError(
                    "expected a tracking_uri whose password is not in the code, which travels "
                    "with each run, found it there. Set MLFLOW_TRACKING_USERNAME and "
                    "MLFLOW_TRACKING_PASSWORD instead."
                )

            def carry(run: "Run") -> tuple[Code, dict[str, str]]:
                carried = source_artifacts.carry(run, captured, source or Path())
                self.carried = carried if source else None
                return carried

            yield carry

    def _carry_again(self, run: "Run") -> tuple[Code, dict[str, str]]:
        if self.carried is None:
            raise AssertionError("the code is not captured yet")
        if self.text:
            name = f"{source_artifacts.CODE_FOLDER}/{Path(self.script.entry_point).name}"
            tracking.log_text(run.info.run_id, name, self.text)
        return self.carried

    def next(self) -> bool:
        """Count one more run, and return whether it is the run that was made for this process."""
        self.made += 1
        return self.given is not None and self.made == self.number


@functools.cache
def current() -> ScriptProcess:
    """Return the script process of this process.

    Raises
    ------
    TaskError
        If a replay of another kind has started it.
    """
    protocol.refuse_other_version(os.environ)
    StepTask.take(os.environ)  # asks a script for nothing: the run is made for it
    found = script(
        sys.modules["__main__"], started.ARGUMENTS, started.FOLDER, program=started.PROGRAM
    )
    return ScriptProcess(found, os.environ)


def script(
    main: ModuleType, arguments: Sequence[str], started_in: Path, *, program: str = ""
) -> Script:
    """Return the script that a process runs.

    Parameters
    ----------
    main : module
        `__main__`.
    arguments : sequence of str
        The command line without the script's own name.
    started_in : Path
        The working folder.
    program : str
        What the process calls itself: the script, where Python's own profiler or tracer runs it.
    """
    started_in = started_in.resolve()
    name = getattr(main, "__file__", None)
    if name and program.endswith(".py") and _is_installed(_located(started_in / name)):
        name = program
    if name is None or _is_installed(source := _located(started_in / name)):
        return Script(project_of(started_in), None, tuple(arguments), "", started_in)
    module = getattr(getattr(main, "__spec__", None), "name", "__main__")
    imported = started_in.joinpath(*module.split(".")).with_suffix(".py") == source
    return Script(
        project_of(source.parent),
        source,
        tuple(arguments),
        module if imported and module != "__main__" else "",
        started_in,
    )


def project_of(folder: Path) -> Path:
    """Return the nearest folder at or above this one with an MLproject or a git repository.

    If there is none, return this folder.
    """
    for candidate in (folder, *folder.parents):
        if (candidate / "MLproject").is_file() or (candidate / ".git").exists():
            return candidate
    return folder


def _located(path: Path) -> Path:
    """Return a file's path without links in its folder's, as the working folder's is.

    A link from elsewhere to a project's script is that script.
    """
    found = path.parent.resolve() / path.name
    file = found.resolve()
    same = _repository_of(file.parent) == _repository_of(found.parent)
    return found if same and file.is_relative_to(project_of(found.parent)) else file


def _repository_of(folder: Path) -> Path | None:
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)


def _is_installed(path: Path) -> bool:
    """Return whether a file is part of Python or of a package, as a notebook server's is."""
    folders = sysconfig.get_paths()
    return any(path.is_relative_to(Path(folders[name]).resolve()) for name in _INSTALLED)


def as_it_was_read(record: RunRecord) -> RunRecord:
    """Correct the variables of a record to the values that libraries read before the pins."""
    variables = record.numerics.variables | numerics.stale_variables()
    return record.model_copy(
        update={"numerics": record.numerics.model_copy(update={"variables": variables})}
    )
