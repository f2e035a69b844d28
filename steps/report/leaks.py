"""Features that predict the target alone: what is known only once the target is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pyarrow as pa

_SAMPLE = 20_000  # rows
_FEWEST = 20  # rows; in fewer, columns agree by chance
_FEWEST_OF_MANY_VALUES = 60  # rows, for a feature with about as many values as rows
_LEAST_ERRORS = 5  # of a guess without any feature; fewer say nothing
_BETTER = 0.02  # errors left, of those of the guess
_EXPLAINED = 0.999  # of the variance, for a number
_SEED = 0


@dataclass(frozen=True)
class Leak:
    """A feature that predicts alone, and how well in the rows that were held out."""

    name: str
    right: int  # rows predicted right; for a number, per mille of the variance
    rows: int


@dataclass(frozen=True)
class _Halves:
    """A sample of a table in two halves: values of the first predict the target of the second."""

    rows: np.ndarray  # of the table; sorted
    order: np.ndarray  # of the sample; at random
    target: np.ndarray  # in that order

    @property
    def first(self) -> int:
        return len(self.order) // 2


def leaks(table: pa.Table, *, is_regression: bool) -> Iterator[Leak]:
    """Find the features of a prepared table that predict its target alone.

    Half of the rows (of at most 20,000) predict the others: with the target of the row that has
    the nearest number, or the same text. That suffers from noise, so it finds copies of the
    target, not good features.

    Parameters
    ----------
    table : pyarrow.Table
        Features, then the target.
    is_regression : bool
        Whether the target is a quantity, not a class.
    """
    if table.num_rows < _FEWEST:
        return
    halves = _halved(table, is_regression=is_regression)
    allowed = _errors_allowed(halves, is_regression=is_regression)
    if allowed is None:
        return
    # by position: a column's name is looked for among all names
    for name, column in zip(table.column_names[:-1], table.columns, strict=False):
        codes = _codes(column, halves)
        predicted = _nearest(codes, halves, is_regression=is_regression)
        actual = halves.target[halves.first :]
        if is_regression:
            wrong = float(((predicted - actual) ** 2).sum())
        else:
            wrong = float((predicted != actual).sum())
        if wrong <= allowed and _has_evidence(codes, halves, is_regression=is_regression):
            rows = len(actual)
            yield Leak(name, rows - int(wrong) if not is_regression else rows, rows)


def _halved(table: pa.Table, *, is_regression: bool) -> _Halves:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    random = np.random.default_rng(_SEED)
    count = min(table.num_rows, _SAMPLE)
    rows = np.arange(table.num_rows)
    if count < table.num_rows:
        rows = np.sort(random.choice(rows, count, replace=False))
    order = random.permutation(count)
    target = table.column(-1).take(pa.array(rows))
    if is_regression:
        values = pc.cast(target, pa.float64()).to_numpy()
    else:
        values = target.combine_chunks().dictionary_encode().indices.to_numpy()
    return _Halves(rows, order, values[order])


def _errors_allowed(halves: _Halves, *, is_regression: bool) -> float | None:
    """Return the most errors of a feature that predicts alone; None: there is too little to say."""
    import numpy as np

    first, second = halves.target[: halves.first], halves.target[halves.first :]
    if is_regression:
        spread = float(((second - second.mean()) ** 2).sum())
        return (1 - _EXPLAINED) * spread if spread > 0 else None
    wrong = int((second != np.bincount(first).argmax()).sum())
    return _BETTER * wrong if wrong >= _LEAST_ERRORS else None


def _codes(column: pa.ChunkedArray, halves: _Halves) -> np.ndarray:
    """Return a feature's values in the order of the halves as numbers; missing is one, too."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import types

    if len(halves.rows) < len(column):
        column = column.take(pa.array(halves.rows))
    if types.is_string(column.type):
        encoded = column.combine_chunks().dictionary_encode().indices
        values = encoded.fill_null(-1).to_numpy(zero_copy_only=False).astype("float64")
    else:
        values = column.to_numpy().astype("float64")
        missing = np.isnan(values)
        if missing.any():
            values[missing] = -np.inf  # in a place of its own
    ordered: np.ndarray = values[halves.order]
    return ordered


def _nearest(codes: np.ndarray, halves: _Halves, *, is_regression: bool) -> np.ndarray:
    """Predict the target of the second half from the nearest values of the first."""
    import numpy as np

    first = halves.first
    order = np.argsort(codes[:first], kind="stable")
    known, answers = codes[:first][order], halves.target[:first][order]
    asked = codes[first:]
    right = np.minimum(np.searchsorted(known, asked), first - 1)
    left = np.maximum(right - 1, 0)
    with np.errstate(invalid="ignore"):  # between two missing values
        below, above = asked - known[left], known[right] - asked
    at_left = ~(above <= below) & np.isfinite(known[left])
    predicted: np.ndarray = answers[np.where(at_left, left, right)]
    if is_regression and np.isfinite(known[0]):
        numbers, places = np.unique(known, return_index=True)
        predicted = np.interp(asked, numbers, answers[places])
    return predicted


def _has_evidence(codes: np.ndarray, halves: _Halves, *, is_regression: bool) -> bool:
    """Return whether the agreement cannot be that of few rows which any good feature separates."""
    import numpy as np

    if is_regression or len(codes) >= _FEWEST_OF_MANY_VALUES:
        return True
    classes = np.unique(halves.target).size
    return bool(np.unique(codes).size <= 2 * classes)
