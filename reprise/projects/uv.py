"""Builds environments with uv, which obeys the user's settings and nobody else's.

uv reads settings from the folder it works in, and from the lock: here it works in an empty folder,
and gets a lock that is written anew from its pins. It installs wheels, which run no code as they
are installed; what must be built from source is built only where the user has asked for it.
"""

import os
import re
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from reprise.capture import environment
from reprise.errors import EnvironmentMismatchError
from reprise.process import scratch
from reprise.projects.requirements import Pin

ALL = "true"  # of allow_build: whatever needs it
_INDEXES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
_UNKNOWN = re.compile(  # to the index
    r"Because (?:there is no version of )?([a-z0-9-]+)(?:==\S+)?"
    r" (?:was not found in the package registry|has no usable wheels|and you require)"
)
_MOST_UNKNOWN = 20  # for more, the list of the record is as good
_PATIENCE = {"UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "0"}
_NEEDS_BUILD = re.compile(r"Wheels are required for `([^`]+)`")


def indexes() -> tuple[str, ...]:
    """Return the URLs of the package indexes that the user's variables name."""
    words = [word for name in _INDEXES for word in os.environ.get(name, "").split()]
    return tuple(re.sub(r"^[\w-]+=", "", word) for word in words)  # UV_INDEX may name each


def build(
    folder: Path,
    pins: Sequence[Pin],
    *,
    python: str,
    pythons: Path,
    allow_build: Collection[str],
    wheels: Sequence[Path] = (),
) -> None:
    """Build the environment of a lock.

    Parameters
    ----------
    folder : Path
        Where to; it does not exist yet.
    pins : sequence of Pin
        What to install.
    python : str
        Release of Python.
    pythons : Path
        Where a Python is kept that this machine does not have.
    allow_build : collection of str
        Packages that may be built from source, which runs their code; `true`: all.
    wheels : sequence of Path
        One for each pin, to be taken in place of what an index has; none: ask the user's index.

    Raises
    ------
    EnvironmentMismatchError
        If uv cannot build it: no such Python, no network, a package that is gone or needs a build.
    """
    with scratch.folder() as name:
        empty = Path(name)
        lock = empty / "lock.txt"
        lock.write_text("".join(f"{pin.line()}\n" for pin in pins), encoding="utf-8")
        made = ("--quiet", "--no-project", "--python", _interpreter(python, empty))
        _run(("venv", *made, str(folder)), empty, python, pythons)
        into = ("--quiet", "--python", str(folder / "bin" / "python"))
        hashes = ("--require-hashes",) if all(pin.hashes for pin in pins) else ()
        checked = (*hashes, "--compile-bytecode", *_wheels_only(pins, allow_build))
        source = _alone(wheels, empty) if wheels else ()
        _run(("pip", "sync", *into, *checked, *source, str(lock)), empty, python, pythons)


def _alone(wheels: Sequence[Path], folder: Path) -> tuple[str, ...]:
    """Return the options by which uv installs from these wheels, and asks no index."""
    place = folder / "wheels"
    place.mkdir()
    for wheel in wheels:
        (place / wheel.name).symlink_to(wheel)
    return ("--no-index", "--offline", "--find-links", str(place))


def download(pins: Sequence[Pin], python: str, to: Path) -> None:
    """Fetch the wheels of a lock from the user's index into a folder, by pip, which uv runs.

    Parameters
    ----------
    pins : sequence of Pin
        With the digests of the wheels.
    python : str
        Release of Python that they are for.
    to : Path

    Raises
    ------
    EnvironmentMismatchError
        If one cannot be had as a wheel.
    """
    first, *more = indexes() or ("",)
    variables = {"PIP_INDEX_URL": first, "PIP_EXTRA_INDEX_URL": " ".join(more)} if first else {}
    options = ("--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-input")
    with scratch.folder() as name:
        lock = Path(name, "lock.txt")
        lock.write_text("".join(f"{pin.line()}\n" for pin in pins), encoding="utf-8")
        asked = ("--python-version", python, "--dest", str(to), "--requirement", str(lock))
        words = ("tool", "run", "--quiet", "--isolated", "pip", "download", *options, *asked)
        done = _started(words, Path(name), **variables)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise EnvironmentMismatchError(
            "expected a wheel of each package of the lock, found that pip cannot fetch them: "
            f"{' '.join(lines[-2:])[-300:]} Check the network."
        )


def exported(project: Path) -> str:
    """Return the lock of uv that a project has as a lock of PEP 751, as `uv sync` would read it.

    Raises
    ------
    EnvironmentMismatchError
        If uv cannot read it.
    """
    only_read = ("--frozen", "--offline", "--no-python-downloads", "--no-header")
    words = ("export", "--quiet", *only_read, "--format", "pylock.toml")
    with scratch.folder() as name:
        asked = ("--project", str(project), "--python", sys.executable)
        done = _started((*words, *asked), Path(name), settings=("--no-config",))
    if done.returncode != 0:
        raise EnvironmentMismatchError(
            f"expected a lock that uv can read, found that it cannot: {done.stderr.strip()[-300:]} "
            "Write it anew: uv lock"
        )
    return done.stdout


def listed(pins: Sequence[Pin], python: str) -> str:
    """Return some releases as a lock of PEP 751, with the digests that the user's index has.

    Releases that the index does not have are left out; "" if there is none, or no network.

    Parameters
    ----------
    pins : sequence of Pin
    python : str
        Release of Python.
    """
    only_asked = ("--no-deps", "--no-build", "--no-header", "--no-python-downloads")
    words = ("pip", "compile", "--quiet", *only_asked, "--format", "pylock.toml")
    left = {pin.name: pin for pin in pins}
    with scratch.folder() as name:
        names = Path(name, "list.txt")
        asked = ("--python", sys.executable, "--python-version", python, str(names))
        for _ in range(_MOST_UNKNOWN):
            names.write_text("".join(f"{pin.line()}\n" for pin in left.values()), encoding="utf-8")
            done = _started((*words, *asked), Path(name), **_PATIENCE)
            unknown = _UNKNOWN.search(done.stderr)
            if done.returncode == 0:
                return done.stdout
            if unknown is None or left.pop(unknown[1], None) is None or not left:
                break
    return ""


def _wheels_only(pins: Sequence[Pin], allow_build: Collection[str]) -> list[str]:
    allowed = {canonicalize_name(name) for name in allow_build}
    if not allowed:
        return ["--no-build"]
    closed = [] if ALL in allowed else sorted({pin.name for pin in pins} - allowed)
    return [word for name in closed for word in ("--only-binary", name)]


def _interpreter(version: str, folder: Path) -> str:
    """Return what to ask uv for: a Python that is on this machine, else the release to fetch."""
    if version == environment.python_version():
        return str(Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}"))
    done = _started(("python", "find", "--no-project", "--no-python-downloads", version), folder)
    return done.stdout.strip() if done.returncode == 0 else version


def _run(arguments: Sequence[str], folder: Path, python: str, pythons: Path) -> None:
    done = _started(arguments, folder, UV_PYTHON_INSTALL_DIR=str(pythons))
    if done.returncode == 0:
        return
    needs_build = _NEEDS_BUILD.search(done.stderr)
    if needs_build:
        raise EnvironmentMismatchError(
            f"expected a wheel of each package of the run's environment, found that "
            f"{needs_build[1]} has none for this machine and must be built, which runs its code. "
            f"If you trust it, allow it: -P allow_build={needs_build[1]}"
        )
    raise EnvironmentMismatchError(
        f"expected to build the run's environment with Python {python}, found that uv cannot: "
        f"{done.stderr.strip()} Check the network, or install what is missing "
        f"(uv python install {python})."
    )


def _started(
    arguments: Sequence[str],
    folder: Path,
    *,
    settings: Sequence[str] | None = None,
    **variables: str,
) -> "subprocess.CompletedProcess[str]":
    """Run uv to its end in a folder without settings; the user's variables come first."""
    if not _credentials().is_dir():  # else uv makes it, in the user's home
        variables["UV_CREDENTIALS_DIR"] = str(folder / "credentials")
    beside = Path(sys.executable).with_name("uv")
    command = str(beside) if beside.is_file() else "uv"
    try:
        return subprocess.run(
            [command, *(_settings() if settings is None else settings), *arguments],
            cwd=folder,
            env={**variables, **os.environ},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise EnvironmentMismatchError(
            "expected uv beside Python or on PATH, found none. Install it: pip install uv"
        ) from None


def _credentials() -> Path:
    """Return the folder in which uv keeps the logins that the user has given it."""
    base = os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()
    return Path(base, "uv", "credentials")


def _settings() -> tuple[str, ...]:
    """Return the option by which uv reads the user's own file of settings, or none at all."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    own = os.environ.get("UV_CONFIG_FILE") or Path(base, "uv", "uv.toml")
    return ("--config-file", str(Path(own).absolute())) if Path(own).is_file() else ("--no-config",)
