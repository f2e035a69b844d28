"""Train over a grid, or a sample of one, in warm processes here or on a cluster."""

import re
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reprise.runtime.fields import RUN_ID
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
    from steps.load_data import ensure_loaded

    if run.replays and not re.match(RUN_ID, source):
        again = runner.replay_children(
            run, executor, [LoadDataParameters(source=source, allow_large=allow_large)]
        )
        if again:
            return succeeded(again)[0].run_id
    return ensure_loaded(source, run, allow_large=allow_large)


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
    from reprise.visible import option, word

    return {
        f"reprise run -e evaluate {option('run_id', best)}": "judge the best of them",
        f"reprise reproduce {word(best)}": "reproduce any of them",
        "make ui": "the runs in a browser",
    }


if __name__ == "__main__":
    _warm = start(sys.argv[1:])

    from reprise.runtime.launch import launch

    launch(SweepParameters, partial(main, warm=_warm))
