"""Durations, and times of a twelve-hour clock, in columns of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_CLOCK = r"[0-9]{1,4}:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
_DURATION = rf"^\s*-?([0-9]+ days?,? ?)?([+-]?{_CLOCK})?\s*$"
_TWELVE_HOURS = r"^\s*(0?[1-9]|1[0-2]):[0-5][0-9](:[0-5][0-9])? ?[AaPp]\.?[Mm]\.?\s*$"


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
    durations = _durations(column, first)
    return _of_twelve_hours(column, first) if durations is None else durations


def _durations(column: pa.ChunkedArray, first: str) -> pa.ChunkedArray | None:
    """Convert text such as ``1 days 02:03:04`` and ``25:10:00`` to durations, if all of it is."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    if not _all_match(column, first, _DURATION):
        return None
    full = pc.replace_substring_regex(column, r"^(\s*)([0-9]{1,4}:[0-9]{2})\s*$", r"\1\2:00")
    spans = pd.to_timedelta(pd.Series(full.to_pylist(), dtype=object), errors="coerce")
    if spans.isna().sum() != column.null_count:
        return None
    return pa.chunked_array([pa.Array.from_pandas(spans.astype("timedelta64[ns]"))])


def _of_twelve_hours(column: pa.ChunkedArray, first: str) -> pa.ChunkedArray | None:
    """Convert times of a twelve-hour clock, ``1:08 PM``, to times since midnight, if all are."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    if not _all_match(column, first, _TWELVE_HOURS):
        return None
    plain = pc.replace_substring_regex(pc.utf8_upper(pc.utf8_trim_whitespace(column)), r"[ .]", "")
    full = pc.replace_substring_regex(plain, r"^([0-9]+:[0-9]{2})([AP]M)$", r"\1:00\2")
    found = pd.to_datetime(
        pd.Series(full.to_pylist(), dtype=object), format="%I:%M:%S%p", errors="coerce"
    )
    if found.isna().sum() != column.null_count:
        return None
    return pa.chunked_array([pa.Array.from_pandas(found - found.dt.normalize())])


def _all_match(column: pa.ChunkedArray, first: str, pattern: str) -> bool:
    """Return whether all texts match a pattern; the first one decides for most columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    looks = pc.match_substring_regex(pa.array([first]), pattern)[0].as_py()
    return bool(looks and pc.all(pc.match_substring_regex(column, pattern)).as_py())
