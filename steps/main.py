"""Run an experiment file: load the data, train every model of it, evaluate the best."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from reprise.errors import ExperimentFileError, RunFailedError
from reprise.projects import libraries
from reprise.sweeps import experiment_file
from reprise.sweeps.executor import WarmExecutor
from steps.parameters import (
    ENTRY_POINTS,
    TRAINING_STEPS,
    EvaluateParameters,
    MainParameters,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reprise.runtime.parameters import Parameters
    from reprise.runtime.recorder import RunRecorder
    from reprise.sweeps.outcome import Outcome


def main(parameters: MainParameters, run: "RunRecorder", *, executor: WarmExecutor) -> None:
    """Check the whole file, then load, train and evaluate, each as a nested run."""
    from reprise import console
    from reprise.record.digest import sha256_file
    from reprise.record.schema import InputData
    from reprise.runtime import summary
    from reprise.sweeps import leaderboard, runner
    from reprise.sweeps.progress import Progress
    from reprise.trust import permissions
    from reprise.visible import option
    from steps.metrics import GREATER_IS_BETTER

    path = Path(parameters.params)
    permissions.refuse_file(path)
    loading, trainings, evaluation = planned(experiment_file.read(path))
    runner.check_out_for(run, executor)
    run.add_input(
        InputData(name="experiment", uri=parameters.params, sha256=sha256_file(path)),
        context="experiment",
    )
    run.log_text("experiment.yaml", path.read_text(encoding="utf-8"))
    metric = evaluation.metric if evaluation else "accuracy"
    ascending = not GREATER_IS_BETTER[metric]
    total = 1 + len(trainings) + bool(evaluation)
    with Progress(total, f"cv_{metric}_mean", ascending=ascending) as progress:
        run_all = partial(runner.run_all, run, executor, on_end=progress.ended)
        loaded = succeeded(run_all([loading]))[0].run_id
        data = f"runs:/{loaded}"
        trained = run_all([p.model_copy(update={"data": data}) for p in trainings])
        best = best_of(trained, metric, ascending=ascending)
        judged = run_all([evaluation.model_copy(update={"run_id": best})]) if evaluation else []
    trained = [runner.refreshed(outcome) for outcome in trained]
    leaderboard.leaderboard(f"Runs of {run.run_id}", trained, metric=metric, ascending=ascending)
    for outcome in judged:
        run.log_metrics(outcome.metrics)
    succeeded([*trained, *judged])
    winner = next(o.parameters for o in trained if o.run_id == best)
    evaluate = f"{console.RUN} evaluate {option('run_id', best)}"
    console.next_commands(
        {
            "make ui": "the runs in a browser",
            f"{console.RUN} train_dt {option('data', data)} -P max_depth=5": "one more training",
            summary.command(winner): "the best run again: its digests will be the same",
            f"{evaluate} -P register_as=iris": "register the best",
        }
    )


def planned(
    file: experiment_file.ExperimentFile,
) -> tuple["Parameters", list["Parameters"], EvaluateParameters | None]:
    """Check every step of an experiment file before anything runs."""
    loading = experiment_file.check("load_data", file.data, ENTRY_POINTS)
    for step in file.steps:
        if "data" in step.parameters:
            raise ExperimentFileError(
                f"expected the data once, under data:; found it in {step.step} too. Drop it there."
            )
    trainings = [p for step in file.steps for p in experiment_file.expand(step, TRAINING_STEPS)]
    if file.evaluation is None:
        return loading, trainings, None
    if "run_id" in file.evaluation:
        raise ExperimentFileError(
            "expected no run_id under evaluation:, which judges the best of the file's own runs; "
            "found one. Drop it."
        )
    evaluation = experiment_file.check("evaluate", file.evaluation, ENTRY_POINTS)
    return loading, trainings, cast("EvaluateParameters", evaluation)


def best_of(trained: "Sequence[Outcome]", metric: str, *, ascending: bool) -> str:
    """Return the id of the best run by its cross-validated metric, else by its training metric.

    Raises
    ------
    RunFailedError
        If none finished.
    """
    from reprise.sweeps import leaderboard

    finished = [outcome for outcome in trained if not outcome.error] or succeeded(trained)
    validated = f"cv_{metric}_mean"
    any_validated = any(validated in outcome.metrics for outcome in finished)
    name = validated if any_validated else f"train_{metric}"
    return str(leaderboard.ranked(finished, name, ascending=ascending)[0].run_id)


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
        preload=["steps.preload", "steps.preload_models"],
        workers=os.cpu_count() or 1,
    ) as _executor:
        from reprise.runtime.launch import launch

        launch(MainParameters, partial(main, executor=_executor))
