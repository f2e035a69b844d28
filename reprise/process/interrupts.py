"""The signals that ask a process to end: one set, and one way to handle it, for the whole engine.

A scheduler or `kill` sends SIGTERM, Ctrl-C sends SIGINT, and a terminal that closes sends SIGHUP.
Each becomes an exception in the main thread, so that an open run is closed on the way out.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

EXIT_CODE = 130  # of a command that was interrupted
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# A terminal that closes, or `mlflow run` after Ctrl-C, sends several signals at once: those after
# the first must not interrupt the closing of the run.
GRACE_SECONDS = 5.0
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


class Terminated(SystemExit):
    """A signal asked the process to end."""


@dataclass
class _Deferral:
    """How many blocks want no signal now, and the error of one that has come."""

    blocks: int = 0
    error: BaseException | None = None


_DEFERRAL = _Deferral()  # of the main thread: only there signals are handled


def keyboard_interrupt(_number: int) -> BaseException:
    """Return what Ctrl-C raises, for any signal."""
    return KeyboardInterrupt()


def handle(error: Callable[[int], BaseException] = keyboard_interrupt) -> dict[int, Any]:
    """Raise an error in the main thread when a signal asks this process to end.

    Signals that are ignored (as by `nohup`), or that other code handles, stay as they are. A fork
    of this process ends by the signal, as it would have without a handler.

    Parameters
    ----------
    error : callable
        Makes the exception from the signal's number.

    Returns
    -------
    dict of int to handler
        What to give to `restore`; empty outside the main thread, where signals cannot be handled.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    process, last, is_first = os.getpid(), -GRACE_SECONDS, True

    def on_signal(number: int, _frame: object) -> None:
        nonlocal last, is_first
        if os.getpid() != process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if time.monotonic() - last >= GRACE_SECONDS:
            last, was_first, is_first = time.monotonic(), is_first, False
            if _DEFERRAL.blocks and was_first:
                _DEFERRAL.error = error(number)
                return
            raise error(number)

    replaced = [number for number in ENDING if signal.getsignal(number) in _DEFAULTS]
    return {number: signal.signal(number, on_signal) for number in replaced}


def restore(handlers: dict[int, Any]) -> None:
    """Give signals back the handlers that `handle` has replaced."""
    for number, handler in handlers.items():
        signal.signal(number, handler)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt in this block when a signal asks this process to end."""
    replaced = handle()
    try:
        yield
    finally:
        restore(replaced)


@contextmanager
def deferred() -> Iterator[Callable[[], None]]:
    """Let a signal interrupt this block only at its end, or where it calls what is yielded.

    So that what must not be torn apart is whole: a run is made and will be ended, or is ended. A
    second signal, after `GRACE_SECONDS`, interrupts at once, as what is done may hang.
    """
    _DEFERRAL.blocks += 1
    is_over = False

    def admit() -> None:
        nonlocal is_over
        if is_over:
            return
        is_over = True
        _DEFERRAL.blocks -= 1
        if not _DEFERRAL.blocks and _DEFERRAL.error is not None:
            error, _DEFERRAL.error = _DEFERRAL.error, None
            raise error

    try:
        yield admit
    finally:
        admit()
