"""Train over a grid, or a sample of one, in warm processes here or on a cluster."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reprise.errors import ExperimentFileError, ParameterError, RunFailedError
from reprise.projects import libraries
from reprise.runtime.fields import RUN_ID
from reprise.runtime.parameters import parse_argv
from reprise.sweeps import experiment_file, grid
from reprise.sweeps.executor import Executor, WarmExecutor
from steps.main import succeeded
from steps.parameters import TRAINING_STEPS, LoadDataParameters, SweepParameters

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from reprise.runtime.parameters import Parameters
    from reprise.runtime.recorder import RunRecorder
    from reprise.sweeps.dask_executor import ClusterExecutor
    from reprise.sweeps.outcome import Outcome
    from reprise.sweeps.progress import Clock

DEFAULT_METRIC = "cv_accuracy_mean"
_SHOWN = 20  # runs on the terminal; all are in runs.csv


@dataclass(frozen=True)
class Sweep:
    """What is to be made, and by which metric it is judged."""

    runs: Sequence["Parameters"]
    data: str
    metric: str
    ascending: bool
    allow_large: bool = False


def main(parameters: SweepParameters, run: "RunRecorder", *, warm: WarmExecutor | None) -> None:
    """Check every point, make those that no finished run has, and keep the best one's model."""
    from reprise.record.digest import sha256_file
    from reprise.record.schema import InputData
    from reprise.sweeps import heartbeat, leaderboard
    from reprise.sweeps.progress import Clock
    from reprise.trust import permissions
    from steps import sweep_report

    clock = Clock()
    path = Path(parameters.grid)
    permissions.refuse_file(path)
    sweep = planned(parameters)
    run.add_input(
        InputData(name="grid", uri=parameters.grid, sha256=sha256_file(path)), context="grid"
    )
    run.log_text("grid.yaml", path.read_text(encoding="utf-8"))
    with executor(parameters, warm) as at_work, heartbeat.heartbeat(run.run_id):
        outcomes = make(sweep, parameters.models, run, at_work, clock)
    sweep_report.log(run, outcomes, sweep.metric, ascending=sweep.ascending)
    clock.lap("the report")
    leaderboard.leaderboard(
        f"Runs of {run.run_id}",
        outcomes,
        metric=sweep.metric,
        ascending=sweep.ascending,
        most=_SHOWN,
    )
    clock.show(outcomes)
    conclude(run, outcomes, sweep.metric)


def make(
    sweep: Sweep, keep: str, run: "RunRecorder", at_work: "Executor", clock: "Clock"
) -> "list[Outcome]":
    """Make the runs, and the models that are to be kept; return the runs, best first."""
    from reprise.sweeps import leaderboard, runner
    from reprise.sweeps.progress import Progress

    runner.check_out_for(run, at_work)
    loaded = load(sweep.data, run, at_work, allow_large=sweep.allow_large)
    clock.lap("before the first run")
    runs = [
        p.model_copy(update={"data": f"runs:/{loaded}", "allow_large": sweep.allow_large})
        for p in sweep.runs
    ]
    with Progress(len(runs), sweep.metric, ascending=sweep.ascending) as progress:
        outcomes = runner.run_missing(
            run,
            at_work,
            runs,
            keys=keys(run, runs, loaded),
            keep_models=keep == "all",
            on_end=progress.ended,
        )
    clock.lap("the runs")
    outcomes = leaderboard.ranked(outcomes, sweep.metric, ascending=sweep.ascending)
    without = lacking(keep, outcomes, best_of(outcomes, sweep.metric))
    if without and not run.replays:
        runner.materialize(run, at_work, without)
        clock.lap("models made again")
    return outcomes


def best_of(ranked: "Sequence[Outcome]", metric: str) -> "Outcome | None":
    """Return the first of ranked runs, if it has finished and has the metric."""
    first = ranked[0]
    return first if not first.error and metric in first.metrics else None


def planned(parameters: SweepParameters) -> Sweep:
    """Check a grid file, and every point that it makes.

    Raises
    ------
    ExperimentFileError, ParameterError
        With every mistake.
    """
    model = experiment_file.check_name(parameters.step, TRAINING_STEPS)
    file = grid.read(Path(parameters.grid))
    if "data" in file.params:
        raise ExperimentFileError(
            "expected the data once, under data:; found it under params: too. Drop it there."
        )
    random = parameters.strategy == "random"
    points = parameters.samples or 0 if random else grid.size(file.params)
    if points > grid.MOST_POINTS and not parameters.confirm:
        raise ParameterError(
            f"expected at most {grid.MOST_POINTS} points, found {points}. "
            "If that is meant, add -P confirm=true."
        )
    metric = file.metric or DEFAULT_METRIC
    values = grid.points(
        file.params,
        model,
        strategy=parameters.strategy,
        samples=parameters.samples,
        seed=parameters.seed,
    )
    runs = experiment_file.check_all(parameters.step, values, TRAINING_STEPS, data=file.data)
    return Sweep(
        runs,
        file.data,
        metric,
        ascending=less_is_better(metric),
        allow_large=parameters.allow_large,
    )


def less_is_better(metric: str) -> bool:
    """Tell the direction of a metric that training steps log.

    Raises
    ------
    ExperimentFileError
        If they log none of that name.
    """
    from steps.metrics import GREATER_IS_BETTER

    known = {
        name: not greater
        for base, greater in GREATER_IS_BETTER.items()
        for name in (f"cv_{base}_mean", f"train_{base}")
    }
    if metric not in known:
        raise ExperimentFileError(
            f"metric: expected one of {', '.join(known)}; found {metric!r}. Mend the file."
        )
    return known[metric]


def lacking(models: str, outcomes: "Sequence[Outcome]", best: "Outcome | None") -> "list[Outcome]":
    """Return the runs that are to have a model, and may have none yet."""
    if models == "all":
        return [outcome for outcome in outcomes if outcome.made_before]
    return [best] if best and models == "best" else []


def executor(
    parameters: SweepParameters, warm: WarmExecutor | None
) -> "AbstractContextManager[WarmExecutor | ClusterExecutor]":
    """Return what makes the runs: the warm process of this machine, or a cluster."""
    if warm is not None:
        return warm
    from reprise.sweeps.dask_executor import ClusterExecutor

    return ClusterExecutor(
        str(parameters.scheduler),
        libraries=libraries.needed(),
        preload=preload(parameters.models),
    )


def preload(keep: str) -> list[str]:
    """Return the modules that runs need, by which models they keep."""
    return ["steps.preload", *(["steps.preload_models"] if keep == "all" else [])]


def load(source: str, run: "RunRecorder", at_work: "Executor", *, allow_large: bool = False) -> str:
    """Return the id of the load_data run that all points read: named, found, or made now."""
    from reprise.sweeps import runner
    from steps.load_data import ensure_loaded

    if run.replays and not re.match(RUN_ID, source):
        again = runner.replay_children(
            run, at_work, [LoadDataParameters(source=source, allow_large=allow_large)]
        )
        if again:
            return succeeded(again)[0].run_id
    return ensure_loaded(source, run, allow_large=allow_large)


def keys(run: "RunRecorder", runs: Sequence["Parameters"], loaded: str) -> list[str | None]:
    """Name each run by what decides its results; None where that is not all known."""
    from reprise.data import splits
    from reprise.record.schema import InputData

    _, digest = splits.located(loaded, splits.TRAIN)
    train = InputData(name=splits.TRAIN, uri="", sha256=digest)
    return [run.key(parameters, [train]) for parameters in runs]


def conclude(run: "RunRecorder", outcomes: "Sequence[Outcome]", metric: str) -> None:
    """Put what the sweep found on the record, and say what to run next.

    Raises
    ------
    RunFailedError
        If a point failed, or none has the metric.
    """
    from reprise import console
    from reprise.runtime import summary
    from reprise.visible import option

    best = best_of(outcomes, metric)
    failed = [outcome for outcome in outcomes if outcome.error]
    run.log_metrics({"runs": len(outcomes), "runs_failed": len(failed)})
    if best:
        run.log_metrics({f"best_{metric}": best.metrics[metric]})
        run_id = option("run_id", best.run_id)
        console.next_commands(
            {
                f"{console.RUN} evaluate {run_id}": "judge the best of them",
                f"{console.RUN} reproduce {run_id}": "make any of them again",
                "make ui": "the runs in a browser",
            }
        )
    if failed:
        for outcome in failed:
            console.warn(f"{outcome.run_id} {summary.command(outcome.parameters)}: {outcome.error}")
        raise RunFailedError(
            f"{len(failed)} of {len(outcomes)} runs failed, as listed above. Mend what they say, "
            "and run the sweep again: what is finished is not made again."
        )
    if best is None:
        raise RunFailedError(
            f"expected runs with the metric {metric}, found none that has it. "
            "Name another metric in the grid file (cv_… needs cv of at least 2)."
        )


def _warm() -> WarmExecutor | None:
    """Start to import, beside this process's own imports, unless a cluster is to do the work."""
    try:
        given = parse_argv(sys.argv[1:])
    except ParameterError:  # told by the step itself
        given = {}
    if given.get("scheduler"):
        return None
    workers = given.get("workers", "")
    return WarmExecutor(
        libraries=libraries.needed(),
        preload=preload(given.get("models", "")),
        workers=int(workers) if workers.isdecimal() and int(workers) else os.cpu_count() or 1,
    )


if __name__ == "__main__":
    _executor = _warm()

    from reprise.runtime.launch import launch

    launch(SweepParameters, partial(main, warm=_executor))
