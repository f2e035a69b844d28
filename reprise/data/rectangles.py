"""Rows of different lengths: measure them, and write them again with one length, as pandas reads.

A row that is shorter than the header misses its last values; values beyond the header that are
empty mean nothing; one more value in every row than names is R's way to write row names.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reprise.data.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Shape:
    """The lengths of the rows of a file.

    Attributes
    ----------
    header : int
        Number of names, or of values in the first row of a file without names.
    width : int
        Number of columns of the table.
    rows : int
        Number of rows without the names.
    short, long : tuple of int
        Number of rows with fewer values, and with more, that are empty; line of the first of them.
    too_wide : tuple of int, or None
        Line and length of the first row that does not fit.
    """

    header: int
    width: int
    rows: int
    short: tuple[int, int]
    long: tuple[int, int]
    too_wide: tuple[int, int] | None

    @property
    def has_row_names(self) -> bool:
        """Whether every row starts with its name, for which the header has none."""
        return self.width > self.header

    @property
    def is_ragged(self) -> bool:
        """Whether the rows differ from the header."""
        return bool(self.short[0] or self.long[0] or self.has_row_names)

    def notices(self) -> list[Notice]:
        """Return what the owner of the table should know."""
        found = []
        for (count, line), words, meaning in (
            (self.short, "fewer", "missing values at the end"),
            (self.long, "more", "nothing: what is beyond the header is empty"),
        ):
            if count:
                text = (
                    f"{count:,} of {self.rows:,} rows have {words} values than the header has "
                    f"names, the first in line {line}"
                )
                advice = f"They are read as {meaning}; correct the file if that is wrong."
                found.append(Notice(None, text, advice))
        return found


def measure(rows: Iterator[tuple[int, list[str]]], *, has_names: bool) -> Shape:
    """Measure rows, given with the numbers of their lines.

    Raises
    ------
    QuoteError
        If a quote does not end.
    """
    first = next(rows, (1, []))
    header = len(first[1])
    count = short = long = wider = 0
    short_line = long_line = 0
    too_wide: tuple[int, int] | None = None
    names: set[str] = set()
    if not has_names:
        count = bool(header)
    for line, row in rows:
        count += 1
        if len(row) < header:
            short_line = short_line or line
            short += 1
        elif len(row) > header:
            if not any(row[header:]):
                long_line = long_line or line
                long += 1
                continue
            too_wide = too_wide or (line, len(row))
            if len(row) == header + 1 and wider == len(names):
                names.add(row[0])
                wider += 1
    has_row_names = has_names and count > 1 and wider == count == len(names)
    return Shape(
        header=header,
        width=header + has_row_names,
        rows=count,
        short=(short, short_line),
        long=(long, long_line),
        too_wide=None if has_row_names else too_wide,
    )


def write(rows: Iterator[tuple[int, list[str]]], shape: Shape, path: Path) -> None:
    """Write rows as a CSV file in which all have the same number of values."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for place, (_, row) in enumerate(rows):
            full = ["", *row] if place == 0 and shape.has_row_names else row
            writer.writerow([*full[: shape.width], *[""] * (shape.width - len(full))])
