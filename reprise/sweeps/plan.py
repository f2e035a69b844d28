"""Makes planned runs: each an ordinary run below the one that asks, closed truthfully."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import checkout, models, past, permissions, replay, tracking
from reprise.errors import RunFailedError
from reprise.git import repository_root
from reprise.parameters import Parameters
from reprise.record import Code
from reprise.sources import DATA_FOLDER
from reprise.sweeps.executor import Executor, Result, Task
from reprise.sweeps.resume import close_dead, finished, plan_digest

if TYPE_CHECKING:
    from reprise.run import RecordedRun

_SILENT = {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}


@dataclass(frozen=True)
class Outcome:
    """A planned run that has ended: its parameters, its id, what it measured, its error."""

    parameters: Parameters
    run_id: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""  # empty where it finished
    made_before: bool = False


OnEnd = Callable[[Outcome], None]


def _ignore(_: Outcome) -> None:
    pass


def bring_code(parent: "RecordedRun", executor: Executor) -> None:
    """Check out a run's code for the runs below it, so that no later edit reaches them.

    Raises
    ------
    CheckoutError
        If it cannot be had.
    """
    open_code(executor, parent.record.code, Path.cwd(), parent.environment())


def open_code(executor: Executor, code: Code, project: Path, variables: Mapping[str, str]) -> None:
    """Check out code for an executor's runs.

    Parameters
    ----------
    executor : Executor
    code : Code
    project : Path
        A folder of the repository at hand; where the code is of none, it runs there.
    variables : mapping of str to str
        Of all runs.

    Raises
    ------
    CheckoutError
        If it cannot be had.
    """
    folder = root = project
    if code.commit is not None:
        repository = checkout.Repository(executor.folder, project)
        repository.obtain(code, tracking.artifact_at)
        folder = repository.check_out(code)
        root = repository_root(folder)
    common = {
        DATA_FOLDER: os.environ.get(DATA_FOLDER) or str(Path.cwd()),
        tracking.KEPT: str(executor.folder / "kept"),
        **permissions.elsewhere(root),
    }
    executor.open(folder, {**variables, **_SILENT, **common})


def run_all(
    parent: "RecordedRun",
    executor: Executor,
    planned: Sequence[Parameters],
    *,
    on_end: OnEnd = _ignore,
) -> list[Outcome]:
    """Make every planned run below a parent, several at a time.

    Parameters
    ----------
    parent : RecordedRun
    executor : Executor
    planned : sequence of Parameters
    on_end : callable
        Called with each outcome as it comes in, for progress.

    Returns
    -------
    list of Outcome
        In the order of the plan.
    """
    tasks = [_task(parameters, parent.plan_child(parameters), {}) for parameters in planned]
    return _run(parent, executor, planned, tasks, on_end)


def resume(
    parent: "RecordedRun",
    executor: Executor,
    planned: Sequence[Parameters],
    *,
    keys: Sequence[str | None],
    variables: Mapping[str, str],
    on_end: OnEnd = _ignore,
) -> list[Outcome]:
    """Make the planned runs that no finished run of the experiment has made before.

    Parameters
    ----------
    keys : sequence of str or None
        What names each planned run; None: nobody can tell, and so it is made.

    Returns
    -------
    list of Outcome
        In the order of the plan, those made before included.

    Raises
    ------
    RunFailedError
        If another process makes the same plan right now.
    """
    known = {key for key in keys if key}
    if known and not parent.replays:
        close_dead(parent, plan_digest(known))
    before = finished(parent, planned[0].entry_point, known) if known else {}
    outcomes: dict[int, Outcome] = {}
    tasks: dict[int, Task] = {}
    for position, (parameters, key) in enumerate(zip(planned, keys, strict=True)):
        plan = parent.plan_child(parameters)
        # A replay makes again what the earlier sweep has made, and else takes what it had found.
        again = tracking.REPLAY_OF in plan.tags
        if key in before and not again:
            run = before[str(key)]
            outcomes[position] = outcome = Outcome(
                parameters, run.info.run_id, run.data.metrics, made_before=True
            )
            on_end(outcome)
        else:
            once = {tracking.ONCE: key} if key and executor.retries and not again else {}
            tasks[position] = _task(parameters, plan, {**variables, **once})
    made = _run(parent, executor, [planned[i] for i in tasks], list(tasks.values()), on_end)
    outcomes |= dict(zip(tasks, made, strict=True))
    return [outcomes[position] for position in sorted(outcomes)]


def again(
    parent: "RecordedRun", executor: Executor, planned: Sequence[Parameters]
) -> list[Outcome]:
    """Make again, in the replay of a run, those runs that it had made itself."""
    plans = [parent.plan_child(parameters) for parameters in planned]
    pairs = [
        (parameters, plan)
        for parameters, plan in zip(planned, plans, strict=True)
        if tracking.REPLAY_OF in plan.tags
    ]
    tasks = [_task(parameters, plan, {}) for parameters, plan in pairs]
    return _run(parent, executor, [parameters for parameters, _ in pairs], tasks, _ignore)


def materialize(parent: "RecordedRun", executor: Executor, outcomes: Sequence[Outcome]) -> None:
    """Give runs that kept no model the one that they had, by making them again.

    Raises
    ------
    RunFailedError
        If a run cannot be made again.
    DifferentError
        If it is not identical then.
    """
    without = [outcome for outcome in outcomes if not models.has_model(outcome.run_id)]
    tasks = [
        _task(
            outcome.parameters,
            parent.plan_child(outcome.parameters, replay_of=outcome.run_id),
            {models.KEEP: models.ALL},
        )
        for outcome in without
    ]
    made = _run(parent, executor, [outcome.parameters for outcome in without], tasks, _ignore)
    for outcome, second in zip(without, made, strict=True):
        if second.error:
            raise RunFailedError(
                f"run {outcome.run_id} could not be made again for its model: {second.error}"
            )
        verdict = replay.compare(past.past_run(outcome.run_id), past.past_run(second.run_id))
        replay.record_verdict(verdict)
        replay.keep_model(verdict)


def _task(parameters: Parameters, plan: tracking.Plan, variables: Mapping[str, str]) -> Task:
    return Task(
        f"steps.{parameters.entry_point}",
        parameters.raw(),
        {**variables, tracking.PLANNED: plan.to_json()},
    )


def _run(
    parent: "RecordedRun",
    executor: Executor,
    planned: Sequence[Parameters],
    tasks: Sequence[Task],
    on_end: OnEnd,
) -> list[Outcome]:
    positions = {id(task): position for position, task in enumerate(tasks)}
    outcomes: dict[int, Outcome] = {}
    if not tasks:
        return []
    try:
        with contextlib.closing(executor.run(tasks)) as results:
            for result in results:
                position = positions[id(result.task)]
                outcomes[position] = outcome = _close(planned[position], result)
                on_end(outcome)
    finally:
        below = (parent.run_id, parent.experiment_id)
        if len(outcomes) == len(tasks) and all(each.run_id for each in outcomes.values()):
            tracking.delete_open_below(*below)
        else:
            tracking.close_below(*below, "KILLED", "interrupted")
    return [outcomes[position] for position in range(len(tasks))]


def refreshed(outcome: Outcome) -> Outcome:
    """Return an outcome with what later runs have logged to its run."""
    if not outcome.run_id:
        return outcome
    return replace(outcome, metrics=tracking.get_run(outcome.run_id).data.metrics)


def _close(parameters: Parameters, result: Result) -> Outcome:
    """Close a run that its process did not close itself, and tell how it ended."""
    error = ""
    if result.exit_code != 0:
        error = result.error or f"exit code {result.exit_code}"
        if result.run_id:
            tags = tracking.get_run(result.run_id).data.tags
            error = tags.get(tracking.ERROR) or error
            tracking.close(result.run_id, "FAILED", error)
    return Outcome(
        parameters, result.run_id, result.metrics, result.seconds, error, result.made_before
    )
