"""Metrics of a classifier: six headline metrics, recall and precision per class, cross-validation.

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
    import pandas as pd
    from numpy.typing import NDArray

    Labels = Sequence[Any] | NDArray[Any]

GREATER_IS_BETTER: dict[str, bool] = {
    "accuracy": True,
    "balanced_accuracy": True,
    "f1_macro": True,
    "log_loss": False,
    "roc_auc": True,
    "mcc": True,
}
"""The headline metrics, and whether a greater value is better."""

TRAINING_METRICS: dict[str, bool] = {
    name: not greater
    for base, greater in GREATER_IS_BETTER.items()
    for name in (f"cv_{base}_mean", f"train_{base}")
}
"""What training steps log, by which a sweep can be judged, and whether less is better."""

SHOWN = ("cv_accuracy_mean", "cv_accuracy_std", "train_accuracy", "test_accuracy")
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
        Keyed as in `GREATER_IS_BETTER`. `roc_auc` is the mean over the classes of one-vs-rest
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
    return {name: float(scores[name]) for name in GREATER_IS_BETTER if name in scores}


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


def cross_validate(
    model: Any, X: pd.DataFrame, y: NDArray[Any], *, folds: int, seed: int
) -> dict[str, float]:
    """Headline metrics over the folds of a stratified, shuffled cross-validation.

    Parameters
    ----------
    model : estimator
        A scikit-learn classifier with `predict_proba`; clones of it are fitted.
    X : DataFrame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    folds : int
        Number of folds, at least 2.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    dict of str to float
        `cv_<name>_mean` and `cv_<name>_std` (of the population: divided by the number of folds)
        of each headline metric that is defined in every fold.

    Raises
    ------
    DataError
        If a class has fewer rows than there are folds.

    References
    ----------
    https://scikit-learn.org/stable/modules/cross_validation.html#stratified-k-fold
    """
    import numpy as np
    from sklearn.base import clone
    from sklearn.model_selection import StratifiedKFold

    _check_every_class_fills_the_folds(y, folds)
    scores = [
        _score_fold(clone(model), X, y, train, test)
        for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(X, y)
    ]
    summary = {}
    for name in GREATER_IS_BETTER:
        if all(name in fold for fold in scores):
            values = np.array([fold[name] for fold in scores])
            summary[f"cv_{name}_mean"] = float(values.mean())
            summary[f"cv_{name}_std"] = float(values.std())
    return summary


def _score_fold(
    model: Any, X: pd.DataFrame, y: NDArray[Any], train: NDArray[Any], test: NDArray[Any]
) -> dict[str, float]:
    """Fit on one fold, then copy the rows to score on: memory holds only one copy at a time."""
    model.fit(X.iloc[train], y[train])
    held_out = X.iloc[test]
    return score(y[test], model.predict(held_out), model.predict_proba(held_out), model.classes_)


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


def _check_every_class_fills_the_folds(y: NDArray[Any], folds: int) -> None:
    import numpy as np

    labels, counts = np.unique(y, return_counts=True)
    rarest = int(counts.argmin())
    count = int(counts[rarest])
    if count < folds:
        cure = f"-P cv={count} or cv=0" if count > 1 else "-P cv=0 (no cross-validation)"
        raise DataError(
            f"class {_values(labels)[rarest]!r} has {count} row{'s' if count > 1 else ''} to train "
            f"on, {folds}-fold cross-validation needs at least {folds} of each class: use {cure}"
        )


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
