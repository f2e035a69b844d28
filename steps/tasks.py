"""What is predicted: classes, or numbers.

The target of a regression is float64, and labels of classes never are: a table holds its task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Task = Literal["classification", "regression"]
CLASSIFICATION: Task = "classification"
REGRESSION: Task = "regression"

_MANY_VALUES = 20  # different whole numbers of a large table that may still be classes
_SOME_VALUES = 10  # the same, where most rows have a number of their own


def of_labels(labels: np.ndarray[Any, Any]) -> Task:
    """Return the task of which these are the labels.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
    """
    return REGRESSION if labels.dtype.kind == "f" else CLASSIFICATION


def of_table(table: pa.Table) -> Task:
    """Return the task of a prepared table, whose target is its last column."""
    from pyarrow import types

    return REGRESSION if types.is_floating(table.schema.types[-1]) else CLASSIFICATION


def of_target(target: pa.ChunkedArray) -> tuple[Task, str]:
    """Return the task that the values of a target suggest, and why.

    Parameters
    ----------
    target : pyarrow.ChunkedArray
        As read: numbers suggest a regression if any has a fraction, or if there are many of them.

    Returns
    -------
    task : {"classification", "regression"}
    reason : str
        Such as "60 different whole numbers".
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    kind = target.type
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        return CLASSIFICATION, f"{pc.count_distinct(target).as_py()} different values"
    numbers = target if types.is_integer(kind) else target.cast(pa.float64()).drop_null()
    if not types.is_integer(kind):
        numbers = numbers.filter(pc.is_finite(numbers))
        if pc.any(pc.not_equal(numbers, pc.floor(numbers))).as_py():
            return REGRESSION, "numbers with fractions"
    distinct = pc.count_distinct(numbers).as_py()
    most_differ = distinct > _SOME_VALUES and 2 * distinct > len(numbers)
    task = REGRESSION if distinct > _MANY_VALUES or most_differ else CLASSIFICATION
    return task, f"{distinct} different whole numbers"
