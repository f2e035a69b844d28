"""Plots of a classifier's predictions, for `evaluate`: labels and probabilities in, figures out.

`classes` is always the order of the columns of `probabilities`; a class absent from `y_true` has no
curve, and the legend says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from steps.canvas import (
    COLORS,
    MUTED,
    STYLES,
    canvas,
    color_bar,
    legend,
    name_classes,
    short_names,
    spread,
    style,
)
from steps.metrics import class_positions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Labels = Sequence[Any] | NDArray[Any]

_BINARY = 2
_MOST_CURVES = 10  # with more classes, only the best and worst curves are named
_MOST_CALIBRATED = 3
_MOST_COUNTED = 40  # classes in a matrix with readable counts
_MOST_BACKGROUND = 60  # curves without a name
_MOST_POINTS = 2000  # in a curve; more than the pixels of a plot


def confusion_matrix(y_true: Labels, y_pred: Labels, classes: Labels) -> Figure:
    """Draw the count of samples for each true and predicted class, shaded by its fraction.

    The fraction is of the true class. With more than 40 classes the counts would be unreadable, so
    only the shades are drawn.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
    classes : array-like of shape (n_classes,)

    Returns
    -------
    Figure
    """
    import numpy as np
    from sklearn.metrics import confusion_matrix as count

    n = len(classes)
    positions = class_positions(y_true, classes), class_positions(y_pred, classes)
    counts = count(*positions, labels=list(range(n)))
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 0.38 * min(max(8.4, n), _MOST_COUNTED)  # of the matrix, in inches
    figure = canvas(side + 2.6, side + 1.5)
    axes = figure.subplots()
    image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if n <= _MOST_COUNTED:
        _write_counts(axes, counts, fractions, cell=72 * side / n)
    names = short_names(classes)
    name_classes(axes, names, side)
    rows = spread(n, side)
    axes.set_yticks(rows, [names[row] for row in rows])
    axes.set(xlabel="Predicted class", ylabel="True class")
    axes.set_title(f"Confusion matrix: {np.trace(counts)} of {counts.sum()} right")
    color_bar(image, axes, "Fraction of the true class")
    return figure


def _write_counts(
    axes: Axes, counts: NDArray[np.int64], fractions: NDArray[np.float64], *, cell: float
) -> None:
    """Write each count into its cell; `width` is in points."""
    import numpy as np

    size = min(11, cell / max(2, 0.8 * len(str(counts.max()))))
    for (row, column), number in np.ndenumerate(counts):
        color = "white" if fractions[row, column] > 0.5 else "black" if number else MUTED  # noqa: PLR2004
        axes.text(column, row, str(number), ha="center", va="center", color=color, fontsize=size)


def roc(y_true: Labels, probabilities: NDArray[np.float64], classes: Labels) -> Figure:
    """Draw the receiver operating characteristic: each class against the rest, or one of two.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
    probabilities : ndarray of shape (n_samples, n_classes)
    classes : array-like of shape (n_classes,)

    Returns
    -------
    Figure
    """
    from sklearn.metrics import auc, roc_curve

    def curve(is_class: NDArray[np.bool_], probability: NDArray[np.float64]) -> Curve:
        false_positives, true_positives, _ = roc_curve(is_class, probability)
        return Curve(false_positives, true_positives, auc(false_positives, true_positives))

    figure = canvas(7.2, 4.4)
    axes = figure.subplots()
    axes.axline((0, 0), (1, 1), color=MUTED, linewidth=0.8, linestyle=":")
    _draw_curves(axes, _curves(y_true, probabilities, classes, curve), classes, "Area under curve")
    axes.set(xlabel="False positive rate", ylabel="True positive rate")
    axes.set_title(_subject("ROC curve", classes), fontsize=11)
    return figure


def precision_recall(y_true: Labels, probabilities: NDArray[np.float64], classes: Labels) -> Figure:
    """Draw precision at each recall: each class against the rest, or one of two classes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
    probabilities : ndarray of shape (n_samples, n_classes)
    classes : array-like of shape (n_classes,)

    Returns
    -------
    Figure
    """
    import numpy as np
    from sklearn.metrics import precision_recall_curve

    def curve(is_class: NDArray[np.bool_], probability: NDArray[np.float64]) -> Curve:
        precision, recall, _ = precision_recall_curve(is_class, probability)
        area = float(-np.sum(np.diff(recall) * precision[:-1]))  # as average_precision_score
        # drawn as steps: values between two thresholds cannot be reached
        return Curve(np.repeat(recall[::-1], 2)[:-1], np.repeat(precision[::-1], 2)[1:], area)

    figure = canvas(7.2, 4.4)
    axes = figure.subplots()
    _draw_curves(axes, _curves(y_true, probabilities, classes, curve), classes, "Average precision")
    axes.set(xlabel="Recall", ylabel="Precision")
    axes.set_title(_subject("Precision-recall curve", classes), fontsize=11)
    return figure


def calibration(y_true: Labels, probabilities: NDArray[np.float64], classes: Labels) -> Figure:
    """Draw how often a predicted probability came true, and the number of predictions.

    With three classes, each has a line; with two, the second has one. With more, the only line is
    the probability of the predicted class, and how often that class was the true one. Points are at
    the mean probability of ten bins of equal width.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
    probabilities : ndarray of shape (n_samples, n_classes)
    classes : array-like of shape (n_classes,)

    Returns
    -------
    Figure
    """
    import numpy as np
    from sklearn.calibration import calibration_curve

    forecasts = _forecasts(class_positions(y_true, classes), probabilities, classes)
    figure = canvas(7.2, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.axline((0, 0), (1, 1), color=MUTED, linewidth=0.8, linestyle=":")
    width = 0.09 / len(forecasts)
    for number, (name, probability, happened) in enumerate(forecasts):
        observed, predicted = calibration_curve(happened, probability, n_bins=10, pos_label=True)
        upper.plot(predicted, observed, color=COLORS[number], marker="o", label=f" {name}")
        # calibration_curve does not return the sizes of its bins; these are the same bins
        bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], probability)
        middle = np.arange(0.05, 1, 0.1) + (number - (len(forecasts) - 1) / 2) * width
        lower.bar(middle, np.bincount(bins, minlength=10), width=width, color=COLORS[number])
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.03), ylabel="Fraction that came true")
    lower.set(xlabel="Predicted probability", ylabel="Predictions")
    one = len(forecasts) == 1
    upper.set_title(f"Calibration: probability of {forecasts[0].name if one else 'each class'}")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    if not one:
        legend(upper)
    return figure


class Curve(NamedTuple):
    """A curve of one class against the rest, and the area under it."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area: float


class Forecast(NamedTuple):
    """The predicted probabilities of an event, and whether it happened."""

    name: str
    probability: NDArray[np.float64]
    happened: NDArray[np.bool_]


def _curves(
    y_true: Labels,
    probabilities: NDArray[np.float64],
    classes: Labels,
    curve: Callable[[NDArray[np.bool_], NDArray[np.float64]], Curve],
) -> dict[int, Curve]:
    """Return the curve of each class in the data, by position; of two classes, the second's."""
    true = class_positions(y_true, classes)
    first = 1 if len(classes) == _BINARY else 0
    return {
        position: _thinned(curve(true == position, probabilities[:, position]))
        for position in range(first, len(classes))
        if 0 < (true == position).sum() < len(true)
    }


def _thinned(curve: Curve) -> Curve:
    """Drop points of a curve that has more of them than pixels; keep its area."""
    import numpy as np

    kept = np.linspace(0, len(curve.x) - 1, min(len(curve.x), _MOST_POINTS)).round().astype(int)
    return Curve(curve.x[kept], curve.y[kept], curve.area)


def _draw_curves(axes: Axes, curves: dict[int, Curve], classes: Labels, area: str) -> None:
    """Draw each curve and name it in the legend; of many, name only the best and worst three.

    Of the others, a limited number is drawn, evenly from good to bad.
    """
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    names = short_names(classes)
    if not curves:
        text = "Not defined: every sample is of one class"
        axes.text(0.5, 0.8, text, ha="center", color=MUTED)
        return
    ranked = sorted(curves, key=lambda position: (-curves[position].area, position))
    if len(ranked) > _MOST_CURVES:
        others = ranked[3:-3]
        every = -(-len(others) // _MOST_BACKGROUND)
        for position in others[::every]:
            axes.plot(*curves[position][:2], color="#BBBBBB", linewidth=0.7, zorder=1)
        styles = {p: (COLORS[0], STYLES[i]) for i, p in enumerate(ranked[:3])}
        styles |= {p: (COLORS[1], STYLES[i]) for i, p in enumerate(ranked[-3:])}
    else:
        styles = {p: style(p) for p in sorted(ranked)}
    for position, (color, linestyle) in styles.items():
        x, y, value = curves[position]
        label = f"{value:.3f}  {names[position]}"
        axes.plot(x, y, color=color, linestyle=linestyle, linewidth=1.5, label=label)
    if len(curves) > 1:
        _draw_mean(axes, list(curves.values()))
    if len(ranked) > _MOST_CURVES:
        drawn = f" (1 in {every} drawn)" if every > 1 else ""
        label = f"{len(others)} other classes{drawn}"
        axes.plot([], [], color="#BBBBBB", linewidth=0.7, label=label)
    absent = [] if len(classes) == _BINARY else sorted(set(range(len(classes))) - set(curves))
    if absent:
        which = names[absent[0]] if len(absent) == 1 else f"{len(absent)} classes"
        axes.plot([], [], linestyle="none", label=f"not in the data: {which}")
    legend(axes, title=area)


def _draw_mean(axes: Axes, curves: Sequence[Curve]) -> None:
    """Draw the macro average: the mean height of the curves."""
    import numpy as np

    grid = np.linspace(0, 1, 501)
    mean = np.mean([np.interp(grid, x, y) for x, y, _ in curves], axis=0)
    label = f"{np.mean([area for *_, area in curves]):.3f}  macro average"
    axes.plot(grid, mean, color="black", linewidth=3, label=label, zorder=1.9)  # under the rest


def _forecasts(
    true: NDArray[np.int64], probabilities: NDArray[np.float64], classes: Labels
) -> list[Forecast]:
    """Return the forecasts to check: one of each class, or of the predicted class if many."""
    if len(classes) > _MOST_CALIBRATED:
        top = probabilities.argmax(axis=1)
        return [Forecast("the predicted class", probabilities.max(axis=1), true == top)]
    first, names = 1 if len(classes) == _BINARY else 0, short_names(classes)
    return [
        Forecast(names[position], probabilities[:, position], true == position)
        for position in range(first, len(classes))
    ]


def _subject(curve: str, classes: Labels) -> str:
    if len(classes) == _BINARY:
        other, positive = short_names(classes)
        return f"{curve} of {positive}\n(against {other})"
    return f"{curve} of each class against the rest"
