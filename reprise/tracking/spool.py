"""What a tracking server has not confirmed, on this machine's disk, until it does.

A folder for each run, locked by the process that adds to it: the server's address in a file, what
is to be sent in numbered files, in its order, and content beside it. A process writes here before
it sends, so that what it has is there when it is killed. Only when the server fails, all is flushed
to the disk: a kill leaves what was written, a loss of power what was flushed.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reprise import env
from reprise.errors import SpoolError
from reprise.tracking import writes
from reprise.tracking.writes import Write
from reprise.trust.documents import size_text

_SERVER = "server"
_NOTE = "noted.json"  # after all numbers
_LEAST_FREE = 64 << 20  # bytes, for a model and a record
_MOST_COPIED = 64 << 20  # bytes of content that is copied before it is sent


def location() -> Path:
    """Return the folder of the spool, which need not be there."""
    given = os.environ.get(env.SPOOL)
    if given:
        return Path(given).absolute()
    state = os.environ.get("XDG_STATE_HOME")
    if state and Path(state).is_absolute():
        return Path(state, "reprise", "spool")
    try:
        return Path.home() / ".local" / "state" / "reprise" / "spool"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir(), f"reprise-spool-{os.getuid()}")


def refuse_unusable() -> None:
    """Refuse to begin work whose results could not be kept.

    Raises
    ------
    SpoolError
        If the folder cannot be written, or its disk is full.
    """
    folder = location()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise unusable(error) from None
    if free < _LEAST_FREE:
        raise SpoolError(
            f"expected {size_text(_LEAST_FREE)} of free disk at {folder}, where results are safe "
            f"while the tracking server is away; found {size_text(free)}. Make room, or set "
            f"{env.SPOOL} to another folder."
        )


def unusable(error: OSError) -> SpoolError:
    """Return what to raise where the folder cannot be written."""
    return SpoolError(
        "expected a folder in which results are safe while the tracking server is away, found that "
        f"{location()} cannot be written: {os.strerror(error.errno or errno.EIO)}. Set "
        f"{env.SPOOL} to a folder of this machine."
    )


def keep(write: Write, server: str) -> Path:
    """Keep what is to be sent, in whole or not at all; return its file.

    It is safe from a kill when this returns; see `flush`. Content on the same disk is shared, not
    copied, until then.
    """
    folder = _begun(write.run_id, server)
    numbers = [int(path.stem) for path in folder.glob("[0-9]*.json")]
    number = f"{max(numbers, default=-1) + 1:06}"
    if write.path:
        content = folder / number
        shutil.rmtree(content, ignore_errors=True)  # of a process that was killed as it wrote
        content.mkdir()
        moved = content / Path(write.path).name
        _share(Path(write.path), moved)
        write = write.moved(moved)
    kept = folder / f"{number}.json"
    _write(kept, write.to_json())
    return kept


def note(write: Write, server: str) -> None:
    """Keep what is to be sent later, in place of an earlier note; it is the last that is sent."""
    _write(_begun(write.run_id, server) / _NOTE, write.to_json())


def drop_note(run_id: str) -> None:
    """Remove a note, of which all was kept or sent."""
    (location() / run_id / _NOTE).unlink(missing_ok=True)


def is_cheap(write: Write) -> bool:
    """Return whether what a write sends can be kept before it is sent, at no great cost."""
    if not write.path or Path(write.path).stat().st_dev == _folder(write.run_id).stat().st_dev:
        return True
    path = Path(write.path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) <= _MOST_COPIED


def flush(run_id: str) -> None:
    """Write all that is kept of a run to the disk, and let its content be nobody else's."""
    folder = _folder(run_id)
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_nlink > 1:
            own = path.with_name(f"{path.name}.own")
            try:
                shutil.copyfile(path, own)
                own.replace(path)
            except OSError:  # a full disk: it stays shared
                own.unlink(missing_ok=True)
    for path in (*folder.rglob("*"), folder):
        _flush(path)


def _folder(run_id: str) -> Path:
    """Return the folder of a run, which is made where there is none."""
    folder = location() / run_id
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _begun(run_id: str, server: str) -> Path:
    """Return the folder of a run, with the address of its server."""
    folder = _folder(run_id)
    if not (folder / _SERVER).exists():
        _write(folder / _SERVER, server)
    return folder


def _share(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link)
    else:
        _link(str(source), str(target))


def _link(source: str, target: str) -> None:
    """Let a file have a second name, or a copy where its disk or its owner is another."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copyfile(source, target)


def _write(path: Path, text: str) -> None:
    """Write a file whole: it has its name only when all is in it."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _flush(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def read(path: Path) -> Write:
    """Read what is kept in a file.

    Raises
    ------
    SpoolError
        If it is damaged.
    """
    try:
        return writes.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError, LookupError) as error:
        raise SpoolError(
            f"expected a file of results that were kept, found {path}, which is damaged "
            f"({type(error).__name__}). Move it away to deliver the others."
        ) from None


def drop(path: Path) -> None:
    """Remove what the server has confirmed."""
    path.unlink(missing_ok=True)
    if path.with_suffix("").is_dir():
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)


@dataclass(frozen=True)
class Kept:
    """What is kept of one run."""

    run_id: str
    server: str
    folder: Path

    def writes(self) -> Iterator[tuple[Path, Write]]:
        """Yield what is to be sent, in its order, each with its file.

        Raises
        ------
        SpoolError
            If a file is damaged.
        """
        for path in sorted(self.folder.glob("*.json")):
            yield path, read(path)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it waits to be sent."""
        return next(self.folder.glob("*.json"), None) is None

    @property
    def ends(self) -> bool:
        """Whether the end of the run waits to be sent."""
        return any(isinstance(write, writes.End) for _, write in self.writes())

    def size(self) -> str:
        """Return how much is kept, for a person."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return size_text(sum(path.stat().st_size for path in files))


def kept_runs() -> list[Kept]:
    """Return the runs of which something may be kept, by their ids: open ones, too."""
    found = []
    for file in sorted(location().glob(f"*/{_SERVER}")):
        with contextlib.suppress(OSError):  # delivered meanwhile
            found.append(Kept(file.parent.name, file.read_text(encoding="utf-8"), file.parent))
    return found


def kept(run_id: str, server: str) -> Kept:
    """Return what is kept of a run, which may be nothing."""
    return Kept(run_id, server, location() / run_id)


@contextlib.contextmanager
def locked(run_id: str) -> Iterator[bool]:
    """Hold what is kept of a run; False where another process does."""
    opened = os.open(_folder(run_id), os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(opened)


def clear(run_id: str) -> None:
    """Remove the folder of a run of which all was delivered."""
    shutil.rmtree(location() / run_id, ignore_errors=True)
