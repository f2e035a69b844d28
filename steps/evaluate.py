"""Judge a trained model on the test split, and register it if it is good enough."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import skops.io  # noqa: F401 - first, as it searches all modules loaded so far: half a second

from reprise import tracking
from reprise.data import splits
from reprise.errors import BelowMinimumError, TrackingError
from reprise.models import registry
from reprise.models.evaluation import Evaluation
from reprise.models.model_store import has_model, load_model, model_id_of, predict
from reprise.process import scratch
from reprise.record.schema import InputData, run_in
from reprise.runtime import door, experiments, summary
from reprise.runtime.launch import launch
from reprise.runtime.recorder import RunRecorder
from steps import (
    bootstrap,
    canvas,
    dataset,
    encoding,
    headlines,
    metrics,
    model_plots,
    models,
    number_plots,
    plots,
    source_readers,
)
from steps.parameters import TRAINING_STEPS, EvaluateParameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure
    from sklearn.pipeline import Pipeline

_MOST_EQUALS = 100  # equally good runs of a step in which a model is looked for


@dataclass(frozen=True)
class Judged:
    """A model's predictions of the test part, next to the truth."""

    model: "Pipeline"
    target: str
    features: "pd.DataFrame"
    truth: "np.ndarray[Any, Any]"
    predicted: "np.ndarray[Any, Any]"
    probabilities: "np.ndarray[Any, Any] | None"  # None of a regression


def main(parameters: EvaluateParameters, run: RunRecorder) -> None:
    """Score the model, log to both runs, and register the model if requested."""
    parameters.refuse_unregistered()
    trained = training_run(parameters, run)
    judged, test_digest = judge(trained, run, allow_large=parameters.allow_large)
    scores = score(judged)
    spread = intervals(judged, samples=parameters.bootstrap, seed=parameters.seed)
    test_scores = {f"test_{name}": value for name, value in {**scores, **spread}.items()}
    run.log_metrics(test_scores)
    run.log_predictions(judged.predicted, judged.probabilities)
    run.set_tags({tracking.TEST_DIGEST: test_digest})
    model_id = "" if run.replays else model_id_of(trained)
    if not run.replays:
        tracking.log(
            trained,
            metrics=test_scores,
            tags={tracking.TEST_DIGEST: test_digest},
            model_id=model_id,
        )
    log_plots(judged, run, seed=parameters.seed)
    metric = check_minimum(scores, parameters, trained)
    evaluation = Evaluation(
        model=run.record.inputs[0].sha256,
        metric=metric,
        score=scores[metric],
        greater_is_better=metrics.GREATER_IS_BETTER[metric],
        test_digest=test_digest,
    )
    evaluation.log(run)
    if parameters.register_as and not run.replays:
        register(parameters, run, trained, evaluation, model_id=model_id)
    start = door.used()
    commands = {"make ui": "see its plots"}
    if parameters.register_as:
        commands = {start.about("reproduce", trained): "reproduce the training", **commands}
    else:
        named = {"run_id": tracking.short(trained), "register_as": "NAME"}
        commands = {start.run("evaluate", named): "register the model", **commands}
    asked = f"test_{metric}"
    summary.done(run, commands, headlines=[*dict.fromkeys([asked, *metrics.SHOWN])])


def register(
    parameters: EvaluateParameters,
    run: RunRecorder,
    trained: str,
    evaluation: Evaluation,
    *,
    model_id: str,
) -> None:
    """Register the model as the candidate, and promote it if requested."""
    name = str(parameters.register_as)
    is_taken = registry.register(
        name, trained, evaluation, evaluated_by=run.run_id, model_id=model_id
    )
    if parameters.promote and is_taken:
        from reprise.verification import promotion

        promotion.promote_judged(run, name, evaluation)


def score(judged: Judged) -> dict[str, float]:
    """Return the headline metrics, and precision and recall of each class."""
    model, truth, predicted = judged.model, judged.truth, judged.predicted
    scores = headlines.score(model, truth, predicted, judged.probabilities)
    if judged.probabilities is None:
        return scores
    return scores | metrics.score_by_class(truth, predicted, model.classes_)


def intervals(judged: Judged, *, samples: int, seed: int) -> dict[str, float]:
    """Return the ends of the bootstrap interval of each headline metric."""
    names = metrics.NUMBER_METRICS
    if judged.probabilities is None:
        measure = bootstrap.of_numbers(judged.truth, judged.predicted)
    else:
        names, classes = metrics.CLASS_METRICS, judged.model.classes_
        true = metrics.class_positions(judged.truth, classes)
        predicted = metrics.class_positions(judged.predicted, classes)
        measure = bootstrap.of_classes(true, predicted, judged.probabilities)
    return bootstrap.intervals(
        measure, len(judged.truth), samples=samples, seed=seed, names=list(names)
    )


def training_run(parameters: EvaluateParameters, run: RunRecorder) -> str:
    """Return the id of the run to judge: the named one, the recorded one, or the best one."""
    recorded = run.recorded_uri("model")
    if parameters.run_id:
        return run_in(parameters.run_id)
    if recorded:
        return run_in(recorded)
    wanted = [parameters.metric] if parameters.metric else list(metrics.DEFAULTS)
    tried = [(place, name) for place in experiments.places(run.experiment_id) for name in wanted]
    for place, metric in tried[:-1]:
        with contextlib.suppress(TrackingError):
            return best_run(place, metric)
    return best_run(*tried[-1])


def judge(trained: str, run: RunRecorder, *, allow_large: bool = False) -> tuple[Judged, str]:
    """Load and verify the model and the test part of its data, and predict."""
    tracking.get_run(trained)  # raises if there is no such run, or no server
    record = tracking.read_record(trained)
    training = [item for item in record.inputs if item.name == splits.TRAIN]
    if not training or record.outputs is None or record.outputs.model is None:
        raise TrackingError(
            f"expected a finished training run, found run {trained} ({record.step.entry_point}). "
            f"Name a finished run of {' or '.join(TRAINING_STEPS)}."
        )
    model = load_model(trained, recorded=record.outputs.model)
    source_readers.remove_from(model)
    run.add_input(
        InputData(name="model", uri=f"runs:/{trained}/model", sha256=record.outputs.model),
        context="model",
    )
    test = splits.read(run, run_in(training[0].uri), splits.TEST, allow_large=allow_large)
    X, y = dataset.features_and_labels(test)
    predicted, probabilities = predict(model, X)
    judged = Judged(model, test.column_names[-1], X, y, predicted, probabilities)
    return judged, run.record.inputs[-1].sha256


def best_run(experiment_id: str, metric: str) -> str:
    """Return the id of the finished training run that is best by a cross-validated metric.

    Only runs on the data of the latest training run count. Among equally good ones it is the first
    with a stored model, else the first.

    Raises
    ------
    TrackingError
        If the experiment has no such run.
    """
    name = f"cv_{metric}_mean"
    order = "DESC" if metrics.GREATER_IS_BETTER[metric] else "ASC"
    latest = max(
        trainings(experiment_id, "attributes.start_time DESC", limit=1),
        key=lambda run: run.info.start_time,
        default=None,
    )
    candidates = [
        run
        for run in trainings(
            experiment_id,
            f"metrics.`{name}` {order}",
            "attributes.start_time ASC",
            limit=_MOST_EQUALS,
            dataset=tracking.dataset_of(latest, splits.TRAIN) if latest else "",
        )
        if name in run.data.metrics and not tracking.is_bookkeeping(run)
    ]
    if not candidates:
        raise TrackingError(
            f"expected a finished training run with {name} on the data of the latest one in the "
            f"experiment {tracking.experiment_name(experiment_id)!r}, found none. Train one first "
            "(reprise run -e train_dt), or name a run with -P run_id=<id>."
        )
    sign = -1 if metrics.GREATER_IS_BETTER[metric] else 1
    candidates.sort(key=lambda r: (sign * r.data.metrics[name], r.info.start_time))
    best = [run for run in candidates if run.data.metrics[name] == candidates[0].data.metrics[name]]
    with_model = (run for run in best if has_model(run.info.run_id))
    return str(next(with_model, best[0]).info.run_id)


def trainings(experiment_id: str, *order_by: str, limit: int, dataset: str = "") -> "Iterator[Any]":
    """Return the first finished runs of each training step, in an order."""
    for step in TRAINING_STEPS:
        tags = {tracking.ENTRY_POINT: step}
        yield from tracking.find_runs(
            experiment_id, tags=tags, order_by=order_by, limit=limit, dataset=dataset
        )


def check_minimum(scores: dict[str, float], parameters: EvaluateParameters, trained: str) -> str:
    """Refuse a model that is worse than the minimum; of what should be small, 0 sets no limit.

    Returns
    -------
    str
        The metric by which it was judged.

    Raises
    ------
    BelowMinimumError
    """
    metric, minimum = parameters.metric or metrics.default(scores), parameters.minimum
    if metric not in scores:
        of_task = [name for name in metrics.GREATER_IS_BETTER if name in scores]
        raise BelowMinimumError(
            f"expected {metric} of the test part, which is not defined for it: {metric} is for "
            f"{_defined_for(metric)}. Choose one of {', '.join(of_task)}, or load the data with "
            "a larger test_size."
        )
    greater = metrics.GREATER_IS_BETTER[metric]
    good = scores[metric] >= minimum if greater else scores[metric] <= minimum
    if not good and (greater or minimum != 0):
        raise BelowMinimumError(
            f"expected a test {metric} of at {'least' if greater else 'most'} {minimum:g}, found "
            f"{scores[metric]:.6g} for run {trained}. Nothing was registered; train a better model."
        )
    return metric


def _defined_for(metric: str) -> str:
    if metric in metrics.CLASS_METRICS:
        return "classes, and some metrics need two of them in it"
    return "numbers, r2 for different ones, and mape for ones other than 0"


def log_plots(judged: Judged, run: RunRecorder, *, seed: int) -> None:
    """Draw plots of the model and its mistakes, and log them as PNG files."""
    figures = {**mistakes(judged), **explain(judged.model)}
    if judged.probabilities is None or not figures.keys() & {"coefficients", "importances"}:
        figures |= permuted(judged, seed=seed)
    with scratch.folder() as folder:
        canvas.save_all(figures, Path(folder))
        run.log_folder(Path(folder), "plots")


def mistakes(judged: Judged) -> "dict[str, Figure]":
    """Draw predictions next to the truth."""
    y, predicted, probabilities = judged.truth, judged.predicted, judged.probabilities
    if probabilities is None:
        return {
            "predicted_against_true": number_plots.predicted_against_true(
                y, predicted, judged.target
            ),
            "residuals": number_plots.residuals(y, predicted, judged.target),
        }
    classes = list(judged.model.classes_)
    return {
        "confusion_matrix": plots.confusion_matrix(y, predicted, classes),
        "roc": plots.roc(y, probabilities, classes),
        "precision_recall": plots.precision_recall(y, probabilities, classes),
        "calibration": plots.calibration(y, probabilities, classes),
    }


def permuted(judged: Judged, *, seed: int) -> "dict[str, Figure]":
    """Draw what the model loses if a column is shuffled; nothing, if it uses none."""
    from steps import permutation

    measured = permutation.importances(judged.model, judged.features, judged.truth, seed=seed)
    if measured is None or not measured[1].any():
        return {}
    names, losses = measured
    lost = "R²" if judged.probabilities is None else "accuracy"
    title, label = "What the model needs", f"loss of {lost} if the column is shuffled"
    return {"permutation": model_plots.importances(names, losses, title=title, label=label)}


def explain(model: "Pipeline") -> "dict[str, Figure]":
    """Draw a fitted estimator: its tree, coefficients or importances."""
    if "columns" not in model.named_steps:
        return {}
    estimator, names = model.steps[-1][1], models.feature_names(model)
    classes = list(getattr(model, "classes_", ()))
    figures: dict[str, Figure] = {}
    if hasattr(estimator, "coef_"):
        figures["coefficients"] = model_plots.coefficients(names, estimator.coef_, classes)
    if hasattr(estimator, "feature_importances_"):
        figures["importances"] = model_plots.importances(
            names,
            estimator.feature_importances_,
            title=f"What the {'tree' if hasattr(estimator, 'tree_') else 'forest'} decides by",
            label="share of the impurity removed",
        )
    if hasattr(estimator, "tree_"):
        times = encoding.time_columns(model.named_steps["columns"])
        figures["tree"] = model_plots.tree(estimator, names, classes, times=times)
    return figures


if __name__ == "__main__":
    launch(EvaluateParameters, main)
