"""Numbers that are text because of a marker among them, or of how they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reprise.data import amounts
from reprise.data.read_options import DEFAULTS
from reprise.record import lists
from reprise.visible import option

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from reprise.data.read_options import ReadOptions

# What people write where there is no value.
MARKERS = frozenset(
    {"", "?", "-", "--", ".", "*", "n/a", "na", "nan", "none", "null", "nil", "missing", "unknown"}
    | {"#n/a", "<na>", "n.a.", "not available", "no data", "undefined", "tbd", "x"}
)
PLAIN = "plain"
_MOST_MARKERS = 3  # different ones in a column
_FEWEST_NUMBERS = 10  # different ones beside a marker that is not a usual one
_LEADING_ZERO = re.compile(r"0\d")
_TRIED = 1000  # cells that decide whether a column is worth a closer look


@dataclass(frozen=True)
class Numbers:
    """What keeps a column of numbers from being read as one.

    Attributes
    ----------
    notation : str
        "plain", or the option that reads the notation: thousands, decimal, percent, currency.
    words : str
        The notation in words; empty for plain numbers.
    markers : tuple of str
        Texts that are no numbers.
    marked : int
        Cells with such a text.
    options : tuple of str
        The options that make numbers of them, as they are typed.
    """

    notation: str
    words: str
    markers: tuple[str, ...]
    marked: int
    options: tuple[str, ...]


def in_column(column: pa.ChunkedArray, options: ReadOptions) -> Numbers | None:
    """Return how the texts of a column are numbers; None: they are not.

    Cells from all over the column are tried first.
    """
    step = max(1, len(column) // _TRIED)
    tried = column.take(list(range(0, len(column), step))) if step > 1 else column
    found = in_texts(*_counted(tried), options)
    return found if found is None or step == 1 else in_texts(*_counted(column), options)


def _counted(column: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = pc.value_counts(column.drop_null())
    return counts.field("values").cast(pa.string()), counts.field("counts").to_numpy()


def in_texts(
    texts: pa.Array, counts: np.ndarray, options: ReadOptions = DEFAULTS
) -> Numbers | None:
    """Return how texts are numbers, except for few markers; None: they are not.

    Parameters
    ----------
    texts : pyarrow.Array
        Distinct texts.
    counts : ndarray of int
        How often each occurs.
    options : ReadOptions
        How the file was read.
    """
    import numpy as np

    own = (PLAIN, "", "", amounts.Style.of(options))
    for notation, words, advice, style in (own, *amounts.other_styles(options)):
        matches = style.matching(texts).to_numpy(zero_copy_only=False)
        others = np.flatnonzero(~matches)
        markers = tuple(texts[int(place)].as_py() for place in others[: _MOST_MARKERS + 1])
        if len(markers) > _MOST_MARKERS or not matches.any():
            continue
        are_usual = all(marker.strip().lower() in MARKERS for marker in markers)
        if not are_usual and matches.sum() < _FEWEST_NUMBERS:
            continue
        if notation == PLAIN and _have_leading_zeros(texts, matches):
            return None  # codes, as of a post office: a number would lose the zero
        marked = int(counts[others].sum())
        if 2 * marked < counts.sum():
            as_missing = [option("na_values", lists.joined(markers))] if markers else []
            needed = (*as_missing, *([advice] if advice else []))
            return Numbers(notation, words, markers, marked, needed)
    return None


def _have_leading_zeros(texts: pa.Array, matches: np.ndarray) -> bool:
    import pyarrow as pa

    tried = texts.filter(pa.array(matches))[:_TRIED].to_pylist()
    return any(_LEADING_ZERO.match(text) for text in tried)
