"""Run an experiment file: load the data, train every model of it, evaluate the best."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import experiment
from reprise.errors import ExperimentFileError, RunFailedError
from reprise.executor import WarmExecutor
from reprise.parameters import as_text
from steps.parameters import (
    ENTRY_POINTS,
    EvaluateParameters,
    LoadDataParameters,
    MainParameters,
    TrainingParameters,
)

if TYPE_CHECKING:
    from reprise.parameters import Parameters
    from reprise.plan import Outcome
    from reprise.run import RecordedRun

TRAINING = {n: m for n, m in ENTRY_POINTS.items() if issubclass(m, TrainingParameters)}


def main(parameters: MainParameters, run: "RecordedRun", *, executor: WarmExecutor) -> None:
    """Check the whole file, then load, train and evaluate, each as a nested run."""
    from reprise import console, plan

    file = experiment.read(Path(parameters.params))
    loading, trainings, evaluation = planned(file)
    with console.Progress(2 + len(trainings)) as progress:
        run_all = partial(plan.run_all, run, executor, on_end=progress.ended)
        loaded = succeeded(run_all([loading]))[0]
        data = f"runs:/{loaded.run.info.run_id}"
        trained = run_all([t.model_copy(update={"data": data}) for t in trainings])
        judged: list[Outcome] = []
        if evaluation:
            best = best_of(succeeded(trained), evaluation.metric)
            judged = run_all([evaluation.model_copy(update={"run_id": best})])
    console.leaderboard(run, trained, metric=(evaluation or EvaluateParameters()).metric)
    succeeded([*trained, *judged])
    for outcome in judged:
        run.log_metrics({n: v for n, v in outcome.run.data.metrics.items()})
    console.after_main(trained)


def planned(
    file: experiment.Experiment,
) -> tuple[LoadDataParameters, list["Parameters"], EvaluateParameters | None]:
    """Check every step of an experiment file before anything runs."""
    loading = LoadDataParameters.parse({k: as_text(v) for k, v in file.data.items()})
    for step in file.steps:
        if "data" in step.parameters:
            raise ExperimentFileError(
                f"expected the data once, under data:; found it in {step.step} too. Drop it there."
            )
    trainings = [p for step in file.steps for p in experiment.expand(step, TRAINING)]
    if file.evaluation is None:
        return loading, trainings, None
    return loading, trainings, EvaluateParameters.parse({k: as_text(v) for k, v in file.evaluation.items()})


def best_of(trained: "Sequence[Outcome]", metric: str) -> str:
    """Return the id of the best run by cross-validated metric; the only one needs no figures."""
    from steps.metrics import GREATER_IS_BETTER

    name = f"cv_{metric}_mean"
    scored = [o for o in trained if name in o.run.data.metrics]
    if not scored:
        scored, name = list(trained), f"train_{metric}"
    sign = -1 if GREATER_IS_BETTER[metric] else 1
    best = min(scored, key=lambda o: sign * o.run.data.metrics[name])
    return str(best.run.info.run_id)


def succeeded(outcomes: "Sequence[Outcome]") -> "list[Outcome]":
    """Return outcomes that all finished.

    Raises
    ------
    RunFailedError
        If any failed, with each one's error.
    """
    failed = [o for o in outcomes if o.error]
    if failed:
        raise RunFailedError(
            f"{len(failed)} of {len(outcomes)} runs failed: "
            + " ".join(f"[{o.parameters.entry_point} {o.run.info.run_id}] {o.error}" for o in failed)
        )
    return list(outcomes)


if __name__ == "__main__":
    # The server's imports go on beside our own, so it starts before MLflow is imported here.
    _executor = WarmExecutor(preload=["steps.warm"], workers=os.cpu_count() or 1)

    from reprise.run import launch

    launch(MainParameters, partial(main, executor=_executor))
