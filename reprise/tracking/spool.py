"""What a tracking server did not take, on this machine's disk, until `reprise sync` delivers it.

A folder for each run, locked by the process that adds to it: the server's address in a file, what
was to be sent in numbered files, in its order, and content beside it.
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
_LEAST_FREE = 64 << 20  # bytes, for a model and a record


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
        raise SpoolError(
            f"expected a folder in which results are safe while the tracking server is away, found "
            f"that {folder} cannot be written: {os.strerror(error.errno or errno.EIO)}. Set "
            f"{env.SPOOL} to a folder of this machine."
        ) from None
    if free < _LEAST_FREE:
        raise SpoolError(
            f"expected {size_text(_LEAST_FREE)} of free disk at {folder}, where results are safe "
            f"while the tracking server is away; found {size_text(free)}. Make room, or set "
            f"{env.SPOOL} to another folder."
        )


def keep(write: Write, server: str) -> None:
    """Keep what could not be sent, in whole or not at all, and on the disk when this returns."""
    folder = _folder(write.run_id)
    if not (folder / _SERVER).exists():
        _write(folder / _SERVER, server)
    number = f"{len([*folder.glob('*.json')]):06}"
    if write.path:
        content = folder / number
        content.mkdir()
        moved = content / Path(write.path).name
        _copy(Path(write.path), moved)
        write = write.moved(moved)
    _write(folder / f"{number}.json", write.to_json())


def _folder(run_id: str) -> Path:
    """Return the folder of a run, which is made where there is none."""
    folder = location() / run_id
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
    for path in (target, *target.rglob("*")):
        _flush(path)


def _write(path: Path, text: str) -> None:
    """Write a file whole: it has its name only when it is on the disk."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    _flush(new)
    new.replace(path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


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
            try:
                yield path, writes.from_json(path.read_text(encoding="utf-8"))
            except (ValueError, TypeError, LookupError) as error:
                raise SpoolError(
                    f"expected a file of results that were kept, found {path}, which is damaged "
                    f"({type(error).__name__}). Move it away to deliver the others."
                ) from None

    def size(self) -> str:
        """Return how much is kept, for a person."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return size_text(sum(path.stat().st_size for path in files))

    def drop(self, path: Path) -> None:
        """Remove what the server has confirmed."""
        path.unlink()
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)


def kept_runs() -> list[Kept]:
    """Return the runs of which something is kept, by their ids."""
    found = []
    for file in sorted(location().glob(f"*/{_SERVER}")):
        with contextlib.suppress(OSError):  # delivered meanwhile
            found.append(Kept(file.parent.name, file.read_text(encoding="utf-8"), file.parent))
    return found


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


def clear(kept: Kept) -> None:
    """Remove the folder of a run of which all was delivered."""
    shutil.rmtree(kept.folder, ignore_errors=True)
