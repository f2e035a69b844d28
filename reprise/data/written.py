"""How a file writes the values of a column where they are not plain numbers or text.

It is kept with the column, so that a model can read what `pandas.read_csv` makes of the file.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from reprise.data import times
from reprise.data.amounts import Style
from reprise.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_PLAIN = Style()
Kind = Literal["number", "clock", "duration", "text"]
_KINDS = ("number", "clock", "duration", "text")
_KEY = b"reprise.written"  # of a column's metadata
_NO_VALUE = r"^\s*(None|<NA>|NaT|nan|NaN)?\s*$"  # what NumPy writes for a missing value
_NAN = "nan"


@dataclass(frozen=True, kw_only=True)
class Written:
    """How the values of a column are written.

    Attributes
    ----------
    kind : {"number", "clock", "duration", "text"}
        Numbers of a style; times of day and durations in text or as `datetime.time`; durations as
        pandas has them; or text.
    style : Style
        Of numbers.
    na_values : tuple of str
        What stands for a missing value.
    """

    kind: Kind = "number"
    style: Style = _PLAIN
    na_values: tuple[str, ...] = ()

    @classmethod
    def of(cls, field: pa.Field) -> Written | None:
        """Return how a column is written, or None: as pandas reads it by itself.

        Raises
        ------
        DataError
            If its metadata are no such description.
        """
        text = (field.metadata or {}).get(_KEY)
        if text is None:
            return None
        try:
            return cls._of_json(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise DataError(
                f"Expected how column {field.name!r} is written, found other metadata. "
                "Load the data again."
            ) from None

    @classmethod
    def _of_json(cls, found: dict[str, Any]) -> Written:
        style = Style(**found["style"])
        texts = [style.decimal, style.thousands or "", *found["na_values"]]
        if found["kind"] not in _KINDS or not all(isinstance(text, str) for text in texts):
            raise ValueError
        return cls(kind=found["kind"], style=style, na_values=tuple(found["na_values"]))

    def marked(self, field: pa.Field) -> pa.Field:
        """Return a column's field that says so."""
        text = json.dumps(asdict(self), sort_keys=True).encode()
        return field.with_metadata({**(field.metadata or {}), _KEY: text})

    @property
    def substitutions(self) -> list[tuple[str, str]]:
        """Patterns of RE2 and their replacements, which make values as NumPy writes them plain.

        A number becomes one that Python reads, a time what `pandas.to_timedelta` takes; a number
        of seconds is a time, too.
        """
        missing = [(_NO_VALUE, _NAN), *((_matching(text), _NAN) for text in self.na_values)]
        if self.kind == "clock":
            return [*missing, (r"^(-?[0-9]+(?:\.[0-9]*)?)$", r"\1s"), *times.SUBSTITUTIONS]
        return [*missing, *self.style.substitutions]


def _matching(marker: str) -> str:
    """Return a pattern of a marker, also as NumPy writes it if it is a number: -999.0."""
    fraction = r"(\.0*)?" if re.fullmatch(r"\s*[+-]?[0-9]+\s*", marker) else ""
    return rf"^{re.escape(marker)}{fraction}$"


def unmarked(table: pa.Table) -> pa.Table:
    """Return a table that says of no column how it is written: a typed file cannot know it."""
    import pyarrow as pa

    if not any(_KEY in (field.metadata or {}) for field in table.schema):
        return table
    kept = [{k: v for k, v in (f.metadata or {}).items() if k != _KEY} for f in table.schema]
    fields = [f.with_metadata(m) for f, m in zip(table.schema, kept, strict=True)]
    return pa.table(table.columns, schema=pa.schema(fields, table.schema.metadata))
