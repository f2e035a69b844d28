"""The source of a step, captured by the command that starts it, while the step's imports go on.

The command makes a named pipe, starts the step, captures, leaves what it found in a file, and
writes to the pipe. The step waits at the pipe when it comes to need its source; where there is no
file, or nobody is left to write one, it captures for itself, and reports what is wrong.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reprise.capture import code
from reprise.capture.code import Captured
from reprise.errors import CodeError

_FILE = "captured.json"
_READY = "ready"


@contextmanager
def awaited(folder: Path) -> Iterator[int]:
    """Let a step wait for its source in a folder; yield the pipe's descriptor."""
    os.mkfifo(folder / _READY)
    pipe = os.open(folder / _READY, os.O_RDWR)  # so that neither end waits for the other to open
    try:
        yield pipe
    finally:
        os.close(pipe)


@contextmanager
def captured(
    project: Path, folder: Path, pipe: int, *, allow_untracked: Sequence[str] | None
) -> Iterator[None]:
    """Capture the source in a project's folder for a step, which has it during a `with` block.

    Parameters
    ----------
    project : Path
    folder : Path
        Where the step looks for it.
    pipe : int
        Of `awaited`.
    allow_untracked : sequence of str, optional
        As for `code.capture`; None: the step captures for itself, if it does at all.
    """
    with contextlib.ExitStack() as kept:
        try:
            if allow_untracked is not None:
                found = kept.enter_context(code.capture(project, allow_untracked=allow_untracked))
                (folder / _FILE).write_text(found.to_json(), encoding="utf-8")
        except CodeError:
            pass  # the step finds the same, and puts it on its run
        finally:
            os.write(pipe, b"\n")
        yield


@contextmanager
def source(
    project: Path, folder: Path | None, *, allow_untracked: Sequence[str]
) -> Iterator[Captured]:
    """Yield the source of this process: captured ahead of it in a folder, or now.

    Parameters
    ----------
    project : Path
    folder : Path or None
        Of `captured`; None: nobody has captured it.
    allow_untracked : sequence of str
        As for `code.capture`.
    """
    ahead = _received(folder) if folder else None
    if ahead:
        yield ahead
        return
    with code.capture(project, allow_untracked=allow_untracked) as found:
        yield found


def _received(folder: Path) -> Captured | None:
    with (folder / _READY).open("rb", buffering=0) as pipe:
        pipe.read(1)
    file = folder / _FILE
    return Captured.from_json(file.read_text(encoding="utf-8")) if file.is_file() else None
