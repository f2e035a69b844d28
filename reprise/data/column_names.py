"""Names of columns: as pandas reads them, those that only number or name rows, and near misses."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from typing import TYPE_CHECKING

from reprise.data.notices import Notice
from reprise.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

_ROLE, _ROW_NAMES = b"reprise", b"row names"
_SHOWN = 1000  # names in a message; every name, of all but the widest tables


def was_blank(name: str) -> bool:
    """Return whether a name is that of a column whose name is blank in its file."""
    return re.fullmatch(r"Unnamed: \d+", name) is not None


def given(names: Sequence[str], columns: int, file: str) -> list[str]:
    """Return the names that a user gives to the columns of a file.

    Raises
    ------
    DataError
        If there are more or fewer names than columns.
    """
    if len(names) != columns:
        raise DataError(
            f"Expected as many names as columns of {file}, {columns}, found {len(names)}. "
            "Correct -P names."
        )
    return list(names)


def readable(names: Sequence[str]) -> list[str]:
    """Return names as pandas writes them: blank ones get a name, equal ones get numbers.

    References
    ----------
    https://pandas.pydata.org/docs/reference/api/pandas.read_csv.html
    """
    named = [name or f"Unnamed: {place}" for place, name in enumerate(names)]
    present, counts = Counter(named), Counter[str]()
    given_first = sorted(range(len(named)), key=lambda place: not names[place])
    for place in given_first:
        name = candidate = named[place]
        count = counts[name]
        while count:
            counts[name] = count + 1
            candidate = f"{name}.{count}"
            count = count + 1 if present[candidate] else counts[candidate]
        present.subtract([name])
        present.update([candidate])
        counts[candidate] += 1
        named[place] = candidate
    return named


def renamed(table: pa.Table, notices: list[Notice]) -> pa.Table:
    """Return a table of different names that are not blank; its first column may be row names."""
    names = table.column_names
    better = readable(names)
    for place, (old, new) in enumerate(zip(names, better, strict=True)):
        if old and old != new:
            notices.append(
                Notice(new, f"another column has its name, {old!r}", "Rename one in the file.")
            )
        elif not old and place and table.column(place).null_count < table.num_rows:
            notices.append(Notice(new, "its name is blank in the file", "Give it one there."))
    table = table.rename_columns(better)
    return with_row_names(table, better[:1]) if not names[0] else table


def with_row_names(table: pa.Table, names: Iterable[str]) -> pa.Table:
    """Mark columns that name or number the rows: they are no features unless someone says so."""
    return with_role(table, names, _ROW_NAMES)


def with_role(table: pa.Table, names: Iterable[str], role: bytes) -> pa.Table:
    """Mark columns as something else than a feature; a column has one role."""
    import pyarrow as pa

    marked = set(names)
    fields = [
        f.with_metadata({**(f.metadata or {}), _ROLE: role}) if f.name in marked else f
        for f in table.schema
    ]
    return pa.table(table.columns, schema=pa.schema(fields)) if marked else table


def of_role(table: pa.Table, role: bytes) -> list[str]:
    """Return the names of the columns of a role."""
    return [field.name for field in table.schema if (field.metadata or {}).get(_ROLE) == role]


def row_names(table: pa.Table) -> list[str]:
    """Return the names of the columns that only name or number the rows."""
    return of_role(table, _ROW_NAMES)


def choices(name: str, names: Sequence[str]) -> str:
    """Return all names there are, the nearest to `name` first, for an error."""
    lowered = name.strip().lower()
    by_lower = {each.strip().lower(): each for each in names}
    nearest = [by_lower[n] for n in difflib.get_close_matches(lowered, by_lower, n=3)]
    advice = f"Did you mean {nearest[0]!r}? " if nearest else ""
    ordered = list(dict.fromkeys([*nearest, *names]))
    return f"{advice}Choose from {listed(ordered, _SHOWN)}."


def listed(names: Sequence[str], shown: int = 10) -> str:
    """Join names for a message, at most `shown` of them."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
