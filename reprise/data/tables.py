"""Read a table from a file in one of many formats, with a one-line error if the file is wrong."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from reprise.data import (
    arrow_files,
    cell_values,
    column_names,
    formats,
    json_lines,
    packing,
    table_limits,
    workbooks,
)
from reprise.data.parquet_files import read_parquet_source
from reprise.data.read_options import DEFAULTS, ReadOptions
from reprise.data.text_files import TextFile, no_rows
from reprise.data.written import unmarked
from reprise.trust import limits
from reprise.trust.documents import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from reprise.data.notices import Notice


def read_table(
    path: Path,
    *,
    name: str,
    options: ReadOptions = DEFAULTS,
    allow_large: bool = False,
    notices: list[Notice] | None = None,
) -> pa.Table:
    """Read a table from a file.

    The type of a column of a text file is the narrowest type of all its values, in this order:
    integer, boolean, ISO date or timestamp, time of day, float, text. An empty value, ``NA``,
    ``None`` and pandas' other markers are missing values, in text too.

    Parameters
    ----------
    path : Path
        The file, under any name.
    name : str
        Path or address that the user gave; its extension decides how to read.
    options : ReadOptions
        What the user says of the file.
    allow_large : bool
        Whether the table may be larger than `limits` allows.
    notices : list of Notice, optional
        Gets what is odd about the table.

    Returns
    -------
    pyarrow.Table
        At least one row; column names are unique and not blank. Columns that only name or number
        the rows are marked: see `column_names.row_names`.

    Raises
    ------
    DataError
        If the format is not supported, or the file is not a sound table, or too large.
    """
    kept: list[Notice] = [] if notices is None else notices
    form = formats.of(name)
    with bounded_memory(name, allow_large=allow_large):
        if not form.suffix:
            inner = formats.of(packing.member(path, name), within=name)
            form = formats.Format(inner.suffix, form.packing)
        kept.extend(formats.unused(form.suffix, options))
        with packing.unpacked(path, form.packing, name, allow_large=allow_large) as file:
            table, decimal = _read(file, form.suffix, name, options, kept, allow_large=allow_large)
        if form.suffix not in formats.TEXT:
            table = unmarked(table)
        if table.num_rows == 0:
            raise no_rows(name)
        if not allow_large:
            table_limits.refuse_expanding_dictionaries(table, name)
        if decimal == ",":  # also where nobody said so, for the amounts that are left
            options = replace(options, decimal=decimal)
        return cell_values.understood(column_names.renamed(table, kept), options, kept)


def _read(
    path: Path,
    suffix: str,
    name: str,
    options: ReadOptions,
    notices: list[Notice],
    *,
    allow_large: bool,
) -> tuple[pa.Table, str]:
    """Return a table as it is in a file, and the decimal sign of the file's text."""
    if suffix in formats.TEXT:
        separator = formats.TEXT[suffix]
        return TextFile(path, name, separator, options, allow_large, notices).read()
    return _typed(path, suffix, name, options, allow_large=allow_large), options.decimal


def _typed(
    path: Path, suffix: str, name: str, options: ReadOptions, *, allow_large: bool
) -> pa.Table:
    if suffix in formats.WORKBOOKS:
        return workbooks.read(path, name=name, options=options, allow_large=allow_large)
    if suffix in formats.ARROW:
        return arrow_files.read_feather(path, name=name, allow_large=allow_large)
    if suffix in formats.LINES_OF_JSON:
        return json_lines.read(path, name=name, allow_large=allow_large)
    return read_parquet_source(path, name, allow_large=allow_large)


@contextmanager
def bounded_memory(name: str, *, allow_large: bool) -> Iterator[None]:
    """Turn a lack of memory into a one-line error, whatever size the table claimed."""
    try:
        with nullcontext() if allow_large else limits.memory(limits.DECODING_BYTES):
            yield
    except MemoryError:
        limit = size_text(limits.DECODING_BYTES)
        raise table_limits.too_large(name, "more", f"{limit} to read a table") from None
