"""Judge a trained model on the test split, and register it if it is good enough."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import skops.io  # noqa: F401 - first, as it searches all modules loaded so far: half a second

from reprise import tracking
from reprise.data import splits
from reprise.errors import BelowMinimumError, TrackingError
from reprise.models import registry
from reprise.models.model_store import has_model, load_model, model_id_of, predict
from reprise.process import scratch
from reprise.record.schema import InputData, run_in
from reprise.runtime import summary
from reprise.runtime.launch import launch
from reprise.runtime.recorder import RunRecorder
from reprise.visible import option
from steps import canvas, dataset, metrics, model_plots, models, plots
from steps.parameters import TRAINING_STEPS, EvaluateParameters

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from sklearn.pipeline import Pipeline

_MOST_EQUALS = 100  # equally good runs of a step in which a model is looked for


@dataclass(frozen=True)
class Judged:
    """A model's predictions of the test part, next to the truth."""

    model: "Pipeline"
    truth: "np.ndarray[Any, Any]"
    labels: "np.ndarray[Any, Any]"
    probabilities: "np.ndarray[Any, Any]"


def main(parameters: EvaluateParameters, run: RunRecorder) -> None:
    """Score the model, log to both runs, and register the model if requested."""
    trained = training_run(parameters, run)
    judged, test_digest = judge(trained, run, allow_large=parameters.allow_large)
    scores = metrics.score(
        judged.truth, judged.labels, judged.probabilities, judged.model.classes_
    ) | metrics.score_by_class(judged.truth, judged.labels, judged.model.classes_)
    test_scores = {f"test_{name}": value for name, value in scores.items()}
    run.log_metrics(test_scores)
    run.log_predictions(judged.labels, judged.probabilities)
    run.set_tags({tracking.TEST_DIGEST: test_digest})
    model_id = "" if run.replays else model_id_of(trained)
    if not run.replays:
        tracking.log(
            trained,
            metrics=test_scores,
            tags={tracking.TEST_DIGEST: test_digest},
            model_id=model_id,
        )
    log_plots(judged, run)
    check_minimum(scores, parameters, trained)
    if parameters.register_as and not run.replays:
        registry.register(
            parameters.register_as,
            trained,
            score=scores[parameters.metric],
            metric=parameters.metric,
            greater_is_better=metrics.GREATER_IS_BETTER[parameters.metric],
            test_digest=test_digest,
            model_id=model_id,
        )
    again = f"reprise run -e evaluate {option('run_id', trained)} -P register_as=NAME"
    commands = {again: "register the model", "make ui": "see its plots"}
    summary.done(run, commands, headlines=metrics.SHOWN)


def training_run(parameters: EvaluateParameters, run: RunRecorder) -> str:
    """Return the id of the run to judge: the named one, the recorded one, or the best one."""
    recorded = run.recorded_uri("model")
    if parameters.run_id:
        return run_in(parameters.run_id)
    if recorded:
        return run_in(recorded)
    return best_run(run.experiment_id, parameters.metric)


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
    run.add_input(
        InputData(name="model", uri=f"runs:/{trained}/model", sha256=record.outputs.model),
        context="model",
    )
    test = splits.read(run, run_in(training[0].uri), splits.TEST, allow_large=allow_large)
    X, y = dataset.features_and_labels(test)
    labels, probabilities = predict(model, X)
    judged = Judged(model, truth=y, labels=labels, probabilities=probabilities)
    return judged, run.record.inputs[-1].sha256


def best_run(experiment_id: str, metric: str) -> str:
    """Return the id of the finished training run that is best by a cross-validated metric.

    Among equally good runs it is the first with a stored model, else the first.

    Raises
    ------
    TrackingError
        If the experiment has no such run.
    """
    name = f"cv_{metric}_mean"
    order = "DESC" if metrics.GREATER_IS_BETTER[metric] else "ASC"
    candidates = [
        run
        for step in TRAINING_STEPS
        for run in tracking.find_runs(
            experiment_id,
            tags={tracking.ENTRY_POINT: step},
            order_by=(f"metrics.`{name}` {order}", "attributes.start_time ASC"),
            limit=_MOST_EQUALS,
        )
        if name in run.data.metrics
    ]
    if not candidates:
        raise TrackingError(
            f"expected a finished training run with {name} in experiment {experiment_id}, found "
            f"none. Train one first (reprise run -e train_dt), or name a run with -P run_id=<id>."
        )
    sign = -1 if metrics.GREATER_IS_BETTER[metric] else 1
    candidates.sort(key=lambda r: (sign * r.data.metrics[name], r.info.start_time))
    best = [run for run in candidates if run.data.metrics[name] == candidates[0].data.metrics[name]]
    with_model = (run for run in best if has_model(run.info.run_id))
    return str(next(with_model, best[0]).info.run_id)


def check_minimum(scores: dict[str, float], parameters: EvaluateParameters, trained: str) -> None:
    """Refuse a model that is worse than the minimum; for log_loss, 0 sets no limit.

    Raises
    ------
    BelowMinimumError
    """
    metric, minimum = parameters.metric, parameters.minimum
    if metric not in scores:
        raise BelowMinimumError(
            f"expected {metric} of the test part, which is not defined if only one class is in "
            "it. Choose another metric, or load the data with a larger test_size."
        )
    greater = metrics.GREATER_IS_BETTER[metric]
    good = scores[metric] >= minimum if greater else scores[metric] <= minimum
    if not good and (greater or minimum != 0):
        raise BelowMinimumError(
            f"expected a test {metric} of at {'least' if greater else 'most'} {minimum:g}, found "
            f"{scores[metric]:.6g} for run {trained}. Nothing was registered; train a better model."
        )


def log_plots(judged: Judged, run: RunRecorder) -> None:
    """Draw plots of the model and its mistakes, and log them as PNG files."""
    y, probabilities, classes = judged.truth, judged.probabilities, list(judged.model.classes_)
    figures: dict[str, Figure] = {
        "confusion_matrix": plots.confusion_matrix(y, judged.labels, classes),
        "roc": plots.roc(y, probabilities, classes),
        "precision_recall": plots.precision_recall(y, probabilities, classes),
        "calibration": plots.calibration(y, probabilities, classes),
        **explain(judged.model),
    }
    with scratch.folder() as folder:
        canvas.save_all(figures, Path(folder))
        run.log_folder(Path(folder), "plots")


def explain(model: "Pipeline") -> "dict[str, Figure]":
    """Draw a fitted classifier: its tree, coefficients or importances."""
    classifier, names = model.named_steps["classifier"], models.feature_names(model)
    classes = list(model.classes_)
    figures: dict[str, Figure] = {}
    if hasattr(classifier, "coef_"):
        figures["coefficients"] = model_plots.coefficients(names, classifier.coef_, classes)
    if hasattr(classifier, "feature_importances_"):
        figures["importances"] = model_plots.importances(
            names,
            classifier.feature_importances_,
            title="What the tree decides by",
            label="share of the impurity removed",
        )
    if hasattr(classifier, "tree_"):
        figures["tree"] = model_plots.tree(classifier, names, classes)
    return figures


if __name__ == "__main__":
    launch(EvaluateParameters, main)
