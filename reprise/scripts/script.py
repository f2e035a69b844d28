"""How this process was started: which script of which project, with what, and for which run.

What is asked of Python here is what a replay needs to start the same script again.
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
from reprise.capture import code
from reprise.errors import CodeError
from reprise.process import protocol
from reprise.process.task import StepTask
from reprise.record.schema import Code, Step
from reprise.runtime import source_artifacts

if TYPE_CHECKING:
    from mlflow.entities import Run

Carry = Callable[["Run"], tuple[Code, dict[str, str]]]
_STARTED_IN = Path.cwd()  # before the script can go elsewhere
_ARGUMENTS = tuple(sys.argv[1:])
_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")


@dataclass(frozen=True)
class Script:
    """A script, or an interactive session, and where it was started.

    Attributes
    ----------
    project : Path
        The nearest folder above it that has an MLproject or is a git repository's.
    source : Path or None
        Its file; None: a notebook, a prompt, `python -c`, or a tool such as pytest.
    arguments : tuple of str
        What follows its file on the command line.
    module : str
        Its name, where it was started by `python -m`; else "".
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
        """Return its file's name from the project's folder; "" for an interactive session."""
        return self.source.relative_to(self.project).as_posix() if self.source else ""

    def step(self, number: int) -> Step:
        """Say how to make the same run again, of which it is this one, counted from 1."""
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
    """The script, the run that was made for it, and how many it has made so far.

    Attributes
    ----------
    given : str or None
        Id of a run that another process made for this one.
    number : int
        Which of the script's runs that is.
    below : str or None
        Id of the run below which all others go, where this is a replay.
    carried : (Code, dict of str to str) or None
        The code of all its runs, once it is known, and the tags that tell of it.
    text : str
        Of the script, as the first run found it.
    """

    def __init__(self, script: Script, environment: MutableMapping[str, str]) -> None:
        self.script = script
        # Taken, so that a process which the script starts does not take it for its own.
        self.given = environment.pop("MLFLOW_RUN_ID", None)
        self.number = int(environment.get(env.RUN_NUMBER, "1"))
        self.below = environment.get(env.BELOW)
        given = environment.get(env.CODE)
        self.carried: tuple[Code, dict[str, str]] | None = (
            (Code.model_validate_json(given), {}) if given else None
        )
        self.text = ""
        self.made = 0

    @property
    def placed(self) -> str | None:
        """Return the id of a run whose server and experiment all runs of this process share."""
        return self.given or self.below

    @contextlib.contextmanager
    def source(self, *, allowed: Sequence[str], login: str) -> Iterator[Carry]:
        """Read the code; yields what carries it with a run.

        All runs of a script have the code that its process has loaded, whatever is edited later;
        in an interactive session, cells and modules change from run to run.

        Parameters
        ----------
        allowed : sequence of str
            Untracked files that may be large or look like secrets.
        login : str
            User and password, which must not be in the code; "" for none.

        Raises
        ------
        CodeError
            If the code cannot be read, or holds what must not be carried.
        """
        if self.carried:
            yield self._carry_again
            return
        source = self.script.source
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
            raise AssertionError("there is no code yet")
        if self.text:
            name = f"{source_artifacts.CODE_FOLDER}/{Path(self.script.entry_point).name}"
            tracking.log_text(run.info.run_id, name, self.text)
        return self.carried

    def next(self) -> bool:
        """Count one more run, and tell whether it is the one that was given."""
        self.made += 1
        return self.given is not None and self.made == self.number


@functools.cache
def present() -> ScriptProcess:
    """Return the session of this process.

    Raises
    ------
    TaskError
        If a replay of another kind has started it.
    """
    protocol.refuse_other_version(os.environ)
    StepTask.take(os.environ)  # asks a script for nothing: the run is made for it
    return ScriptProcess(script(sys.modules["__main__"], _ARGUMENTS, _STARTED_IN), os.environ)


def script(main: ModuleType, arguments: Sequence[str], started_in: Path) -> Script:
    """Tell what a process runs.

    Parameters
    ----------
    main : module
        `__main__`.
    arguments : sequence of str
        Of the command line, without the script's own name.
    started_in : Path
        The working folder.
    """
    started_in = started_in.resolve()
    name = getattr(main, "__file__", None)
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
    """Return the nearest folder, from this one up, with an MLproject or a git repository's.

    The folder itself, where there is none.
    """
    for candidate in (folder, *folder.parents):
        if (candidate / "MLproject").is_file() or (candidate / ".git").exists():
            return candidate
    return folder


def _located(path: Path) -> Path:
    """Return a file's path without links in its folder's, as the working folder's is."""
    return path.parent.resolve() / path.name


def _is_installed(path: Path) -> bool:
    """Tell whether a file is part of Python or of a package, as a notebook server's is."""
    folders = sysconfig.get_paths()
    return any(path.is_relative_to(Path(folders[name]).resolve()) for name in _INSTALLED)
