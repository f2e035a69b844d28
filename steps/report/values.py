"""One column of a table, with what its description and its checks have in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from reprise.visible import visible
from steps import columns

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SAMPLE = 100_000  # rows; of a longer table, values are counted in a sample of this size
_LONGEST = 60  # characters of a cell that is shown
_SEED = 0  # of the sample: the same rows each time

TEXT, WHOLE, NUMBER, EMPTY = "text", "whole number", "number", "empty"


def sampled_rows(rows: int, most: int = SAMPLE) -> np.ndarray | None:
    """Return the sorted positions of a sample of a table's rows; None: all of them."""
    import numpy as np

    if rows <= most:
        return None
    return np.sort(np.random.default_rng(_SEED).choice(rows, most, replace=False))


@lru_cache
def kind_of(kind: pa.DataType) -> str:
    """Name a column's type in words; a type that no step can train on keeps Arrow's name."""
    from pyarrow import types

    words = {
        EMPTY: types.is_null,
        "true or false": types.is_boolean,
        WHOLE: types.is_integer,
        NUMBER: lambda k: types.is_floating(k) or types.is_decimal(k),
        "date": types.is_date,
        "date and time": types.is_timestamp,
        "time of day": types.is_time,
        "duration": types.is_duration,
        TEXT: columns.is_text,
    }
    return next((word for word, matches in words.items() if matches(kind)), str(kind))


def cell(value: Any) -> str:
    """Write a value of a cell on one line, cut where it is long."""
    if isinstance(value, bool):
        value = str(value).lower()
    text = visible(f"{value:.6g}" if isinstance(value, float) else str(value)[: _LONGEST + 1])
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def cell_of(scalar: pa.Scalar) -> str:
    """Write a cell of a table on one line; a time in a zone in UTC, as the zone may be unknown."""
    import pyarrow as pa
    from pyarrow import types

    kind = scalar.type
    if types.is_timestamp(kind) and kind.tz:
        return f"{cell_of(scalar.cast(pa.timestamp(kind.unit)))}+00:00"
    try:
        return cell(scalar.as_py())
    except (OverflowError, ValueError):  # beyond the years of Python's calendar
        return cell(scalar.value)


@dataclass(frozen=True)
class Values:
    """A column as read, and what is counted of it once; of a long table, in a sample.

    Attributes
    ----------
    name : str
    kind : str
        The column's type in words.
    rows, missing : int
        Cells of the column, and those without a value, NaN among them.
    sample : pyarrow.ChunkedArray
        The cells of the sampled rows that have a value: text as string.
    sampled : int
        Cells of the sampled rows.
    numbers : ndarray or None
        The finite numbers of the sample; dates, times and truth values as numbers.
    texts : (Array, ndarray) or None
        The distinct texts of the sample in order of appearance, and how often each occurs.
    distinct : int or None
        Number of distinct values in the sample; None: they cannot be counted.
    """

    name: str
    kind: str
    rows: int
    missing: int
    sample: pa.ChunkedArray
    sampled: int
    numbers: np.ndarray | None
    texts: tuple[pa.Array, np.ndarray] | None
    distinct: int | None

    @classmethod
    def of(cls, name: str, column: pa.ChunkedArray, rows: np.ndarray | None) -> Values:
        """Count the values of a column in the sampled rows; None: in all rows."""
        import pyarrow as pa

        kind = kind_of(column.type)
        sample = column if rows is None else column.take(pa.array(rows))
        sampled = len(sample)
        if kind == TEXT:
            sample = _as_text(sample)
        if sample.null_count:
            sample = sample.drop_null()
        numbers = texts = distinct = None
        if kind == TEXT:
            texts = _counted(sample)
            distinct = len(texts[0])
        elif _is_numeric(column.type):
            numbers = _numbers(sample)
            sample = sample if len(numbers) == len(sample) else _without_nans(sample)
            distinct = _count_distinct(numbers)
        elif kind == EMPTY:
            distinct = 0
        missing = column.null_count + _nans(column, numbers if rows is None else None)
        return cls(
            name,
            kind,
            len(column),
            missing,
            sample,
            sampled,
            numbers,
            texts,
            distinct,
        )

    @property
    def present(self) -> int:
        """Number of cells with a value."""
        return self.rows - self.missing

    @property
    def is_sampled(self) -> bool:
        """Whether only some of the rows were looked at."""
        return self.sampled < self.rows

    @property
    def share_distinct(self) -> float:
        """Distinct values of the sample among its cells that have one."""
        return (self.distinct or 0) / max(len(self.sample), 1)

    @property
    def example(self) -> str | None:
        """The first value, as text; None: there is none."""
        return cell_of(self.sample[0]) if len(self.sample) and self.present else None


def _without_nans(sample: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc
    from pyarrow import types

    if not (types.is_float32(sample.type) or types.is_float64(sample.type)):
        return sample
    return sample.filter(pc.invert(pc.is_nan(sample)))


def _as_text(sample: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    return sample if types.is_string(sample.type) else pc.cast(sample, pa.string())


def _counted(texts: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    import pyarrow.compute as pc

    counted = pc.value_counts(texts)
    return counted.field(0), counted.field(1).to_numpy()


@lru_cache
def _is_numeric(kind: pa.DataType) -> bool:
    """Return whether values of a type have an order and a distance."""
    from pyarrow import types

    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or (types.is_temporal(kind) and not types.is_interval(kind))
    )


def _numbers(present: pa.ChunkedArray) -> np.ndarray:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    kind = present.type
    if types.is_temporal(kind):
        present = pc.cast(present, pa.int64() if kind.bit_width == 64 else pa.int32())  # noqa: PLR2004
    elif types.is_boolean(kind):
        present = pc.cast(present, pa.int8())
    elif types.is_decimal(kind):
        present = pc.cast(present, pa.float64())
    values: np.ndarray = present.to_numpy()
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        values = values if finite.all() else values[finite]
    return values


def _count_distinct(numbers: np.ndarray) -> int:
    import numpy as np

    ordered = np.sort(numbers)  # np.unique does the same, and costs twice as much for few values
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1 if len(ordered) else 0


def _nans(column: pa.ChunkedArray, finite: np.ndarray | None) -> int:
    """Count the cells that are not a number; `finite` are all that are one, where it is known."""
    import pyarrow.compute as pc
    from pyarrow import types

    if not (types.is_float32(column.type) or types.is_float64(column.type)):
        return 0
    if finite is not None and len(finite) + column.null_count == len(column):
        return 0
    return int(pc.sum(pc.is_nan(column)).as_py() or 0)
