"""What all plots share: a figure without global state, colours, legends, names that fit.

Plots use matplotlib's objects, never pyplot, so that equal data give equal bytes. Classes have the
colours of Okabe and Ito (https://jfly.uni-koeln.de/color/), which colour-blind readers can
distinguish, and different line styles.
"""

from __future__ import annotations

import warnings
from collections import Counter
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from reprise.console import warn

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

    Letters that matplotlib's own font lacks are drawn with another font of this machine. Those that
    no font has are reported in one line.

    Parameters
    ----------
    figures : mapping of str to Figure
    folder : Path
        Created if it does not exist.
    """
    from steps import fonts

    folder.mkdir(parents=True, exist_ok=True)
    if missing := fonts.give_letters(figures.values()):
        warn(
            f"No font of this machine has the letters {missing}: plots show boxes in their place. "
            "Install a font that has them."
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")
        for name, figure in figures.items():
            path = folder / f"{name}.png"
            figure.savefig(path, dpi=_DPI, format="png", metadata={"Software": None})


def canvas(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """Make an empty figure of a size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def name_classes(axes: Axes, classes: Sequence[str], width: float) -> None:
    """Label the columns of a matrix, horizontally if the labels fit its width in inches.

    `classes` are names that fit: see `short_names`.
    """
    columns = spread(len(classes), width)
    names = [classes[column] for column in columns]
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
    return _shown(_cut(_one_line(name), longest))


def short_names(names: Labels, longest: int = _LONGEST_CLASS) -> list[str]:
    """Return names on one line each, cut so that different names stay different.

    Parameters
    ----------
    names : array-like of shape (n_names,)
    longest : int
        Characters of a name. Names that would still be equal get a number, which is added.
    """
    lines = [_one_line(name) for name in names]
    cut = [_cut(line, longest) for line in lines]
    twice = {text for text, times in Counter(cut).items() if times > 1}
    for text in sorted(twice):
        places = [place for place, each in enumerate(cut) if each == text]
        start = _first_difference([lines[place] for place in places])
        for place in places:
            cut[place] = _around(lines[place], start, longest)
    counts: Counter[str] = Counter()
    used = Counter(cut)
    for place, text in enumerate(cut):
        if used[text] > 1:
            counts[text] += 1
            cut[place] = f"{text} #{counts[text]}"
    return [_shown(text) for text in cut]


def _one_line(name: object) -> str:
    return " ".join(str(name).split())


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[: longest - 7].rstrip()}…{text[-6:].lstrip()}"


def _first_difference(texts: Sequence[str]) -> int:
    """Return the position at which texts begin to differ."""
    first, last = min(texts), max(texts)
    return next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first)
    )


def _around(text: str, start: int, longest: int) -> str:
    """Cut a text around the place where it begins to differ from others."""
    head, room = text[:4].rstrip(), longest - 6
    first = max(len(head), min(start - 2, len(text) - room))
    end = first + room
    return f"{head}…{text[first:end]}{'…' if end < len(text) else ''}"


def _shown(text: str) -> str:
    return text.replace("$", r"\$")  # not the start of a formula
