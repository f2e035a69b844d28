"""Calls a function periodically in a background thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WAIT_SECONDS = 2.0  # at the end, for a call that is in progress


@contextmanager
def periodic(action: Callable[[], bool], *, every: float) -> Iterator[None]:
    """Call a function every so many seconds, in a thread, until it says False or the block ends.

    A call that does not return, as of a server that is silent, does not keep the block from ending.
    """
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(every) and action():
            pass

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_WAIT_SECONDS)
