"""A process that imports libraries while nobody knows yet which step it will run.

Most of a short step's time is imports. A replay knows early that it will run a step, and late
which one. The process runs this file as a script and imports nothing of the project, whose code
may be that of any commit; it ends when the one that started it does. The command may also be one
that serves: it then reads its own orders, and answers, on the channel by which it got the first.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANNEL = "REPRISE_CHANNEL"  # file descriptor on which a command that serves is spoken to
# As process/interrupts.py has it, which this process cannot import.
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_GRACE_SECONDS = 15
_LAST_LINES = 20
# Runs this file without its folder on the path. -P does so too, but passes on to fork servers,
# which then find no module of the project to preload.
_START = (
    "import runpy, sys; sys.path = [*filter(None, sys.path)]; "
    "runpy.run_path(sys.argv.pop(1), run_name='__main__')"
)


@dataclass(frozen=True)
class Ended:
    """How a command ended, and the last lines that it printed; "" where they were shown."""

    exit_code: int
    last_lines: str


class Launcher:
    """Starts a process that imports libraries and then waits for one command.

    Parameters
    ----------
    python : Path
        Interpreter of the environment to run in.
    libraries : sequence of str
        Modules that the command is likely to import; those that are missing are skipped.
    environment : mapping of str to str
        Variables that libraries read as they load.
    shown : bool
        Whether the command's output goes where this process's goes, instead of being kept.
    reused : bool
        Whether the process runs one command after another, each in a fork; else it runs one.
    file : Path
        This module's file, for a process to which this class was sent without it.
    """

    def __init__(
        self,
        python: Path,
        libraries: Sequence[str],
        environment: Mapping[str, str],
        *,
        shown: bool = False,
        reused: bool = False,
        file: Path = Path(__file__),
    ) -> None:
        self._log = None if shown else tempfile.TemporaryFile()  # noqa: SIM115 - see __exit__
        self._reused = reused
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [str(python), "-c", _START, str(file), *libraries],
                stdin=theirs.fileno(),
                stdout=self._log,
                stderr=None if shown else subprocess.STDOUT,
                env={**environment},
                start_new_session=True,  # Ctrl-C is for the parent, which ends this in order
            )

    def __enter__(self) -> "Launcher":  # noqa: PYI034 - Self is newer than Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._end()
        self._channel.close()
        if self._log:
            self._log.close()

    def _end(self) -> None:
        """End the process, and all that it has started."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def run(self, words: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Ended:
        """Run a command to its end.

        Parameters
        ----------
        words : sequence of str
            `python -m …` runs in the process itself, anything else below it.
        folder : Path
            Where to run it.
        environment : mapping of str to str
            All of its variables.
        """
        written = self._log.seek(0, os.SEEK_END) if self._log else 0
        self.begin(words, folder=folder, environment=environment)
        exit_code = self._answer() if self._reused else None
        return self.ended() if exit_code is None else Ended(exit_code, self._printed(written))

    @property
    def is_ready(self) -> bool:
        """Whether the process can still run a command; none of one that has run its own."""
        return self._process.poll() is None

    def begin(self, words: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> None:
        """Start a command; see `run`, and `ended` for its end."""
        self._order(words, folder, environment, serves=False)

    def serve(
        self, words: Sequence[str], *, folder: Path, environment: Mapping[str, str]
    ) -> socket.socket:
        """Start a command that serves, and return the channel to it; see `run`."""
        self._order(words, folder, environment, serves=True)
        return self._channel

    def _order(
        self, words: Sequence[str], folder: Path, environment: Mapping[str, str], *, serves: bool
    ) -> None:
        order = {
            "words": list(words),
            "folder": str(folder),
            "environment": dict(environment),
            "serves": serves,
            "forks": self._reused,
        }
        with contextlib.suppress(ConnectionError):  # it is gone, as its exit code will tell
            self._channel.sendall(json.dumps(order).encode() + b"\n")

    def ended(self) -> Ended:
        """Wait for the command's end, and tell how it was."""
        try:
            exit_code = self._process.wait()
        except BaseException:
            self._end()
            raise
        return Ended(exit_code, self._printed(0))

    def _answer(self) -> int | None:
        """Wait for the exit code of a command's fork; None: the process has ended."""
        try:
            line = self._channel.makefile("rb", buffering=0).readline()
        except ConnectionError:
            return None
        except BaseException:
            self._end()
            raise
        return int(line) if line else None

    def _printed(self, start: int) -> str:
        """Return the last lines that were printed since the log had this many bytes."""
        if self._log is None:
            return ""
        self._log.seek(start)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return "\n".join(lines[-_LAST_LINES:])


def main() -> None:
    """Be the process: import, wait for the order, run it."""
    gc.disable()
    for library in sys.argv[1:]:
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
    gc.freeze()  # what was imported stays: no collection need search it
    gc.enable()
    channel = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    parent = os.fdopen(channel, "rb", buffering=0)
    line = parent.readline()
    while line and json.loads(line)["forks"] and (child := os.fork()):
        os.write(channel, b"%d\n" % _exit_code(child))
        line = parent.readline()
    if not line:
        return
    order = json.loads(line)
    os.environ.clear()
    os.environ.update(order["environment"])
    tempfile.tempdir = None  # a library may have asked for it before
    os.chdir(order["folder"])
    if order["serves"]:
        os.environ[CHANNEL] = str(parent.fileno())
    else:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    words = order["words"]
    if words[:2] == ["python", "-m"]:
        _be_module(words[2], words[3:])
    else:
        sys.exit(_call(words))


def _exit_code(child: int) -> int:
    """Wait for a fork, which ends when this process is asked to, as this one then does."""
    asked = 0

    def end(number: int, _frame: object) -> None:
        nonlocal asked
        asked = number
        os.kill(child, number)

    before = {number: signal.signal(number, end) for number in _ENDING}
    _, status = os.waitpid(child, 0)
    for number, handler in before.items():
        signal.signal(number, handler)
    if asked:
        sys.exit(128 + asked)
    return os.waitstatus_to_exitcode(status)


def _be_module(module: str, arguments: list[str]) -> None:
    """Do what `python -m module arguments` does in this folder."""
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as -m does
    sys.argv = ["-m", *arguments]
    sys.orig_argv = [sys.executable, "-m", module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _call(words: list[str]) -> int:
    """Run any other command, which ends when this process is asked to."""

    def end(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        os.killpg(0, number)  # this process leads a session of its own

    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
    code = subprocess.run(words, check=False).returncode
    return code if code >= 0 else 128 - code  # of a signal, as a shell tells it


def _end_with(parent: Any) -> None:
    """Interrupt this process when the one that gave the order is gone."""
    parent.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
