"""Makes the runs of a sweep that are missing, and the models to keep; says what was found."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from reprise import console
from reprise.data import splits
from reprise.errors import RunFailedError
from reprise.record.schema import InputData
from reprise.runtime import summary
from reprise.runtime.parameters import Parameters
from reprise.runtime.recorder import RunRecorder
from reprise.sweeps import leaderboard, runner
from reprise.sweeps.executor import Executor
from reprise.sweeps.outcome import Outcome
from reprise.sweeps.planning import Sweep
from reprise.sweeps.progress import Clock, Progress

Keep = Literal["all", "best", "none"]


def make(
    sweep: Sweep, run: RunRecorder, executor: Executor, *, load_run_id: str, keep: Keep,
    clock: Clock,
) -> list[Outcome]:  # fmt: skip
    """Make the runs of a sweep that no finished run has made; return all of them, best first.

    Parameters
    ----------
    sweep : Sweep
        Its runs read what `load_run_id` has loaded.
    run : RunRecorder
        The sweep's own run, whose code the executor has.
    executor : Executor
    load_run_id : str
        Id of a finished run that has loaded the data.
    keep : {"all", "best", "none"}
        Of which runs the models are kept.
    clock : Clock

    Raises
    ------
    RunFailedError
        If another process makes the same plan right now, or a model cannot be restored.
    """
    train = splits.located(load_run_id, splits.TRAIN)
    run.name_data(train.name)
    with Progress(len(sweep.runs), sweep.metric, ascending=sweep.ascending) as progress:
        outcomes = runner.run_missing(
            run,
            executor,
            sweep.runs,
            keys=keys(run, sweep.runs, train.digest),
            keep_models=keep == "all",
            on_end=progress.ended,
        )
    clock.lap("the runs")
    outcomes = leaderboard.ranked(outcomes, sweep.metric, ascending=sweep.ascending)
    without = lacking(keep, outcomes, best_of(outcomes, sweep.metric))
    if without and not run.replays:
        runner.materialize(run, executor, without)
        clock.lap("models restored")
    return outcomes


def best_of(ranked: Sequence[Outcome], metric: str) -> Outcome | None:
    """Return the first of ranked runs, if it has finished and has the metric."""
    first = ranked[0]
    return first if not first.error and metric in first.metrics else None


def lacking(keep: Keep, outcomes: Sequence[Outcome], best: Outcome | None) -> list[Outcome]:
    """Return the runs that are to have a model, and may have none yet."""
    if keep == "all":
        return [outcome for outcome in outcomes if outcome.made_before]
    return [best] if best and keep == "best" else []


def keys(run: RunRecorder, runs: Sequence[Parameters], digest: str) -> list[str | None]:
    """Name each run by what decides its results; None where that is not all known."""
    train = InputData(name=splits.TRAIN, uri="", sha256=digest)
    return [run.key(parameters, [train]) for parameters in runs]


def conclude(
    run: RunRecorder,
    outcomes: Sequence[Outcome],
    metric: str,
    *,
    next_commands: Callable[[str], Mapping[str, str]],
) -> None:
    """Put what a sweep found on the record, and say what to run next.

    Parameters
    ----------
    run : RunRecorder
    outcomes : sequence of Outcome
        Best first.
    metric : str
    next_commands : callable
        Returns commands, each with what it is for; takes the id of the best run.

    Raises
    ------
    RunFailedError
        If a point failed, or none has the metric.
    """
    best = best_of(outcomes, metric)
    failed = [outcome for outcome in outcomes if outcome.error]
    run.log_metrics({"runs": len(outcomes), "runs_failed": len(failed)})
    if best:
        run.log_metrics({f"best_{metric}": best.metrics[metric]})
        console.next_commands(next_commands(best.run_id))
    if failed:
        for outcome in failed:
            console.warn(f"{outcome.run_id} {summary.command(outcome.parameters)}: {outcome.error}")
        raise RunFailedError(
            f"{len(failed)} of {len(outcomes)} runs failed, as listed above. Fix what they say, "
            "and run the sweep again: finished runs are kept."
        )
    if best is None:
        raise RunFailedError(
            f"expected runs with the metric {metric}, found none that has it. Name another metric "
            "in the grid file: one of a cross-validation is there only where there was one."
        )
