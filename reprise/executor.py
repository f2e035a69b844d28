"""Runs planned steps in fresh processes forked from a warm one.

Nearly all of a short run's time is imports. A fork server (the standard library's) imports them
once; each run is then a fork of it that runs the unmodified step module with the arguments that
`mlflow run` would give. One process per run: no state leaks, and a crash loses one run.
"""

import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from pathlib import Path

_LAST_LINES = 20
_GRACE_SECONDS = 10


@dataclass(frozen=True)
class Task:
    """One run to make: an entry point's module, its raw parameters, and its run's id."""

    run_id: str
    module: str
    raw_parameters: Mapping[str, str]


@dataclass(frozen=True)
class Result:
    """How a task ended."""

    task: Task
    exit_code: int
    seconds: float
    output: str  # what it printed

    @property
    def error(self) -> str:
        """The last lines that a failed task printed."""
        return "\n".join(self.output.strip().splitlines()[-_LAST_LINES:])


class WarmExecutor:
    """A fork server that has imported what the steps need.

    Parameters
    ----------
    preload : sequence of str
        Modules to import in the server.
    workers : int
        Most runs at a time.
    """

    def __init__(self, *, preload: Sequence[str], workers: int) -> None:
        self._workers = workers
        self._alive: set[multiprocessing.process.BaseProcess] = set()
        # Starting a process polls all others, and an exit code can be read only once.
        self._lock = threading.Lock()
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))
        forkserver.ensure_running()  # imports begin now, beside the caller's own

    def run(self, tasks: Sequence[Task], environment: Mapping[str, str]) -> Iterator[Result]:
        """Run tasks, several at a time, and yield each as it ends.

        Parameters
        ----------
        tasks : sequence of Task
        environment : mapping of str to str
            Variables of the tasks' processes, on top of this one's.
        """
        stopped = threading.Event()
        with ThreadPoolExecutor(self._workers) as pool:
            futures = [pool.submit(self._run_one, task, environment, stopped) for task in tasks]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                for future in futures:
                    future.cancel()
                with self._lock:
                    stopped.set()
                    for process in self._alive:  # interrupted: each marks its run as KILLED
                        process.terminate()

    def _run_one(
        self, task: Task, environment: Mapping[str, str], stopped: threading.Event
    ) -> Result:
        started = time.monotonic()
        with tempfile.NamedTemporaryFile(prefix="reprise-", suffix=".log") as log:
            process = self._context.Process(
                target=_run_module,
                args=(
                    task.module,
                    [
                        word
                        for name, value in task.raw_parameters.items()
                        for word in (f"--{name}", value)
                    ],
                    {**os.environ, **environment, "MLFLOW_RUN_ID": task.run_id},
                    str(Path.cwd()),
                    log.name,
                ),
            )
            with self._lock:
                process.start()
                self._alive.add(process)
                if stopped.is_set():  # else its turn to be ended comes with the others
                    process.terminate()
            connection.wait([process.sentinel])
            with self._lock:
                process.join()
                self._alive.discard(process)
            output = Path(log.name).read_text(encoding="utf-8", errors="replace")
        exit_code = 1 if process.exitcode is None else process.exitcode
        return Result(task, exit_code, time.monotonic() - started, output)


def _run_module(
    module: str, arguments: list[str], environment: Mapping[str, str], folder: str, log: str
) -> None:
    """Be the process of one run."""
    _end_with_parent()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    """Interrupt this process when the one that asked for it is gone.

    The parent by process id is the fork server, which lives on; only the pipe to the real parent
    tells.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        connection.wait([sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
