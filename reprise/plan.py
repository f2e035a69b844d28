"""Makes planned runs: each an ordinary nested run, in a warm process, closed truthfully."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.executor import Result, Task, WarmExecutor
from reprise.parameters import Parameters

if TYPE_CHECKING:
    from mlflow.entities import Run

    from reprise.run import RecordedRun


@dataclass(frozen=True)
class Outcome:
    """A planned run that has ended: its parameters, the run as the server has it, its error."""

    parameters: Parameters
    run: "Run"
    seconds: float
    error: str  # empty where it finished


def run_all(
    parent: "RecordedRun",
    executor: WarmExecutor,
    planned: Sequence[Parameters],
    *,
    on_end: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Make every planned run below a parent, several at a time.

    Parameters
    ----------
    parent : RecordedRun
    executor : WarmExecutor
    planned : sequence of Parameters
    on_end : callable
        Called with each outcome as it comes in, for progress.

    Returns
    -------
    list of Outcome
        In the order of the plan.
    """
    tasks: dict[str, tuple[int, Parameters]] = {}
    outcomes: list[tuple[int, Outcome]] = []
    try:
        for position, parameters in enumerate(planned):
            tasks[parent.create_child(parameters)] = (position, parameters)
        for result in executor.run(
            [Task(run_id, f"steps.{p.entry_point}", p.raw()) for run_id, (_, p) in tasks.items()],
            parent.environment(),
        ):
            position, parameters = tasks.pop(result.task.run_id)
            outcome = _close(parameters, result)
            outcomes.append((position, outcome))
            on_end(outcome)
    finally:
        for run_id in tasks:  # interrupted: none may be left RUNNING
            tracking.close(run_id, "KILLED", "interrupted")
    return [outcome for _, outcome in sorted(outcomes, key=lambda pair: pair[0])]


def refreshed(outcome: Outcome) -> Outcome:
    """Return an outcome with what later runs have logged to its run."""
    return replace(outcome, run=tracking.get_run(outcome.run.info.run_id))


def _close(parameters: Parameters, result: Result) -> Outcome:
    """Close a run that its process did not close itself, and tell how it ended."""
    run = tracking.get_run(result.task.run_id)
    error = ""
    if result.exit_code != 0:
        error = run.data.tags.get(tracking.ERROR) or result.error or f"exit code {result.exit_code}"
        tracking.close(run.info.run_id, "FAILED", error)
    return Outcome(parameters, run, result.seconds, error)
