"""Runs planned steps in forks of a warm process.

Nearly all of a short run's time is imports. The warm process (`host`) loads the libraries while
nobody knows yet what it will run, and then, in a checkout of the runs' code, the project's modules.
"""

import contextlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from reprise.backports import Self
from reprise.process.launcher import Launcher

_LAST_LINES = 20
_RECEIVED = 1 << 16  # bytes at a time


@dataclass(frozen=True)
class Task:
    """One run to make: an entry point's module, its raw parameters, and more variables."""

    module: str
    raw_parameters: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        """Its command line, as `mlflow run` would give it."""
        return [
            word for name, value in self.raw_parameters.items() for word in (f"--{name}", value)
        ]


@dataclass(frozen=True)
class Result:
    """How a task ended, and what its process told of its run."""

    task: Task
    exit_code: int
    seconds: float
    output: str = ""  # what it printed
    run_id: str = ""  # "": it made none
    metrics: Mapping[str, float] = field(default_factory=dict)
    made_before: bool = False  # the run was there already

    @property
    def error(self) -> str:
        """The last lines that a failed task printed."""
        return "\n".join(self.output.strip().splitlines()[-_LAST_LINES:])


class Executor(Protocol):
    """Makes runs, several at a time.

    Attributes
    ----------
    retries : bool
        Whether it may start a task again that it has lost sight of.
    folder : Path
        For what its runs share, as long as it is there.
    """

    retries: bool
    folder: Path

    def open(self, code: Path, environment: Mapping[str, str]) -> None:
        """Say in which folder the runs' code is, and which variables all of them have."""

    def run(self, tasks: Sequence[Task]) -> Generator[Result, None, None]:
        """Run tasks, and yield each as it ends; what still runs ends with the iteration."""


class WarmExecutor:
    """Makes runs on this machine, in forks of a process that has imported what they need.

    Parameters
    ----------
    libraries : sequence of str
        Modules to import at once; those that are missing are skipped.
    preload : sequence of str
        Modules to import as soon as the code's folder is known.
    workers : int
        Most runs at a time.
    start : callable, optional
        Starts the process that imports: takes the libraries, and returns its launcher.
    """

    retries = False

    def __init__(
        self,
        *,
        libraries: Sequence[str] = (),
        preload: Sequence[str] = (),
        workers: int,
        start: Callable[[Sequence[str]], Launcher] = lambda libraries: Launcher(
            Path(sys.executable), libraries, os.environ
        ),
    ) -> None:
        self._start = start
        self._libraries = libraries
        self._preload = preload
        self.workers = workers
        self._launcher = start(libraries)  # imports begin now, beside the caller's own
        self._temporary = tempfile.TemporaryDirectory(prefix="reprise-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self._code = Path.cwd()
        self._environment: Mapping[str, str] = {}
        self._channel: socket.socket | None = None
        self._stopping = False
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End what runs, and the process."""
        self._launcher.__exit__()
        self._temporary.cleanup()

    def open(self, code: Path, environment: Mapping[str, str]) -> None:
        """Say in which folder the runs' code is, and which variables all of them have."""
        self._code = code
        self._environment = environment
        self._serve()

    def run(self, tasks: Sequence[Task]) -> Generator[Result, None, None]:
        """Run tasks, and yield each as it ends; what still runs ends with the iteration."""
        channel = self._channel or self._serve()
        self._stopping = False
        waiting = dict(reversed(list(enumerate(tasks))))  # popped from its end
        running: dict[int, Task] = {}
        try:
            while waiting or running:
                if self._stopping:
                    return
                while waiting and len(running) < 2 * self.workers:
                    number, task = waiting.popitem()
                    running[number] = task
                    self._send(channel, self._order(number, task))
                answer = self._answer(channel)
                if answer is not None:
                    task = running.pop(answer.pop("number"))
                    yield Result(task, **{"seconds": 0.0, **answer})
                    continue
                ended = self._launcher.ended()
                how = f"the process that made it was ended (exit code {ended.exit_code})"
                lost, running = running, {}
                channel = self._again()
                for task in lost.values():
                    yield Result(task, ended.exit_code, 0.0, f"{how}\n{ended.last_lines}")
        finally:
            if running:
                self.stop()
            while running and (answer := self._answer(channel)) is not None:
                running.pop(answer["number"])

    def _serve(self) -> socket.socket:
        earlier = self._code / "reprise" / "sweeps" / "host.py"  # its name in earlier commits
        server = "reprise.sweeps.host" if earlier.is_file() else "reprise.process.fork_server"
        words = ("python", "-m", server, str(self.workers), str(self.folder))
        self._channel = self._launcher.serve(
            [*words, *self._preload],
            folder=self._code,
            environment={**os.environ, **self._environment},
        )
        return self._channel

    def _again(self) -> socket.socket:
        """Start the process anew, after its untimely end."""
        self._launcher.__exit__()
        self._received = b""
        self._launcher = self._start(self._libraries)
        return self._serve()

    @staticmethod
    def _order(number: int, task: Task) -> dict[str, Any]:
        return {
            "number": number,
            "module": task.module,
            "arguments": task.arguments,
            "environment": dict(task.environment),  # on top of what the process has
        }

    def stop(self) -> None:
        """End what runs, from any thread; the iteration over results then ends."""
        self._stopping = True
        if self._channel is not None:
            self._send(self._channel, {"stop": True})

    @staticmethod
    def _send(channel: socket.socket, order: Mapping[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):  # it is gone: the next reading tells
            channel.sendall(json.dumps(order).encode() + b"\n")

    def _answer(self, channel: socket.socket) -> dict[str, Any] | None:
        """Read what the process tells next; None: it is gone."""
        while b"\n" not in self._received:
            try:
                more = channel.recv(_RECEIVED)
            except ConnectionError:
                more = b""
            if not more:
                return None
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        return dict(json.loads(line))
