"""Refuse tables that are, or claim to be, larger than the memory of an ordinary machine."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from reprise.errors import DataError
from reprise.trust import limits
from reprise.trust.documents import size_text

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_VALUE_BYTES = 8  # bytes of a number in memory
LINE_BYTES = 4 * limits.MIB  # Arrow reads a CSV file in blocks of that size, and a row has to fit


def too_large(name: str, found: str, limit: str) -> DataError:
    """Return the error for a table beyond a limit; it says how to lift the limit."""
    return DataError(
        f"Expected at most {limit}, found {found}: {name}. "
        "If you trust it and have the memory, add -P allow_large=true."
    )


def refuse_file(path: Path, name: str) -> None:
    """Refuse a file with too many bytes."""
    size = path.stat().st_size
    if size > limits.SOURCE_BYTES:
        raise too_large(name, size_text(size), size_text(limits.SOURCE_BYTES))


def refuse_columns(count: int, name: str) -> None:
    """Refuse a table with too many columns."""
    if count > limits.TABLE_COLUMNS:
        raise too_large(name, f"{count} columns", f"{limits.TABLE_COLUMNS} columns")


def refuse_parquet_claims(file: "pq.ParquetFile", name: str) -> None:
    """Refuse a Parquet file by its footer, before any page is read."""
    claims = file.metadata
    refuse_columns(claims.num_columns, name)
    groups = [claims.row_group(i) for i in range(claims.num_row_groups)]
    if sum(group.num_rows for group in groups) != claims.num_rows or claims.num_rows < 0:
        raise DataError(
            f"Expected a sound Parquet file, found one with another number of rows than its "
            f"footer says: {name}. Write it again."
        )
    encoded = sum(max(group.total_byte_size, 0) for group in groups)
    decoded = claims.num_rows * claims.num_columns * _VALUE_BYTES
    refuse_size(max(encoded, decoded), name)


def refuse_size(size: int, name: str) -> None:
    """Refuse a table that needs too many bytes in memory."""
    if size > limits.TABLE_BYTES:
        raise too_large(name, f"{size_text(size)} in memory", size_text(limits.TABLE_BYTES))


def refuse_expanding_text(file: "pq.ParquetFile", path: Path, name: str) -> None:
    """Refuse columns of text that are small in the file but too large in memory.

    A Parquet file stores a text once, however often a column repeats it.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    texts = [
        field.name
        for field in file.schema_arrow
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        or pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)
    ]  # fmt: skip
    total = 0
    for text in texts:
        with pq.ParquetFile(path, read_dictionary=[text], pre_buffer=False) as packed:
            for batch in packed.iter_batches(columns=[text]):
                column = batch.column(0)
                if isinstance(column, pa.DictionaryArray):
                    total += _expanded_bytes(column)
                else:
                    total += pc.sum(pc.cast(pc.binary_length(column), pa.int64())).as_py() or 0
                refuse_size(total, name)


def refuse_expanding_dictionaries(table: "pa.Table", name: str) -> None:
    """Refuse columns that store a text once and repeat it, if they are too large as text."""
    from pyarrow import types

    total = 0
    for column in table.columns:
        for chunk in column.chunks if types.is_dictionary(column.type) else ():
            if types.is_string(chunk.dictionary.type):
                total += _expanded_bytes(chunk)
                refuse_size(total, name)


def _expanded_bytes(column: "pa.DictionaryArray") -> int:
    """Return the bytes of a column of texts, each counted as often as it stands there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.cast(pc.binary_length(column.dictionary), pa.int64())
    return pc.sum(pc.take(lengths, column.indices)).as_py() or 0


def lines(file: "IO[bytes] | Any", name: str) -> Iterator[bytes]:
    """Return the lines of a file; no line may be longer than a block.

    Raises
    ------
    DataError
        If a line is too long.
    """
    number = 0
    while line := file.readline(LINE_BYTES + 1):
        number += 1
        if len(line) > LINE_BYTES:
            raise DataError(
                f"Expected lines of at most {size_text(LINE_BYTES)}, found more in line {number}: "
                f"{name}. Check how it was written."
            )
        yield line


def refuse_wide_header(lines_: Iterator[bytes], name: str, delimiter: str) -> None:
    """Refuse a CSV file with too many columns in the first row of its lines."""
    text = (line.decode("utf-8", "replace") for line in lines_)
    try:
        header = next(csv.reader(text, delimiter=delimiter), [])
    except csv.Error:  # the reader has a better message
        return
    refuse_columns(len(header), name)
