"""Importance of each column by permutation: what a model loses if a column is shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.inspection import permutation_importance

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_MOST_ROWS = 2000
_MOST_COLUMNS = 200  # each is predicted from again, `_REPEATS` times
_REPEATS = 5


def importances(
    model: Any, X: pd.DataFrame, y: np.ndarray[Any, Any], *, seed: int
) -> tuple[list[str], np.ndarray[Any, Any]] | None:
    """Measure the mean loss of R², or of accuracy, if a column of the table is shuffled.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : DataFrame of shape (n_samples, n_features)
        Of more than 2,000 rows, a sample is used.
    y : ndarray of shape (n_samples,)
    seed : int
        Seed of the sample and of the shuffles.

    Returns
    -------
    names : list of str
    losses : ndarray of shape (n_features,)
        Or None in place of both, for more than 200 columns.

    References
    ----------
    https://scikit-learn.org/stable/modules/permutation_importance.html
    """
    import numpy as np

    if X.shape[1] > _MOST_COLUMNS:
        return None
    if len(X) > _MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(X), _MOST_ROWS, replace=False))
        X, y = X.iloc[rows], y[rows]
    found = permutation_importance(model, X, y, n_repeats=_REPEATS, random_state=seed)
    return [str(name) for name in X.columns], found.importances_mean
