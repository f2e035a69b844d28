"""Makes planned runs: each an ordinary run below the one that asks, closed truthfully."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import env, tracking
from reprise.errors import RunFailedError
from reprise.git import repository_root
from reprise.models import model_store
from reprise.projects import checkout, settings
from reprise.record.schema import Code
from reprise.replay import original_run, verdicts
from reprise.runtime.parameters import Parameters
from reprise.sweeps.executor import Executor, Result, Task
from reprise.sweeps.outcome import Outcome
from reprise.sweeps.resume import close_dead, finished, plan_digest
from reprise.trust import permissions

if TYPE_CHECKING:
    from reprise.runtime.recorder import RunRecorder

_SILENT = {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}


OnEnd = Callable[[Outcome], None]


def _ignore(_: Outcome) -> None:
    pass


def check_out_for(parent: "RunRecorder", executor: Executor) -> None:
    """Check out a run's code for the runs below it, so that no later edit reaches them.

    Raises
    ------
    CheckoutError
        If it cannot be had.
    """
    check_out(executor, parent.record.code, Path.cwd(), parent.environment())


def check_out(executor: Executor, code: Code, project: Path, variables: Mapping[str, str]) -> None:
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
        env.DATA_FOLDER: os.environ.get(env.DATA_FOLDER) or str(Path.cwd()),
        env.KEPT: str(executor.folder / "kept"),
        **permissions.elsewhere(root),
    }
    executor.open(folder, {**variables, **_SILENT, **common})


def run_all(
    parent: "RunRecorder",
    executor: Executor,
    planned: Sequence[Parameters],
    *,
    on_end: OnEnd = _ignore,
) -> list[Outcome]:
    """Make every planned run below a parent, several at a time.

    Parameters
    ----------
    parent : RunRecorder
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


def run_missing(
    parent: "RunRecorder",
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
            once = {env.ONCE: key} if key and executor.retries and not again else {}
            tasks[position] = _task(parameters, plan, {**variables, **once})
    made = _run(parent, executor, [planned[i] for i in tasks], list(tasks.values()), on_end)
    outcomes |= dict(zip(tasks, made, strict=True))
    return [outcomes[position] for position in sorted(outcomes)]


def replay_children(
    parent: "RunRecorder", executor: Executor, planned: Sequence[Parameters]
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


def materialize(parent: "RunRecorder", executor: Executor, outcomes: Sequence[Outcome]) -> None:
    """Give runs that kept no model the one that they had, by making them again.

    Raises
    ------
    RunFailedError
        If a run cannot be made again.
    DifferentError
        If it is not identical then.
    """
    without = [outcome for outcome in outcomes if not model_store.has_model(outcome.run_id)]
    tasks = [
        _task(
            outcome.parameters,
            parent.plan_child(outcome.parameters, replay_of=outcome.run_id),
            {env.KEEP: env.ALL},
        )
        for outcome in without
    ]
    made = _run(parent, executor, [outcome.parameters for outcome in without], tasks, _ignore)
    for outcome, second in zip(without, made, strict=True):
        if second.error:
            raise RunFailedError(
                f"run {outcome.run_id} could not be made again for its model: {second.error}"
            )
        verdict = verdicts.compare(
            original_run.read(outcome.run_id), original_run.read(second.run_id)
        )
        verdicts.record_verdict(verdict)
        verdicts.restore_model(verdict)


def _task(parameters: Parameters, plan: tracking.Plan, variables: Mapping[str, str]) -> Task:
    return Task(
        settings.of(Path.cwd()).module(parameters.entry_point),
        parameters.raw(),
        {**variables, env.PLANNED: plan.to_json()},
    )


def _run(
    parent: "RunRecorder",
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
            tracking.delete_open_children(*below)
        else:
            tracking.close_children(*below, "KILLED", "interrupted")
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
