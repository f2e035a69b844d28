"""What an MLproject at some commit asks to run, and the environment that its lock asks for."""

import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from reprise import environment
from reprise.digest import sha256_file
from reprise.errors import EnvironmentMismatchError, ProjectError
from reprise.lock import python_version
from reprise.mlproject import PLAIN_MODULE, Command, plain_entry_point
from reprise.record import Environment

_COMPLETE = "complete"
_RELEASE = re.compile(r"\d+\.\d+\.\d+[a-z0-9+]*")
_HASH = "--hash=sha256:"


def words(folder: Path, entry_point: str, raw_parameters: Mapping[str, str]) -> list[str]:
    """Return the command of an entry point, as `mlflow run` would start it.

    See `command`, which tells its parameters too.
    """
    return command(folder, entry_point, raw_parameters).words


def command(
    folder: Path,
    entry_point: str,
    raw_parameters: Mapping[str, str],
    *,
    downloads: Path | None = None,
) -> Command:
    """Return the command of an entry point, as `mlflow run` would start it.

    Parameters
    ----------
    folder : Path
        The project's.
    entry_point : str
    raw_parameters : mapping of str to str
        Values as they were given; what is left out takes the MLproject's default.
    downloads : Path, optional
        Where what parameters of type `path` name is fetched to; None: they stay as given.

    Raises
    ------
    ProjectError
        If the folder has no such entry point, it needs more parameters, or a container.
    """
    plain = plain_entry_point(folder, entry_point)
    filled_in = plain.fill_in(raw_parameters) if plain else None
    if filled_in:
        return filled_in
    from mlflow.exceptions import MlflowException
    from mlflow.projects.utils import load_project

    if not (folder / "MLproject").is_file():
        raise ProjectError(
            f"expected an MLproject with the entry point {entry_point}, found none in this "
            "commit's project folder. Name a run of an MLflow Project."
        )
    try:
        project = load_project(str(folder))
        declared = project.get_entry_point(entry_point)
        known, others = declared.compute_parameters(dict(raw_parameters), None)
        line = declared.compute_command(
            dict(raw_parameters), None if downloads is None else str(downloads)
        )
    except MlflowException as error:
        raise ProjectError(
            f"expected the entry point {entry_point} with its parameters in the MLproject of this "
            f"commit, found otherwise: {error} Check the name and the parameters."
        ) from None
    if project.docker_env:
        raise ProjectError(
            "expected an MLproject with conda_env or python_env, found docker_env, which is not "
            "built here. Run it with MLflow's own backend: mlflow run without -b."
        )
    split = shlex.split(line) if PLAIN_MODULE.fullmatch(declared.command) else ["bash", "-c", line]
    return Command(split, {**known, **others})


def interpreter(recorded: Environment, project: Path) -> Path:
    """Return the Python of the environment that a run was made in: this one, or one built for it.

    Parameters
    ----------
    recorded : Environment
        Of the run.
    project : Path
        Folder of its project, whose lock is the recorded one.

    Raises
    ------
    EnvironmentMismatchError
        If the lock is not there, or its environment cannot be built here.
    """
    if recorded.lock_sha256 is None:
        return Path(sys.executable)  # the run's own was never locked
    refuse_another_lock(recorded, project)
    present = environment.describe(project)
    return _like(present, project, python=recorded.python, deviations=recorded.deviations)


def locked_interpreter(project: Path) -> Path:
    """Return the Python of the environment that a project's lock asks for: this one, or one built.

    Without a lock that has hashes it is this one.

    Parameters
    ----------
    project : Path
        Folder with the lock, and with a conda.yaml that pins Python's patch release.

    Raises
    ------
    EnvironmentMismatchError
        If the lock's environment cannot be built here.
    """
    lock, conda = project / environment.LOCK, project / "conda.yaml"
    if not lock.is_file() or _HASH not in lock.read_text(encoding="utf-8"):
        return Path(sys.executable)
    present = environment.describe(project)
    try:
        python = python_version(conda.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # it leaves Python to whoever runs it
        python = present.python
    return _like(present, project, python=python, deviations=())


def _like(present: Environment, project: Path, *, python: str, deviations: tuple[str, ...]) -> Path:
    """Return this Python if it is the one wanted, else one built from the project's lock."""
    if present.python == python and present.deviations == deviations:
        return Path(sys.executable)
    return built(project / environment.LOCK, str(present.lock_sha256), python)


def refuse_another_lock(recorded: Environment, project: Path) -> None:
    """Refuse a commit whose lock is not the one that a run was made with, where it had one.

    Raises
    ------
    EnvironmentMismatchError
        If the lock is missing, or another.
    """
    lock = project / environment.LOCK
    found = sha256_file(lock) if lock.is_file() else "none"
    if recorded.lock_sha256 not in (None, found):
        raise EnvironmentMismatchError(
            f"expected {environment.LOCK} with SHA-256 {recorded.lock_sha256} in the run's commit, "
            f"found {found}. The record or the code is not the run's."
        )


def built(lock: Path, lock_sha256: str, python: str) -> Path:
    """Build the environment of a lock, once per lock and machine, and return its Python.

    Raises
    ------
    EnvironmentMismatchError
        If uv cannot build it: no such Python, no network, a package that is gone.
    """
    if not _RELEASE.fullmatch(python):  # a record is somebody else's words, and this names a folder
        raise EnvironmentMismatchError(
            f"expected a release of Python like 3.11.7, found {python!r}. The record was altered."
        )
    folder = cache() / f"{lock_sha256[:16]}-{python}"
    executable = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_name(f"{folder.name}.lock")):
        complete = (folder / _COMPLETE).is_file() and executable.is_file()
        if not complete or _altered(folder, lock):
            print(f"building the environment of lock {lock_sha256[:12]}", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)
            _uv(python, "venv", "--quiet", "--python", _python(python), str(folder))
            install = ("pip", "sync", "--quiet", "--python", str(executable), "--require-hashes")
            _uv(python, *install, "--compile-bytecode", str(lock))
            (folder / _COMPLETE).touch()
    return executable


def cache() -> Path:
    """Return the folder of environments that were built for replays."""
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base, "reprise", "environments")


def _altered(folder: Path, lock: Path) -> bool:
    """Tell whether somebody has installed something else into a built environment."""
    installed = environment.installed_packages(map(str, folder.glob("lib/python*/site-packages")))
    locked = environment.locked_packages(lock.read_text(encoding="utf-8"))
    return bool(environment.deviations(locked, installed))


def _python(version: str) -> str:
    """Return what to ask uv for: this process's own interpreter where the version is the same."""
    same = version == environment.python_version()
    return (
        str(Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")) if same else version
    )


def _uv(python: str, *arguments: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    command = str(beside) if beside.is_file() else "uv"
    try:
        done = subprocess.run(
            [command, *arguments], capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError:
        raise EnvironmentMismatchError("expected uv on PATH, found none. Run `make`.") from None
    if done.returncode != 0:
        raise EnvironmentMismatchError(
            f"expected to build the run's environment with Python {python}, found that uv cannot: "
            f"{done.stderr.strip()} Check the network, or install what is missing "
            f"(uv python install {python})."
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock file; it is free again when this process ends, however it does."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
