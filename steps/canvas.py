"""What all plots share: a figure without global state, colours, legends, names that fit.

Plots use matplotlib's objects, never pyplot, so that equal data give equal bytes. Classes have the
colours of Okabe and Ito (https://jfly.uni-koeln.de/color/), which colour-blind readers can
distinguish, and different line styles.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

    Labels = Sequence[Any] | NDArray[Any]

_DPI = 110
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", ":")
_LONGEST_CLASS = 18  # characters
_LINE = 0.17  # inches from one line of text to the next
MUTED = "#767676"  # the lightest grey that is readable on white


def save_all(figures: Mapping[str, Figure], folder: Path) -> None:
    """Write each figure to `folder` as `<name>.png`; equal figures give equal bytes.

    Parameters
    ----------
    figures : mapping of str to Figure
    folder : Path
        Created if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=_DPI, format="png", metadata={"Software": None})


def canvas(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """Make an empty figure of a size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def name_classes(axes: Axes, classes: Labels, width: float) -> None:
    """Label the columns of a matrix, horizontally if the labels fit its width in inches."""
    columns = spread(len(classes), width)
    names = [short(classes[column]) for column in columns]
    fits = 0.09 * len(names) * (max(map(len, names)) + 1) < width
    axes.set_xticks(columns, names, rotation=0 if fits else 90)
    axes.tick_params(length=0)


def spread(number: int, length: float) -> range:
    """Return the positions of evenly spaced rows with enough room for labels (all, if few)."""
    return range(0, number, max(1, ceil(number * _LINE / length)))


def color_bar(image: AxesImage, axes: Axes, label: str) -> None:
    """Add the scale of an image's colours beside it."""
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label(label)
    bar.ax.spines["outline"].set_visible(False)
    axes.spines[:].set_visible(False)


def legend(axes: Axes, title: str | None = None) -> None:
    """Put the legend beside the axes, where it covers nothing.

    matplotlib leaves out labels that begin with "_", as a class may, so labels must not.
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


def style(number: int) -> tuple[str, str]:
    """Return the colour and line style of a class, by its position."""
    return COLORS[number % 6], STYLES[number // 6 % len(STYLES)]


def count(number: int, noun: str) -> str:
    """Return a number with its noun, e.g. "1 leaf", "2 leaves"."""
    return f"{number} {noun if number == 1 else {'leaf': 'leaves'}.get(noun, noun + 's')}"


def short(name: object, longest: int = _LONGEST_CLASS) -> str:
    """Return a name on one line, cut in the middle: long names often differ at the end."""
    text = " ".join(str(name).split())
    if len(text) > longest:
        text = f"{text[: longest - 7].rstrip()}…{text[-6:].lstrip()}"
    return text.replace("$", r"\$")  # not the start of a formula
