"""Read a file with one JSON object a line: Python's parser, as Arrow's can crash on odd bytes."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from reprise.data import table_limits
from reprise.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

_ROWS = 1000  # that are Python's objects at a time


def read(path: Path, *, name: str, allow_large: bool = False) -> pa.Table:
    """Read a table; an absent key is a missing value, and text of ISO dates becomes dates.

    Raises
    ------
    DataError
        If a line is no object, a column has values of several types, or the file is too large.
    """
    import pyarrow as pa

    if not allow_large:
        table_limits.refuse_file(path, name)
    parts: list[pa.Table] = []
    columns: set[str] = set()
    rows = _objects(path, name)
    while some := list(itertools.islice(rows, _ROWS)):
        keys = dict.fromkeys(key for row in some for key in row)
        columns.update(keys)
        if not allow_large:
            table_limits.refuse_columns(len(columns), name)
        parts.append(_table(some, keys, name))
    try:
        table = pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise _several_types(name, error) from error
    return pa.table([_with_dates(column) for column in table.columns], names=table.column_names)


def _objects(path: Path, name: str) -> Iterator[dict[str, Any]]:
    found = False
    with path.open("rb") as file:
        for number, line in enumerate(table_limits.lines(file, name), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                raise _no_object(name, number, str(error)) from error
            if not isinstance(row, dict):
                raise _no_object(name, number, type(row).__name__)
            found = True
            yield row
    if not found:
        raise DataError(f"Expected one JSON object a line, found none: {name}. Check the file.")


def _table(rows: list[dict[str, Any]], keys: dict[str, None], name: str) -> pa.Table:
    import pyarrow as pa

    try:
        return pa.table({key: pa.array([row.get(key) for row in rows]) for key in keys})
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise _several_types(name, error) from error


def _with_dates(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert text to the first of these types that all of it is written as."""
    import pyarrow as pa

    if not pa.types.is_string(column.type) or column.null_count == len(column):
        return column
    for kind in (pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue
    return column


def _no_object(name: str, line: int, found: str) -> DataError:
    return DataError(
        f"Expected one JSON object a line, found another in line {line} ({found[:100]}): {name}. "
        "Correct the line."
    )


def _several_types(name: str, error: Exception) -> DataError:
    return DataError(
        f"Expected values of one type in each column, found others: {name} "
        f"({str(error)[:150]}). Correct the lines."
    )
