"""How a file of separated values is written: separator, decimal sign, comments."""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reprise.data.encodings import SAMPLE_BYTES
from reprise.data.notices import Notice
from reprise.data.read_options import AUTO, SEPARATORS, WHITESPACE
from reprise.data.table_limits import LINE_BYTES
from reprise.errors import DataError
from reprise.visible import option

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from reprise.data.read_options import ReadOptions

_SAMPLE_ROWS = 100
_CANDIDATES = (",", ";", "\t", "|")
_WORDS = {"\t": "tab", " ": "space"}
_MOST = 0.9  # part of the rows that must agree where a file is ragged
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+(e[+-]?\d+)?\s*", re.IGNORECASE)
_DECIMAL_POINT = re.compile(r"\s*[+-]?\d*\.\d+(e[+-]?\d+)?\s*", re.IGNORECASE)


class QuoteError(Exception):
    """A quoted value does not end, in the row that starts in a line."""

    def __init__(self, line: int, error: csv.Error) -> None:
        super().__init__(str(error))
        self.line = line


@dataclass(frozen=True)
class Dialect:
    """How the values of a file are separated.

    Attributes
    ----------
    separator : str
        One character, or `WHITESPACE`.
    decimal : str
        "." or ",".
    encoding : str
        As Python names it.
    comment : str or None
        Character that starts a comment.
    first_line : int
        Line of the names, or of the first row, counted from 1.
    width : int
        Number of values in that line, as far as its start shows.
    """

    separator: str
    decimal: str = "."
    encoding: str = "utf-8"
    comment: str | None = None
    first_line: int = 1
    width: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether Arrow can read the file as it is."""
        return self.comment is None and self.separator != WHITESPACE

    def rows(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        """Read the rows of a file that are not empty, each with the number of its line.

        Raises
        ------
        QuoteError
            If a quote does not end.
        UnicodeError
            If the file has another encoding.
        """
        encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        with path.open(encoding=encoding, newline="") as file:
            yield from self._split(file, strict=True)

    def _split(self, lines: Iterable[str], *, strict: bool) -> Iterator[tuple[int, list[str]]]:
        csv.field_size_limit(LINE_BYTES)  # Python's own limit is 128 KiB
        any_space = self.separator == WHITESPACE
        rows = csv.reader(
            self._cleaned(lines),
            delimiter=" " if any_space else self.separator,
            skipinitialspace=any_space,
            strict=strict,
        )
        line = 1
        try:
            for row in rows:
                if row:
                    yield line, row
                line = rows.line_num + 1
        except csv.Error as error:
            raise QuoteError(line, error) from error

    def _cleaned(self, lines: Iterable[str]) -> Iterator[str]:
        """Blank the lines before the first one, and comments; one kind of space is enough."""
        for number, line in enumerate(lines, 1):
            if number < self.first_line:
                yield "\n"
                continue
            if self.comment and self.comment in line:
                line = _without_comment(line, self.comment)  # noqa: PLW2901 - the same line
            yield line.strip().replace("\t", " ") + "\n" if self.separator == WHITESPACE else line


def _without_comment(line: str, sign: str) -> str:
    """Cut a comment off; its sign between quotes starts none."""
    pieces = line.split('"')
    for place in range(0, len(pieces), 2):
        before, found, _ = pieces[place].partition(sign)
        if found:
            return '"'.join([*pieces[:place], before]).rstrip() + "\n"
    return line


def detect(
    path: Path, name: str, own: str | None, options: ReadOptions, notices: list[Notice]
) -> Dialect:
    """Return how a file is written: as the user says, else as its first lines show.

    Parameters
    ----------
    path : Path
    name : str
        Path or address that the user gave.
    own : str or None
        The separator that goes with the file's extension.
    options : ReadOptions
    notices : list of Notice
        Gets a notice if the separator or the decimal sign is not the usual one.

    Raises
    ------
    DataError
        If the separator is not clear.
    """
    encoding = "utf-8" if options.encoding == AUTO else codecs.lookup(options.encoding).name
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    whole = len(sample) < SAMPLE_BYTES
    text = sample.decode(encoding, "replace").removeprefix("\ufeff")
    lines = list(io.StringIO(text, newline=""))
    lines = lines if whole or len(lines) == 1 else lines[:-1]
    first = max(options.header, 1)

    def dialect(separator: str, decimal: str = ".") -> Dialect:
        return Dialect(separator, decimal, encoding, options.comment, first)

    def rows(separator: str) -> list[list[str]]:
        return _sampled(dialect(separator), lines)

    asked = options.separator != AUTO
    separator = SEPARATORS.get(options.separator, options.separator)
    if not asked:
        separator = _separator({s: rows(s) for s in (*_CANDIDATES, WHITESPACE)}, own, name)
    decimal = options.decimal
    if decimal == AUTO:
        may_be_comma = separator != "," != options.thousands and (asked or separator != own)
        decimal = "," if may_be_comma and _has_decimal_commas(rows(separator)) else "."
    if not asked and own and separator != own:
        commas = " and decimal commas" if decimal == "," else ""
        notices.append(
            Notice(
                None,
                f"the file has {_described(separator)} between its columns{commas}, other than "
                "its extension says",
                f"To have it on the record, add {option('separator', _word(separator))}"
                + (" -P decimal=,." if commas else "."),
            )
        )
    if decimal == options.thousands:
        raise DataError(
            f"Expected different characters for `thousands` and `decimal`, found {decimal!r} for "
            f"both: {name}. Correct one."
        )
    width = max(map(len, rows(separator)[:1]), default=0)
    return replace(dialect(separator, decimal), width=width)


def _sampled(dialect: Dialect, lines: list[str]) -> list[list[str]]:
    found = []
    for _, row in dialect._split(lines, strict=False):  # noqa: SLF001 - of this module
        found.append(row)
        if len(found) == _SAMPLE_ROWS:
            break
    return found


def _separator(rows: dict[str, list[list[str]]], own: str | None, name: str) -> str:
    """Return the extension's own separator if it fits the rows, else the one that does."""
    if own and (_is_even(rows[own]) or not rows[own]):
        return own
    even = [s for s in _CANDIDATES if _is_even(rows[s])]
    if even:
        return max(even, key=lambda s: len(rows[s][0]))
    split = [s for s in _CANDIDATES if rows[s] and len(rows[s][0]) > 1]
    if own in split:
        return str(own)
    even = [s for s in split if _is_even(rows[s], _MOST)]
    if even:
        return max(even, key=lambda s: len(rows[s][0]))
    spaced = rows[WHITESPACE]
    if _is_even(spaced, _MOST) and (own is None or all(map(_has_number, spaced[1:]))):
        return WHITESPACE
    if own and not split:
        return own
    found = " or ".join(_described(s) for s in split) or "none that divides every row alike"
    usual = f"{_described(own)}" if own else "commas, semicolons, tabs, bars or spaces"
    advice = option("separator", _word(split[0] if split else ";"))
    raise DataError(
        f"Expected {usual} between the columns of {name}, found {found}. "
        f"Give the separator, for example {advice}, or convert the file."
    )


def _is_even(rows: list[list[str]], part: float = 1.0) -> bool:
    """Return whether rows have the same number of values, which is more than one."""
    width = len(rows[0]) if rows else 0
    return width > 1 and sum(len(row) == width for row in rows) >= part * len(rows)


def _has_number(row: list[str]) -> bool:
    return any(re.fullmatch(r"[+-]?\d+([.,]\d+)?", cell) for cell in row)


def _has_decimal_commas(rows: list[list[str]]) -> bool:
    cells = [cell for row in rows for cell in row]
    return any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells) and not any(
        _DECIMAL_POINT.fullmatch(cell) for cell in cells
    )


def _described(separator: str) -> str:
    return {"\t": "tabs", WHITESPACE: "spaces", ",": "commas"}.get(separator, repr(separator))


def _word(separator: str) -> str:
    return _WORDS.get(separator, separator)
