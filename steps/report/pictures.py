"""How the values of a column are distributed: the heights of a small histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steps.report.values import NUMBER, TEXT, WHOLE, Values, cell, cell_of

if TYPE_CHECKING:
    import numpy as np

_BINS = 24
_MOST_TEXTS = 12  # bars of a text column


@dataclass(frozen=True)
class Picture:
    """The heights of a histogram, and what to write below it.

    Attributes
    ----------
    counts : tuple of int
        Values in each bar.
    labels : tuple of str
        Of numbers the least and the greatest value; of texts one for each bar.
    others : int
        Distinct texts that have no bar.
    is_range : bool
        Whether the bars are intervals of numbers.
    """

    counts: tuple[int, ...]
    labels: tuple[str, ...]
    others: int = 0
    is_range: bool = False


def picture(values: Values) -> Picture | None:
    """Count the values of a column for a histogram; None: there is nothing to draw."""
    if values.kind == TEXT:
        return _of_texts(values)
    numbers = values.numbers
    if numbers is None or not numbers.size:
        return None
    if values.kind == "true or false":
        true = int(numbers.sum())
        return Picture((numbers.size - true, true), ("false", "true"))
    return Picture(
        _heights(numbers.astype("float64"), values.kind), _ends(values, numbers), is_range=True
    )


def _heights(numbers: np.ndarray, kind: str) -> tuple[int, ...]:
    import numpy as np

    low, high = float(numbers.min()), float(numbers.max())
    bins = int(min(_BINS, high - low + 1)) if kind == WHOLE else _BINS
    width = high / bins - low / bins or 1.0  # of the largest numbers, the difference is infinite
    places = np.clip((numbers / width - low / width), 0, bins - 1)
    return tuple(np.bincount(places.astype("int64"), minlength=bins).tolist())


def _ends(values: Values, numbers: np.ndarray) -> tuple[str, str]:
    """Write the least and the greatest value of the sample as the column has them."""
    if values.kind in (WHOLE, NUMBER):
        return cell(numbers.min().item()), cell(numbers.max().item())
    low, high = (values.sample[int(place)] for place in (numbers.argmin(), numbers.argmax()))
    return cell_of(low), cell_of(high)


def _of_texts(values: Values) -> Picture | None:
    import numpy as np

    if values.texts is None or not values.distinct:
        return None
    texts, counts = values.texts
    order = np.argsort(-counts, kind="stable")
    shown, rest = order[:_MOST_TEXTS], order[_MOST_TEXTS:]
    labels = [cell(texts[int(place)].as_py()) for place in shown]
    heights = counts[shown].tolist()
    return Picture(tuple(heights), tuple(labels), others=int(rest.size))
