"""End an open run when the process ends: by an error, an exit, or any signal but SIGKILL."""

import atexit
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from reprise.errors import RunFailedError
from reprise.process import interrupts
from reprise.process.interrupts import Terminated


class ExitHandler:
    """Calls a function with the reason if the process ends between `start` and `stop`.

    Parameters
    ----------
    end : callable
        Called with the exception that ended the process.
    interactive : bool
        Whether errors do not end the process, and another program handles its signals.
    """

    def __init__(self, end: Callable[[BaseException], None], *, interactive: bool) -> None:
        self._end = end
        self._interactive = interactive
        self._process = 0
        self._signal = 0
        self._replaced: dict[int, Any] = {}

    @property
    def here(self) -> bool:
        """Whether this is the process that called `start`, and not a fork of it."""
        return self._process == os.getpid()

    def start(self) -> None:
        """Handle exits and signals, except signals that the process handles or ignores."""
        self._process = os.getpid()
        atexit.register(self._at_exit)
        if not self._interactive:
            self._replaced = interrupts.handle(self._ended_by)

    def stop(self) -> None:
        """Stop handling, and restore the signals."""
        atexit.unregister(self._at_exit)
        interrupts.restore(self._replaced)
        self._replaced = {}

    def _ended_by(self, number: int) -> BaseException:
        """Return the exception for a signal: KeyboardInterrupt for Ctrl-C, else an exit."""
        if number == signal.SIGINT:
            return KeyboardInterrupt()
        self._signal = number
        return Terminated(128 + number)

    def _at_exit(self) -> None:
        if not self.here:
            return
        if self._signal:
            self._end(Terminated(128 + self._signal))
            return
        error = None if self._interactive else getattr(sys, "last_value", None)
        self._end(error or RunFailedError("the script ended without terminate_run"))
