"""The environment that the lock of a project at some commit asks for."""

import re
import shutil
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from reprise.capture import environment
from reprise.console import warn
from reprise.errors import CheckoutError, EnvironmentMismatchError
from reprise.process import user_cache
from reprise.projects import containment, locks, requirements, uv, wheels
from reprise.projects.requirements import Pin
from reprise.record.schema import Environment

_COMPLETE = "complete"
_RELEASE = re.compile(r"\d+\.\d+\.\d+[a-z0-9+]*")
_HASH = "--hash=sha256:"
_SHOWN = 60  # characters of a name


def interpreter(recorded: Environment, project: Path, *, allow_build: Collection[str] = ()) -> Path:
    """Return the Python of the environment that a run was made in: this one, or one built for it.

    Parameters
    ----------
    recorded : Environment
        Of the run.
    project : Path
        Folder of its project, whose lock is the recorded one.
    allow_build : collection of str
        Packages that may be built from source; see `built`.

    Raises
    ------
    EnvironmentMismatchError
        If the lock does not exist, or its environment cannot be built here.
    """
    if recorded.lock_sha256 is None:
        return Path(sys.executable)  # the run's own was never locked
    refuse_another_lock(recorded, project)
    current = environment.describe(project)
    if current.python == recorded.python and current.deviations == recorded.deviations:
        return Path(sys.executable)
    return _built_for(project, current, recorded.python, allow_build)


def locked_interpreter(project: Path, *, allow_build: Collection[str] = ()) -> Path:
    """Return the Python of the environment that a project's lock asks for: this one, or one built.

    Without a lock that has hashes it is this one.

    Parameters
    ----------
    project : Path
        Folder with the lock, and with a conda.yaml that pins Python's patch release.
    allow_build : collection of str
        Packages that may be built from source; see `built`.

    Raises
    ------
    EnvironmentMismatchError
        If the lock's environment cannot be built here.
    """
    lock, conda = project / environment.LOCK, project / "conda.yaml"
    if not lock.is_file() or _HASH not in _text(lock):
        return Path(sys.executable)
    current = environment.describe(project)
    try:
        python = python_version(_text(conda))
    except (CheckoutError, ValueError):  # it leaves Python to whoever runs it
        python = current.python
    if current.python == python and current.deviations == ():
        return Path(sys.executable)
    return _built_for(project, current, python, allow_build)


def _built_for(
    project: Path, current: Environment, python: str, allow_build: Collection[str]
) -> Path:
    lock = project / environment.LOCK
    return built(lock, str(current.lock_sha256), python, allow_build=allow_build)


def refuse_another_lock(recorded: Environment, project: Path) -> None:
    """Refuse a commit whose lock is not the one that a run was made with, where it had one.

    Raises
    ------
    EnvironmentMismatchError
        If the lock is missing, or another.
    """
    name = recorded.lock or environment.LOCK
    found: tuple[str, ...]
    if recorded.lock:
        other = locks.of(project)
        found = (other.sha256,) if other and other.name == name else ("none",)
    else:
        lock = project / environment.LOCK
        found = environment.lock_digests(lock) if lock.is_file() else ("none",)
    if recorded.lock_sha256 not in (None, *found):
        raise EnvironmentMismatchError(
            f"expected {name[:_SHOWN]!a} with SHA-256 {recorded.lock_sha256} in the run's commit, "
            f"found {found[0]}. The record or the code is not the run's."
        )


def built(lock: Path, lock_sha256: str, python: str, *, allow_build: Collection[str] = ()) -> Path:
    """Build the environment of a lock, once per lock and machine, and return its Python.

    Parameters
    ----------
    lock : Path
    lock_sha256 : str
        Its digest.
    python : str
        Release of Python.
    allow_build : collection of str
        Packages that may be built from source, which runs their code; `true`: all.

    Raises
    ------
    EnvironmentMismatchError
        If the lock asks for more than releases, or uv cannot build it.
    """
    text = _text(lock)
    pins = requirements.pins(text, indexes=uv.indexes())
    return built_from(pins, text, lock_sha256, python, allow_build)


def built_from(
    pins: Sequence[Pin], text: str, sha256: str, python: str, allow_build: Collection[str]
) -> Path:
    """Build an environment of some releases, once per list and machine, and return its Python.

    Parameters
    ----------
    pins : sequence of Pin
    text, sha256 : str
        The list as text, and its digest.
    python, allow_build
        See `built`.

    Raises
    ------
    EnvironmentMismatchError
        If uv cannot build it.
    """
    if not _RELEASE.fullmatch(python):  # a record is somebody else's words, and this names a folder
        raise EnvironmentMismatchError(
            f"expected a release of Python like 3.11.7, found {python!r}. The record was altered."
        )
    folder = cache() / f"{sha256[:16]}-{python}"
    executable = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with user_cache.alone(folder.with_name(f"{folder.name}.lock")):
        complete = (folder / _COMPLETE).is_file() and executable.is_file()
        if not complete or _altered(folder, text):
            warn(f"building the environment of lock {sha256[:12]}")
            shutil.rmtree(folder, ignore_errors=True)
            pythons = user_cache.folder() / "pythons"
            uv.build(
                folder,
                pins,
                python=python,
                pythons=pythons,
                allow_build=allow_build,
                wheels=wheels.kept(pins),
            )
            (folder / _COMPLETE).touch()
    return executable


def _text(path: Path) -> str:
    """Read a file of a project, which is no link out of it."""
    containment.file_inside(path.parent, path.name)
    return path.read_text(encoding="utf-8", errors="backslashreplace")


def cache() -> Path:
    """Return the folder of environments that were built for replays."""
    return user_cache.folder() / "environments"


def _altered(folder: Path, lock: str) -> bool:
    """Return whether somebody has installed something else into a built environment."""
    installed = environment.installed_packages(map(str, folder.glob("lib/python*/site-packages")))
    locked = environment.locked_packages(lock)
    return bool(environment.deviations(locked, installed))


def python_version(text: str) -> str:
    """Return the patch release of Python that a conda.yaml pins."""
    match = re.search(r"- python=(\d+\.\d+\.\d+)\b", text)
    if match is None:
        raise ValueError("expected '- python=X.Y.Z' in conda.yaml, found none")
    return match[1]
