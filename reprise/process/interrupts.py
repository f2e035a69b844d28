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
from typing import Any

EXIT_CODE = 130  # of a command that was interrupted
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# A terminal that closes, or `mlflow run` after Ctrl-C, sends several signals at once: those after
# the first must not interrupt the closing of the run.
GRACE_SECONDS = 5.0
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


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
    process, last = os.getpid(), -GRACE_SECONDS

    def on_signal(number: int, _frame: object) -> None:
        nonlocal last
        if os.getpid() != process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if time.monotonic() - last >= GRACE_SECONDS:
            last = time.monotonic()
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
