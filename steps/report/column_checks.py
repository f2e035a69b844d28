"""What can be odd about one column, whatever is predicted from it: a check for each kind.

A check takes the column's values, and returns what it found and what to do about it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reprise.data.numbers_in_text import in_texts
from steps.report import advice
from steps.report.text_kinds import date_format_of
from steps.report.values import NUMBER, TEXT, WHOLE, cell

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from steps.report.values import Values

    Found = tuple[str, str]

ID = "id"
NUMBER_IN_TEXT = "number in text"
_FEWEST = 10  # values below which nothing is said about how many differ
_FEWEST_IN_ORDER = 20  # of a column that is in order and whose name says nothing
_IDENTIFIES = 0.95  # distinct values of all
_WORDS = 4  # of an average free text
_SAID_TWICE = 0.5  # distinct values of all; categories repeat more often than texts
_LONG = 80  # characters of an average free text without spaces, as of another alphabet
_LOOKED_AT = 1000  # texts whose words are counted
_TRIED_FIRST = 200  # texts that decide whether a column is worth a closer look
_ID_WORDS = frozenset({"id", "ids", "uid", "uuid", "guid", "index", "idx", "row", "rownames"})
_NUMBER_WORDS = frozenset({"no", "nr", "num", "number", "serial", "key"})
_UNNAMED = re.compile(r"Unnamed: \d+|X|V1|level_0|__index_level_\d+__|")
_YEARS = (1500, 2200)


def words_of(name: str) -> list[str]:
    """Split a column's name into lower-case words: customerID is customer, id."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return re.findall(r"[a-z]+|\d+", spaced.lower())


def constant(values: Values) -> Found | None:
    """Find a column with only one value: a model learns nothing from it."""
    if values.distinct != 1 or values.rows == 1 or values.is_sampled:
        return None
    shown = repr(values.example)
    if values.missing:
        cells = f"{values.present:,} of {values.rows:,} cells {_are(values.present)}"
        text = f"{cells} {shown}; the others are missing"
    else:
        text = f"all {values.rows:,} cells are {shown}"
    return text, f"Leave it out: {advice.drop(values.name)}."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def date_in_text(values: Values) -> Found | None:
    """Find dates that were read as text, as they are not in ISO 8601."""
    if values.texts is None or len(values.texts[0]) == 1:
        return None
    found = date_format_of(values.texts[0])
    if found is None:
        return None
    form, is_ambiguous = found
    also = "; day and month may be exchanged" if is_ambiguous else ""
    return (
        f"dates in text, like {values.example!r}{also}",
        f"Read them as dates: {advice.dates(values.name, form)}.",
    )


def number_in_text(values: Values) -> Found | None:
    """Find numbers that were read as text, for a marker among them or for their notation."""
    if values.texts is None or len(values.texts[0]) == 1:
        return None
    texts, counts = values.texts
    if in_texts(texts[:_TRIED_FIRST], counts[:_TRIED_FIRST]) is None:
        return None
    numbers = in_texts(texts, counts)
    if numbers is None:
        return None
    if numbers.markers:
        markers = ", ".join(repr(cell(marker)) for marker in numbers.markers)
        cells = f"{numbers.marked:,} of {values.sampled:,} cells"
        cells += " of a sample" if values.is_sampled else ""
        found = f"{cells} {_are(numbers.marked)} {markers}; the others are numbers"
    else:
        found = f"numbers in text, like {values.example!r}"
    return found, advice.number(values.name, numbers)


def free_text(values: Values) -> Found | None:
    """Find sentences: as categories, each is one of its own."""
    if values.texts is None or len(values.sample) < _FEWEST or values.share_distinct < _SAID_TWICE:
        return None
    import pyarrow.compute as pc

    texts = values.texts[0][:_LOOKED_AT]
    words = pc.mean(pc.count_substring_regex(texts, r"\S+")).as_py()
    characters = pc.mean(pc.utf8_length(texts)).as_py()
    if words < _WORDS and characters < _LONG:
        return None
    return f"free text, {words:.0f} words on average, {_distinct(values)}", (
        "The steps take each text as a category: make columns of its words, or leave it out: "
        f"{advice.drop(values.name)}."
    )


def looks_like_an_id(values: Values) -> Found | None:
    """Find row numbers and names of rows: a model learns rows by heart from them."""
    if values.kind not in (TEXT, WHOLE, NUMBER) or len(values.sample) < _FEWEST:
        return None
    unnamed = _UNNAMED.fullmatch(values.name) is not None
    if values.share_distinct <= _IDENTIFIES:
        return None
    if values.kind == NUMBER and not _are_whole(values.numbers):
        return None
    if values.kind == TEXT:
        found = f"looks like an id: {_distinct(values)}"
    elif _is_in_order(values, named=unnamed or _says_id(values.name)):
        found = f"looks like a row number or an id: {_distinct(values)}, in order"
    elif _says_id(values.name):
        found = f"looks like an id: {_distinct(values)}"
    else:
        return None
    return found, f"It says nothing of a new row; leave it out: {advice.drop(values.name)}."


def _are_whole(numbers: np.ndarray | None) -> bool:
    """Return whether numbers have no fractions, as whole numbers with missing ones often come."""
    import numpy as np

    return numbers is not None and bool((numbers == np.floor(numbers)).all())


def _says_id(name: str) -> bool:
    words = words_of(name)
    return bool(_ID_WORDS & set(words)) or bool(words and words[-1] in _NUMBER_WORDS)


def _is_in_order(values: Values, *, named: bool) -> bool:
    """Return whether whole numbers rise, or fall, from row to row as a counter does."""
    import numpy as np

    numbers = values.numbers
    if numbers is None:
        return False
    steps = np.diff(numbers.astype("float64"))
    if not ((steps > 0).all() or (steps < 0).all()):
        return False
    if named:
        return True
    low, high = numbers.min(), numbers.max()
    is_grid = bool((steps == steps[0]).all()) and abs(steps[0]) > 1  # as of an experiment
    is_year = _YEARS[0] <= low and high <= _YEARS[1]
    return len(numbers) >= _FEWEST_IN_ORDER and not is_grid and not is_year


def _distinct(values: Values) -> str:
    sample = " of a sample" if values.is_sampled else ""
    return f"{values.distinct:,} different values in {len(values.sample):,} cells{sample}"


# In this order; the first that finds something is reported.
CHECKS: dict[str, Callable[[Values], Found | None]] = {
    "constant": constant,
    "date in text": date_in_text,
    NUMBER_IN_TEXT: number_in_text,
    "free text": free_text,
    ID: looks_like_an_id,
}
