"""Run an experiment file: load the data, train every model of it, evaluate the best."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from reprise import libraries
from reprise.errors import ExperimentFileError, RunFailedError
from reprise.sweeps import experiment
from reprise.sweeps.executor import WarmExecutor
from steps.parameters import (
    ENTRY_POINTS,
    TRAINING_STEPS,
    EvaluateParameters,
    MainParameters,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reprise.parameters import Parameters
    from reprise.run import RecordedRun
    from reprise.sweeps.plan import Outcome


def main(parameters: MainParameters, run: "RecordedRun", *, executor: WarmExecutor) -> None:
    """Check the whole file, then load, train and evaluate, each as a nested run."""
    from reprise import console, permissions
    from reprise.digest import sha256_file
    from reprise.record import InputData
    from reprise.sweeps import plan
    from reprise.sweeps.progress import Progress
    from reprise.visible import option
    from steps.metrics import GREATER_IS_BETTER

    path = Path(parameters.params)
    permissions.refuse_file(path)
    loading, trainings, evaluation = planned(experiment.read(path))
    plan.bring_code(run, executor)
    run.add_input(
        InputData(name="experiment", uri=parameters.params, sha256=sha256_file(path)),
        context="experiment",
    )
    run.log_text("experiment.yaml", path.read_text(encoding="utf-8"))
    metric = evaluation.metric if evaluation else "accuracy"
    ascending = not GREATER_IS_BETTER[metric]
    total = 1 + len(trainings) + bool(evaluation)
    with Progress(total, f"cv_{metric}_mean", ascending=ascending) as progress:
        run_all = partial(plan.run_all, run, executor, on_end=progress.ended)
        loaded = succeeded(run_all([loading]))[0].run_id
        data = f"runs:/{loaded}"
        trained = run_all([p.model_copy(update={"data": data}) for p in trainings])
        best = best_of(trained, metric, ascending=ascending)
        judged = run_all([evaluation.model_copy(update={"run_id": best})]) if evaluation else []
    trained = [plan.refreshed(outcome) for outcome in trained]
    console.leaderboard(f"Runs of {run.run_id}", trained, metric=metric, ascending=ascending)
    for outcome in judged:
        run.log_metrics(outcome.metrics)
    succeeded([*trained, *judged])
    winner = next(o.parameters for o in trained if o.run_id == best)
    evaluate = f"{console.RUN} evaluate {option('run_id', best)}"
    console.next_commands(
        {
            "make ui": "the runs in a browser",
            f"{console.RUN} train_dt {option('data', data)} -P max_depth=5": "one more training",
            console.command(winner): "the best run again: its digests will be the same",
            f"{evaluate} -P register_as=iris": "register the best",
        }
    )


def planned(
    file: experiment.ExperimentFile,
) -> tuple["Parameters", list["Parameters"], EvaluateParameters | None]:
    """Check every step of an experiment file before anything runs."""
    loading = experiment.check("load_data", file.data, ENTRY_POINTS)
    for step in file.steps:
        if "data" in step.parameters:
            raise ExperimentFileError(
                f"expected the data once, under data:; found it in {step.step} too. Drop it there."
            )
    trainings = [p for step in file.steps for p in experiment.expand(step, TRAINING_STEPS)]
    if file.evaluation is None:
        return loading, trainings, None
    if "run_id" in file.evaluation:
        raise ExperimentFileError(
            "expected no run_id under evaluation:, which judges the best of the file's own runs; "
            "found one. Drop it."
        )
    evaluation = experiment.check("evaluate", file.evaluation, ENTRY_POINTS)
    return loading, trainings, cast("EvaluateParameters", evaluation)


def best_of(trained: "Sequence[Outcome]", metric: str, *, ascending: bool) -> str:
    """Return the id of the best run by its cross-validated metric, else by its training metric.

    Raises
    ------
    RunFailedError
        If none finished.
    """
    from reprise import console

    finished = [outcome for outcome in trained if not outcome.error] or succeeded(trained)
    validated = f"cv_{metric}_mean"
    any_validated = any(validated in outcome.metrics for outcome in finished)
    name = validated if any_validated else f"train_{metric}"
    return str(console.ranked(finished, name, ascending=ascending)[0].run_id)


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
            + " ".join(f"[{o.parameters.entry_point} {o.run_id}] {o.error}" for o in failed)
        )
    return list(outcomes)


if __name__ == "__main__":
    # Its imports go on beside our own, so it starts before MLflow is imported here.
    with WarmExecutor(
        libraries=libraries.needed(),
        preload=["steps.warm", "steps.warm_models"],
        workers=os.cpu_count() or 1,
    ) as _executor:
        from reprise.run import launch

        launch(MainParameters, partial(main, executor=_executor))
