"""Texts that are something else: numbers beside a marker or in another notation, and dates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pyarrow as pa

_PLAIN = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_NOTATIONS = {  # of numbers, by what is special about it; plain numbers may stand among them
    "plain": _PLAIN,
    "thousands": r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?",
    "decimal": r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+",
    "percent": rf"{_PLAIN} ?%",
    "currency": r"[$€£¥₹] ?-?\d[\d,.]*|-?\d[\d,.]* ?[$€£¥₹]",
}
# What people write where there is no value.
MARKERS = frozenset(
    {"", "?", "-", "--", ".", "*", "n/a", "na", "nan", "none", "null", "nil", "missing", "unknown"}
    | {"#n/a", "<na>", "n.a.", "not available", "no data", "undefined", "tbd", "x"}
)
_MOST_MARKERS = 3  # different ones in a column
_FEWEST_NUMBERS = 10  # different ones beside a marker that is not a usual one
_LEADING_ZERO = re.compile(r"0\d")

_DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y", "%Y.%m.%d", "%d-%m-%Y", "%m-%d-%Y")
_SHORT_DAYS = ("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%b-%y", "%d-%B-%y")
_NAMED_DAYS = ("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y")
_MONTHS = ("%b %Y", "%B %Y", "%b-%Y", "%m/%Y", "%Y-%m", "%Y/%m", "%b-%y")
_FORMATS = ("%Y-%m-%d", *_DAYS, *_SHORT_DAYS, *_NAMED_DAYS, *_MONTHS)
_TIMES = {r"\d:\d\d$": "%H:%M", r"\d:\d\d:\d\d$": "%H:%M:%S", r"\d ?[AaPp][Mm]$": "%I:%M %p"}
_LOOKS_LIKE_DATE = re.compile(
    r"\s*(\d{1,4}([/.-])\d{1,2}(\2\d{1,4})?"
    r"|\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{2,4}"
    r"|[A-Za-z]{3,9}[ -]\d{1,2},? \d{4}|[A-Za-z]{3,9}[ -]\d{2,4})"
    r"([ T].*)?\s*"
)
_ENOUGH = 0.95  # of the cells; the others are mistakes
_TRIED = 500  # texts that are parsed as dates


@dataclass(frozen=True)
class Numbers:
    """What keeps a column of numbers from being read as one.

    Attributes
    ----------
    notation : str
        "plain", or what is special about the numbers.
    markers : tuple of str
        Texts that are no numbers.
    marked : int
        Cells with such a text.
    """

    notation: str
    markers: tuple[str, ...]
    marked: int


def numbers_in(texts: pa.Array, counts: np.ndarray) -> Numbers | None:
    """Return how the texts of a column are numbers, except for few markers; None: they are not.

    Parameters
    ----------
    texts : pyarrow.Array
        Distinct texts.
    counts : ndarray of int
        How often each occurs.
    """
    import numpy as np
    import pyarrow.compute as pc

    for notation, pattern in _NOTATIONS.items():
        either = rf"^\s*({pattern}|{_PLAIN})\s*$"
        matches = pc.match_substring_regex(texts, either).to_numpy(zero_copy_only=False)
        others = np.flatnonzero(~matches)
        markers = tuple(texts[int(place)].as_py() for place in others[: _MOST_MARKERS + 1])
        if len(markers) > _MOST_MARKERS or not matches.any():
            continue
        are_usual = all(marker.strip().lower() in MARKERS for marker in markers)
        if not are_usual and matches.sum() < _FEWEST_NUMBERS:
            continue
        if notation == "plain" and any(_LEADING_ZERO.match(t) for t in _some(texts, matches)):
            return None  # codes, as of a post office: a number would lose the zero
        marked = int(counts[others].sum())
        if 2 * marked < counts.sum():
            return Numbers(notation, markers, marked)
    return None


def _some(texts: pa.Array, matches: object) -> Iterator[str]:
    import pyarrow as pa

    yield from texts.filter(pa.array(matches))[:_TRIED].to_pylist()


def date_format_of(texts: pa.Array) -> tuple[str, bool] | None:
    """Return the format in which texts are dates, and whether day and month may be exchanged."""
    import pandas as pd

    tried = [
        text.strip() for text in texts[:_TRIED].to_pylist() if text.strip().lower() not in MARKERS
    ]
    shaped = sum(1 for text in tried[:20] if _LOOKS_LIKE_DATE.fullmatch(text))
    if not shaped or shaped < _ENOUGH * len(tried[:20]):
        return None
    series = pd.Series(tried, dtype=object)
    found = [
        form
        for form in _with_time(tried[0])
        if pd.to_datetime(series, format=form, errors="coerce").notna().mean() >= _ENOUGH
    ]
    if not found:
        return None
    exchanged = found[0].replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
    return found[0], exchanged in found[1:]


def _with_time(text: str) -> Iterator[str]:
    times = [time for pattern, time in _TIMES.items() if re.search(pattern, text)]
    for day in _FORMATS:
        yield from (f"{day}{'T' if 'T' in text else ' '}{time}" for time in times)
        if not times:
            yield day
