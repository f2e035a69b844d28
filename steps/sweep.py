"""Train over a grid, or a sample of one, in warm processes here or on a cluster."""

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reprise.sweeps import executors, planning
from reprise.sweeps.executor import Executor, WarmExecutor
from steps.parameters import TRAINING_STEPS, LoadDataParameters, SweepParameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reprise.runtime.recorder import RunRecorder

_SHOWN = 20  # runs on the terminal; all are in runs.csv


def main(parameters: SweepParameters, run: "RunRecorder", *, warm: WarmExecutor | None) -> None:
    """Check every point, make those that no finished run has, and keep the best one's model."""
    from reprise.data import sources
    from reprise.record.digest import sha256_file
    from reprise.record.schema import InputData
    from reprise.sweeps import leaderboard, runner, sweep
    from reprise.sweeps.progress import Clock
    from steps import sweep_report

    clock = Clock()
    path = sources.located(parameters.grid)
    plan = planned(parameters)
    run.add_input(
        InputData(name="grid", uri=parameters.grid, sha256=sha256_file(path)), context="grid"
    )
    run.log_text("grid.yaml", path.read_text(encoding="utf-8"))
    chosen = executors.chosen(warm, preload(parameters.models), scheduler=parameters.scheduler)
    with chosen as executor:
        runner.check_out_for(run, executor)
        loaded = load(plan.data, run, executor, allow_large=parameters.allow_large)
        clock.lap("before the first run")
        plan = reading(plan, loaded, allow_large=parameters.allow_large)
        outcomes = sweep.make(
            plan, run, executor, load_run_id=loaded, keep=parameters.models, clock=clock
        )
    sweep_report.log(run, outcomes, plan.metric, ascending=plan.ascending)
    clock.lap("the report")
    leaderboard.leaderboard(
        f"Runs of {run.run_id}",
        outcomes,
        metric=plan.metric,
        ascending=plan.ascending,
        most=_SHOWN,
    )
    clock.show(outcomes)
    sweep.conclude(run, outcomes, plan.metric, next_commands=next_commands)


def check(parameters: SweepParameters) -> None:
    """Refuse a grid file with a mistake, before there is a run."""
    planned(parameters)


def planned(parameters: SweepParameters) -> planning.Sweep:
    """Check a grid file, and every point that it makes.

    Raises
    ------
    ExperimentFileError, ParameterError
        With every mistake.
    """
    from reprise.data import sources
    from steps.metrics import TRAINING_METRICS

    search = planning.Search(
        step=parameters.step,
        strategy=parameters.strategy,
        samples=parameters.samples,
        seed=parameters.seed,
        is_confirmed=parameters.confirm,
    )
    return planning.planned(
        sources.located(parameters.grid),
        search,
        TRAINING_STEPS,
        less_is_better=TRAINING_METRICS,
        example=str(SweepParameters.model_fields["grid"].default),
    )


def load(source: str, run: "RunRecorder", executor: Executor, *, allow_large: bool = False) -> str:
    """Return the id of the load_data run that all points read: named, found, or made now."""
    from reprise.sweeps import runner
    from reprise.sweeps.outcome import succeeded
    from steps.load_data import ensure_loaded, is_run

    source = named(source, run)
    if run.replays and not is_run(source):
        again = runner.replay_children(
            run, executor, [LoadDataParameters(source=source, allow_large=allow_large)]
        )
        if again:
            return succeeded(again)[0].run_id
    return ensure_loaded(source, run, allow_large=allow_large)


def named(source: str, run: "RunRecorder") -> str:
    """Return the full id of the run that a grid file names as its data, or the source.

    A replay reads what the original run has found, whichever run is the latest by now.
    """
    from reprise import tracking
    from reprise.data import splits
    from reprise.record.schema import InputData, run_in
    from steps.load_data import is_run
    from steps.model_parameters import loaded

    may_be_run = None if is_run(source) else loaded(source)
    if may_be_run is None:
        return source
    recorded = run.recorded_uri("data")
    if recorded or run.replays:
        return run_in(recorded) if recorded else source
    run_id = tracking.find_named(may_be_run, run.experiment_id, apart_from=run.run_id)
    if run_id is None:
        return source
    digest = splits.located(run_id, splits.TRAIN).digest
    run.add_input(InputData(name="data", uri=f"runs:/{run_id}", sha256=digest), context="data")
    return run_id


def reading(plan: planning.Sweep, load_run_id: str, *, allow_large: bool) -> planning.Sweep:
    """Return a plan whose runs read what a load_data run has loaded."""
    data = {"data": f"runs:/{load_run_id}", "allow_large": allow_large}
    return replace(plan, runs=[parameters.model_copy(update=data) for parameters in plan.runs])


def preload(keep: str) -> list[str]:
    """Return the modules that runs need, by which models they keep."""
    return ["steps.preload", *(["steps.preload_models"] if keep == "all" else [])]


def start(arguments: "Sequence[str]") -> WarmExecutor | None:
    """Start to import what the runs need, unless a cluster is to make them."""
    raw = executors.raw(arguments)
    if raw.get("scheduler"):
        return None
    return executors.started(preload(raw.get("models", "")), workers=raw.get("workers", ""))


def next_commands(best: str) -> "Mapping[str, str]":
    """Return what makes sense once the best run is known."""
    from reprise import tracking
    from reprise.runtime import door

    start = door.used()
    return {
        start.run("evaluate", {"run_id": tracking.short(best)}): "judge the best of them",
        start.about("reproduce", best): "reproduce it: a verdict on every digest",
        "make ui": "the runs in a browser",
    }


if __name__ == "__main__":
    _warm = start(sys.argv[1:])

    from reprise.runtime.launch import launch

    launch(SweepParameters, partial(main, warm=_warm), check=check)
