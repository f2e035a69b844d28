"""How the values of a column are distributed: the heights of a small histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steps.report.values import DATE, TEXT, TIMESTAMP, WHOLE, Values, cell

if TYPE_CHECKING:
    import numpy as np

_BINS = 24
_MOST_TEXTS = 12  # bars of a text column; the other texts share one more


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
        Distinct texts that share the last bar.
    """

    counts: tuple[int, ...]
    labels: tuple[str, ...]
    others: int = 0

    @property
    def is_range(self) -> bool:
        """Whether the bars are intervals of numbers."""
        return len(self.labels) != len(self.counts)


def picture(values: Values) -> Picture | None:
    """Count the values of a column for a histogram; None: there is nothing to draw."""
    if values.kind == TEXT:
        return _of_texts(values)
    if not values.is_numeric or not values.numbers.size:
        return None
    if values.kind == "true or false":
        true = int(values.numbers.sum())
        return Picture((values.numbers.size - true, true), ("false", "true"))
    return _of_numbers(values)


def _of_numbers(values: Values) -> Picture:
    import numpy as np

    numbers = values.numbers.astype("float64")
    low, high = float(numbers.min()), float(numbers.max())
    bins = _BINS
    if values.kind == WHOLE:
        bins = int(min(_BINS, high - low + 1))
    width = (high - low) or 1.0
    places = np.minimum(
        (numbers - low) / width * bins, bins - 1
    )  # width: np.histogram refuses 1e308
    counts = np.bincount(np.nan_to_num(places).astype("int64"), minlength=bins)
    return Picture(tuple(counts.tolist()), (_end(values, "min"), _end(values, "max")))


def _end(values: Values, which: str) -> str:
    """Write the least or the greatest value of the sample as the column has it."""
    if values.kind in (DATE, TIMESTAMP, "time of day", "duration"):
        numbers: np.ndarray = values.numbers
        place = int(numbers.argmin() if which == "min" else numbers.argmax())
        found: Any = values.sample.drop_null()[place].as_py()
    else:
        found = getattr(values.numbers, which)().item()
    return cell(found)


def _of_texts(values: Values) -> Picture | None:
    import numpy as np

    texts, counts = values.texts
    if not len(texts):
        return None
    order = np.argsort(-counts, kind="stable")
    shown, rest = order[:_MOST_TEXTS], order[_MOST_TEXTS:]
    labels = [cell(texts[int(place)].as_py()) for place in shown]
    heights = counts[shown].tolist()
    if rest.size:
        labels.append(f"{rest.size:,} others")
        heights.append(int(counts[rest].sum()))
    return Picture(tuple(heights), tuple(labels), others=int(rest.size))
