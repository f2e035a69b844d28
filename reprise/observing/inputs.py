"""The files that a process has read and that are no part of its commit: found, checked, provided.

A file that git ignores is named by its path from the project's folder, and a replay has a copy of
it in its checkout. A file from elsewhere is named by its absolute path, and read where it is.
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from reprise.capture.watch import Seen
from reprise.errors import CodeError, DataError, DigestMismatchError, RepriseError
from reprise.git import git, repository_root
from reprise.observing import kept
from reprise.process import scratch
from reprise.record.digest import sha256_file
from reprise.record.schema import InputData
from reprise.trust.permissions import Permissions

_MOST = 10_000
_CLONE = 0x40049409  # FICLONE: the copy has the same blocks until one of the two is written
_SYSTEM = (
    *("/bin/", "/boot/", "/dev/", "/etc/", "/lib/", "/lib64/", "/proc/", "/run/", "/sbin/"),
    *("/snap/", "/sys/", "/usr/", "/var/lib/"),
)
_IN_MEMORY = "/dev/shm/"  # noqa: S108 - files of users, beside the devices
_NOT_DATA = frozenset({".git", "__pycache__", "site-packages", "dist-packages", "node_modules"})
# Where MLflow keeps runs if nobody says otherwise.
_STORE = re.compile(r"mlruns|mlartifacts|mlflow\.db(-\w+)?")
_HOME_OF_DATA = (".keras", ".cache/huggingface", ".cache/torch")  # other hidden files are settings


def own_files(project: Path) -> frozenset[Path]:
    """Return the files of a working tree that its snapshot has; none outside a repository."""
    try:
        root = repository_root(project).resolve()
        listed = git(root, "ls-files", "-z", "--cached", "--recurse-submodules")
        listed += git(root, "ls-files", "-z", "--others", "--exclude-standard")
    except CodeError:
        return frozenset()
    return frozenset(root / name for name in listed.split("\0") if name)


def folders_of_data(project: Path) -> list[Path]:
    """Return the folders of a repository with files that git ignores, and that may be data."""
    words = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    try:
        root = repository_root(project).resolve()
        listed = [root / name for name in git(root, *words).split("\0") if name]
    except CodeError:
        return []
    found: dict[Path, None] = {}
    for path in listed:
        if not _is_data(path, path, root):
            continue
        found[path.parent] = None
        for folder, inner, _ in os.walk(path):
            inner[:] = [name for name in inner if not _is_library(Path(folder, name))]
            found[Path(folder)] = None
    return [folder for folder in found if not _is_library(folder)]


def _is_library(folder: Path) -> bool:
    is_store = _STORE.fullmatch(folder.name) is not None
    return folder.name in _NOT_DATA or is_store or (folder / "pyvenv.cfg").is_file()


def read(
    seen: Seen,
    project: Path,
    own: Collection[Path],
    *,
    named: Iterable[str],
    opened: Iterable[Path],
    started_ns: int,
) -> tuple[tuple[InputData, ...], list[str]]:
    """Return the inputs of a process that has ended, and what of them is not known.

    Parameters
    ----------
    seen : Seen
    project : Path
        Its folder.
    own : collection of Path
        The files of its commit, by their true paths.
    named : iterable of str
        Values of parameters: the path of a file is one that the process may have read unseen.
    opened : iterable of Path
        Files that some program has opened, as the system says.
    started_ns : int
        When it started: what was written later, it may have written itself.
    """
    root, folder = repository_root(project).resolve(), project.resolve()
    paths = [folder / value for value in named if value and "\0" not in value]
    found: dict[str, InputData] = {}
    changed: dict[str, None] = {}
    for path in dict.fromkeys((*seen.read, *opened, *paths)):
        within = _within(path, root, project)
        is_own = Path(os.path.realpath(path)) in own
        if is_own or not _is_file(path) or not _is_data(path, within, root):
            continue
        name = os.path.relpath(within, folder) if within else str(path)
        if path in seen.written or path.stat().st_mtime_ns >= started_ns:
            changed |= {name: None} if path in seen.read else {}
        elif name not in found and len(found) < _MOST:
            size = path.stat().st_size
            found[name] = InputData(name=name, uri=name, sha256=sha256_file(path), bytes=size)
    unknown = [f"what {', '.join(changed)} held before it was written"] if changed else []
    if len(found) == _MOST:
        unknown.append(f"inputs after the first {_MOST}")
    return tuple(found[name] for name in sorted(found)), unknown


def provide(
    inputs: Sequence[InputData], project: Path, *, checkout: Path, permitted: Permissions
) -> None:
    """Check the inputs of a run, and put those of the project into the checkout of a replay.

    Parameters
    ----------
    inputs : sequence of InputData
    project : Path
        The project's folder in the user's clone.
    checkout : Path
        The same folder in the checkout.
    permitted : Permissions
        What may be read outside the project.

    Raises
    ------
    DataError, DigestMismatchError, NotAllowedError
        If one is missing, has changed, may not be read, or would be written elsewhere.
    """
    for item in inputs:
        is_elsewhere = Path(item.uri).is_absolute()
        place = checkout / item.uri
        path = None
        try:
            path = verified(item, project, permitted=permitted)
        except RepriseError:
            if is_elsewhere or not item.kept:
                raise
        if is_elsewhere or place.exists():
            continue
        _place(item, checkout)
        _make_free(item, place, checkout)
        if path is None:
            kept.fetch(item, place)
        else:
            _copy(path, place)


def _make_free(item: InputData, place: Path, checkout: Path) -> None:
    """Prepare the place of an input in a checkout; see `_refuse_outside`."""
    _refuse_outside(item, place, checkout)
    place.unlink(missing_ok=True)  # a link of the commit to what only the clone has
    place.parent.mkdir(parents=True, exist_ok=True)


def verified(item: InputData, project: Path, *, permitted: Permissions) -> Path:
    """Return the path of an input that is as it was recorded.

    A record names it, and is somebody else's words: of a file elsewhere not even the digest is
    reported unless the user has named it.

    Raises
    ------
    DataError, DigestMismatchError, NotAllowedError
        If it is missing, has changed, or may not be read.
    """
    path = _place(item, project)
    if Path(item.uri).is_absolute():
        permitted.refuse_file(path)
    if not _is_file(path):
        raise DataError(
            f"expected the file {item.uri}, which the run has read (SHA-256 {item.sha256}), found "
            f"none at {path}. Put it there."
        )
    found = sha256_file(path)
    if found != item.sha256:
        raise DigestMismatchError(f"the input {item.uri}", recorded=item.sha256, found=found)
    return path


def fault(item: InputData, project: Path, *, permitted: Permissions) -> str:
    """Say in a line what is wrong with an input; "" where nothing is."""
    try:
        verified(item, project, permitted=permitted)
    except RepriseError as error:
        return str(error)
    return ""


def _place(item: InputData, project: Path) -> Path:
    """Return where an input is: in the user's clone, or where its absolute path says.

    Raises
    ------
    DataError
        If it is no path, or should be within the repository and leads out of it.
    """
    if "\0" in item.uri:
        raise DataError(
            f"expected the path of an input, found {item.uri!a}. The record was altered."
        )
    if Path(item.uri).is_absolute():
        return Path(item.uri)
    root = repository_root(project).resolve()
    path = Path(os.path.normpath(project.resolve() / item.uri))
    if not path.is_relative_to(root) or ".git" in path.relative_to(root).parts:
        raise DataError(
            f"expected an input of the repository, found {item.uri!a}, which leads out of it. "
            "The record was altered."
        )
    return path


def _refuse_outside(item: InputData, place: Path, checkout: Path) -> None:
    """Refuse to write through a link of the commit that leads out of the checkout.

    Raises
    ------
    DataError
        If there is one.
    """
    if not place.parent.resolve().is_relative_to(repository_root(checkout).resolve()):
        raise DataError(
            f"expected {item.uri!a} within the run's checkout, found that a link of its commit "
            "leads out of it. Put the data there yourself, and make the run again."
        )


def _within(path: Path, root: Path, project: Path) -> Path | None:
    """Return a path as one in the repository, links within it left as they are; None: elsewhere."""
    for base in (root, Path(os.path.abspath(repository_root(project)))):  # noqa: PTH100 - links stay
        if path.is_relative_to(base):
            return root / path.relative_to(base)
    return None


def _is_file(path: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return path.is_file()
    return False


def _is_data(path: Path, within: Path | None, root: Path) -> bool:
    """Return whether a file may be somebody's data, and is not of the system or of a library.

    Parameters
    ----------
    path : Path
    within : Path or None
        The same file in the repository; None: it is elsewhere.
    root : Path
        Of the repository, which may be a checkout in a temporary folder.
    """
    parts = within.relative_to(root).parts if within else path.parts
    if not _NOT_DATA.isdisjoint(parts) or any(map(_STORE.fullmatch, parts)):
        return False
    if any(map(scratch.is_name, parts)):  # what the engine itself has for a moment
        return False
    text = str(path)
    if any(text.startswith(store) for store in _stores()):
        return False
    if within is not None:
        return True
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path's raises where there is none
    if path.is_relative_to(home) and path.relative_to(home).parts[0].startswith("."):
        return any(path.is_relative_to(home / folder) for folder in _HOME_OF_DATA)
    engine = Path(__file__).resolve().parents[1]
    own = (engine, engine.with_name("plugin"))  # an editable install has links to them
    is_system = text.startswith(_SYSTEM) and not text.startswith(_IN_MEMORY)
    return not is_system and not any(map(path.resolve().is_relative_to, own))


def _stores() -> Iterator[str]:
    """Yield what the paths of the tracking store's own files begin with."""
    address = re.sub("^(?:sqlite:///|file://)", "", os.environ.get("MLFLOW_TRACKING_URI", ""))
    if address and "://" not in address:
        yield os.path.realpath(address)
        yield address


def _copy(source: Path, target: Path) -> None:
    """Copy a file as fast as the file system can; a hard link could be written through."""
    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new.fileno(), _CLONE, old.fileno())
        except OSError:  # not on this file system, or across two
            shutil.copyfileobj(old, new, 1 << 20)
    shutil.copystat(source, target)
