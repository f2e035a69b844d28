"""Makes planned runs: each an ordinary child run of the one that asks, closed truthfully."""

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import env, tracking
from reprise.errors import RunFailedError
from reprise.git import repository_root
from reprise.models import model_store
from reprise.process.task import StepTask
from reprise.projects import checkout, search_path, settings
from reprise.record.schema import Code
from reprise.replay import original_run, verdicts
from reprise.runtime.parameters import Parameters
from reprise.sweeps.executor import Executor, Result, Task
from reprise.sweeps.outcome import Outcome, varying
from reprise.sweeps.resume import close_dead, finished, plan_digest
from reprise.trust import permissions

if TYPE_CHECKING:
    from reprise.runtime.recorder import RunRecorder

_SILENT = {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}


OnEnd = Callable[[Outcome], None]


def _ignore(_: Outcome) -> None:
    pass


def check_out_for(parent: "RunRecorder", executor: Executor) -> None:
    """Check out a run's code for its child runs, so that no later edit reaches them.

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
        A folder of the current repository; where the code is of none, it runs there.
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
        env.PROTOCOL: env.VERSION,
        env.DATA_FOLDER: os.environ.get(env.DATA_FOLDER) or str(Path.cwd()),
        **permissions.elsewhere(root),
        **search_path.variables(Path(sys.executable), repository_root(project), root),
    }
    executor.open(folder, {**variables, **_SILENT, **common})


def run_all(
    parent: "RunRecorder",
    executor: Executor,
    planned: Sequence[Parameters],
    *,
    on_end: OnEnd = _ignore,
) -> list[Outcome]:
    """Make every planned child run of a parent, several at a time.

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
    axes = frozenset(varying(planned))
    tasks = [
        _task(parameters, parent.plan_child(parameters, varying=axes)) for parameters in planned
    ]
    return _run(parent, executor, planned, tasks, on_end)


def run_missing(
    parent: "RunRecorder",
    executor: Executor,
    planned: Sequence[Parameters],
    *,
    keys: Sequence[str | None],
    keep_models: bool = True,
    on_end: OnEnd = _ignore,
) -> list[Outcome]:
    """Make the planned runs that no finished run of the experiment has made before.

    Parameters
    ----------
    keys : sequence of str or None
        What names each planned run; None: nothing can, and so it is made.
    keep_models : bool
        Whether the runs store their models, or only the digests.

    Returns
    -------
    list of Outcome
        In the order of the plan, those made before included.

    Raises
    ------
    RunFailedError
        If another process makes the same plan right now.
    """
    named = {key for key in keys if key}
    if named and not parent.replays:
        close_dead(parent, plan_digest(named))
    before = finished(parent, planned[0].entry_point, named) if named else {}
    axes = frozenset(varying(planned))
    outcomes: dict[int, Outcome] = {}
    tasks: dict[int, Task] = {}
    for position, (parameters, key) in enumerate(zip(planned, keys, strict=True)):
        plan = parent.plan_child(parameters, varying=axes)
        # A replay reproduces what the original sweep made, and else takes what that had found.
        is_replay = tracking.REPLAY_OF in plan.tags
        if key in before and not is_replay:
            run = before[str(key)]
            outcomes[position] = outcome = Outcome(
                parameters, run.info.run_id, run.data.metrics, made_before=True
            )
            on_end(outcome)
        else:
            once = key if executor.retries and not is_replay else None
            tasks[position] = _task(parameters, plan, key=once, keep_models=keep_models)
    if outcomes:
        parent.set_tags({tracking.MADE_BEFORE: str(len(outcomes))})
    made = _run(parent, executor, [planned[i] for i in tasks], list(tasks.values()), on_end)
    outcomes |= dict(zip(tasks, made, strict=True))
    return [outcomes[position] for position in sorted(outcomes)]


def replay_children(
    parent: "RunRecorder", executor: Executor, planned: Sequence[Parameters]
) -> list[Outcome]:
    """Reproduce, in the replay of a run, the child runs that it made itself."""
    plans = [parent.plan_child(parameters) for parameters in planned]
    pairs = [
        (parameters, plan)
        for parameters, plan in zip(planned, plans, strict=True)
        if tracking.REPLAY_OF in plan.tags
    ]
    tasks = [_task(parameters, plan) for parameters, plan in pairs]
    return _run(parent, executor, [parameters for parameters, _ in pairs], tasks, _ignore)


def materialize(parent: "RunRecorder", executor: Executor, outcomes: Sequence[Outcome]) -> None:
    """Give runs that kept no model the one that they had, by reproducing them.

    Raises
    ------
    RunFailedError
        If a run cannot be reproduced.
    DifferentError
        If it is not identical then.
    """
    without = [outcome for outcome in outcomes if not model_store.has_model(outcome.run_id)]
    tasks = [
        _task(outcome.parameters, parent.plan_child(outcome.parameters, replay_of=outcome.run_id))
        for outcome in without
    ]
    made = _run(parent, executor, [outcome.parameters for outcome in without], tasks, _ignore)
    for outcome, second in zip(without, made, strict=True):
        if second.error:
            raise RunFailedError(
                f"run {outcome.run_id} could not be reproduced for its model: {second.error}"
            )
        verdict = verdicts.compare(
            original_run.read(outcome.run_id), original_run.read(second.run_id)
        )
        verdicts.record_verdict(verdict)
        verdicts.restore_model(verdict)


def _task(
    parameters: Parameters,
    plan: tracking.Plan,
    *,
    key: str | None = None,
    keep_models: bool = True,
) -> Task:
    module = settings.of(Path.cwd()).module(parameters.entry_point)
    asked = StepTask(planned=asdict(plan), key=key, keep_models=keep_models)
    return Task(module, parameters.raw(), asked=asked)


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
        children = (parent.run_id, parent.experiment_id)
        if len(outcomes) == len(tasks) and all(each.run_id for each in outcomes.values()):
            tracking.delete_open_children(*children)
        else:
            tracking.close_children(*children, "KILLED", "interrupted")
    return [outcomes[position] for position in range(len(tasks))]


def refreshed(outcome: Outcome) -> Outcome:
    """Return an outcome with what later runs have logged to its run."""
    if not outcome.run_id:
        return outcome
    return replace(outcome, metrics=tracking.get_run(outcome.run_id).data.metrics)


def _close(parameters: Parameters, result: Result) -> Outcome:
    """Close a run that its process did not close itself, and return how it ended."""
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
