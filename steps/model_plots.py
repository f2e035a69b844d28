"""Plots of what a model has learnt, for `evaluate`: weights in, figures out."""

from __future__ import annotations

import re
from copy import copy
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from steps.canvas import (
    COLORS,
    MUTED,
    canvas,
    color_bar,
    count,
    legend,
    name_classes,
    short_names,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from numpy.typing import NDArray

    Labels = Sequence[Any] | NDArray[Any]

_MOST_BAR_CLASSES = 4
_MOST_BAR_FEATURES = 8
_MOST_WIDE_CLASSES = 40  # in a heat map with room for a label on each column
_TOP_FEATURES = 20
_TOP_COEFFICIENTS = 30
_TREE_LEVELS = 5
_BELOW = "…"  # in the boxes after the cut of a tree
_LONGEST_FEATURE = 30
_LONGEST_IN_BOX = 12


def importances(
    names: Sequence[str], values: NDArray[np.float64], *, title: str, label: str
) -> Figure:
    """Draw a bar for each of the 20 features of greatest magnitude, greatest on top.

    Features of importance 0 are left out.

    Parameters
    ----------
    names : sequence of str, of length n_features
    values : ndarray of shape (n_features,)
    title : str
        Title; the number of features that are left out is added.
    label : str
        Label of the axis of `values`, with the unit if there is one.

    Returns
    -------
    Figure
    """
    return _bars(names, values, title=title, label=label, most=_TOP_FEATURES)


def coefficients(names: Sequence[str], values: NDArray[np.float64], classes: Labels) -> Figure:
    """Draw the weights of a linear classifier.

    Bars for two classes, and for up to 4 classes and 8 features. Otherwise a heat map of the 30
    features with the greatest magnitude of a weight in any class.

    Parameters
    ----------
    names : sequence of str, of length n_features
    values : ndarray of shape (n_classes, n_features), or (1, n_features) of two classes
        Change in log-odds per unit of the feature, as in `LogisticRegression.coef_`; or of shape
        (n_features,), change in the target per unit, as in `Ridge.coef_`.
    classes : array-like of shape (n_classes,)
        Empty for a regression.

    Returns
    -------
    Figure
    """
    import numpy as np

    values = np.asarray(values, dtype=float)
    if values.ndim == 1:
        title, label = "Coefficients", "Coefficient (change in the target)"
        return _bars(names, values, title=title, label=label, most=_TOP_COEFFICIENTS)
    label = "Coefficient (change in log-odds)"
    if len(values) == 1:
        title = f"Coefficients towards {short_names(classes)[-1]}"
        return _bars(names, values[0], title=title, label=label, most=_TOP_COEFFICIENTS)
    if len(values) <= _MOST_BAR_CLASSES and len(names) <= _MOST_BAR_FEATURES:
        return _grouped_bars(names, values, classes, label)
    return _heat_map(names, values, classes, label)


def tree(
    fitted_tree: Any,
    names: Sequence[str],
    classes: Labels,
    *,
    times: Collection[str] = (),
) -> Figure:
    """Draw a decision tree as boxes and arrows; only the top 5 levels of a deeper tree.

    Parameters
    ----------
    fitted_tree : DecisionTreeClassifier or DecisionTreeRegressor
    names : sequence of str, of length n_features
    classes : array-like of shape (n_classes,)
        Empty for a regression.
    times : collection of str
        Features that are microseconds since 1970; their thresholds are drawn as dates.

    Returns
    -------
    Figure
        Each box shows the split, the most frequent class with its share (weighted as in training)
        or the mean, and the number of training samples. A higher share, or a mean farther from that
        of all samples, has a stronger colour.

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
    figure = canvas(5, height, layout=None)
    axes = figure.add_axes((0.01, 0, 0.98, 1 - 0.35 / height))
    # layout and arrows are scikit-learn's; the text of the boxes is ours, as its own is too long
    boxes = plot_tree(_shape(fitted_tree), max_depth=drawn, node_ids=True, fontsize=8, ax=axes)
    boxes = [box for box in boxes if box.get_bbox_patch()]  # not the first arrows' True and False
    labels = _Labels(
        short_names(names), short_names(classes, _LONGEST_IN_BOX), [name in times for name in names]
    )
    for box in boxes:
        _dress(box, fitted_tree.tree_, labels)
    widest = max(Text.get_window_extent(box).width for box in boxes) / figure.dpi + 0.25  # inches
    figure.set_figwidth(max(5.0, widest / _narrowest_gap(boxes)))
    top = f"the top {_TREE_LEVELS} of " if cut else ""
    axes.set_title(f"Decision tree: {top}{count(depth, 'level')}, {count(leaves, 'leaf')}")
    return figure


class _Labels(NamedTuple):
    """The texts of a tree's boxes."""

    features: list[str]
    classes: list[str]  # empty for a regression
    is_time: list[bool]  # of each feature

    def split(self, feature: int, threshold: float) -> list[str]:
        """Return the lines about a split."""
        return [self.features[feature], f"≤ {self._value(feature, threshold)}"]

    def _value(self, feature: int, threshold: float) -> str:
        if not self.is_time[feature]:
            return f"{threshold:.4g}"
        return _time(threshold)

    def node(self, structure: Any, node: int) -> tuple[list[str], str, float]:
        """Return the lines about a node, its colour, and how strong that is, from 0 to 1."""
        values, rows = structure.value[node][0], structure.n_node_samples[node]
        if not self.classes:
            mean, spread = float(structure.value[0][0][0]), float(structure.impurity[0]) ** 0.5
            away = (float(values[0]) - mean) / (spread or 1.0)
            color = COLORS[0] if away >= 0 else COLORS[1]
            return [f"{values[0]:.4g}", f"{count(rows, 'row')}"], color, min(1.0, abs(away) / 2)
        best = int(values.argmax())
        share = float(values[best] / values.sum())
        color = COLORS[best] if len(self.classes) < len(COLORS) else MUTED
        return [f"class = {self.classes[best]}", f"{share:.0%} of {rows}"], color, share


def _time(microseconds: float) -> str:
    """Write a threshold as a date; with hours and minutes, if it is not midnight.

    A tree compares float32, of which neighbours are two minutes apart in this century.
    """
    import numpy as np

    apart = np.timedelta64(int(np.spacing(np.float32(abs(microseconds)))), "us")
    time = np.datetime64(round(microseconds), "us")
    day = (time + np.timedelta64(12, "h")).astype("datetime64[D]")
    if abs(time - day) <= apart:
        return str(day)
    return str((time + np.timedelta64(30, "s")).astype("datetime64[m]")).replace("T", " ")


def _shape(fitted_tree: Any) -> Any:
    """Return a tree of the same shape without classes: their texts would make the boxes wide."""
    import numpy as np

    structure, shape = fitted_tree.tree_, copy(fitted_tree)
    names = ("children_left", "children_right", "feature", "threshold", "impurity")
    shape.tree_ = SimpleNamespace(
        **{name: getattr(structure, name) for name in (*names, "n_node_samples")},
        weighted_n_node_samples=structure.weighted_n_node_samples,
        value=np.zeros((structure.node_count, 1, 1)),
        n_classes=np.ones(1, dtype=int),
        n_outputs=1,
    )
    return shape


def _bars(
    names: Sequence[str], values: NDArray[np.float64], *, title: str, label: str, most: int
) -> Figure:
    """Draw a bar for each feature of greatest magnitude, coloured by its sign."""
    import numpy as np

    values = np.asarray(values, dtype=float)
    top = np.argsort(-np.abs(values), kind="stable")[: min(most, np.count_nonzero(values))]
    figure = canvas(7, 0.27 * max(len(top), 1) + 1.3)
    axes = figure.subplots()
    colors = [COLORS[0] if values[position] >= 0 else COLORS[1] for position in top]
    axes.barh(range(len(top)), values[top], height=0.7, color=colors)
    _feature_axis(axes, [names[position] for position in top])
    axes.set_xlabel(label)
    if not len(top):
        axes.text(0.5, 0.5, "none: all are 0", transform=axes.transAxes, ha="center", color=MUTED)
    axes.set_title(title + _out_of(len(top), len(values)))
    return figure


def _grouped_bars(
    names: Sequence[str], values: NDArray[np.float64], classes: Labels, label: str
) -> Figure:
    """Draw a group of bars for each feature: one bar for each class."""
    import numpy as np

    figure = canvas(7.2, (0.18 * len(values) + 0.14) * len(names) + 1.3)
    axes = figure.subplots()
    height = 0.8 / len(values)
    for number, (row, name) in enumerate(zip(values, short_names(classes), strict=True)):
        offset = (number - (len(values) - 1) / 2) * height
        where = np.arange(len(names)) + offset
        axes.barh(where, row, height=height * 0.9, color=COLORS[number], label=f" {name}")
    _feature_axis(axes, names)
    axes.set_xlabel(label)
    axes.set_title("Coefficients towards each class")
    legend(axes)
    return figure


def _heat_map(
    names: Sequence[str], values: NDArray[np.float64], classes: Labels, label: str
) -> Figure:
    """Draw a cell for each feature and class, white at 0."""
    import numpy as np

    top = np.argsort(-np.abs(values).max(axis=0), kind="stable")[:_TOP_COEFFICIENTS]
    limit = float(np.abs(values).max()) or 1.0
    width = max(6.4, 0.34 * min(len(values), _MOST_WIDE_CLASSES) + 4)
    figure = canvas(width, 0.22 * len(top) + 2.2)
    axes = figure.subplots()
    image = axes.imshow(values[:, top].T, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    name_classes(axes, short_names(classes), width - 3.2)
    shown = short_names([names[position] for position in top], _LONGEST_FEATURE)
    axes.set_yticks(range(len(top)), shown)
    axes.set_title("Coefficients towards each class" + _out_of(len(top), len(names)))
    color_bar(image, axes, label)
    return figure


def _narrowest_gap(boxes: Sequence[Annotation]) -> float:
    """Return the least distance between neighbours on a level, as a fraction of the width."""
    levels: dict[float, list[float]] = {}
    for box in boxes:
        if box.get_text() != _BELOW:
            x, y = box.xyann
            levels.setdefault(round(y, 6), []).append(x)
    return min((b - a for xs in levels.values() for a, b in pairwise(sorted(xs))), default=1.0)


def _dress(box: Annotation, structure: Any, labels: _Labels) -> None:
    """Set text and colour of a box of scikit-learn's tree; its text starts with a node's number."""
    from matplotlib.colors import to_rgb

    look = {"edgecolor": MUTED, "linewidth": 0.6, "facecolor": "white"}
    found = re.match(r"node #(\d+)", box.get_text())
    if found is None:
        box.set_text(_BELOW)
        box.set_bbox(look)
        return
    node = int(found[1])
    lines, color, strength = labels.node(structure, node)
    if structure.children_left[node] >= 0:
        lines = [*labels.split(structure.feature[node], structure.threshold[node]), *lines]
    box.set_text("\n".join(lines))
    tint = tuple(1 - 0.55 * strength**2 * (1 - channel) for channel in to_rgb(color))
    box.set_bbox(look | {"facecolor": tint})


def _feature_axis(axes: Axes, names: Sequence[str]) -> None:
    """Label the bars with their features, the first on top."""
    axes.set_yticks(range(len(names)), short_names(names, _LONGEST_FEATURE))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _out_of(shown: int, total: int) -> str:
    return f"\n(top {shown} of {total} features)" if shown < total else ""
