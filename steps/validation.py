"""Cross-validation: the headline metrics over the folds of the training part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reprise.console import warn
from steps import headlines, metrics, tasks
from steps.folds import parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from steps.folds import StoredKey

    Score = dict[str, float]


def cross_validate(
    model: Any,
    X: pd.DataFrame,
    y: NDArray[Any],
    *,
    folds: int,
    seed: int,
    key: StoredKey | None = None,
) -> Score:
    """Headline metrics over the folds of a cross-validation; a line warns of what is left out.

    Parameters
    ----------
    model : estimator
        A scikit-learn classifier with `predict_proba`, or a regressor; clones of it are fitted.
    X : DataFrame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        Labels, or float64 for a regression.
    folds, seed, key
        As of `folds.parts`.

    Returns
    -------
    dict of str to float
        `cv_<name>_mean` and `cv_<name>_std` (of the population: divided by the number of folds)
        of each headline metric that is defined in every fold. `log_loss` and `roc_auc` are not
        defined in a fold with a class that the other folds lack, nor `roc_auc` in one of a single
        class. No metric is, if the other folds have one class and the model cannot be fitted on it.

    Raises
    ------
    DataError
        If there are fewer rows or groups than folds, or no class has as many rows.
    """
    import numpy as np
    from sklearn.base import clone

    if rare := rare_classes(y, folds):
        warn(rare)
    scores = [
        _score_fold(clone(model), X, y, train, test)
        for train, test in parts(y, folds=folds, seed=seed, key=key)
    ]
    if left_out := undefined(scores, is_regression=tasks.of_labels(y) == tasks.REGRESSION):
        warn(left_out)
    summary = {}
    for name in metrics.GREATER_IS_BETTER:
        if all(name in fold for fold in scores):
            values = np.array([fold[name] for fold in scores])
            summary[f"cv_{name}_mean"] = float(values.mean())
            summary[f"cv_{name}_std"] = float(values.std())
    return summary


def undefined(scores: Sequence[Score], *, is_regression: bool) -> str:
    """Return a line about metrics that are not defined in every fold, or an empty text.

    Parameters
    ----------
    scores : sequence of dict of str to float
        The metrics of each fold that are defined in it.
    is_regression : bool
    """
    names = metrics.NUMBER_METRICS if is_regression else metrics.CLASS_METRICS
    left_out = [name for name in names if any(name not in fold for fold in scores)]
    where = [str(i) for i, fold in enumerate(scores, 1) if not fold.keys() >= {*left_out}]
    if not left_out:
        return ""
    why = (
        "whose numbers to predict are all equal, or 0"
        if is_regression
        else "which is fitted or scored on too few of the classes"
    )
    return (
        f"Cross-validation has no {', '.join(left_out)}: not defined in fold {', '.join(where)} of "
        f"{len(scores)}, {why}. Use fewer folds (-P cv), or judge by another metric."
    )


def rare_classes(y: NDArray[Any], folds: int) -> str:
    """Return a line about classes with fewer rows than there are folds, or an empty text."""
    import numpy as np

    if tasks.of_labels(y) == tasks.REGRESSION:
        return ""
    labels, counts = np.unique(y, return_counts=True)
    rare = int((counts < folds).sum())
    if not rare:
        return ""
    rarest = int(counts.argmin())
    rows = f"{counts[rarest]} row{'s' if counts[rarest] > 1 else ''}"
    more = f" and {rare - 1} more" if rare > 1 else ""
    return (
        f"Class {labels.tolist()[rarest]!r} ({rows} to train on){more}: fewer rows than the "
        f"{folds} folds, so some folds are judged without it. Use -P cv={max(2, counts[rarest])}, "
        "or add rows."
    )


def score(model: Any, X: pd.DataFrame, y: NDArray[Any]) -> Score:
    """Headline metrics of a fitted model's predictions; a class that it does not know is wrong.

    Parameters
    ----------
    model : estimator
        A classifier with `predict_proba`, or a regressor.
    X : DataFrame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    """
    import numpy as np

    predicted, probabilities = headlines.predict(model, X)
    known = [] if probabilities is None else model.classes_.tolist()
    if probabilities is None or set(y.tolist()) <= set(known):
        return headlines.score(model, y, predicted, probabilities)
    unknown = sorted(set(y.tolist()) - set(known))
    # gradient boosting that is fitted on one class gives a probability of another, too
    padded = np.hstack([probabilities[:, : len(known)], np.zeros((len(y), len(unknown)))])
    scores = metrics.score(y, predicted, padded, [*known, *unknown])
    return {n: v for n, v in scores.items() if n not in ("log_loss", "roc_auc")}


def _score_fold(
    model: Any, X: pd.DataFrame, y: NDArray[Any], train: NDArray[Any], test: NDArray[Any]
) -> Score:
    """Fit on one fold, then copy the rows to score on: memory holds only one copy at a time."""
    import numpy as np

    is_regression = tasks.of_labels(y) == tasks.REGRESSION
    has_one_class = not is_regression and len(np.unique(y[train])) == 1
    try:
        with np.errstate(invalid="ignore"):  # a column without a value in this fold has no mean
            model.fit(X.iloc[train], y[train])
    except ValueError:
        if has_one_class:  # trees can be fitted on it, linear models cannot
            return {}
        raise
    return score(model, X.iloc[test], y[test])
