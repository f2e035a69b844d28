"""Read a file of separated values with Arrow, and name its faults in one line."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reprise.data import column_names, dialects, encodings, rectangles, table_limits
from reprise.data.amounts import Style
from reprise.data.dialects import Dialect
from reprise.data.notices import Notice
from reprise.data.read_options import AUTO, DEFAULTS, MISSING, ReadOptions
from reprise.data.written import Written
from reprise.errors import DataError
from reprise.process import scratch
from reprise.visible import option

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = table_limits.LINE_BYTES
_WIDE = 1000  # columns; of as many, starting the tasks takes longer than they do


@dataclass(frozen=True)
class TextFile:
    """A file of separated values, and its faults: Arrow reports that there is one, Python where.

    Attributes
    ----------
    path : Path
    name : str
        Path or address that the user gave.
    separator : str or None
        The one that goes with the file's extension.
    options : ReadOptions
    allow_large : bool
        Whether the table may be larger than `limits` allows.
    notices : list of Notice
        Gets what is odd about the file.
    """

    path: Path
    name: str
    separator: str | None
    options: ReadOptions = DEFAULTS
    allow_large: bool = False
    notices: list[Notice] = field(default_factory=list)

    def read(self) -> tuple[pa.Table, str]:
        """Read the table, whose names may be blank or equal, and find the file's decimal sign.

        Raises
        ------
        DataError
            If the file is no sound table, or too large.
        """
        try:
            if not self.allow_large:
                table_limits.refuse_file(self.path, self.name)
            self._refuse_web_page()
            if self.options.encoding == AUTO and not encodings.starts_as_utf_8(self.path):
                raise self._undecodable(Dialect(",")) or self._of_wide_letters()
            dialect = dialects.detect(
                self.path, self.name, self.separator, self.options, self.notices
            )
            if not self.allow_large:
                self._refuse_width(dialect)
            table = self._table(dialect)
        except OSError as error:
            raise DataError(
                f"Expected to read {self.name}, found: {error}. Check the file."
            ) from error
        return _with_decimals(self._named(table), dialect.decimal), dialect.decimal

    def _table(self, dialect: Dialect) -> pa.Table:
        """Read the file as it is; if Arrow cannot, read what Python makes of its rows."""
        import pyarrow as pa

        if dialect.is_plain:
            try:
                table = self._arrow_table(self.path, dialect)
                doubtful = pa.binary() in table.schema.types or _ends_in_line_break(table)
                if not doubtful:
                    return table
            except (pa.ArrowInvalid, UnicodeError):
                doubtful = False
            if fault := self._undecodable(dialect):
                raise fault
            shape = self._shape(dialect)
            if doubtful and not shape.is_ragged:
                return table
        else:
            if fault := self._undecodable(dialect):
                raise fault
            shape = self._shape(dialect)
        return self._rewritten(dialect, shape)

    def _rewritten(self, dialect: Dialect, shape: rectangles.Shape) -> pa.Table:
        import pyarrow as pa

        self.notices.extend(shape.notices())
        with scratch.folder() as folder:
            path = Path(folder) / "rows.csv"
            rectangles.write(dialect.rows(self.path), shape, path)
            try:
                return self._arrow_table(path, Dialect(",", dialect.decimal, width=shape.width))
            except (pa.ArrowInvalid, UnicodeError) as error:
                raise self._unknown(error) from error

    def _arrow_table(self, path: Path, dialect: Dialect) -> pa.Table:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        with pa.input_stream(path) as stream:
            # read_csv, unlike open_csv, widens a type for a later block and converts again
            table = arrow_csv.read_csv(
                stream,
                arrow_csv.ReadOptions(
                    block_size=_BLOCK_BYTES,
                    use_threads=dialect.width < _WIDE,
                    encoding=dialect.encoding,
                    skip_rows=dialect.first_line - 1,
                    autogenerate_column_names=self.options.header == 0,
                ),
                arrow_csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True),
                arrow_csv.ConvertOptions(
                    strings_can_be_null=True,
                    null_values=[*MISSING, *self.options.na_values],
                    decimal_point=dialect.decimal,
                ),
            )
        _ = table.column_names  # decodes the names
        return table

    def _named(self, table: pa.Table) -> pa.Table:
        """Give a table the user's names, or numbers as pandas does where there are none."""
        names, options = table.column_names, self.options
        if options.header == 0:
            names = [str(place) for place in range(len(names))]
        if options.names:
            names = column_names.given(options.names, len(names), self.name)
        elif options.header == 1 and 2 * sum(map(_is_number, names)) > len(names):
            self.notices.append(
                Notice(
                    None,
                    f"the names of its columns look like values: {column_names.listed(names)}",
                    f"If the first line is data, add {option('header', 'none')}.",
                )
            )
        return table.rename_columns(names)

    def _refuse_web_page(self) -> None:
        with self.path.open("rb") as file:
            start = file.read(1000).removeprefix(codecs.BOM_UTF8)
        if re.match(rb"\s*<(!doctype|html)", start.lower()):
            raise DataError(
                f"Expected a table, found a web page: {self.name}. "
                "Use the address of the file itself, and check that it needs no login."
            )

    def _refuse_width(self, dialect: Dialect) -> None:
        """Refuse a file for the width of its first row."""
        with self.path.open("rb") as file:
            lines = table_limits.lines(file, self.name)
            for _ in range(dialect.first_line - 1):
                next(lines, b"")
            table_limits.refuse_wide_header(
                lines, self.name, dialect.separator if dialect.is_plain else " "
            )

    def _undecodable(self, dialect: Dialect) -> DataError | None:
        """Find the first byte that is no text, if any."""
        if dialect.encoding != "utf-8":
            try:
                with self.path.open(encoding=dialect.encoding) as text:
                    while text.read(_BLOCK_BYTES):
                        pass
            except UnicodeError as error:
                return DataError(
                    f"Expected text in {dialect.encoding}, found other bytes ({error}): "
                    f"{self.name}. Correct -P encoding."
                )
            return None
        with self.path.open("rb") as file:
            for number, line in enumerate(table_limits.lines(file, self.name), 1):
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    likely = encodings.likely_encoding(self.path)
                    return DataError(
                        f"Expected UTF-8 text, found byte 0x{line[error.start]:02x} in line "
                        f"{number}, byte {error.start + 1}: {self.name}. It is probably {likely}: "
                        f"add {option('encoding', likely)}, or save it as UTF-8."
                    )
        return None

    def _of_wide_letters(self) -> DataError:
        likely = encodings.likely_encoding(self.path)
        return DataError(
            f"Expected UTF-8 text, found a zero byte beside every letter: {self.name}. It is "
            f"probably {likely}: add {option('encoding', likely)}, or save it as UTF-8."
        )

    def _shape(self, dialect: Dialect) -> rectangles.Shape:
        has_names = self.options.header > 0
        try:
            shape = rectangles.measure(dialect.rows(self.path), has_names=has_names)
        except dialects.QuoteError as error:
            raise DataError(
                f"Expected every quoted value to end, found one in the row of line {error.line} "
                f"that does not ({error}): {self.name}. Close the quote."
            ) from error
        if shape.rows == 0:
            raise no_rows(self.name)
        if not self.allow_large:
            table_limits.refuse_columns(shape.width, self.name)
        if shape.too_wide:
            line, found = shape.too_wide
            raise DataError(
                f"Expected {shape.header} columns as in the header, found {found} in line "
                f"{line}: {self.name}. Fix that line; quote values with separators. "
                "If the names are in another line, give its number: -P header=2, or none."
            )
        return shape

    def _unknown(self, error: Exception) -> DataError:
        return DataError(
            f"Expected a CSV table, found what Arrow cannot read: {self.name} "
            f"({str(error)[:100]}). Write it again."
        )


def _with_decimals(table: pa.Table, decimal: str) -> pa.Table:
    """Mark the columns with fractions in a file whose decimal sign is no point."""
    import pyarrow as pa
    from pyarrow import types

    if decimal == ".":
        return table
    written = Written(style=Style(decimal=decimal))
    fields = [written.marked(f) if types.is_floating(f.type) else f for f in table.schema]
    return pa.table(table.columns, schema=pa.schema(fields))


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def no_rows(name: str) -> DataError:
    """Return the error for a table without rows."""
    return DataError(
        f"Expected rows of data after the column names, found none: {name}. Check the file."
    )


def _ends_in_line_break(table: pa.Table) -> bool:
    """Return whether a quoted value may contain the rest of the file, which Arrow accepts."""
    last = table.column(-1)[-1].as_py() if table.num_rows else None
    return isinstance(last, str) and bool({"\n", "\r"} & set(last))
