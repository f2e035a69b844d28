"""Read a Parquet file in hardly more memory than its table needs, and in time linear in columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reprise.data import column_names, table_limits
from reprise.errors import DataError
from reprise.trust import limits

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.parquet as pq

_GROUPS = 64  # of columns; each group is read alone, and costs a walk over all columns
# Limits of the footer, which is read before anything in it can be checked.
_FOOTER = {
    "thrift_string_size_limit": limits.PARQUET_STRING_BYTES,
    "thrift_container_size_limit": limits.PARQUET_CONTAINER_ITEMS,
}
_NO_DATA = re.compile(r"__index_level_\d+__")


def read_parquet(path: Path, *, name: str = "", allow_large: bool = False) -> pa.Table:
    """Read a Parquet file, some columns at a time.

    The unnamed index that pandas adds as a last column is left out: it is no data. A named one is
    marked as row names.

    Raises
    ------
    DataError
        If the table is larger than `limits` allows and `allow_large` is false.
    pyarrow.ArrowException, OSError
        If the file is damaged, or no Parquet file.
    """
    import pyarrow.parquet as pq

    footer = {} if allow_large else _FOOTER
    with pq.ParquetFile(path, pre_buffer=False, **footer) as file:
        if not allow_large:
            table_limits.refuse_parquet_claims(file, name or path.name)
            table_limits.refuse_expanding_text(file, path, name or path.name)
        table = _by_groups(file)
    give_memory_back()
    return column_names.with_row_names(table, pandas_index(table))


def _by_groups(file: pq.ParquetFile) -> pa.Table:
    import pyarrow as pa

    every = file.schema_arrow.names
    if len(set(every)) < len(every):  # the reader would take all of a name
        table = file.read()
        return table.select([i for i, n in enumerate(every) if not _NO_DATA.fullmatch(n)])
    names = [name for name in every if not _NO_DATA.fullmatch(name)]
    size = max(1, len(names) // _GROUPS)
    fields, columns = [], []
    for start in range(0, max(len(names), 1), size):
        part = file.read(columns=names[start : start + size])
        fields += list(part.schema)
        columns += part.columns
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, part.schema.metadata))


def pandas_index(table: pa.Table) -> list[str]:
    """Return the columns that were the index of the data frame that was written."""
    described = table.schema.pandas_metadata or {}
    index = described.get("index_columns", [])
    return [name for name in index if isinstance(name, str) and name in table.column_names]


def give_memory_back() -> None:
    """Return the memory of freed tables and arrays to the system; allocators tend to keep it."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def read_parquet_source(path: Path, name: str, *, allow_large: bool) -> pa.Table:
    """Read a Parquet file that a user names.

    Raises
    ------
    DataError
        If it is damaged, no Parquet file, or too large.
    """
    import pyarrow as pa

    try:
        return read_parquet(path, name=name, allow_large=allow_large)
    except MemoryError:  # Arrow's own MemoryError is also an ArrowException
        raise
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"Expected Parquet as the extension says, found something else or a damaged file: "
            f"{name}. Write it again, or give it the extension of what it is."
        ) from error
