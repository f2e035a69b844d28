"""Runs planned steps in forks of a warm process.

Nearly all of a short run's time is imports. The warm process (`process.fork_server`) loads the
libraries while nobody knows yet what it will run, and then, in a checkout of the runs' code, the
project's modules: so what is edited meanwhile reaches no run.
"""

import itertools
import json
import os
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from reprise import env
from reprise.backports import Self
from reprise.process import scratch
from reprise.process.launcher import Launcher
from reprise.process.task import StepTask

_LAST_LINES = 20


@dataclass(frozen=True)
class Task:
    """One run to make.

    Attributes
    ----------
    module : str
        Of the entry point.
    raw_parameters : mapping of str to str
    environment : mapping of str to str
        More variables.
    asked : StepTask
        What is asked of the step beside its parameters.
    """

    module: str
    raw_parameters: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    asked: StepTask = field(default_factory=StepTask)

    @property
    def arguments(self) -> list[str]:
        """Its command line, as `mlflow run` would give it."""
        return [
            word for name, value in self.raw_parameters.items() for word in (f"--{name}", value)
        ]


@dataclass(frozen=True)
class Result:
    """How a task ended, and what its process reported of its run."""

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
        self._temporary = scratch.folder(ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self._code = Path.cwd()
        self._environment: Mapping[str, str] = {}
        self._numbers = itertools.count()  # a process that was lost leaves files of its own
        self._entered = False
        self._stopping = False

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
        self._enter()

    def run(self, tasks: Sequence[Task]) -> Generator[Result, None, None]:
        """Run tasks, and yield each as it ends; what still runs ends with the iteration."""
        if not self._entered:
            self._enter()
        self._stopping = False
        numbered = [(next(self._numbers), task) for task in tasks]
        waiting = dict(reversed(numbered))  # popped from its end
        running: dict[int, Task] = {}
        try:
            while waiting or running:
                if self._stopping:
                    return
                while waiting and len(running) < 2 * self.workers:
                    number, task = waiting.popitem()
                    running[number] = task
                    self._order(number, task)
                answer = self._launcher.answer()
                if answer is not None:
                    number = answer.pop("number")
                    facts = {"seconds": 0.0, **answer, **self._reported(number)}
                    yield Result(running.pop(number), **facts)
                    continue
                ended = self._launcher.ended()
                how = f"the process that made it was ended (exit code {ended.exit_code})"
                lost, running = running, {}
                self._restart()
                for task in lost.values():
                    yield Result(task, ended.exit_code, 0.0, f"{how}\n{ended.last_lines}")
        finally:
            if running:
                self.stop()
            while running and (answer := self._launcher.answer()) is not None:
                running.pop(answer["number"])
                self._reported(answer["number"])

    def _enter(self) -> None:
        self._entered = True
        self._launcher.enter(
            self._code,
            {**os.environ, **self._environment},
            preload=self._preload,
            workers=self.workers,
            scratch=self.folder,
        )

    def _restart(self) -> None:
        """Start the process again, after its untimely end."""
        self._launcher.__exit__()
        self._launcher = self._start(self._libraries)
        self._enter()

    def _order(self, number: int, task: Task) -> None:
        report, cache = self._report(number), self.folder / "cache"
        asked = replace(task.asked, report=str(report), cache=str(cache))
        variables = {**task.environment, env.TASK: asked.to_json()}
        self._launcher.fork(number, ["python", "-m", task.module, *task.arguments], variables)

    def stop(self) -> None:
        """End what runs, from any thread; the iteration over results then ends."""
        self._stopping = True
        if self._entered:
            self._launcher.stop()

    def _report(self, number: int) -> Path:
        return self.folder / f"report-{number}.json"

    def _reported(self, number: int) -> dict[str, Any]:
        """Take what a run's process has reported."""
        report = self._report(number)
        if not report.is_file():
            return {}
        facts = json.loads(report.read_bytes())
        report.unlink()
        return dict(facts)
