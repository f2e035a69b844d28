"""Tables: equal where their cells are, whatever the dialect or the encoding."""

import csv
import io
from typing import IO

from reprise.record.digest import canonical_json, sha256_table


def csv_rows(data: bytes) -> bytes:
    """Return the cells of a CSV file, without its quotes and line ends."""
    return _rows(data, ",")


def tsv_rows(data: bytes) -> bytes:
    """Return the cells of a file with tabs between them."""
    return _rows(data, "\t")


def parquet(file: IO[bytes]) -> bytes:
    """Return the digest of a Parquet file's names, types and values.

    Raises
    ------
    ValueError, TypeError
        If it is none, has columns of columns, or pyarrow is missing.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise ValueError("pyarrow is not installed") from None
    return sha256_table(pq.read_table(file)).encode()


def _rows(data: bytes, delimiter: str) -> bytes:
    text = io.StringIO(data.decode("utf-8-sig"), newline="")
    return canonical_json(list(csv.reader(text, delimiter=delimiter, strict=True))).encode()
