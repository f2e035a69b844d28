"""The lock of a project, of whichever kind: the releases that it pins, with their digests.

`conda.yaml`, `python_env.yaml` and requirements without hashes are wishes: what they give depends
on the day. uv reads its own lock, `packaging` those of PEP 751; of the others nothing is needed but
names, versions and digests, and these are read from their TOML, or from the URLs that they list.
"""

import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from packaging import pylock
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from reprise.backports import tomllib
from reprise.capture import environment
from reprise.errors import CodeError, EnvironmentMismatchError
from reprise.git import repository_root, succeeds
from reprise.projects import uv
from reprise.projects.requirements import Pin, is_digest
from reprise.projects.requirements import pins as pins_of_requirements
from reprise.trust import documents

_HASHED = re.compile(rb"--hash=sha256:")  # without it a list of requirements is a wish
_EXPLICIT = re.compile(rb"^@EXPLICIT\s*$", re.MULTILINE)  # what makes a list one of conda
_LARGEST = 32 << 20  # bytes; a lock of five platforms and 500 packages has 5 MiB
_UNREADABLE = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError),
    pylock.PylockValidationError,
)
_SUBDIRS = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}
_OF_CONDA = re.compile(
    r"/(noarch|[a-z]+-[a-z0-9]+)/([a-z0-9_.-]+)-([^-/\s]+)-[^-/\s]+?\.(?:conda|tar\.bz2)\b"
)
_OF_PIP = re.compile(r"/([^/\s\"']+\.(?:whl|tar\.gz))\b")


@dataclass(frozen=True)
class _Kind:
    """A kind of lock.

    Attributes
    ----------
    names : tuple of str
        Of its files, as patterns.
    read : callable
        Returns the pins of such a file that hold for a release of Python.
    says : re.Pattern
        What a file of that name must contain to be such a lock.
    is_whole : bool
        Whether all that it pins for this machine belongs into an environment: groups may be left
        out of the others, or they have one for each of several environments.
    is_above : bool
        Whether its tool looks for it in the folders above, too.
    of_conda : bool
        Whether conda installs it, and not uv.
    """

    names: tuple[str, ...]
    read: Callable[["Lock", str], Iterator[Pin]]
    says: re.Pattern[bytes] = re.compile(b"")
    is_whole: bool = False
    is_above: bool = False
    of_conda: bool = False


@dataclass(frozen=True)
class Lock:
    """The lock of a project.

    Attributes
    ----------
    path : Path
    folder : Path
        The project's.
    kind : _Kind
    """

    path: Path
    folder: Path
    kind: _Kind

    @property
    def name(self) -> str:
        """Its path from the project's folder."""
        return os.path.relpath(self.path, self.folder)

    @cached_property
    def sha256(self) -> str:
        """Its digest, with the line ends of Unix."""
        return environment.lock_digests(self.path)[0]

    def pins(self, python: str) -> tuple[Pin, ...]:
        """Return the releases that it pins for this machine and a release of Python.

        Raises
        ------
        EnvironmentMismatchError
            If it cannot be read.
        """
        with explaining(self.name):
            documents.read_bytes(self.path, largest=_LARGEST)
            return tuple(dict.fromkeys(self.kind.read(self, python)))

    def deviations(self, python: str, installed: Mapping[str, str]) -> tuple[str, ...]:
        """List the packages that are not installed as locked: "numpy 2.4.5, locked 2.4.6"."""
        locked: dict[str, list[str]] = {}
        for pin in self.pins(python):
            locked.setdefault(pin.name, []).append(pin.version)
        return tuple(
            f"{name} {installed.get(name, 'missing')}, locked {' or '.join(versions)}"
            for name, versions in sorted(locked.items())
            if installed.get(name) not in versions and (self.kind.is_whole or name in installed)
        )


@contextmanager
def explaining(name: str) -> Iterator[None]:
    """Refuse, in a line, a lock that is none, for the time of a `with` block."""
    try:
        yield
    except _UNREADABLE as error:
        raise EnvironmentMismatchError(
            f"expected the lock {name} as its tool writes it, found otherwise: {error}. "
            "Write it anew."
        ) from None


def of(project: Path) -> Lock | None:
    """Return the lock of the project in a folder; None: it has none that its commit has.

    Parameters
    ----------
    project : Path
    """
    try:
        root = repository_root(project).resolve()
    except CodeError:
        root = project.resolve()
    folder = project.resolve()
    within = [each for each in (folder, *folder.parents) if each.is_relative_to(root)]
    for kind in _KINDS:
        for place in within if kind.is_above else within[:1]:
            for path in (path for name in kind.names for path in sorted(place.glob(name))):
                if _is_lock(path, kind, root):
                    return Lock(path, folder, kind)
    return None


def _is_lock(path: Path, kind: _Kind, root: Path) -> bool:
    """Return whether a file is one that the commit has, and a lock of a kind."""
    if not path.is_file() or not path.resolve().is_relative_to(root):
        return False
    if kind.says.pattern and not kind.says.search(path.read_bytes()[:_LARGEST]):
        return False
    return not succeeds(path.parent, "check-ignore", "--quiet", "--", path.name)


def _of_requirements(lock: Lock, _python: str) -> Iterator[Pin]:
    yield from pins_of_requirements(
        lock.path.read_text(encoding="utf-8", errors="backslashreplace"), indexes=uv.indexes()
    )


def _of_uv(lock: Lock, python: str) -> Iterator[Pin]:
    """Read a lock of uv by uv, as `uv sync` reads it: with the group of development."""
    yield from hashed(uv.exported(lock.folder), python)


def _of_pylock(lock: Lock, python: str) -> Iterator[Pin]:
    yield from hashed(lock.path.read_text(encoding="utf-8"), python)


def hashed(text: str, python: str) -> Iterator[Pin]:
    """Yield the pins of a lock of PEP 751 that hold for a release of Python.

    Raises
    ------
    ValueError
        If it is none.
    """
    lock = pylock.Pylock.from_dict(tomllib.loads(text))
    markers: dict[str, Any] = {
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "extras": frozenset(),
        "dependency_groups": frozenset(lock.default_groups or ()),
    }
    for package in lock.packages:
        if package.version is None:
            continue  # of a folder or a repository
        if package.marker and not package.marker.evaluate(markers, context="lock_file"):
            continue
        single = [each for each in (package.sdist, package.archive) if each]
        files: list[Any] = [*(package.wheels or ()), *single]
        digests = (f"sha256:{f.hashes['sha256']}" for f in files if "sha256" in f.hashes)
        yield _pin(package.name, str(package.version), tuple(dict.fromkeys(digests)))


def _of_poetry(lock: Lock, _python: str) -> Iterator[Pin]:
    for package in tomllib.loads(lock.path.read_text(encoding="utf-8"))["package"]:
        if "source" not in package or package["source"].get("type") == "legacy":
            digests = (str(file["hash"]) for file in package.get("files", ()))
            yield _pin(str(package["name"]), str(package["version"]), tuple(digests))


def _of_urls(lock: Lock, _python: str) -> Iterator[Pin]:
    """Read a lock of conda, conda-lock or pixi: each names its packages by their URLs."""
    text = lock.path.read_text(encoding="utf-8")
    here = ("noarch", _SUBDIRS.get(platform.machine(), ""))
    for subdir, name, version in _OF_CONDA.findall(text):
        if subdir in here:
            yield _pin(name, version, ())
    for name in map(unquote, _OF_PIP.findall(text)):
        try:
            parsed = parse_wheel_filename(name) if name.endswith(".whl") else None
            project, release = parsed[:2] if parsed else parse_sdist_filename(name)
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue  # an archive of something else
        yield _pin(project, str(release), ())


def _pin(name: str, version: str, hashes: tuple[str, ...]) -> Pin:
    return Pin(canonicalize_name(name), f"{name}=={version}", tuple(filter(is_digest, hashes)))


_KINDS = (
    _Kind((environment.LOCK,), _of_requirements, says=_HASHED, is_whole=True),
    _Kind(("uv.lock",), _of_uv, is_whole=True, is_above=True),
    _Kind(("pylock.toml", "pylock.*.toml"), _of_pylock, is_whole=True),
    _Kind(("poetry.lock",), _of_poetry),
    _Kind(("pixi.lock",), _of_urls, is_above=True, of_conda=True),
    _Kind(("conda-lock.yml", "*.conda-lock.yml"), _of_urls, of_conda=True),
    _Kind(("*.txt", "conda-*.lock"), _of_urls, says=_EXPLICIT, of_conda=True),
)
