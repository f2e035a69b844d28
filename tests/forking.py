"""Runs `python -m …`, `mlflow run …` and `reprise …` in forks of one warm process: a fork costs
milliseconds, Python and its libraries cost seconds.

A command sees what it would see in a process of its own: its folder, variables, arguments, output,
a process group, and the modules of its own project, none of which the warm process has imported.
`tests/e2e/test_forked_steps.py` proves it for each entry point. Signals and kills are tested with
true processes.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from becoming import execute_child, may_fork, send, split_by_bash

_COMMANDS = (("python", "-m"), ("mlflow", "run"), ("reprise",))
_SERVER = Path(__file__).with_name("fork_server.py")
_GRACE_SECONDS = 10


@dataclass(frozen=True)
class Finished:
    """How a command ended, what it printed, and the processes that it has left running."""

    exit_code: int
    stdout: str
    stderr: str
    left_processes: list[str]


class WarmProcess:
    """A process that imports the libraries at the first command, and forks itself for each.

    Parameters
    ----------
    environment : mapping of str to str
        Variables that libraries read as they load: the numerics pins among them.
    prefix : sequence of str
        What its command line starts with, to run it somewhere else.
    """

    def __init__(self, environment: Mapping[str, str], *, prefix: Sequence[str] = ()) -> None:
        self.environment = dict(environment)
        self.prefix = tuple(prefix)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")

    @property
    def _address(self) -> str:
        return f"{self._folder.name}/socket"

    def can_run(self, words: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Return whether a fork does what a process would: some variables are read at its start."""
        plain = split_by_bash(words)
        is_known = any(tuple(plain[: len(known)]) == known for known in _COMMANDS)
        return is_known and may_fork(environment, self.environment)

    def run(
        self,
        words: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        timeout: float = 120,
    ) -> Finished:
        """Run a command to its end; threads may run several at a time.

        Parameters
        ----------
        words : sequence of str
            `python -m module arguments`, `mlflow run arguments` or `reprise arguments`; or one of
            them for `bash -c`.
        folder : Path
        environment : mapping of str to str
            All variables of the command.
        timeout : float
            Seconds after which it is killed, and the test fails.
        """
        assert self.can_run(words, environment), words
        with tempfile.TemporaryDirectory() as output, socket.socket(socket.AF_UNIX) as channel:
            order = {
                "words": split_by_bash(words),
                "folder": str(folder),
                "environment": dict(environment),
                "output": output,
                "timeout": timeout,
            }
            answer = self._ask(channel, order)
            stdout, stderr = (
                Path(output, name).read_bytes().decode("utf-8", "replace")
                for name in ("stdout", "stderr")
            )
        assert not answer["late"], f"{words} did not end in {timeout} s:\n{stdout}\n{stderr}"
        return Finished(answer["exit_code"], stdout, stderr, answer["left"])

    @contextlib.contextmanager
    def starting_processes(self) -> Iterator[None]:
        """Let `subprocess` take forks where it is asked to start this Python, in the block.

        They are children of this process like any other.
        """

        def become(order: dict[str, Any], descriptors: tuple[int, ...]) -> int:
            with socket.socket(socket.AF_UNIX) as channel:
                return self._ask(channel, order, descriptors)["pid"]

        before = subprocess.Popen._execute_child
        subprocess.Popen._execute_child = execute_child(become, self.environment)
        try:
            yield
        finally:
            subprocess.Popen._execute_child = before

    def _ask(
        self, channel: socket.socket, order: dict[str, Any], descriptors: tuple[int, ...] = ()
    ) -> dict[str, Any]:
        self._start()
        channel.connect(self._address)
        send(channel, order, descriptors)
        with channel.makefile("rb") as answers:
            return json.loads(answers.readline())

    def _start(self) -> None:
        with self._lock:
            if self._process is not None:
                return
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(self._address)
                listening.listen()  # commands may connect while the process imports
                self._process = subprocess.Popen(
                    [*self.prefix, sys.executable, str(_SERVER)],
                    stdin=subprocess.PIPE,  # its end is the sign to end
                    env={**self.environment, "FORK_SERVER": str(listening.fileno())},
                    pass_fds=[listening.fileno()],
                    start_new_session=True,
                )

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.terminate()  # it has nothing to save, and may still be importing
            self._process.wait(timeout=_GRACE_SECONDS)
        self._folder.cleanup()


def new_warm_process(*, prefix: Sequence[str] = ()) -> WarmProcess:
    """Return a warm process on the numerics baseline, free of what this process's shell has set."""
    from reprise.capture import numerics

    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "GIT_", "REPRISE_", "PYTHON", "PYTEST"))
    }
    pinned = {**numerics.baseline(kept), "MLFLOW_DISABLE_TELEMETRY": "true"}
    return WarmProcess(pinned, prefix=prefix)
