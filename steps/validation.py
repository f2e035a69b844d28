"""Cross-validation: the headline metrics over the folds of the training part."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from reprise.errors import DataError
from steps import headlines, metrics, tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

_TWO = 2  # classes that a classifier needs


def cross_validate(
    model: Any, X: pd.DataFrame, y: NDArray[Any], *, folds: int, seed: int
) -> dict[str, float]:
    """Headline metrics over the folds of a shuffled cross-validation, stratified by class.

    Parameters
    ----------
    model : estimator
        A scikit-learn classifier with `predict_proba`, or a regressor; clones of it are fitted.
    X : DataFrame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        Labels, or float64 for a regression.
    folds : int
        Number of folds, at least 2.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    dict of str to float
        `cv_<name>_mean` and `cv_<name>_std` (of the population: divided by the number of folds)
        of each headline metric that is defined in every fold. `log_loss` and `roc_auc` are not
        defined in a fold with a class that the other folds lack.

    Raises
    ------
    DataError
        If there are fewer rows than folds, or no class has as many.

    References
    ----------
    https://scikit-learn.org/stable/modules/cross_validation.html#stratified-k-fold
    """
    import numpy as np
    from sklearn.base import clone

    scores = [
        _score_fold(clone(model), X, y, train, test)
        for train, test in _parts(y, folds=folds, seed=seed)
    ]
    summary = {}
    for name in metrics.GREATER_IS_BETTER:
        if all(name in fold for fold in scores):
            values = np.array([fold[name] for fold in scores])
            summary[f"cv_{name}_mean"] = float(values.mean())
            summary[f"cv_{name}_std"] = float(values.std())
    return summary


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


def score(model: Any, X: pd.DataFrame, y: NDArray[Any]) -> dict[str, float]:
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
    padded = np.hstack([probabilities, np.zeros((len(y), len(unknown)))])
    scores = metrics.score(y, predicted, padded, [*known, *unknown])
    return {n: v for n, v in scores.items() if n not in ("log_loss", "roc_auc")}


def _score_fold(
    model: Any, X: pd.DataFrame, y: NDArray[Any], train: NDArray[Any], test: NDArray[Any]
) -> dict[str, float]:
    """Fit on one fold, then copy the rows to score on: memory holds only one copy at a time."""
    import numpy as np

    is_regression = tasks.of_labels(y) == tasks.REGRESSION
    if not is_regression and len(np.unique(y[train])) < min(_TWO, len(np.unique(y))):
        return {}  # the only rows of the other class are those to score
    with np.errstate(invalid="ignore"):  # a column without a value in this fold has no mean
        model.fit(X.iloc[train], y[train])
    return score(model, X.iloc[test], y[test])


def _parts(y: NDArray[Any], *, folds: int, seed: int) -> Iterator[tuple[Any, Any]]:
    """Yield the rows to fit and to score on, fold by fold."""
    import numpy as np
    from sklearn.model_selection import KFold, StratifiedKFold

    rows = np.zeros(len(y))  # only their number counts
    if tasks.of_labels(y) == tasks.REGRESSION:
        _refuse_less(len(y), folds, "rows to train on")
        yield from KFold(folds, shuffle=True, random_state=seed).split(rows)
        return
    _refuse_less(int(np.unique(y, return_counts=True)[1].max()), folds, "rows of any class")
    with warnings.catch_warnings():
        # `rare_classes` has a line of its own about it
        warnings.filterwarnings("ignore", message="The least populated class in y")
        yield from StratifiedKFold(folds, shuffle=True, random_state=seed).split(rows, y)


def _refuse_less(most: int, folds: int, what: str) -> None:
    if most < folds:
        advice = f"-P cv={most} or -P cv=0" if most > 1 else "-P cv=0 (no cross-validation)"
        raise DataError(
            f"{folds}-fold cross-validation: expected at least {folds} {what}, found {most}. "
            f"Use {advice}."
        )
