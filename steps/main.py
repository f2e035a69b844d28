"""Run an experiment file: load the data, train every model of it, evaluate the best."""

from functools import partial
from typing import TYPE_CHECKING, cast

from reprise.errors import ExperimentFileError
from reprise.sweeps import executors, experiment_file
from steps.parameters import (
    ENTRY_POINTS,
    TRAINING_STEPS,
    EvaluateParameters,
    LoadDataParameters,
    MainParameters,
    TrainDummyParameters,
)

_ANOTHER = ("train_rf", "train_gb", "train_dt")  # for classes and for numbers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from reprise.runtime.parameters import Parameters
    from reprise.runtime.recorder import RunRecorder
    from reprise.sweeps.executor import Executor
    from steps.model_parameters import AnyTraining


def main(parameters: MainParameters, run: "RunRecorder", *, executor: "Executor") -> None:
    """Check the whole file, then load, train and evaluate, each as a nested run."""
    from reprise import console
    from reprise.data import sources
    from reprise.record import naming
    from reprise.record.digest import sha256_file
    from reprise.record.schema import InputData
    from reprise.sweeps import leaderboard, runner
    from reprise.sweeps.outcome import succeeded
    from reprise.sweeps.progress import Progress
    from steps import metrics
    from steps.report import publish

    path = sources.located(parameters.params)
    file = parameters.file()
    loading, trainings, evaluation = planned(file, baseline=parameters.baseline)
    runner.check_out_for(run, executor)
    run.add_input(
        InputData(name="experiment", uri=parameters.params, sha256=sha256_file(path)),
        context="experiment",
    )
    run.log_text("experiment.yaml", path.read_text(encoding="utf-8"))
    run.name_data(naming.of_data(loading.source))
    metric = (evaluation and evaluation.metric) or metrics.DEFAULTS[0]
    ascending = not metrics.GREATER_IS_BETTER[metric]
    total = 1 + len(trainings) + bool(evaluation)
    with Progress(total, f"cv_{metric}_mean", ascending=ascending) as progress:
        run_all = partial(runner.run_all, run, executor, on_end=progress.ended)
        loaded = succeeded(run_all([loading]))[0].run_id
        publish.show_again(loaded)
        data = {"data": f"runs:/{loaded}"}
        trained = run_all([p.model_copy(update=data) for p in trainings])
        if not (evaluation and evaluation.metric):
            metric = metrics.default({name for outcome in trained for name in outcome.metrics})
            ascending = not metrics.GREATER_IS_BETTER[metric]
        best = leaderboard.best_run(trained, metric, ascending=ascending)
        judged = run_all([evaluation.model_copy(update={"run_id": best})]) if evaluation else []
    trained = [runner.refreshed(outcome) for outcome in trained]
    leaderboard.leaderboard(f"Runs of {run.run_id}", trained, metric=metric, ascending=ascending)
    for outcome in judged:
        run.log_metrics(outcome.metrics)
    succeeded([*trained, *judged])
    steps = {training.entry_point for training in trainings}
    console.next_commands(next_commands(loaded, best, steps, evaluation))


def check(parameters: MainParameters) -> None:
    """Refuse an experiment file with a mistake, before there is a run."""
    planned(parameters.file(), baseline=parameters.baseline)


def planned(
    file: experiment_file.ExperimentFile, *, baseline: bool = False
) -> tuple[LoadDataParameters, list["Parameters"], EvaluateParameters | None]:
    """Check every step of an experiment file before anything runs.

    The baseline is the last training, if the file does not have one itself.
    """
    loading = cast(
        "LoadDataParameters", experiment_file.check("load_data", file.data, ENTRY_POINTS)
    )
    for step in file.steps:
        if "data" in step.parameters:
            raise ExperimentFileError(
                f"expected the data once, under data:; found it in {step.step} too. Drop it there."
            )
    trainings = [p for step in file.steps for p in experiment_file.expand(step, TRAINING_STEPS)]
    if baseline and not any(isinstance(p, TrainDummyParameters) for p in trainings):
        # the best run is one that is cross-validated, so it is validated as the others are
        folds = max(cast("AnyTraining", training).cv for training in trainings)
        trainings.append(TrainDummyParameters(cv=folds))
    if file.evaluation is None:
        return loading, trainings, None
    if "run_id" in file.evaluation:
        raise ExperimentFileError(
            "expected no run_id under evaluation:, which judges the best of the file's own runs; "
            "found one. Drop it."
        )
    evaluation = experiment_file.check("evaluate", file.evaluation, ENTRY_POINTS)
    return loading, trainings, cast("EvaluateParameters", evaluation)


def next_commands(
    data: str, best: str, steps: "Collection[str]", evaluation: EvaluateParameters | None
) -> "Mapping[str, str]":
    """Return what makes sense after a file's runs, none of which was just done.

    Parameters
    ----------
    data, best : str
        The ids of the load_data run and of the best run.
    steps : collection of str
        The training steps of the file.
    evaluation : EvaluateParameters or None
        How the best run was judged.
    """
    from reprise import tracking
    from reprise.runtime import door

    start = door.used()
    commands = {
        start.about("reproduce", best): "reproduce the best run: a verdict on every digest",
        "make ui": "the runs in a browser",
    }
    others = [step for step in _ANOTHER if step not in steps]
    if others:
        loaded = {"data": tracking.short(data)}
        commands[start.run(others[0], loaded)] = "one more kind of model"
    if not (evaluation and evaluation.register_as):
        named = {"run_id": tracking.short(best), "register_as": "NAME"}
        commands[start.run("evaluate", named)] = "register the best"
    return commands


if __name__ == "__main__":
    with executors.started(["steps.preload", "steps.preload_models"]) as _executor:
        from reprise.runtime.launch import launch

        launch(MainParameters, partial(main, executor=_executor), check=check)
