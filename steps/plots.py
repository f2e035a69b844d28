"""Pictures of a classifier and of its predictions, for `evaluate`.

Pure: labels, probabilities and weights in, figures out; `save_all` writes them. Drawn with
matplotlib's objects, never pyplot, so that nothing is global and equal data give equal bytes.
Classes are told apart by colours of Okabe and Ito (https://jfly.uni-koeln.de/color/), which
colour-blind readers can tell apart, and by the style of the line. `classes` is always the order of
the columns of `probabilities`; a class absent from `y_true` has no curve, and the legend says so.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from steps.metrics import class_positions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.text import Annotation
    from numpy.typing import NDArray

    Labels = Sequence[Any] | NDArray[Any]

_DPI = 110
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", ":")
_MUTED = "#767676"  # the lightest grey that is readable on white
_BINARY = 2
_MOST_CURVES = 10  # with more classes, only the extremes are named
_MOST_CALIBRATED = 3
_MOST_BAR_CLASSES = 4
_MOST_BAR_FEATURES = 8
_TOP_FEATURES = 20
_TOP_COEFFICIENTS = 30
_TREE_LEVELS = 5
_BELOW = "…"  # in the boxes below the cut of a tree
_LONGEST_CLASS = 18  # characters
_LONGEST_FEATURE = 30


def save_all(figures: Mapping[str, Figure], folder: Path) -> None:
    """Write each figure to `folder` as `<name>.png`; of equal new figures, the bytes are equal.

    Parameters
    ----------
    figures : mapping of str to Figure
    folder : Path
        Created where it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=_DPI, format="png", metadata={"Software": None})


def confusion_matrix(y_true: Labels, y_pred: Labels, classes: Labels) -> Figure:
    """Count of samples for each true and predicted class, shaded by fraction of the true class.

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
    side = min(max(3.2, 0.38 * n), 22)  # of the matrix, in inches
    figure = _canvas(side + 2.6, side + 1.5)
    axes = figure.subplots()
    image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    size = min(11, 72 * side / n / max(2, 0.8 * len(str(counts.max()))))
    for (row, column), number in np.ndenumerate(counts):
        color = "white" if fractions[row, column] > 0.5 else "black" if number else _MUTED  # noqa: PLR2004
        axes.text(column, row, str(number), ha="center", va="center", color=color, fontsize=size)
    _name_classes(axes, classes, side)
    axes.set_yticks(range(n), [_short(name) for name in classes])
    axes.set(xlabel="Predicted class", ylabel="True class")
    axes.set_title(f"Confusion matrix: {np.trace(counts)} of {counts.sum()} right")
    _color_bar(image, axes, "Fraction of the true class")
    return figure


def roc(y_true: Labels, probabilities: NDArray[np.float64], classes: Labels) -> Figure:
    """Receiver operating characteristic: each class against the rest, or one of two classes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
    probabilities : ndarray of shape (n_samples, n_classes)
    classes : array-like of shape (n_classes,)

    Returns
    -------
    Figure
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    def curve(is_class: NDArray[np.bool_], probability: NDArray[np.float64]) -> Curve:
        false_positives, true_positives, _ = roc_curve(is_class, probability)
        return Curve(false_positives, true_positives, roc_auc_score(is_class, probability))

    figure = _canvas(7.2, 4.4)
    axes = figure.subplots()
    axes.axline((0, 0), (1, 1), color=_MUTED, linewidth=0.8, linestyle=":")
    _draw_curves(axes, _curves(y_true, probabilities, classes, curve), classes, "Area under curve")
    axes.set(xlabel="False positive rate", ylabel="True positive rate")
    axes.set_title(_subject("ROC curve", classes), fontsize=11)
    return figure


def precision_recall(y_true: Labels, probabilities: NDArray[np.float64], classes: Labels) -> Figure:
    """Precision at each recall: each class against the rest, or one of two classes.

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
    from sklearn.metrics import average_precision_score, precision_recall_curve

    def curve(is_class: NDArray[np.bool_], probability: NDArray[np.float64]) -> Curve:
        precision, recall, _ = precision_recall_curve(is_class, probability)
        area = average_precision_score(is_class, probability)
        # steps: between two thresholds neither is reached by interpolation
        return Curve(np.repeat(recall[::-1], 2)[:-1], np.repeat(precision[::-1], 2)[1:], area)

    figure = _canvas(7.2, 4.4)
    axes = figure.subplots()
    _draw_curves(axes, _curves(y_true, probabilities, classes, curve), classes, "Average precision")
    axes.set(xlabel="Recall", ylabel="Precision")
    axes.set_title(_subject("Precision-recall curve", classes), fontsize=11)
    return figure


def calibration(y_true: Labels, probabilities: NDArray[np.float64], classes: Labels) -> Figure:
    """How often a predicted probability came true, and how many predictions say so.

    Up to three classes have a line each (of two, the second has one); of more, it is the
    probability of the predicted class, and how often that was the true one. Points are at the
    mean probability of ten bins of equal width.

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
    figure = _canvas(7.2, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.axline((0, 0), (1, 1), color=_MUTED, linewidth=0.8, linestyle=":")
    width = 0.09 / len(forecasts)
    for number, (name, probability, happened) in enumerate(forecasts):
        observed, predicted = calibration_curve(happened, probability, n_bins=10, pos_label=True)
        upper.plot(predicted, observed, color=_COLORS[number], marker="o", label=f" {name}")
        # calibration_curve keeps the size of its bins to itself: these are the same
        bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], probability)
        middle = np.arange(0.05, 1, 0.1) + (number - (len(forecasts) - 1) / 2) * width
        lower.bar(middle, np.bincount(bins, minlength=10), width=width, color=_COLORS[number])
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.03), ylabel="Fraction that came true")
    lower.set(xlabel="Predicted probability", ylabel="Predictions")
    one = len(forecasts) == 1
    upper.set_title(f"Calibration: probability of {forecasts[0].name if one else 'each class'}")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    if not one:
        _legend(upper)
    return figure


def importances(
    names: Sequence[str], values: NDArray[np.float64], *, title: str, label: str
) -> Figure:
    """Bar of each feature, the 20 of greatest magnitude, greatest on top.

    Parameters
    ----------
    names : sequence of str, of length n_features
    values : ndarray of shape (n_features,)
    title : str
        What is shown; how many are left out is added.
    label : str
        Of the axis of `values`, with the unit if there is one.

    Returns
    -------
    Figure
    """
    return _bars(names, values, title=title, label=label, most=_TOP_FEATURES)


def coefficients(names: Sequence[str], values: NDArray[np.float64], classes: Labels) -> Figure:
    """Weights of a linear classifier.

    Bars for two classes, and for up to 4 classes and 8 features; otherwise a heat map, of the 30
    features whose weight in any class has the greatest magnitude.

    Parameters
    ----------
    names : sequence of str, of length n_features
    values : ndarray of shape (n_classes, n_features), or (1, n_features) of two classes
        Change in log-odds per unit of the feature, as in `LogisticRegression.coef_`.
    classes : array-like of shape (n_classes,)

    Returns
    -------
    Figure
    """
    import numpy as np

    values = np.asarray(values, dtype=float)
    label = "Coefficient (change in log-odds)"
    if len(values) == 1:
        title = f"Coefficients towards {_short(classes[-1])}"
        return _bars(names, values[0], title=title, label=label, most=_TOP_COEFFICIENTS)
    if len(values) <= _MOST_BAR_CLASSES and len(names) <= _MOST_BAR_FEATURES:
        return _grouped_bars(names, values, classes, label)
    return _heat_map(names, values, classes, label)


def tree(fitted_tree: Any, names: Sequence[str], classes: Labels) -> Figure:
    """Boxes and arrows of a decision tree; of one deeper than 5 levels, the top 5.

    Parameters
    ----------
    fitted_tree : DecisionTreeClassifier
    names : sequence of str, of length n_features
    classes : array-like of shape (n_classes,)

    Returns
    -------
    Figure
        Each box tells the split, the commonest class with its share (weighted as in training),
        and the number of training samples. The share is also the strength of the colour.

    References
    ----------
    https://scikit-learn.org/stable/modules/generated/sklearn.tree.plot_tree.html
    """
    from matplotlib.text import Text
    from sklearn.tree import plot_tree

    depth, leaves = fitted_tree.get_depth(), fitted_tree.get_n_leaves()
    cut = depth > _TREE_LEVELS
    drawn = _TREE_LEVELS - 1 if cut else depth
    height = 1.05 * (drawn + 1 + cut) + 0.5  # in inches, as all sizes of figures
    figure = _canvas(5, height, layout=None)
    axes = figure.add_axes((0.01, 0, 0.98, 1 - 0.35 / height))
    # scikit-learn's layout and arrows; the boxes' text, which it writes at length, is ours
    boxes = plot_tree(fitted_tree, max_depth=drawn, node_ids=True, fontsize=8, ax=axes)
    boxes = [box for box in boxes if box.get_bbox_patch()]  # not the first arrows' True and False
    for box in boxes:
        _dress(box, fitted_tree.tree_, names, classes)
    widest = max(Text.get_window_extent(box).width for box in boxes) / figure.dpi + 0.25  # inches
    figure.set_figwidth(max(5.0, widest / _narrowest_gap(boxes)))
    top = f"the top {_TREE_LEVELS} of " if cut else ""
    axes.set_title(f"Decision tree: {top}{_count(depth, 'level')}, {_count(leaves, 'leaf')}")
    return figure


class Curve(NamedTuple):
    """A curve of one class against the rest, and the area under it."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area: float


class Forecast(NamedTuple):
    """The probabilities given to an event, and whether it happened."""

    name: str
    probability: NDArray[np.float64]
    happened: NDArray[np.bool_]


def _curves(
    y_true: Labels,
    probabilities: NDArray[np.float64],
    classes: Labels,
    curve: Callable[[NDArray[np.bool_], NDArray[np.float64]], Curve],
) -> dict[int, Curve]:
    """Return the curve of each class that has one, by position; of two classes, the second's."""
    true = class_positions(y_true, classes)
    first = 1 if len(classes) == _BINARY else 0
    return {
        position: curve(true == position, probabilities[:, position])
        for position in range(first, len(classes))
        if 0 < (true == position).sum() < len(true)
    }


def _draw_curves(axes: Axes, curves: dict[int, Curve], classes: Labels, area: str) -> None:
    """Draw each curve and name it in the legend; of many, name the best and the worst three."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    if not curves:
        text = "Not defined: every sample is of one class"
        axes.text(0.5, 0.8, text, ha="center", color=_MUTED)
        return
    ranked = sorted(curves, key=lambda position: (-curves[position].area, position))
    if len(ranked) > _MOST_CURVES:
        for position in ranked[3:-3]:
            axes.plot(*curves[position][:2], color="#BBBBBB", linewidth=0.7, zorder=1)
        styles = {p: (_COLORS[0], _STYLES[i]) for i, p in enumerate(ranked[:3])}
        styles |= {p: (_COLORS[1], _STYLES[i]) for i, p in enumerate(ranked[-3:])}
    else:
        styles = {p: _style(p) for p in sorted(ranked)}
    for position, (color, linestyle) in styles.items():
        x, y, value = curves[position]
        label = f"{value:.3f}  {_short(classes[position])}"
        axes.plot(x, y, color=color, linestyle=linestyle, linewidth=1.5, label=label)
    if len(curves) > 1:
        _draw_mean(axes, list(curves.values()))
    if len(ranked) > _MOST_CURVES:
        axes.plot([], [], color="#BBBBBB", linewidth=0.7, label=f"{len(ranked) - 6} other classes")
    absent = [] if len(classes) == _BINARY else sorted(set(range(len(classes))) - set(curves))
    if absent:
        names = _short(classes[absent[0]]) if len(absent) == 1 else f"{len(absent)} classes"
        axes.plot([], [], linestyle="none", label=f"not in the data: {names}")
    _legend(axes, title=area)


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
    """Return what is checked for calibration: each class, or the predicted class of many."""
    if len(classes) > _MOST_CALIBRATED:
        top = probabilities.argmax(axis=1)
        return [Forecast("the predicted class", probabilities.max(axis=1), true == top)]
    first = 1 if len(classes) == _BINARY else 0
    return [
        Forecast(_short(classes[position]), probabilities[:, position], true == position)
        for position in range(first, len(classes))
    ]


def _bars(
    names: Sequence[str], values: NDArray[np.float64], *, title: str, label: str, most: int
) -> Figure:
    """Draw a bar for each of the features of greatest magnitude, coloured by sign."""
    import numpy as np

    values = np.asarray(values, dtype=float)
    top = np.argsort(-np.abs(values), kind="stable")[:most]
    figure = _canvas(7, 0.27 * len(top) + 1.3)
    axes = figure.subplots()
    colors = [_COLORS[0] if values[position] >= 0 else _COLORS[1] for position in top]
    axes.barh(range(len(top)), values[top], height=0.7, color=colors)
    _feature_axis(axes, [names[position] for position in top])
    axes.set_xlabel(label)
    axes.set_title(title + _out_of(len(top), len(values)))
    return figure


def _grouped_bars(
    names: Sequence[str], values: NDArray[np.float64], classes: Labels, label: str
) -> Figure:
    """Draw a group of bars for each feature: one bar for each class."""
    import numpy as np

    figure = _canvas(7.2, (0.18 * len(values) + 0.14) * len(names) + 1.3)
    axes = figure.subplots()
    height = 0.8 / len(values)
    for number, (row, name) in enumerate(zip(values, classes, strict=True)):
        offset = (number - (len(values) - 1) / 2) * height
        where = np.arange(len(names)) + offset
        axes.barh(where, row, height=height * 0.9, color=_COLORS[number], label=f" {_short(name)}")
    _feature_axis(axes, names)
    axes.set_xlabel(label)
    axes.set_title("Coefficients towards each class")
    _legend(axes)
    return figure


def _heat_map(
    names: Sequence[str], values: NDArray[np.float64], classes: Labels, label: str
) -> Figure:
    """Draw a cell for each feature and class, white at 0."""
    import numpy as np

    top = np.argsort(-np.abs(values).max(axis=0), kind="stable")[:_TOP_COEFFICIENTS]
    limit = float(np.abs(values).max()) or 1.0
    width = max(6.4, 0.34 * len(values) + 4)
    figure = _canvas(width, 0.22 * len(top) + 2.2)
    axes = figure.subplots()
    image = axes.imshow(values[:, top].T, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    _name_classes(axes, classes, width - 3.2)
    axes.set_yticks(
        range(len(top)), [_short(names[position], _LONGEST_FEATURE) for position in top]
    )
    axes.set_title("Coefficients towards each class" + _out_of(len(top), len(names)))
    _color_bar(image, axes, label)
    return figure


def _narrowest_gap(boxes: Sequence[Annotation]) -> float:
    """Return the least distance between neighbours on a level, as a fraction of the width."""
    levels: dict[float, list[float]] = {}
    for box in boxes:
        if box.get_text() != _BELOW:
            x, y = box.xyann
            levels.setdefault(round(y, 6), []).append(x)
    return min((b - a for xs in levels.values() for a, b in pairwise(sorted(xs))), default=1.0)


def _dress(box: Annotation, structure: Any, names: Sequence[str], classes: Labels) -> None:
    """Word and colour a box of scikit-learn's tree; it begins with the number of its node."""
    from matplotlib.colors import to_rgb

    look = {"edgecolor": _MUTED, "linewidth": 0.6, "facecolor": "white"}
    found = re.match(r"node #(\d+)", box.get_text())
    if found is None:
        box.set_text(_BELOW)
        box.set_bbox(look)
        return
    node = int(found[1])
    weights = structure.value[node][0]
    best = int(weights.argmax())
    share = float(weights[best] / weights.sum())
    lines = [_class_line(classes[best]), f"{share:.0%} of {structure.n_node_samples[node]}"]
    if structure.children_left[node] >= 0:
        feature = _short(names[structure.feature[node]])
        lines = [feature, f"≤ {structure.threshold[node]:.4g}", *lines]
    box.set_text("\n".join(lines))
    hue = to_rgb(_COLORS[best] if len(classes) < len(_COLORS) else _MUTED)
    tint = tuple(1 - 0.55 * share**2 * (1 - channel) for channel in hue)
    box.set_bbox(look | {"facecolor": tint})


def _class_line(name: object) -> str:
    return f"class = {_short(name, 12)}"


def _canvas(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def _feature_axis(axes: Axes, names: Sequence[str]) -> None:
    """Name the bars' features, the first on top."""
    axes.set_yticks(range(len(names)), [_short(name, _LONGEST_FEATURE) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _name_classes(axes: Axes, classes: Labels, width: float) -> None:
    """Name the columns of a matrix, upright where the names fit its width in inches."""
    names = [_short(name) for name in classes]
    fits = 0.09 * len(names) * (max(map(len, names)) + 1) < width
    axes.set_xticks(range(len(names)), names, rotation=0 if fits else 90)
    axes.tick_params(length=0)


def _color_bar(image: AxesImage, axes: Axes, label: str) -> None:
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label(label)
    bar.ax.spines["outline"].set_visible(False)
    axes.spines[:].set_visible(False)


def _legend(axes: Axes, title: str | None = None) -> None:
    """Put the legend beside the axes, where it covers nothing.

    Its labels must not begin with "_", as a class may: matplotlib leaves those out.
    """
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        frameon=False,
        fontsize=9,
        title=title,
        alignment="left",
    )
    axes.spines[["top", "right"]].set_visible(False)


def _style(number: int) -> tuple[str, str]:
    return _COLORS[number % 6], _STYLES[number // 6 % len(_STYLES)]


def _subject(curve: str, classes: Labels) -> str:
    if len(classes) == _BINARY:
        return f"{curve} of {_short(classes[1])}\n(against {_short(classes[0])})"
    return f"{curve} of each class against the rest"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun if number == 1 else {'leaf': 'leaves'}.get(noun, noun + 's')}"


def _out_of(shown: int, total: int) -> str:
    return f"\n(top {shown} of {total} features)" if shown < total else ""


def _short(name: object, longest: int = _LONGEST_CLASS) -> str:
    """Return a name on one line, cut in the middle: long names differ at the end, often."""
    text = " ".join(str(name).split())
    if len(text) > longest:
        text = f"{text[: longest - 7].rstrip()}…{text[-6:].lstrip()}"
    return text.replace("$", r"\$")  # not the start of a formula
