"""Durations, and times of a twelve-hour clock, in columns of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_CLOCK = r"[0-9]{1,4}:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
_DURATION = rf"^\s*-?([0-9]+ days?,? ?)?([+-]?{_CLOCK})?\s*$"
_HOUR = "(?:0?[1-9]|1[0-2])"
_TWELVE_HOURS = r"^\s*(0?[1-9]|1[0-2]):[0-5][0-9](:[0-5][0-9])? ?[AaPp]\.?[Mm]\.?\s*$"

_AM_PM = rf"({_HOUR}:[0-5][0-9](?::[0-5][0-9])?) ?"
SUBSTITUTIONS = (
    (r"(?i)^\s*0?12(:[0-5][0-9](?::[0-5][0-9])?) ?a\.?m\.?\s*$", r"0\1"),
    (r"(?i)^\s*(12:[0-5][0-9](?::[0-5][0-9])?) ?p\.?m\.?\s*$", r"\1"),
    (rf"(?i)^\s*{_AM_PM}a\.?m\.?\s*$", r"\1"),
    (rf"(?i)^\s*{_AM_PM}p\.?m\.?\s*$", r"12h \1"),
    (r"^(\s*|12h )([0-9]{1,4}:[0-9]{2})\s*$", r"\1\2:00"),
)
"""Patterns of RE2 and their replacements, which make of a time what `pandas.to_timedelta` takes."""


def spans(column: pa.ChunkedArray, first: str) -> pa.ChunkedArray | None:
    """Convert text to durations if every value is one, or a time of day.

    Parameters
    ----------
    column : ChunkedArray of text
    first : str
        Its first value that is not missing.

    Returns
    -------
    ChunkedArray or None
        Durations in nanoseconds; of times of day, since midnight. None if a value is another text.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    if not any(_all_match(column, first, pattern) for pattern in (_DURATION, _TWELVE_HOURS)):
        return None
    for pattern, replacement in SUBSTITUTIONS:
        column = pc.replace_substring_regex(column, pattern, replacement)
    spans = pd.to_timedelta(pd.Series(column.to_pylist(), dtype=object), errors="coerce")
    if spans.isna().sum() != column.null_count:
        return None
    return pa.chunked_array([pa.Array.from_pandas(spans.astype("timedelta64[ns]"))])


def _all_match(column: pa.ChunkedArray, first: str, pattern: str) -> bool:
    """Return whether all texts match a pattern; the first one decides for most columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    looks = pc.match_substring_regex(pa.array([first]), pattern)[0].as_py()
    return bool(looks and pc.all(pc.match_substring_regex(column, pattern)).as_py())
