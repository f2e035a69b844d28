"""Values of cells as a person understands them: dates, durations, amounts, markers in numbers.

Whatever a text file's reader can convert, it has converted; what is left here is text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reprise.data import amounts, column_names, numbers_in_text, times
from reprise.data.notices import Notice
from reprise.data.written import Written
from reprise.errors import DataError
from reprise.visible import option

if TYPE_CHECKING:
    import pyarrow as pa

    from reprise.data.read_options import ReadOptions

_SHOWN = 40  # characters of a cell in a message


def understood(table: pa.Table, options: ReadOptions, notices: list[Notice]) -> pa.Table:
    """Convert the columns of text that hold dates, durations or, as the options say, amounts.

    Parameters
    ----------
    table : pyarrow.Table
        Of different names.
    options : ReadOptions
    notices : list of Notice
        Gets a notice for every column of text that would be numbers with an option.

    Raises
    ------
    DataError
        If a column of dates is missing, or has a value that is no date.
    """
    import pyarrow as pa

    formats = dict(options.dates)
    for name in formats:
        if name not in table.column_names:
            raise DataError(
                f"Expected a column {name!r} as -P dates says, found none. "
                f"{column_names.choices(name, table.column_names)}"
            )
    fields, columns = [], []
    for field, column in zip(table.schema, table.columns, strict=True):
        values = _without_markers(column, options.na_values) if options.na_values else column
        if field.name in formats:
            values = _dates(field.name, values, formats[field.name])
        elif _is_text(values.type):
            values = _converted(field.name, values, options, notices)
        described = pa.field(field.name, values.type, metadata=field.metadata)
        if _is_text(column.type) and _is_number(values.type):
            described = Written(style=amounts.Style.of(options)).marked(described)
        if options.na_values:
            described = _with_markers(described, options.na_values)
        fields.append(described)
        columns.append(values)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, table.schema.metadata))


def _is_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind))


def _with_markers(field: pa.Field, markers: tuple[str, ...]) -> pa.Field:
    from pyarrow import types

    kind = field.type
    if written := Written.of(field):
        return replace(written, na_values=markers).marked(field)
    if _is_text(kind):
        return Written(kind="text", na_values=markers).marked(field)
    if types.is_time(kind) or types.is_duration(kind):
        return Written(kind="clock", na_values=markers).marked(field)
    return Written(na_values=markers).marked(field) if _is_number(kind) else field


def _converted(
    name: str, column: pa.ChunkedArray, options: ReadOptions, notices: list[Notice]
) -> pa.ChunkedArray:
    """Return durations or amounts, or the text itself, with a notice if it is almost numbers."""
    first = _first(column)
    if first is None:
        return column
    if (spans := times.spans(column, first)) is not None:
        return spans
    style = amounts.Style.of(options)
    if style.is_needed and (numbers := style.numbers(column)) is not None:
        return numbers
    if notice := _numbers_in_text(name, column, options):
        notices.append(notice)
    return column


def _first(column: pa.ChunkedArray) -> str | None:
    """Return the first value that is not missing."""
    import pyarrow.compute as pc

    place = pc.index(column.is_valid(), value=True).as_py()
    return None if place < 0 else str(column[place])


def _dates(name: str, column: pa.ChunkedArray, form: str | None) -> pa.ChunkedArray:
    """Convert text, or numbers like 20240131, to timestamps.

    Raises
    ------
    DataError
        If a value does not have the format.
    """
    import pandas as pd
    import pyarrow as pa
    from pyarrow import types

    if types.is_timestamp(column.type) or types.is_date(column.type):
        return column
    if types.is_floating(column.type):
        column = column.cast(pa.int64(), safe=False)
    texts = pd.Series(column.cast(pa.string()).to_pylist(), dtype=object)
    zoned = form is not None and ("%z" in form or "%Z" in form)
    given = "ISO8601" if form is None else form
    try:
        dates = pd.to_datetime(texts, format=given, errors="coerce", utc=zoned)
    except ValueError as error:
        raise DataError(
            f"Expected a format of dates for column {name!r}, found {form!r} ({error}). "
            "Correct -P dates."
        ) from error
    wrong = texts[dates.isna() & texts.notna()]
    if len(wrong):
        raise DataError(
            f"Expected dates as {form or 'ISO 8601 writes them'} in column {name!r}, found "
            f"{str(wrong.iloc[0])[:_SHOWN]!r} in row {wrong.index[0] + 1} below the column names. "
            f"Give the format, for example {option('dates', f'{name}=%d/%m/%Y')}."
        )
    return pa.chunked_array([pa.Array.from_pandas(dates)])


def _without_markers(column: pa.ChunkedArray, markers: tuple[str, ...]) -> pa.ChunkedArray:
    """Return a column without the cells that stand for a missing value, as text or as a number."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    kind = column.type
    if _is_text(kind):
        values = pa.array(markers, kind)
    elif types.is_integer(kind) or types.is_floating(kind):
        numbers = [n for n in map(_number, markers) if n is not None]
        if types.is_integer(kind):
            numbers = [n for n in numbers if n.is_integer() and abs(n) < 2**53]
        values = pa.array(numbers, pa.float64()).cast(kind, safe=False)
    else:
        return column
    if not len(values):
        return column
    missing = pc.is_in(column, value_set=values, skip_nulls=True)
    if not pc.any(missing).as_py():
        return column
    return pc.if_else(missing, pa.scalar(None, kind), column)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _numbers_in_text(name: str, column: pa.ChunkedArray, options: ReadOptions) -> Notice | None:
    """Return a notice if an option makes numbers of a column's texts."""
    found = numbers_in_text.in_column(column, options)
    if found is None or not found.options:
        return None
    needed = " ".join(found.options)
    if not found.markers:
        return Notice(name, f"its numbers are text: they have {found.words}", f"Add {needed}.")
    markers = ", ".join(repr(marker[:_SHOWN]) for marker in found.markers)
    verb = "is" if found.marked == 1 else "are"
    return Notice(
        name,
        f"{found.marked:,} of {len(column):,} cells {verb} {markers}; the others are numbers, "
        "but the column is text",
        f"If that means missing, add {needed}.",
    )
