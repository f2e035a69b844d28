"""Files of some folders that any program opens: C++ readers and shells do not report, Linux does.

The system says which file was opened, and not by whom: what else is at work in these folders at the
time is seen too.
"""

import contextlib
import ctypes
import os
import select
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name behind it
_OPEN, _FOLDERS_ONLY, _IS_FOLDER = 0x20, 0x01000000, 0x40000000
_MOST_FOLDERS = 4_000  # of 8,192 that a user may watch where nobody has said otherwise
_BUFFER = 1 << 16


class OpenedFiles:
    """The files that were opened while they were watched.

    Attributes
    ----------
    is_complete : bool
        Whether all folders could be watched.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._files: dict[Path, None] = {}
        self._names: dict[int, Path] = {}
        self.is_complete = False
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, AttributeError):  # no Linux
            self._descriptor = -1
        if self._descriptor < 0:
            return
        wanted = [*folders]
        for folder in wanted[:_MOST_FOLDERS]:
            mask = _OPEN | _FOLDERS_ONLY
            watch = libc.inotify_add_watch(self._descriptor, os.fsencode(folder), mask)
            if watch >= 0:
                self._names[watch] = folder
        self.is_complete = len(self._names) == len(wanted)

    def collect(self, until: int) -> None:
        """Take events until a descriptor can be read: the system keeps only some thousands."""
        if self._descriptor < 0:
            return
        while True:
            ready, _, _ = select.select([self._descriptor, until], [], [])
            with contextlib.suppress(BlockingIOError):
                self._take(os.read(self._descriptor, _BUFFER))
            if until in ready:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        self._take(os.read(self._descriptor, _BUFFER))
                return

    def files(self) -> tuple[Path, ...]:
        """Return the files, in the order in which they were opened first."""
        return tuple(self._files)

    def close(self) -> None:
        """Watch no longer."""
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def _take(self, events: bytes) -> None:
        at = 0
        while at < len(events):
            watch, mask, _, length = _EVENT.unpack_from(events, at)
            at += _EVENT.size
            name = events[at : at + length].rstrip(b"\0")
            at += length
            if watch in self._names and name and not mask & _IS_FOLDER:
                self._files[self._names[watch] / os.fsdecode(name)] = None


@contextmanager
def watching_folders(folders: Iterable[Path]) -> Iterator[OpenedFiles]:
    """Watch which files of some folders are opened, in a `with` block; see what after it."""
    opened = OpenedFiles(folders)
    end, ending = os.pipe()
    thread = threading.Thread(target=opened.collect, args=(end,), daemon=True)
    thread.start()
    try:
        yield opened
    finally:
        os.write(ending, b"\n")
        thread.join()
        opened.close()
        os.close(end)
        os.close(ending)
