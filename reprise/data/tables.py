"""Read a table from a CSV, TSV or Parquet file, with a one-line error if the file is wrong."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from reprise.data import table_limits
from reprise.errors import DataError
from reprise.trust import limits
from reprise.trust.documents import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

_BLOCK_BYTES = table_limits.LINE_BYTES
# Limits of the footer, which is read before anything in it can be checked.
_FOOTER = {
    "thrift_string_size_limit": limits.PARQUET_STRING_BYTES,
    "thrift_container_size_limit": limits.PARQUET_CONTAINER_ITEMS,
}
FORMATS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


def read_table(path: Path, *, name: str, allow_large: bool = False) -> pa.Table:
    """Read a table from a CSV, TSV or Parquet file; the first row of a CSV file names the columns.

    The type of a CSV column is the narrowest type of all its values, in this order:
    integer, boolean, ISO date or timestamp, float, text. An empty value, ``NA``, ``NaN`` and
    ``null`` are missing values, in text too.

    Parameters
    ----------
    path : Path
        The file, under any name.
    name : str
        Path or address that the user gave; its extension decides how to read.
    allow_large : bool
        Whether the table may be larger than `limits` allows.

    Returns
    -------
    pyarrow.Table
        At least one row; column names are unique and not blank.

    Raises
    ------
    DataError
        If the format is not supported, or the file is not a sound table, or too large.
    """
    file = (urlsplit(name).path if "://" in name else name).lower()
    suffix = next((suffix for suffix in FORMATS if file.endswith(suffix)), None)
    if suffix is None:
        found = Path(file).suffix or "no extension"
        raise DataError(
            f"Expected a table in {', '.join(FORMATS)}, found {found}: {name}. "
            "Convert it, or give it the extension of what it is."
        )
    with bounded_memory(name, allow_large=allow_large):
        if suffix == ".parquet":
            table = _read_parquet(path, name, allow_large=allow_large)
        else:
            delimiter = "," if ".csv" in suffix else "\t"
            table = _CsvFile(path, name, suffix.endswith(".gz"), delimiter, allow_large).read()
    _refuse_columns(table.column_names, name)
    if table.num_rows == 0:
        raise _no_rows(name)
    return table


@contextmanager
def bounded_memory(name: str, *, allow_large: bool) -> Iterator[None]:
    """Turn a lack of memory into a one-line error, whatever size the table claimed."""
    try:
        with nullcontext() if allow_large else limits.memory(limits.DECODING_BYTES):
            yield
    except MemoryError:
        limit = size_text(limits.DECODING_BYTES)
        raise table_limits.too_large(name, "more", f"{limit} to read a table") from None


def _no_rows(name: str) -> DataError:
    return DataError(
        f"Expected rows of data after the column names, found none: {name}. Check the file."
    )


def _refuse_columns(names: list[str], source: str) -> None:
    blank = [str(i) for i, name in enumerate(names, 1) if not name.strip()]
    if blank:
        raise DataError(
            f"Expected a name for every column of {source}, found none for column "
            f"{', '.join(blank)}. Name it; pandas writes one for its index unless index=False."
        )
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise DataError(
            f"Expected different column names in {source}, found more than one "
            f"{', '.join(twice)}. Rename them."
        )
    if len(names) == 1 and (found := re.search(r"[;|\t,]", names[0])):
        separator = "tabs" if found[0] == "\t" else repr(found[0])
        raise DataError(
            f"Expected commas (.csv) or tabs (.tsv) between the columns of {source}, "
            f"found {separator}. Convert it, or give it the extension of what it is."
        )


def read_parquet(path: Path, *, name: str = "", allow_large: bool = False) -> pa.Table:
    """Read a Parquet file column by column, so that it needs hardly more memory than its table.

    The unnamed index that pandas adds as a last column is left out: it is no data.

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
        names = [n for n in file.schema_arrow.names if not re.match(r"__index_level_\d+__$", n)]
        table = file.read(columns=names[:1])
        for column in names[1:]:
            table = table.append_column(*_only_column(file.read(columns=[column])))
    give_memory_back()
    return table


def give_memory_back() -> None:
    """Return the memory of freed tables and arrays to the system; allocators tend to keep it."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def _only_column(table: pa.Table) -> tuple[pa.Field, pa.ChunkedArray]:
    return table.schema.field(0), table.column(0)


def _read_parquet(path: Path, name: str, *, allow_large: bool) -> pa.Table:
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


@dataclass(frozen=True)
class _CsvFile:
    """A CSV file and its faults: Arrow reports that there is one, Python's slow reader where."""

    path: Path
    name: str
    packed: bool
    delimiter: str
    allow_large: bool

    def read(self) -> pa.Table:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        if not self.allow_large:
            self._refuse_large()
        try:
            with self._stream() as stream:
                # read_csv, unlike open_csv, widens a type for a later block and converts again
                table = arrow_csv.read_csv(
                    stream,
                    arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
                    arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                    arrow_csv.ConvertOptions(strings_can_be_null=True),
                )
            _ = table.column_names  # decodes the names
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise self._fault() or self._unknown(error) from error
        except OSError as error:
            raise self._unreadable(error) from error
        doubtful = pa.binary() in table.schema.types or _ends_in_line_break(table)
        if doubtful and (fault := self._fault()):
            raise fault
        return table

    def _refuse_large(self) -> None:
        """Refuse a file for its size, or for the width of its first row."""
        size = self.path.stat().st_size if self.path.exists() else 0  # the reader reports it
        if size > limits.SOURCE_BYTES:
            limit = size_text(limits.SOURCE_BYTES)
            raise table_limits.too_large(self.name, size_text(size), limit)
        opener = gzip.open if self.packed else open
        try:
            with cast("gzip.GzipFile", opener(self.path, "rb")) as file:
                table_limits.refuse_wide_header(file, self.name, self.delimiter)
        except (OSError, EOFError, zlib.error):  # not gzip, or damaged: the reader reports it
            return

    @contextmanager
    def _stream(self) -> Iterator[Any]:
        import pyarrow as pa

        with pa.input_stream(self.path, compression="gzip" if self.packed else None) as stream:
            counted = self.packed and not self.allow_large
            yield table_limits.CountedStream(stream, self.name) if counted else stream

    def _fault(self) -> DataError | None:
        """Find the first line with a fault, if any."""
        opener = gzip.open if self.packed else open
        with cast("gzip.GzipFile", opener(self.path, "rb")) as file:
            for number, line in enumerate(table_limits.lines(file, self.name), 1):
                if number == 1 and re.match(rb"\s*<(!doctype|html)", line.lower()):
                    return DataError(
                        f"Expected a table, found a web page: {self.name}. "
                        "Use the address of the file itself, and check that it needs no login."
                    )
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    return DataError(
                        f"Expected UTF-8 text, found byte 0x{line[error.start]:02x} in line "
                        f"{number}, byte {error.start + 1}: {self.name}. Save it as UTF-8."
                    )
        return self._misshapen_row()

    def _misshapen_row(self) -> DataError | None:
        opener = gzip.open if self.packed else open
        with opener(self.path, "rt", encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text, delimiter=self.delimiter, strict=True)
            width, line, found = 0, 1, 0
            try:
                for row in rows:
                    width = width or len(row)
                    if row and len(row) != width:
                        return DataError(
                            f"Expected {width} columns as in the header, found {len(row)} in line "
                            f"{line}: {self.name}. Fix that line; quote values with separators."
                        )
                    line, found = rows.line_num + 1, found + bool(row)
            except csv.Error as error:
                return DataError(
                    f"Expected every quoted value to end, found one in the row of line {line} "
                    f"that does not ({error}): {self.name}. Close the quote."
                )
        return _no_rows(self.name) if found < 2 else None  # noqa: PLR2004 - names and a row

    def _unknown(self, error: Exception) -> DataError:
        return DataError(
            f"Expected a CSV table, found what Arrow cannot read: {self.name} "
            f"({str(error)[:100]}). Write it again."
        )

    def _unreadable(self, error: OSError) -> DataError:
        if self.packed and not error.errno:
            return DataError(
                f"Expected gzip as the extension says, found something else or a damaged file: "
                f"{self.name}. Write it again, or remove .gz from the name."
            )
        return DataError(f"Expected to read {self.name}, found: {error}. Check the file.")


def _ends_in_line_break(table: pa.Table) -> bool:
    """Return whether a quoted value may contain the rest of the file, which Arrow accepts."""
    last = table.column(-1)[-1].as_py() if table.num_rows else None
    return isinstance(last, str) and bool({"\n", "\r"} & set(last))
