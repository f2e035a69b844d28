"""Features that predict the target alone: what is known only once the target is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steps.columns import text_codes

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
    right: int  # rows predicted right
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
    wrong = None if is_regression else _wrong_guesses(halves)
    rows = len(halves.target) - halves.first
    # by position: a column's name is looked for among all names
    for name, column in zip(table.column_names[:-1], table.columns, strict=False):
        codes = _codes(column, halves)
        if wrong is None:
            if _explains_numbers(codes, halves):
                yield Leak(name, rows, rows)
            continue
        left = int((_nearest(codes, halves) != halves.target[halves.first :]).sum())
        if wrong >= _LEAST_ERRORS and left <= _BETTER * wrong and _has_evidence(codes, halves):
            yield Leak(name, rows - left, rows)


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


def _wrong_guesses(halves: _Halves) -> int:
    """Return the rows of the second half that are not of the most frequent class of the first."""
    import numpy as np

    first, second = halves.target[: halves.first], halves.target[halves.first :]
    return int((second != np.bincount(first).argmax()).sum())


def _explains_numbers(codes: np.ndarray, halves: _Halves) -> bool:
    """Return whether lines between the points of the first half go through those of the second."""
    import numpy as np

    first = halves.first
    known, places = np.unique(codes[:first], return_index=True)
    asked, actual = codes[first:], halves.target[first:]
    if np.isfinite(known[0]):
        within = (known[0] <= asked) & (asked <= known[-1])  # nothing is known of the others
        asked, actual = asked[within], actual[within]
        predicted = np.interp(asked, known, halves.target[:first][places])
    else:
        predicted = _nearest(codes, halves)
    if len(actual) < _FEWEST // 3:
        return False
    spread = float(((actual - actual.mean()) ** 2).sum())
    return spread > 0 and float(((predicted - actual) ** 2).sum()) <= (1 - _EXPLAINED) * spread


def _codes(column: pa.ChunkedArray, halves: _Halves) -> np.ndarray:
    """Return a feature's values in the order of the halves as numbers; missing is one, too."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import types

    if len(halves.rows) < len(column):
        column = column.take(pa.array(halves.rows))
    if types.is_string(column.type):
        values = text_codes(column).astype("float64")
    else:
        values = column.to_numpy().astype("float64")
        missing = np.isnan(values)
        if missing.any():
            values[missing] = -np.inf  # in a place of its own
    ordered: np.ndarray = values[halves.order]
    return ordered


def _nearest(codes: np.ndarray, halves: _Halves) -> np.ndarray:
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
    return predicted


def _has_evidence(codes: np.ndarray, halves: _Halves) -> bool:
    """Return whether the agreement cannot be that of few rows which any good feature separates."""
    import numpy as np

    if len(codes) >= _FEWEST_OF_MANY_VALUES:
        return True
    classes = np.unique(halves.target).size
    return bool(np.unique(codes).size <= 2 * classes)
