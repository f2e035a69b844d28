"""Metrics of a classifier: six headline metrics, and recall and precision per class.

Pure: labels and probabilities in, Python floats by metric name out. The metrics are scikit-learn's.
"""

from __future__ import annotations

import posixpath
import re
import warnings
from typing import TYPE_CHECKING, Any

from reprise.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Labels = Sequence[Any] | NDArray[Any]

CLASS_METRICS: dict[str, bool] = {
    "accuracy": True,
    "balanced_accuracy": True,
    "f1_macro": True,
    "log_loss": False,
    "roc_auc": True,
    "mcc": True,
}
"""The headline metrics of predicted classes, and whether a greater value is better."""

NUMBER_METRICS: dict[str, bool] = {
    "r2": True,
    "rmse": False,
    "mae": False,
    "median_ae": False,
    "mape": False,
}
"""The headline metrics of predicted numbers, and whether a greater value is better."""

GREATER_IS_BETTER: dict[str, bool] = {**CLASS_METRICS, **NUMBER_METRICS}
"""All headline metrics, and whether a greater value is better."""

DEFAULTS: tuple[str, ...] = ("accuracy", "r2")
"""The metrics by which classes and numbers are judged if none is named."""


def default(names: Iterable[str]) -> str:
    """Return the metric to judge by, from the names of metrics that a step has logged."""
    of_classes, of_numbers = DEFAULTS
    return of_numbers if {"rmse", "train_rmse"} & set(names) else of_classes


TRAINING_METRICS: dict[str, bool] = {
    name: not greater
    for base, greater in GREATER_IS_BETTER.items()
    for name in (f"cv_{base}_mean", f"train_{base}")
}
"""What training steps log, by which a sweep can be judged, and whether less is better."""

SHOWN = tuple(
    f"{part}_{name}{end}"
    for name in ("accuracy", "r2", "rmse")
    for part, end in (("cv", "_mean"), ("cv", "_std"), ("train", ""), ("test", ""))
)
"""What a step prints of its run's metrics."""

_LONGEST_METRIC_NAME = 250  # of MLflow
_LONGEST_PREFIX = len("precision_")


def score(
    y_true: Labels, y_pred: Labels, probabilities: NDArray[np.float64], classes: Labels
) -> dict[str, float]:
    """Headline metrics of a classifier's predictions.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted labels: str, int or bool.
    probabilities : ndarray of shape (n_samples, n_classes)
        Predicted probability of each class, in the order of `classes`.
    classes : array-like of shape (n_classes,)
        Every label that the classifier knows; some may be absent from `y_true`.

    Returns
    -------
    dict of str to float
        Keyed as in `CLASS_METRICS`. `roc_auc` is the mean over the classes of one-vs-rest
        areas, for the classes in `y_true`; for two classes it is the area itself. It is left out if
        `y_true` holds a single class, and `log_loss` (in nats) if `classes` holds a single class.

    Raises
    ------
    DataError
        If a label is not in `classes`.

    References
    ----------
    https://scikit-learn.org/stable/modules/model_evaluation.html#classification-metrics
    """
    from sklearn import metrics

    true, predicted = class_positions(y_true, classes), class_positions(y_pred, classes)
    present = sorted(set(true.tolist()))
    with warnings.catch_warnings():
        # the warning is about rows of a confusion matrix, which is not shown
        warnings.filterwarnings("ignore", message="A single label was found")
        scores = {
            "accuracy": metrics.accuracy_score(true, predicted),
            # balanced_accuracy_score is this recall, but warns of classes absent from y_true
            "balanced_accuracy": metrics.recall_score(
                true, predicted, labels=present, average="macro", zero_division=0
            ),
            "f1_macro": metrics.f1_score(true, predicted, average="macro", zero_division=0),
            "mcc": metrics.matthews_corrcoef(true, predicted),
        }
        if len(classes) > 1:
            labels = list(range(len(classes)))
            scores["log_loss"] = metrics.log_loss(true, probabilities, labels=labels)
        if len(present) > 1:
            scores["roc_auc"] = _roc_auc(true, probabilities, present)
    return {name: float(scores[name]) for name in CLASS_METRICS if name in scores}


def score_by_class(y_true: Labels, y_pred: Labels, classes: Labels) -> dict[str, float]:
    """Precision and recall of each class, under names that MLflow accepts.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted labels.
    classes : array-like of shape (n_classes,)
        The classes to report.

    Returns
    -------
    dict of str to float
        `precision_<class>` and `recall_<class>` in [0, 1], in the order of `classes`; 0 if a class
        was never predicted, or never occurred. Characters that MLflow refuses are replaced by `_`.
        If names are then equal, all but the first get a number.

    Raises
    ------
    DataError
        If a label is not in `classes`.
    """
    from sklearn.metrics import precision_recall_fscore_support

    true, predicted = class_positions(y_true, classes), class_positions(y_pred, classes)
    precision, recall, _, _ = precision_recall_fscore_support(
        true, predicted, labels=list(range(len(classes))), average=None, zero_division=0
    )
    scores = {}
    for position, name in enumerate(_metric_suffixes(_values(classes))):
        scores[f"precision_{name}"] = float(precision[position])
        scores[f"recall_{name}"] = float(recall[position])
    return scores


def class_positions(labels: Labels, classes: Labels) -> NDArray[np.int64]:
    """Index of each label in `classes`.

    Metrics are computed on indices, so that str, int and bool labels are treated alike, and a class
    keeps its column of the probabilities for any order of `classes`.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
    classes : array-like of shape (n_classes,)

    Returns
    -------
    ndarray of shape (n_samples,)

    Raises
    ------
    DataError
        If a label is not in `classes`.
    """
    import numpy as np

    known = {label: position for position, label in enumerate(_values(classes))}
    try:
        return np.array([known[label] for label in _values(labels)], dtype=np.int64)
    except KeyError as error:
        raise DataError(
            f"expected rows of the {len(known)} classes that the model was trained on, found "
            f"class {error.args[0]!r}: leave its rows out, or train on data that hold it "
            "(load_data -P stratify=true puts every class in both parts)"
        ) from None


def _values(labels: Labels) -> list[Any]:
    """Return labels as Python values; they compare and print alike for all types of arrays."""
    return list(labels.tolist() if hasattr(labels, "tolist") else labels)


def _roc_auc(
    true: NDArray[np.int64], probabilities: NDArray[np.float64], present: list[int]
) -> float:
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import label_binarize

    n_classes = probabilities.shape[1]
    if n_classes == 2:  # noqa: PLR2004 - binary: both classes have the same area
        return float(roc_auc_score(true, probabilities[:, 1]))
    one_hot = label_binarize(true, classes=list(range(n_classes)))
    return float(roc_auc_score(one_hot[:, present], probabilities[:, present], average="macro"))


def _metric_suffixes(classes: Iterable[Any]) -> list[str]:
    """Return a distinct and valid end of a metric name for each class."""
    room = _LONGEST_METRIC_NAME - _LONGEST_PREFIX
    names: dict[str, None] = {}
    for label in classes:
        valid = re.sub(r"[^A-Za-z0-9_\-. :/]", "_", str(label))[:room]
        if posixpath.normpath(f"precision_{valid}") != f"precision_{valid}":
            valid = valid.replace("/", "_")  # MLflow accepts plain paths only, not "a//b"
        name, number = valid, 1
        while name in names:
            number += 1
            ending = f"_{number}"
            name = valid[: room - len(ending)] + ending
        names[name] = None
    return list(names)
