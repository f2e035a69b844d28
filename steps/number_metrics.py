"""Metrics of predicted numbers: how far they are from the true ones.

Pure: numbers in, Python floats by metric name out. The metrics are scikit-learn's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TWO = 2  # rows that R² needs


def score(y_true: NDArray[np.float64], y_pred: NDArray[np.float64]) -> dict[str, float]:
    """Headline metrics of predicted numbers.

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n_samples,)

    Returns
    -------
    dict of str to float
        `r2`, `rmse`, `mae`, `median_ae` (the last three in the unit of the target) and `mape` (a
        fraction). `r2` is left out for less than two rows, or if all true numbers are equal;
        `mape` if a true number is 0.

    References
    ----------
    https://scikit-learn.org/stable/modules/model_evaluation.html#regression-metrics
    """
    from sklearn import metrics

    scores = {}
    if len(y_true) >= _TWO and (y_true != y_true[0]).any():
        scores["r2"] = metrics.r2_score(y_true, y_pred)
    scores["rmse"] = metrics.root_mean_squared_error(y_true, y_pred)
    scores["mae"] = metrics.mean_absolute_error(y_true, y_pred)
    scores["median_ae"] = metrics.median_absolute_error(y_true, y_pred)
    if (y_true != 0).all():
        scores["mape"] = metrics.mean_absolute_percentage_error(y_true, y_pred)
    return {name: float(value) for name, value in scores.items()}
