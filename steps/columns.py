"""One column of a table as a model takes it: as a feature, or as the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reprise.errors import DataError
from reprise.record import lists
from reprise.visible import option
from steps.tasks import CLASSIFICATION, REGRESSION, Task

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_SECONDS_PER_DAY = 86_400


def contiguous(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one chunk, without a copy where it is one."""
    # combine_chunks copies even a single chunk
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def text_codes(column: pa.ChunkedArray) -> np.ndarray:
    """Return each text's place among the different texts of a column; -1 for a missing one."""
    codes: np.ndarray = (
        contiguous(column).dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    )
    return codes


def feature(name: str, column: pa.ChunkedArray) -> pa.Array:
    """Convert a column to a feature: float32, float64 or text, with nulls for missing values.

    Raises
    ------
    DataError
        If it holds infinite numbers, or is of another type.
    """
    import pyarrow as pa
    from pyarrow import types

    kind, column = column.type, contiguous(column)
    if types.is_float32(kind) or types.is_float64(kind):
        return _finite_or_missing(name, column)
    if types.is_null(kind) or types.is_boolean(kind) or types.is_integer(kind):
        return column.cast(pa.float64(), safe=False)  # beyond 2**53 rounded, like any float
    if types.is_decimal(kind) or types.is_floating(kind):
        return _finite_or_missing(name, column.cast(pa.float64()))
    if types.is_date(kind) or types.is_timestamp(kind):
        return _days(column)
    if types.is_time(kind) or types.is_duration(kind):
        return _seconds(column)
    if is_text(kind):
        return column.cast(pa.string())
    raise DataError(
        f"Expected numbers, booleans, dates, times or text in column {name!r}, found {kind}. "
        f"Convert it, or leave it out: {option('drop', lists.joined([name]))}."
    )


def is_text(kind: pa.DataType) -> bool:
    """Return whether values of a type are read as text; the codes of categories mean nothing."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return is_text(kind.value_type) or types.is_integer(kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _finite_or_missing(name: str, column: pa.Array) -> pa.Array:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not column.null_count and np.isfinite(column.to_numpy()).all():  # most columns
        return column
    infinite = pc.sum(pc.is_inf(column)).as_py()
    if infinite:
        raise DataError(
            f"Expected finite numbers in column {name!r}, found {infinite} infinite. "
            f"Replace them, or leave it out: {option('drop', lists.joined([name]))}."
        )
    missing = pc.is_nan(column)
    if not pc.any(missing).as_py():
        return column
    return pc.if_else(missing, pa.scalar(None, column.type), column)


def _days(column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    if types.is_date32(column.type):
        return column.cast(pa.int32()).cast(pa.float64())
    unit = "ms" if types.is_date64(column.type) else column.type.unit
    units = column.cast(pa.int64()).cast(pa.float64(), safe=False)  # since 1970, in UTC
    return pc.divide(units, float(_UNITS_PER_SECOND[unit] * _SECONDS_PER_DAY))


def _seconds(column: pa.Array) -> pa.Array:
    """Convert times of day, since midnight, and durations."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    whole = pa.int32() if types.is_time32(column.type) else pa.int64()
    units = column.cast(whole).cast(pa.float64(), safe=False)
    return pc.divide(units, float(_UNITS_PER_SECOND[column.type.unit]))


def labels(name: str, column: pa.ChunkedArray, task: Task = CLASSIFICATION) -> pa.Array:
    """Convert a column to labels: text, int64 or bool of classes, float64 of a regression.

    Raises
    ------
    DataError
        If one is missing, it is of another type, a class is fractional, or all are equal.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    kind, labels = column.type, contiguous(column)
    if types.is_floating(kind) or types.is_decimal(kind):
        labels = _finite_or_missing(name, labels.cast(pa.float64()))
    elif is_text(kind):
        labels = labels.cast(pa.string())
    elif not (types.is_integer(kind) or types.is_boolean(kind) or types.is_null(kind)):
        raise DataError(
            f"Expected text, whole numbers or booleans in target {name!r}, found {kind}. "
            "Name another target."
        )
    if labels.null_count:
        first = pc.index(labels.is_null(), value=True).as_py() + 1
        raise DataError(
            f"Expected a label in every row of target {name!r}, found {labels.null_count} of "
            f"{len(labels)} missing, the first in row {first} below the column names. "
            "Add -P drop_missing_labels=true, or name another target."
        )
    if task == REGRESSION:
        return _numbers(name, labels)
    if types.is_floating(labels.type) or types.is_integer(labels.type):
        labels = _whole(name, labels)
    if pc.count_distinct(labels).as_py() == 1:
        raise DataError(
            f"Expected two or more classes in target {name!r}, found only {labels[0]}. "
            "Name another target, or add rows of another class."
        )
    return labels


def _numbers(name: str, labels: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    kind = labels.type
    if not (types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind)):
        raise DataError(
            f"Expected numbers in target {name!r} of a regression, found {kind}. "
            "Use -P task=classification, or name another target."
        )
    numbers = labels.cast(pa.float64(), safe=False)  # beyond 2**53 rounded, like any float
    if pc.count_distinct(numbers).as_py() == 1:
        raise DataError(
            f"Expected different numbers in target {name!r}, found only {numbers[0]}. "
            "Name another target."
        )
    return numbers


def _whole(name: str, labels: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    # floor would turn integers into floats, and has nothing to find in them
    is_float = types.is_floating(labels.type)
    fractional = labels.filter(pc.not_equal(labels, pc.floor(labels))) if is_float else []
    if len(fractional):
        raise DataError(
            f"Expected classes in target {name!r}, found {pc.count_distinct(fractional)} distinct "
            "fractional values. Use -P task=regression, name another target, or bin its values."
        )
    try:
        return labels.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise DataError(
            f"Expected 64-bit whole numbers in target {name!r}, found {pc.max(pc.abs(labels))}. "
            "Name another target, or store its labels as text."
        ) from error
