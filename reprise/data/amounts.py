"""Numbers as people write them: with thousands separators, percent signs and currencies."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reprise.data.read_options import AUTO
from reprise.visible import option

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from reprise.data.read_options import ReadOptions

_CODES = (
    "AED|ARS|AUD|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EGP|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|KES|KRW|MXN|"
    "MYR|NGN|NOK|NZD|PEN|PHP|PKR|PLN|RON|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR"
)
_CURRENCY = rf"(\p{{Sc}}|[A-Z]{{1,2}}\p{{Sc}}|{_CODES}|kr|zł|Kč|Ft)"
# Points between thousands, of which a plain number has none: 1.234.567, but not 1234.567.
_GROUPS_OF_POINTS = [
    (
        rf"^([^0-9]*[0-9]{{1,3}}){inner * r'[.]([0-9]{2,3})'}[.]([0-9]{{3}})([^0-9.]|$)",
        "".join(rf"\{place}" for place in range(1, inner + 4)),
    )
    for inner in range(6, -1, -1)
]
_SPACES = "[ \u00a0\u202f]"  # also those that cannot break, which typesetters use


@dataclass(frozen=True, kw_only=True)
class Style:
    """How numbers are written."""

    decimal: str = "."
    thousands: str | None = None
    percent: bool = False
    currency: bool = False

    @classmethod
    def of(cls, options: ReadOptions) -> Style:
        """Return the style that a user describes; amounts of money group their digits."""
        decimal = "." if options.decimal == AUTO else options.decimal
        thousands = options.thousands
        if options.currency and thousands is None:
            thousands = "," if decimal == "." else "."
        return cls(
            decimal=decimal,
            thousands=thousands,
            percent=options.percent,
            currency=options.currency,
        )

    @property
    def is_needed(self) -> bool:
        """Whether it takes more than what the reader of a file converts."""
        return bool(self.thousands or self.percent or self.currency)

    @property
    def _pattern(self) -> str:
        mark = re.escape(self.decimal)
        digits = "[0-9]+"
        if self.thousands:
            sign = self._thousands
            digits = f"([0-9]+|[1-9][0-9]{{0,2}}({sign}[0-9]{{2,3}})*{sign}[0-9]{{3}})"
        number = rf"({digits}({mark}[0-9]*)?|{mark}[0-9]+)"
        power = "[eE][+-]?[0-9]+"
        number += rf"({power}|{_SPACES}*%)?" if self.percent else rf"({power})?"
        if self.currency:
            number = rf"({_CURRENCY}{_SPACES}*)?[+-]?{number}({_SPACES}*{_CURRENCY})?"
            return rf"^\s*([+-]?{number}|\({number}\))\s*$"
        return rf"^\s*[+-]?{number}\s*$"

    @property
    def _thousands(self) -> str:
        return _SPACES if self.thousands == " " else re.escape(str(self.thousands))

    def matching(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return, for each value, whether it is a number of this style."""
        import pyarrow.compute as pc

        return pc.match_substring_regex(column, self._pattern)

    def matches(self, column: pa.ChunkedArray) -> bool:
        """Return whether every value that is not missing is a number of this style."""
        import pyarrow.compute as pc

        start = column.slice(0, 1000)  # a column of other text is known by then
        return bool(
            pc.all(self.matching(start)).as_py() is not False
            and column.null_count < len(column)
            and pc.all(self.matching(column)).as_py()
        )

    @property
    def substitutions(self) -> list[tuple[str, str]]:
        """Patterns of RE2 and their replacements, which make one of this style a plain number."""
        steps = []
        if self.currency:
            steps += [(r"^\s*\((.*)\)\s*$", r"-\1"), (_CURRENCY, "")]
        if self.thousands:
            steps += _GROUPS_OF_POINTS if self.thousands == "." else [(self._thousands, "")]
        steps.append((r"[\s\x{00a0}\x{202f}+]", ""))
        if self.decimal != ".":
            steps.append((re.escape(self.decimal), "."))
        return [*steps, ("%", "e-2")] if self.percent else steps

    def numbers(self, column: pa.ChunkedArray) -> pa.ChunkedArray | None:
        """Convert a column of text to numbers; None if a value is of another style."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.matches(column):
            return None
        plain = column
        for pattern, replacement in self.substitutions:
            plain = pc.replace_substring_regex(plain, pattern, replacement)
        try:
            return plain.cast(pa.int64() if not self.percent else pa.float64())
        except pa.ArrowInvalid:
            return plain.cast(pa.float64())


def other_styles(options: ReadOptions) -> Iterator[tuple[str, str, str, Style]]:
    """Yield each option not used yet: its name, its words, itself as text, and its style."""
    own = Style.of(options)
    group = own.thousands or ("," if own.decimal == "." else ".")
    grouped = replace(own, thousands=group)
    if not own.thousands:
        yield "thousands", f"{group!r} between thousands", option("thousands", group), grouped
    if options.decimal == AUTO:
        yield (
            "decimal",
            "decimal commas",
            option("decimal", ","),
            replace(own, decimal=",", thousands=None),
        )
    if not own.percent:
        yield "percent", "percent signs", option("percent", "true"), replace(own, percent=True)
    if not own.currency:
        in_money = replace(grouped, currency=True)
        yield "currency", "currencies", option("currency", "true"), in_money
