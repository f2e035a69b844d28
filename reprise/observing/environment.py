"""The environment that a run was recorded in, from outside: this one, or one built from its list.

A lock says what a project asks for; a record says what was there. The list of a record is built
where this environment is another: from wheels, of the user's own index, and nothing else. A wheel
can run code as Python starts, and a record is somebody else's words: what it alone names is not
installed unless the user says so.
"""

import re
import sys
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from reprise.errors import EnvironmentMismatchError
from reprise.git import repository_root
from reprise.observing.begin import OF_PROJECT, described
from reprise.observing.named import distributions
from reprise.projects import environments, locks
from reprise.projects.requirements import Pin
from reprise.record.digest import sha256_text
from reprise.record.schema import Environment

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_RELEASE = re.compile(r"[0-9][0-9A-Za-z.!+_-]*")
_LISTED = 5


def interpreter(
    recorded: Environment,
    project: Path,
    *,
    written: Collection[Pin] = (),
    allow_build: Collection[str] = (),
    allow_packages: Collection[str] = (),
) -> Path:
    """Return a Python that has what a run had: this one, or one that is built.

    Parameters
    ----------
    recorded : Environment
        Of the run.
    project : Path
        Its folder in the checkout.
    written : collection of Pin
        Of the lock that was written for the run; only the digests are taken of it.
    allow_build : collection of str
        Packages that may be built from source; see `environments.built`.
    allow_packages : collection of str
        Packages that may be installed although the record alone names them; `true`: all.

    Raises
    ------
    EnvironmentMismatchError
        If it cannot be had: with the names of what is missing, or of what nobody else names.
    """
    environments.refuse_another_lock(recorded, project)
    current = described(Path(sys.executable), project)
    if not differing(recorded, current):
        return Path(sys.executable)
    lock = locks.of(project) if recorded.lock_sha256 else None
    _refuse_unobtainable(recorded, lock)
    pins = _pins(recorded, [*(lock.pins(recorded.python) if lock else ()), *written])
    _refuse_strangers(pins, current, project, allow_packages)
    text = "".join(f"{pin.line()}\n" for pin in pins)
    return environments.built_from(pins, text, sha256_text(text), recorded.python, allow_build)


def differing(recorded: Environment, current: Environment) -> list[str]:
    """Return what a run had and the current environment has not: Python, and distributions.

    What the current environment has besides is in nobody's way; a verdict names it.
    """
    python = ["Python"] if recorded.python != current.python else []
    return python + [
        name
        for name, version in recorded.packages.items()
        if not _is_of_project(recorded.origins.get(name, ""))
        and (version, recorded.files.get(name))
        != (current.packages.get(name), current.files.get(name))
    ]


def folders_of_project(recorded: Environment, checkout: Path) -> list[str]:
    """Return where the checkout has what was installed of the repository itself, to be imported.

    Parameters
    ----------
    recorded : Environment
    checkout : Path
        Its root.
    """
    folders = []
    for origin in filter(_is_of_project, recorded.origins.values()):
        within = origin.partition(OF_PROJECT)[2].strip("/")
        folder = (checkout / unquote(within)).resolve()
        if folder.is_relative_to(checkout.resolve()) and folder.is_dir():
            source = folder / "src"
            folders.append(str(source if source.is_dir() else folder))
    return folders


def _refuse_unobtainable(recorded: Environment, lock: locks.Lock | None) -> None:
    """Refuse what uv does not build: an environment of conda, distributions that no index has.

    Raises
    ------
    EnvironmentMismatchError
        With the lock's name, or the names of the distributions and their origins.
    """
    if lock and lock.kind.of_conda:
        raise EnvironmentMismatchError(
            f"expected the environment of the lock {lock.name}, found another here. conda builds "
            "it, not uv: create it from that lock, activate it, and reproduce the run there."
        )
    local = {n: url for n, url in recorded.origins.items() if not _is_of_project(url)}
    if local:
        shown = ", ".join(f"{name} of {url}" for name, url in list(local.items())[:_LISTED])
        raise EnvironmentMismatchError(
            f"expected an environment with what the run had, found another here; and it cannot be "
            f"built, as no index has {shown}. Install what the run had, then reproduce it."
        )


def _refuse_strangers(
    pins: Collection[Pin], current: Environment, project: Path, allowed: Collection[str]
) -> None:
    """Refuse what neither the commit names, nor the current environment has, nor the user allows.

    Raises
    ------
    EnvironmentMismatchError
        With the names.
    """
    if "true" in allowed:
        return
    known = {*current.packages, *map(canonicalize_name, allowed)}
    unknown = [pin.name for pin in pins if pin.name not in known]
    if unknown:
        named = distributions(project, repository_root(project))
        unknown = [name for name in unknown if name not in named]
    if unknown:
        raise EnvironmentMismatchError(
            "expected packages that the run's commit names or that are installed here, found in "
            f"its record alone: {', '.join(unknown)}. A package can run code as it is installed "
            f"and imported; if you trust these, add -P allow_packages={','.join(unknown)}"
        )


def _is_of_project(origin: str) -> bool:
    return OF_PROJECT in origin


def _pins(recorded: Environment, locked: Collection[Pin]) -> tuple[Pin, ...]:
    """Return what is to be installed, with the digests of a lock where that has them.

    Raises
    ------
    EnvironmentMismatchError
        If the record names something that is no release.
    """
    hashes = {(pin.name, pin.version): pin.hashes for pin in locked}
    pins = []
    for name, version in recorded.packages.items():
        if _is_of_project(recorded.origins.get(name, "")):
            continue  # its code is that of the commit
        if not _NAME.fullmatch(name) or not _RELEASE.fullmatch(version):
            raise EnvironmentMismatchError(
                f"expected a release of a distribution, found {name[:60]!a} {version[:60]!a}. "
                "The record was altered."
            )
        pins.append(Pin(name, f"{name}=={version}", hashes.get((name, version), ())))
    return tuple(pins)
