"""Makes a run of any command, and records it from outside: its process need not know of it."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from reprise import console
from reprise.capture import numerics
from reprise.commands import running
from reprise.process.launcher import Ended, Launcher, programs
from reprise.projects.mlproject import Command
from reprise.record.project_run import ProjectRun
from reprise.record.schema import Step


@dataclass(frozen=True)
class Place:
    """Where a command runs, and where its run goes.

    Attributes
    ----------
    folder : Path
        The project's.
    python : Path
    experiment_id : str or None
        None: as MLflow does without.
    threads : int
        How many the numerical libraries of the process may use.
    keep : int
        Bytes of the largest input that goes with the run; 0: none does.
    """

    folder: Path
    python: Path
    experiment_id: str | None = None
    threads: int = numerics.THREADS
    keep: int = 0


def make(
    planned: ProjectRun,
    command: Command,
    place: Place,
    *,
    step: Step,
    allow_untracked: Sequence[str] = (),
) -> tuple[str, Ended]:
    """Make a run, do its command, and return the run's id and how the command has ended.

    Parameters
    ----------
    planned : ProjectRun
    command : Command
    place : Place
    step : Step
        As it is recorded.
    allow_untracked : sequence of str
        Untracked files that may travel with the run whatever they are.

    Raises
    ------
    CodeError
        Before there is a run, if its code must not be carried.
    RepriseError
        If the run cannot be made.
    """
    from reprise import tracking
    from reprise.capture import code
    from reprise.observing import begin
    from reprise.observing.kept import Keeping
    from reprise.observing.observe import Process, observe
    from reprise.runtime import source_artifacts

    experiment_id = place.experiment_id or tracking.current_experiment_id()
    with code.capture(place.folder, allow_untracked=allow_untracked) as captured:
        source = captured.code
        known = replace(
            planned,
            folder=source.project,
            commit=source.base_commit,
            repository=source.repository,
        )
        with running.made(experiment_id, known) as run_id:
            run = tracking.get_run(run_id)
            source, tags = source_artifacts.carry(run, captured, Path())
            tracking.log(run_id, tags={**tracking.describe_source(run, source), **tags})
            variables = _variables(run_id, place)
            begun = begin.begin(
                source, step, folder=place.folder, python=place.python, variables=variables
            )
            process = Process(
                run_id,
                place.folder,
                place.python,
                variables,
                command.logged_parameters,
                keeping=Keeping(place.keep, tuple(allow_untracked)),
            )
            ended = observe(process, begun, partial(_start, command, place))
    if ended.exit_code == 0:
        console.next_commands(
            {
                f"reprise reproduce {tracking.short(run_id)}": "the run once more, and a verdict",
                f"reprise show {tracking.short(run_id)}": "what it depended on and gave",
            }
        )
    return run_id, ended


def step_of(entry_point: str, command: Command, raw_parameters: Mapping[str, str]) -> Step:
    """Return the step of an entry point: its parameters as given, and all of them."""
    values = {name: _unquoted(value) for name, value in command.logged_parameters.items()}
    return Step(entry_point=entry_point, raw_parameters=dict(raw_parameters), parameters=values)


def _unquoted(value: str) -> str:
    """Return a value as it was before `mlflow run` quoted it for a shell."""
    return "".join(shlex.split(value))


def _variables(run_id: str, place: Place) -> dict[str, str]:
    """Return the variables of the process of a run."""
    from reprise import tracking

    return {
        **numerics.baseline(threads=place.threads),
        **tracking.environment(tracking.get_run(run_id).info.experiment_id),
        tracking.GIVEN: run_id,
        "PATH": programs(place.python),
    }


def _start(command: Command, place: Place, variables: Mapping[str, str]) -> Ended:
    with Launcher(place.python, (), variables, shown=True) as launcher:
        return launcher.run(command.words, folder=place.folder, environment=variables)
