"""One column of a table, with what its description and its checks have in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reprise.visible import visible

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SAMPLE = 100_000  # rows; of a longer table, values are counted in a sample of this size
_LONGEST = 60  # characters of a cell that is shown
_SEED = 0  # of the sample: the same rows each time

TEXT, WHOLE, NUMBER, EMPTY = "text", "whole number", "number", "empty"
DATE, TIMESTAMP = "date", "date and time"


def sampled_rows(rows: int, most: int = SAMPLE) -> np.ndarray | None:
    """Return the sorted positions of a sample of a table's rows; None: all of them."""
    import numpy as np

    if rows <= most:
        return None
    return np.sort(np.random.default_rng(_SEED).choice(rows, most, replace=False))


def kind_of(kind: pa.DataType) -> str:
    """Name a column's type in words; a type that no step can train on keeps Arrow's name."""
    from pyarrow import types

    words = {
        EMPTY: types.is_null,
        "true or false": types.is_boolean,
        WHOLE: types.is_integer,
        NUMBER: lambda k: types.is_floating(k) or types.is_decimal(k),
        DATE: types.is_date,
        TIMESTAMP: types.is_timestamp,
        "time of day": types.is_time,
        "duration": types.is_duration,
        TEXT: _is_text,
    }
    return next((word for word, matches in words.items() if matches(kind)), str(kind))


def _is_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_text(kind.value_type) or types.is_integer(kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def cell(value: Any) -> str:
    """Write a value of a cell on one line, cut where it is long."""
    text = visible(f"{value:.6g}" if isinstance(value, float) else str(value)[: _LONGEST + 1])
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


@dataclass(frozen=True)
class Values:
    """A column as read, and a sample of it.

    Attributes
    ----------
    name : str
    kind : str
        The column's type in words.
    column : pyarrow.ChunkedArray
        All of it.
    sample : pyarrow.ChunkedArray
        The same for a short table.
    """

    name: str
    kind: str
    column: pa.ChunkedArray
    sample: pa.ChunkedArray

    @classmethod
    def of(cls, name: str, column: pa.ChunkedArray, sampled: np.ndarray | None) -> Values:
        """Take a column and the positions of the sampled rows; None: all rows."""
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyarrow import types

        kind = kind_of(column.type)
        sample = column if sampled is None else column.take(pa.array(sampled))
        if kind == TEXT and not types.is_string(column.type):
            sample = pc.cast(sample, pa.string())
        elif types.is_float16(column.type) or types.is_decimal(column.type):
            sample = pc.cast(sample, pa.float64())
        return cls(name, kind, column, sample)

    @property
    def rows(self) -> int:
        """Number of rows of the table."""
        return len(self.column)

    @cached_property
    def missing(self) -> int:
        """Number of cells without a value, NaN among them."""
        import pyarrow.compute as pc
        from pyarrow import types

        nulls = int(self.column.null_count)
        if types.is_float32(self.column.type) or types.is_float64(self.column.type):
            return nulls + int(pc.sum(pc.is_nan(self.column)).as_py() or 0)
        return nulls

    @property
    def present(self) -> int:
        """Number of cells with a value."""
        return self.rows - self.missing

    @cached_property
    def numbers(self) -> np.ndarray:
        """The finite numbers of the sample; dates, times and truth values as numbers."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyarrow import types

        present = self.sample.drop_null() if self.sample.null_count else self.sample
        if types.is_temporal(present.type):
            wide = present.type.bit_width == 64  # noqa: PLR2004
            present = pc.cast(present, pa.int64() if wide else pa.int32())
        elif types.is_boolean(present.type):
            present = pc.cast(present, pa.int8())
        values: np.ndarray = present.to_numpy()
        return values[np.isfinite(values)] if values.dtype.kind == "f" else values

    @cached_property
    def texts(self) -> tuple[pa.Array, np.ndarray]:
        """The distinct texts of the sample in order of appearance, and how often each occurs."""
        import pyarrow.compute as pc

        counted = pc.value_counts(self.sample.drop_null())
        return counted.field(0), counted.field(1).to_numpy()

    @cached_property
    def distinct(self) -> int | None:
        """Number of distinct values in the sample; None: they cannot be counted."""
        import numpy as np

        if self.present == 0:
            return 0
        if self.kind == TEXT:
            return len(self.texts[0])
        return int(np.unique(self.numbers).size) if self.is_numeric else None

    @property
    def share_distinct(self) -> float:
        """Distinct values of the sample among its cells that have one."""
        present = len(self.sample) - self.sample.null_count
        return (self.distinct or 0) / present if present else 0.0

    @cached_property
    def is_numeric(self) -> bool:
        """Whether the values have an order and a distance."""
        from pyarrow import types

        kind = self.sample.type
        return bool(
            types.is_integer(kind)
            or types.is_floating(kind)
            or types.is_boolean(kind)
            or (types.is_temporal(kind) and not types.is_interval(kind))
        )

    @cached_property
    def example(self) -> str | None:
        """The first value, as text; None: there is none."""
        if self.present == 0:
            return None
        present = self.sample.drop_null()
        return cell(present[0].as_py()) if len(present) else None
