"""Runs an entry point of a project to its end: here, at a commit, or on a cluster.

Both doors come here, `mlflow run … -b reprise` and `reprise run`. A step of this engine opens its
run itself where it can (`handover`): then MLflow is imported once, in the step's process, while
this one looks at the code. Of any other command the run is made here, before it starts.
"""

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reprise.capture import numerics
from reprise.capture.environment import LOCK
from reprise.commands import handover, observed_run, running
from reprise.errors import ParameterError, ProjectError
from reprise.process import scratch
from reprise.process.launcher import Ended, Launcher, programs
from reprise.projects import address, entry_points, environments, locks, settings, typed
from reprise.projects.address import Address
from reprise.projects.mlproject import Command
from reprise.record import naming
from reprise.record.project_run import ProjectRun
from reprise.runtime.parameters import EXPERIMENT
from reprise.urls import without_credentials

REPRODUCE = "reproduce"
RUNS = "runs:/"
MAIN = "main"
_SCHEDULER = "scheduler"  # of a user's configuration of the backend
_ALLOW_BUILD = "allow_build"
_ALLOW_UNTRACKED = "allow_untracked"
_THREADS = "threads"
_MOST_THREADS = 4096
_KEEP_DATA = "keep_data"


@dataclass(frozen=True)
class Order:
    """What to run, and with which raw parameters."""

    address: Address
    entry_point: str
    parameters: Mapping[str, str]
    of_run: bool = False  # it names a run's id instead of a project

    @property
    def is_exact(self) -> bool:
        """Whether it asks for a replay of a run: then the current environment does for the step."""
        return self.entry_point == REPRODUCE


def ordered(
    uri: str, entry_point: str, parameters: Mapping[str, str], version: str | None
) -> Order:
    """Read a command line; `runs:/<id>` is the entry point `reproduce` of the present folder.

    Raises
    ------
    ParameterError, ProjectError
        If it contradicts itself, or holds a password that would be recorded.
    """
    for name, value in parameters.items():
        if without_credentials(value) != value:
            raise ParameterError(
                f"{name} must be without a user and a password, because it would be recorded; "
                "found a URL with them. Let git's credential helper or variables supply them."
            )
    if not uri.startswith(RUNS):
        return Order(address.parse(uri, version), entry_point, parameters)
    if entry_point not in (MAIN, REPRODUCE):
        raise ProjectError(
            f"expected a run's own entry point with {RUNS}<id>, found -e {entry_point}. "
            "Leave -e out."
        )
    if version:
        raise ProjectError(
            f"expected a run's own commit with {RUNS}<id>, found --version {version}. "
            "Leave --version out, or run today's code with -P code=current."
        )
    if "run_id" in parameters:
        raise ParameterError(
            f"run_id is in the URI {uri}; found it as a parameter too. Leave out -P run_id."
        )
    return Order(address.parse("."), REPRODUCE, {"run_id": uri, **parameters}, of_run=True)


@dataclass(frozen=True)
class How:
    """How to run it.

    Attributes
    ----------
    backend : str
        The door by which it came, for a tag.
    manager : str or None
        local: in this environment; uv: in that of the project's lock; None: in this one if it is
        what the lock says, else in one that uv builds.
    experiment_id, name : str or None
        Of the run; None: as MLflow does without.
    configuration : mapping
        A scheduler's address and certificates, to run on a cluster; what may be built, or travel
        with the run.
    hands_over : bool
        Whether a step may make its run itself, in the experiment that MLflow decides.
    """

    backend: str
    manager: str | None = None
    experiment_id: str | None = None
    name: str | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)
    hands_over: bool = False

    def allowed(self, name: str) -> tuple[str, ...]:
        """Return the names, separated by commas, that a key of the configuration allows."""
        names = (each.strip() for each in str(self.configuration.get(name, "")).split(","))
        return tuple(filter(None, names))

    @property
    def threads(self) -> int:
        """How many threads the libraries of a process that is recorded from outside may use.

        Raises
        ------
        ParameterError
            If it is no such number.
        """
        text = str(self.configuration.get(_THREADS, numerics.THREADS))
        if not re.fullmatch(r"[1-9][0-9]{0,3}", text) or int(text) > _MOST_THREADS:
            raise ParameterError(
                f"expected a number of threads from 1 to {_MOST_THREADS}, found {text[:60]!a}. "
                "Correct it."
            )
        return int(text)

    @property
    def keep(self) -> int:
        """How many bytes the largest input may have that goes with such a run.

        Raises
        ------
        ParameterError
            If it is no size.
        """
        from reprise.observing import kept

        text = str(self.configuration.get(_KEEP_DATA, ""))
        return kept.size(text) if text else 0

    def refuse_threads(self) -> None:
        """Refuse a number of threads where nobody may choose it.

        Raises
        ------
        ParameterError
            If another than the usual is asked for.
        """
        if self.threads != numerics.THREADS:
            raise ParameterError(
                f"expected {numerics.THREADS} thread, found {self.threads}: a step of this engine "
                "computes with one, and a replay with as many as the run had. Leave --threads out."
            )


@dataclass(frozen=True)
class Wishes:
    """What the options of `reprise run` ask for; None: nothing."""

    experiment_name: str | None = None
    experiment_id: str | None = None
    run_name: str | None = None
    env_manager: str | None = None
    allow_untracked: str | None = None
    threads: str | None = None
    keep_data: str | None = None

    def choose_experiment(self) -> None:
        """Let MLflow take the experiment, in this process and those that it starts."""
        if self.experiment_name and self.experiment_id:
            raise ParameterError(
                "expected --experiment-name or --experiment-id, found both. Drop one."
            )
        for name, value in (("NAME", self.experiment_name), ("ID", self.experiment_id)):
            if value:
                for each in ("NAME", "ID"):
                    os.environ.pop(f"MLFLOW_EXPERIMENT_{each}", None)
                os.environ[f"MLFLOW_EXPERIMENT_{name}"] = value

    def how(self) -> How:
        """Return how to run."""
        given = {
            _ALLOW_UNTRACKED: self.allow_untracked,
            _THREADS: self.threads,
            _KEEP_DATA: self.keep_data,
        }
        return How(
            backend="local",
            manager=self.env_manager,
            name=self.run_name,
            configuration={name: value for name, value in given.items() if value},
            hands_over=True,
        )


def start(order: Order, **wishes: str | None) -> None:
    """Do what the command `reprise run` asks for; see `run`."""
    wished = Wishes(**wishes)
    wished.choose_experiment()
    if order.of_run:
        wished.how().refuse_threads()
        from reprise.commands import reproduce
        from reprise.commands.options import words
        from reprise.commands.parameters import ReproduceParameters

        reproduce.start(words(ReproduceParameters.parse(order.parameters)), checked=True)
    run(order, wished.how())


def start_command(words: Sequence[str], **wishes: str | None) -> None:
    """Do what `reprise run -- <command>` asks for: run any command in this folder, and record it.

    Raises
    ------
    RunFailedError
        If it fails.
    RepriseError
        If it cannot be started.
    """
    wished = Wishes(**wishes)
    wished.choose_experiment()
    how, folder = wished.how(), Path.cwd()
    here = address.parse(".")
    step = typed.step(words)
    planned = ProjectRun(
        entry_point=step.entry_point,
        raw_parameters={},
        source=running.source(here, folder),
        backend=how.backend,
        name=how.name or naming.of_command(step.entry_point, shlex.join(typed.arguments(step))),
    )
    python = _interpreter(Order(here, step.entry_point, {}), folder, how)
    run_id, ended = observed_run.make(
        planned,
        Command(list(words), {}),
        observed_run.Place(folder, python, threads=how.threads, keep=how.keep),
        step=step,
        allow_untracked=how.allowed(_ALLOW_UNTRACKED),
    )
    handover.conclude(run_id, ended)


def run(order: Order, how: How) -> str:
    """Run an entry point, and return the run's id.

    Raises
    ------
    NotBegunError
        If the step refuses what it is given.
    RunFailedError
        If the step fails.
    RepriseError
        If it cannot be started.
    """
    with (
        address.opened(order.address) as folder,
        scratch.folder() as downloads,
    ):
        has_steps = bool(settings.of(folder).steps)
        if order.of_run and not has_steps:  # then this engine reproduces, not the project
            command = _reproducing(order.parameters)
        else:
            command = entry_points.command(
                folder, order.entry_point, order.parameters, downloads=Path(downloads)
            )
        there = _SCHEDULER in how.configuration
        python = _interpreter(order, folder, replace(how, manager="local") if there else how)
        planned = ProjectRun(
            entry_point=order.entry_point,
            raw_parameters=command.logged_parameters,
            source=running.source(order.address, folder),
            backend=how.backend,
            environment=None if python == Path(sys.executable) else "uv",
            name=how.name,
        )
        trusts_no_bytecode = order.of_run or settings.of(folder).is_step(command.words)
        if trusts_no_bytecode:
            how.refuse_threads()
        if how.hands_over and handover.is_possible(folder, command, python):
            return handover.run_step(planned, command, folder)
        if not trusts_no_bytecode:
            from reprise.capture import imports

            imports.refuse_stale_files(folder)
        if there or trusts_no_bytecode:
            from reprise.runtime import experiments

            wanted = order.parameters.get(EXPERIMENT)
            experiment_id = experiments.of_step(wanted, given=how.experiment_id, project=folder)
            run_id, ended = _run_step(
                planned, command, folder, python, replace(how, experiment_id=experiment_id)
            )
        else:
            place = observed_run.Place(
                folder,
                python,
                experiment_id=how.experiment_id,
                threads=how.threads,
                keep=how.keep,
            )
            name = how.name or naming.of_step(order.entry_point, order.parameters)
            run_id, ended = observed_run.make(
                replace(planned, name=name),
                command,
                place,
                step=observed_run.step_of(order.entry_point, command, order.parameters),
                allow_untracked=how.allowed(_ALLOW_UNTRACKED),
            )
    handover.conclude(run_id, ended, is_shown=how.hands_over)
    return run_id


def _reproducing(parameters: Mapping[str, str]) -> Command:
    """Return the command that reproduces a run in a project without an entry point for it."""
    from reprise.commands.options import words
    from reprise.commands.parameters import ReproduceParameters

    checked = ReproduceParameters.parse(parameters)
    logged = {name: shlex.quote(value) for name, value in parameters.items()}
    return Command(["python", "-m", "reprise.commands.reproduce", *words(checked)], logged)


def _run_step(
    planned: ProjectRun, command: Command, folder: Path, python: Path, how: How
) -> tuple[str, Ended]:
    """Make a run, and do its step, which records itself: here, or on a cluster."""
    from reprise.capture import code

    experiment_id = str(how.experiment_id)
    source = code.describe(folder)
    if source.commit is None:
        code.warn_unknown(folder)
    known = replace(
        planned, folder=source.project, commit=source.commit, repository=source.repository
    )
    with running.made(experiment_id, known) as run_id:
        if _SCHEDULER in how.configuration:
            from reprise.sweeps import cluster_run

            return run_id, cluster_run.make(run_id, command.words, folder, how.configuration)
        return run_id, _make(run_id, command.words, folder, python, experiment_id)


def _make(
    run_id: str, words: Sequence[str], folder: Path, python: Path, experiment_id: str
) -> Ended:
    """Do the step of a run on this machine, showing what it prints."""
    from reprise import tracking

    variables = {
        **numerics.baseline(),
        **tracking.environment(experiment_id),
        "MLFLOW_RUN_ID": run_id,
        "PATH": programs(python),
    }
    with Launcher(python, (), variables, shown=True) as launcher:
        return launcher.run(words, folder=folder, environment=variables)


def _interpreter(order: Order, folder: Path, how: How) -> Path:
    """Return the Python to run with: of the lock, unless the current environment was asked for."""
    if how.manager not in (None, "uv", "local"):
        raise ProjectError(
            f"expected --env-manager uv or local, found {how.manager}: this backend builds "
            "environments with uv. Leave --env-manager out."
        )
    if how.manager == "local" or order.is_exact:
        return Path(sys.executable)
    lock = locks.of(folder) if how.manager == "uv" else None
    if lock and lock.name != LOCK:
        raise ProjectError(
            f"expected {LOCK} with hashes for --env-manager uv, found the lock {lock.name}. Build "
            "its environment with its own tool, and run there, such as: uv run reprise run."
        )
    return environments.locked_interpreter(folder, allow_build=how.allowed(_ALLOW_BUILD))
