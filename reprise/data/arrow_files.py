"""Read a file of Arrow's own format: Feather, or a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reprise.data import column_names, table_limits
from reprise.data.parquet_files import pandas_index
from reprise.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

_SIGN = b"ARROW1"


def read_feather(path: Path, *, name: str, allow_large: bool = False) -> pa.Table:
    """Read a Feather file: an Arrow file, or a stream of it.

    Raises
    ------
    DataError
        If it is damaged, of another kind, or too large.
    """
    import pyarrow as pa

    try:
        with path.open("rb") as start:
            is_file = start.read(len(_SIGN)) == _SIGN
        with pa.OSFile(str(path)) as source:
            opener = pa.ipc.open_file if is_file else pa.ipc.open_stream
            with opener(source) as reader:
                if not allow_large:
                    table_limits.refuse_columns(len(reader.schema), name)
                table = _checked(reader, name, is_file=is_file, allow_large=allow_large)
    except MemoryError:  # Arrow's own MemoryError is also an ArrowException
        raise
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"Expected a Feather file (Arrow, version 2) as the extension says, found something "
            f"else or a damaged file: {name}. Write it again."
        ) from error
    return column_names.with_row_names(table, pandas_index(table))


def _checked(
    reader: pa.RecordBatchFileReader | pa.RecordBatchStreamReader,
    name: str,
    *,
    is_file: bool,
    allow_large: bool,
) -> pa.Table:
    """Read batches; a file may lie about the places of its values, which nothing else checks."""
    import pyarrow as pa

    batches: list[pa.RecordBatch] = []
    size = 0
    count = reader.num_record_batches if is_file else None
    while count is None or len(batches) < count:
        try:
            batch = reader.get_batch(len(batches)) if is_file else reader.read_next_batch()
        except StopIteration:
            break
        batch.validate(full=True)
        size += batch.nbytes
        if not allow_large:
            table_limits.refuse_size(size, name)
        batches.append(batch)
    return pa.Table.from_batches(batches, schema=reader.schema)
