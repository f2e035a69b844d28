"""Texts that are dates in another format than ISO 8601."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reprise.data.numbers_in_text import MARKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

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
