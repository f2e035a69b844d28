"""Bootstrap intervals of metrics: the spread of a metric over samples of the rows it was made of.

A sample is drawn as the number of times that it holds each row, which weights that row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Weights = NDArray[np.float64]
    Metric = Callable[[Weights], dict[str, float]]

LOW, HIGH = "low", "high"
_INTERVAL = (2.5, 97.5)  # percentiles: 95 % of the samples are between them
_BINARY = 2


def intervals(
    metric: Metric, rows: int, *, samples: int, seed: int, names: Sequence[str]
) -> dict[str, float]:
    """Estimate 95 % intervals of metrics by the percentile bootstrap.

    Parameters
    ----------
    metric : callable
        Takes the weights of the rows, of shape (rows,), and returns metrics by name; one that the
        sample does not define is left out or NaN.
    rows : int
    samples : int
        Number of samples; 0: no interval.
    seed : int
        Seed of the samples.
    names : sequence of str
        The metrics to report.

    Returns
    -------
    dict of str to float
        `<name>_low` and `<name>_high` of each metric that most samples define.

    References
    ----------
    Efron, B. and Tibshirani, R. J. (1993): An Introduction to the Bootstrap, chapter 13.
    """
    random = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(samples):
        weights = np.bincount(random.integers(0, rows, rows), minlength=rows).astype(float)
        found = metric(weights)
        for name, values in drawn.items():
            value = found.get(name, np.nan)
            if np.isfinite(value):
                values.append(value)
    ends: dict[str, float] = {}
    for name, values in drawn.items():
        if 2 * len(values) > samples:
            low, high = np.percentile(values, _INTERVAL)
            ends |= {f"{name}_{LOW}": float(low), f"{name}_{HIGH}": float(high)}
    return ends


def of_numbers(y_true: NDArray[np.float64], y_pred: NDArray[np.float64]) -> Metric:
    """Return the weighted metrics of predicted numbers, as in `number_metrics.score`."""
    error = y_pred - y_true
    size = np.abs(error)
    by_size = np.argsort(size, kind="stable")
    has_zero = bool((y_true == 0).any())
    relative = size / np.where(y_true == 0, 1.0, np.abs(y_true))

    def metric(weights: Weights) -> dict[str, float]:
        total = weights.sum()
        squared = float(weights @ error**2)
        spread = float(weights @ (y_true - weights @ y_true / total) ** 2)
        passed = np.cumsum(weights[by_size])
        middle = np.searchsorted(passed, [(total - 1) / 2, total / 2], side="right")
        return {
            "r2": 1 - squared / spread if spread > 0 else np.nan,
            "rmse": float(np.sqrt(squared / total)),
            "mae": float(weights @ size / total),
            "median_ae": float(size[by_size][np.minimum(middle, len(size) - 1)].mean()),
            "mape": np.nan if has_zero else float(weights @ relative / total),
        }

    return metric


def of_classes(
    true: NDArray[np.int64], predicted: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> Metric:
    """Return the weighted metrics of predicted classes, as in `metrics.score`.

    Parameters
    ----------
    true, predicted : ndarray of shape (n_samples,)
        Positions of classes in the columns of `probabilities`.
    probabilities : ndarray of shape (n_samples, n_classes)
    """
    n = probabilities.shape[1]
    cells = true * n + predicted
    shares = probabilities / probabilities.sum(axis=1, keepdims=True)
    own = shares[np.arange(len(true)), true]
    losses = -np.log(np.clip(own, np.finfo(shares.dtype).eps, None))
    columns = [1] if n == _BINARY else range(n)
    areas = [_weighted_area(true == column, probabilities[:, column]) for column in columns]

    def metric(weights: Weights) -> dict[str, float]:
        counts = np.bincount(cells, weights, minlength=n * n).astype(float).reshape(n, n)
        found = _of_counts(counts)
        if n > 1:
            found["log_loss"] = float(weights @ losses / weights.sum())
            defined = [value for area in areas if np.isfinite(value := area(weights))]
            found["roc_auc"] = float(np.mean(defined)) if defined else np.nan
        return found

    return metric


def _of_counts(counts: NDArray[np.float64]) -> dict[str, float]:
    """Return the metrics that follow from a confusion matrix: true classes are its rows."""
    right, rows, columns = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    total, present, either = counts.sum(), rows > 0, rows + columns > 0
    covariance = right.sum() * total - rows @ columns
    spread = np.sqrt((total**2 - rows @ rows) * (total**2 - columns @ columns))
    return {
        "accuracy": float(right.sum() / total),
        "balanced_accuracy": float((right[present] / rows[present]).mean()),
        "f1_macro": float((2 * right[either] / (rows + columns)[either]).mean()),
        "mcc": float(covariance / spread) if spread > 0 else 0.0,
    }


def _weighted_area(
    is_class: NDArray[np.bool_], probability: NDArray[np.float64]
) -> Callable[[Weights], float]:
    """Return the area under the ROC curve for weighted rows: sorted once, summed per sample."""
    order = np.argsort(probability, kind="stable")
    ranked, positive = probability[order], is_class[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])  # of rows with equal values

    def area(weights: Weights) -> float:
        of_class = np.add.reduceat(np.where(positive, weights[order], 0.0), starts)
        of_rest = np.add.reduceat(np.where(positive, 0.0, weights[order]), starts)
        below = np.cumsum(of_rest) - of_rest / 2  # rows of equal value count half
        pairs = of_class.sum() * of_rest.sum()
        return float(of_class @ below / pairs) if pairs > 0 else np.nan

    return area
