"""What is installed, and whether it is what the lock says."""

import hashlib
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from reprise.record.schema import Environment

LOCK = "requirements.txt"
# The engine's own name, and its earlier one: what a step runs is its commit's engine.
OWN = ("mlflow-reprise", "reprise")
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*?)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def describe(project: Path, *, manager: str | None = None) -> Environment:
    """Describe this process's interpreter and packages against the lock of a project.

    Parameters
    ----------
    project : Path
        Folder that holds requirements.txt.
    manager : str, optional
        What built the environment, if the caller knows; else found by its files.
    """
    lock = project / LOCK
    packages = installed_packages(sys.path)
    locked = locked_packages(lock.read_text(encoding="utf-8")) if lock.is_file() else {}
    return Environment(
        python=python_version(),
        implementation=platform.python_implementation(),
        manager=manager or environment_manager(Path(sys.prefix)),
        platform=platform.platform(),
        lock_sha256=lock_digests(lock)[0] if lock.is_file() else None,
        deviations=deviations(locked, packages),
        packages=packages,
    )


def lock_digests(lock: Path) -> tuple[str, str]:
    """Return the SHA-256 of a lock with the line ends of Unix, then with those of Windows.

    git may have converted them (core.autocrlf): the first names a lock, whichever it has. Of a lock
    with those of Windows, earlier versions recorded the second.
    """
    unix = lock.read_bytes().replace(b"\r\n", b"\n")
    windows = unix.replace(b"\n", b"\r\n")
    return hashlib.sha256(unix).hexdigest(), hashlib.sha256(windows).hexdigest()


def python_version() -> str:
    """Return the patch release of this process's Python."""
    return platform.python_version()


def installed_packages(path: Iterable[str]) -> dict[str, str]:
    """Return name and version of every installed distribution, from its folder's name.

    Reading each distribution's metadata would take a tenth of a second; the folder's name, which
    the wheel format defines as `<name>-<version>.dist-info`, tells the same.
    """
    packages: dict[str, str] = {}
    for entry in path:
        folder = Path(entry)
        if not folder.is_dir():
            continue
        for info in folder.glob("*.dist-info"):
            name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
            packages.setdefault(normalised(name), version)
    for name in OWN:
        packages.pop(name, None)
    return dict(sorted(packages.items()))


def locked_packages(lock: str) -> dict[str, str]:
    """Return name and version of every package that a lock's text pins."""
    return {normalised(name): version for name, version in _PINNED.findall(lock)}


def deviations(locked: Mapping[str, str], installed: Mapping[str, str]) -> tuple[str, ...]:
    """List the packages that are not installed as locked, e.g. "numpy 2.4.5, locked 2.4.6"."""
    return tuple(
        f"{name} {installed.get(name, 'missing')}, locked {version}"
        for name, version in sorted(locked.items())
        if installed.get(name) != version
    )


def normalised(name: str) -> str:
    """Normalise a distribution's name as the packaging specification says (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def environment_manager(prefix: Path) -> str:
    """Distinguish conda, uv and virtualenv environments from a system's Python by their files."""
    if (prefix / "conda-meta").is_dir():
        return "conda"
    configuration = prefix / "pyvenv.cfg"
    if not configuration.is_file():
        return "system"
    return "uv" if "\nuv = " in "\n" + configuration.read_text(encoding="utf-8") else "virtualenv"
