"""Plots of predicted numbers, for `evaluate`: true and predicted numbers in, figures out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steps.canvas import COLORS, MUTED, canvas, short

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

_MOST_POINTS = 5000  # drawn one by one
_BINS = 40


def predicted_against_true(y_true: Numbers, y_pred: Numbers, name: str) -> Figure:
    """Draw a point for each row: its true number, and the predicted one.

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n_samples,)
    name : str
        Name of the target.

    Returns
    -------
    Figure
        Of more than 5,000 rows, every n-th is drawn, in the order of the true numbers.
    """
    import numpy as np

    figure = canvas(5.6, 5.2)
    axes = figure.subplots()
    axes.axline((float(y_true[0]),) * 2, slope=1, color=MUTED, linewidth=0.8, linestyle=":")
    axes.set_title(f"Predicted against true {short(name)}" + _scatter(axes, y_true, y_pred))
    axes.set(xlabel=f"True {short(name)}", ylabel=f"Predicted {short(name)}")
    both = np.concatenate([y_true, y_pred])
    margin = 0.03 * (float(both.max() - both.min()) or 1.0)
    limits = float(both.min()) - margin, float(both.max()) + margin
    axes.set(xlim=limits, ylim=limits)
    return figure


def residuals(y_true: Numbers, y_pred: Numbers, name: str) -> Figure:
    """Draw the error of each row over its predicted number, and how often each error occurs.

    Parameters
    ----------
    y_true, y_pred, name
        As of `predicted_against_true`.

    Returns
    -------
    Figure
    """
    errors = y_pred - y_true
    figure = canvas(7.6, 4.4)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    left.axhline(0, color=MUTED, linewidth=0.8, linestyle=":")
    left.set_title(f"Errors of {short(name)}" + _scatter(left, y_pred, errors))
    left.set(xlabel=f"Predicted {short(name)}", ylabel="Predicted - true")
    right.hist(errors, bins=_BINS, orientation="horizontal", color=COLORS[0])
    right.set(xlabel="Rows")
    right.spines[["top", "right"]].set_visible(False)
    return figure


def _scatter(axes: Axes, x: Numbers, y: Numbers) -> str:
    """Draw points, evenly chosen if they are many; return what to add to the title."""
    import numpy as np

    every = -(-len(x) // _MOST_POINTS)
    shown = np.argsort(x, kind="stable")[::every]
    axes.scatter(x[shown], y[shown], s=12, alpha=0.5, color=COLORS[0], linewidths=0)
    axes.spines[["top", "right"]].set_visible(False)
    return f"\n(1 in {every} of {len(x)} rows)" if every > 1 else ""
