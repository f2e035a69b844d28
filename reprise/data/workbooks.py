"""Read a sheet of an Excel workbook (.xlsx) with python-calamine."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from reprise.data import column_names
from reprise.data.read_options import AUTO, MISSING
from reprise.data.table_limits import refuse_size, too_large
from reprise.errors import DataError
from reprise.extras import explaining_missing
from reprise.process import scratch
from reprise.trust import limits
from reprise.trust.documents import size_text

if TYPE_CHECKING:
    import pyarrow as pa

    from reprise.data.read_options import ReadOptions

_BLOCK_BYTES = 1 << 20
_CELL_BYTES = 64  # of a cell in memory, even of an empty one
_PLACE = re.compile(rb"""\br\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["']""")
_OVERLAP = 64  # bytes: longer than a cell's place


def read(path: Path, *, name: str, options: ReadOptions, allow_large: bool = False) -> pa.Table:
    """Read one sheet; dates, numbers and booleans are what the cells hold.

    Parameters
    ----------
    path : Path
    name : str
        Path or address that the user gave.
    options : ReadOptions
    allow_large : bool
        Whether the workbook may be larger than `limits` allows.

    Raises
    ------
    DataError
        If it is no workbook, is too large, or has no such sheet.
    MissingExtraError
        If python-calamine is not installed.
    """
    import pandas as pd

    with explaining_missing():
        import python_calamine as calamine

    try:
        if not allow_large:
            _refuse_large(path, name)
        with scratch.folder() as folder:
            named = Path(folder) / "workbook.xlsx"  # the reader goes by the extension
            named.symlink_to(path.absolute())
            with calamine.CalamineWorkbook.from_path(named) as workbook:
                sheet = _chosen(workbook.sheet_names, options.sheet, name)
            frame = pd.read_excel(
                named,
                sheet_name=sheet,
                engine="calamine",
                header=options.header - 1 if options.header else None,
                na_values=[*MISSING, *options.na_values],
                keep_default_na=False,
                comment=options.comment,
                thousands=options.thousands,
                decimal="." if options.decimal == AUTO else options.decimal,
            )
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError),
        *(calamine.CalamineError, ValueError, OSError),
    ) as error:
        raise DataError(
            f"Expected an Excel workbook as the extension says, found something else or a damaged "
            f"file: {name} ({str(error)[:100]}). Save it again, or save the sheet as CSV."
        ) from error
    return _table(frame, options, name)


def _chosen(sheets: list[str], asked: str | None, name: str) -> str:
    if asked is None and sheets:
        return sheets[0]
    if asked in sheets:
        return str(asked)
    if asked and asked.isdecimal() and 0 < int(asked) <= len(sheets):
        return sheets[int(asked) - 1]
    raise DataError(
        f"Expected a sheet {asked or ''!r} in {name}, found none. "
        f"{column_names.choices(asked or '', sheets)}"
    )


def _table(frame: Any, options: ReadOptions, name: str) -> pa.Table:
    """Convert a frame; a column of several types becomes text."""
    import pyarrow as pa

    names = ["" if column_names.was_blank(str(n)) else str(n) for n in frame.columns]
    columns = [_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    if options.names:
        names = column_names.given(options.names, len(names), name)
    return pa.Table.from_arrays(columns, names=names)


def _column(series: Any) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.Array.from_pandas(series)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # several types
        return pa.Array.from_pandas(series.map(str, na_action="ignore"))


def _refuse_large(path: Path, name: str) -> None:
    """Refuse a workbook by what its archive unpacks to, and by the places of its cells.

    The reader needs memory for every cell of the smallest rectangle with all cells that are used.
    """
    total = 0
    with zipfile.ZipFile(path) as archive:
        if len(archive.infolist()) > limits.ARCHIVE_MEMBERS:
            raise too_large(name, "more members", f"{limits.ARCHIVE_MEMBERS} members")
        for info in archive.infolist():
            with archive.open(info) as member:
                is_sheet = info.filename.lower().startswith("xl/worksheets/")
                total += _unpacked_size(member, name, total, is_sheet=is_sheet)


def _unpacked_size(member: IO[bytes], name: str, before: int, *, is_sheet: bool) -> int:
    size, rows, columns, tail = 0, 0, 0, b""
    while block := member.read(_BLOCK_BYTES):
        size += len(block)
        if before + size > limits.WORKBOOK_BYTES:
            limit = size_text(limits.WORKBOOK_BYTES)
            raise too_large(name, "more when unpacked", limit)
        if is_sheet:
            for letters, number in _PLACE.findall(tail + block):
                rows, columns = max(rows, int(number)), max(columns, _number(letters))
            tail = block[-_OVERLAP:]
            refuse_size(rows * columns * _CELL_BYTES, name)
    return size


def _number(letters: bytes) -> int:
    """Return the place of a column that is named by letters: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number
