"""Starts a process that imports libraries while nobody knows yet which command it will run.

What that process does is in `fork_server`; this is the other end of the channel to it.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SERVER = Path(__file__).with_name("fork_server.py")
_GRACE_SECONDS = 15  # longer than what the process itself gives its forks
_LAST_LINES = 20
_RECEIVED = 1 << 16  # bytes at a time
# Runs a file without its folder on the path. -P does so too, but passes on to fork servers of
# multiprocessing, which then find no module of the project to preload.
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
    """Starts a process that imports libraries and then waits for commands.

    Parameters
    ----------
    python : Path
        Interpreter of the environment to run in.
    libraries : sequence of str
        Modules that the commands are likely to import; those that are missing are skipped.
    environment : mapping of str to str
        Variables that libraries read as they load.
    shown : bool
        Whether the output goes where this process's goes, instead of being kept.
    reused : bool
        Whether `run` may be called again: each command is a fork of the process. Else the process
        becomes the one command.
    server : Path
        The file `fork_server.py`, where it is not beside this module.
    """

    def __init__(
        self,
        python: Path,
        libraries: Sequence[str],
        environment: Mapping[str, str],
        *,
        shown: bool = False,
        reused: bool = False,
        server: Path = _SERVER,
    ) -> None:
        self._log = None if shown else tempfile.TemporaryFile()  # noqa: SIM115 - see __exit__
        self._reused = reused
        self._received = b""
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [str(python), "-c", _START, str(server), *libraries],
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

    @property
    def is_ready(self) -> bool:
        """Whether the process can still run a command; none of one that has run its own."""
        return self._process.poll() is None

    # One command after another

    def run(self, words: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Ended:
        """Run a command to its end.

        Parameters
        ----------
        words : sequence of str
            `python -m …` runs in the process itself, anything else in one that it starts.
        folder : Path
            Where to run it.
        environment : mapping of str to str
            All of its variables.
        """
        written = self._log.seek(0, os.SEEK_END) if self._log else 0
        self.begin(words, folder=folder, environment=environment)
        if not self._reused:
            return self.ended()
        try:
            answer = self.answer()
        except BaseException:
            self._end()
            raise
        return Ended(answer["exit_code"], self._printed(written)) if answer else self.ended()

    def begin(self, words: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> None:
        """Start a command; see `run`, and `ended` for its end."""
        order = {"words": list(words), "enter": _place(folder, environment)}
        self._order({**order, "number": 0} if self._reused else order)

    def ended(self) -> Ended:
        """Wait for the process's end, and return how it was."""
        try:
            exit_code = self._process.wait()
        except BaseException:
            self._end()
            raise
        return Ended(exit_code, self._printed(0))

    # Several commands at a time, in one folder

    def enter(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        preload: Sequence[str],
        workers: int,
        scratch: Path,
    ) -> None:
        """Have the process go to a folder, for the commands that `fork` asks for.

        Parameters
        ----------
        folder : Path
            Where to run them.
        environment : mapping of str to str
            All variables that they have in common.
        preload : sequence of str
            Modules of the folder's project, to import now; those that fail are skipped.
        workers : int
            Most commands at a time.
        scratch : Path
            For what they print, and for their temporary files; it goes with the process.
        """
        place = {"enter": _place(folder, environment), "scratch": str(scratch)}
        self._order({**place, "preload": list(preload), "workers": workers})

    def fork(self, number: int, words: Sequence[str], variables: Mapping[str, str]) -> None:
        """Order a command, with variables of its own; its answer has the number."""
        self._order({"number": number, "words": list(words), "variables": dict(variables)})

    def stop(self) -> None:
        """Ask what runs to end, and let nothing begin that waits; each has its answer."""
        self._order({"stop": True})

    def answer(self) -> dict[str, Any] | None:
        """Wait for the end of a command: `number`, `exit_code`, `seconds` and `output`.

        None: the process is gone, and there will be no more.
        """
        while b"\n" not in self._received:
            try:
                more = self._channel.recv(_RECEIVED)
            except ConnectionError:
                more = b""
            if not more:
                return None
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        return dict(json.loads(line))

    def _order(self, order: Mapping[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):  # it is gone, as its exit code will show
            self._channel.sendall(json.dumps(order).encode() + b"\n")

    def _printed(self, start: int) -> str:
        """Return the last lines that were printed since the log had this many bytes."""
        if self._log is None:
            return ""
        self._log.seek(start)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return "\n".join(lines[-_LAST_LINES:])


def programs(python: Path) -> str:
    """Return PATH as a command has it: with the programs beside an interpreter first."""
    return f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def _place(folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    return {"folder": str(folder), "environment": dict(environment)}
