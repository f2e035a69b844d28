"""Rows to test on that a model has seen in training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from steps.columns import text_codes

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_MULTIPLIER = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio, as in SplitMix64
_MIX = 0xBF58476D1CE4E5B9


def row_hashes(table: pa.Table) -> np.ndarray:
    """Return a number for each row: the same for equal rows, and else different.

    Two of a million different rows agree with a probability of 1 in 40 million.
    """
    import numpy as np

    hashes = np.zeros(table.num_rows, np.uint64)
    for column in table.columns:
        hashes = (hashes + _bits(column)) * np.uint64(_MULTIPLIER)
        hashes ^= hashes >> np.uint64(29)
        hashes *= np.uint64(_MIX)
        hashes ^= hashes >> np.uint64(32)
    return hashes


def _bits(column: pa.ChunkedArray) -> np.ndarray:
    """Return 64 bits for each cell: of a number its own, of a text its place among the texts."""
    import numpy as np
    from pyarrow import types

    if types.is_floating(column.type):
        numbers = column.to_numpy().astype("float64") + 0.0  # -0.0 is equal to 0.0
        return cast("np.ndarray", numbers.view(np.uint64))
    numbers = text_codes(column) if types.is_string(column.type) else column.to_numpy()
    return cast("np.ndarray", numbers.astype("int64").view(np.uint64))


def seen_in_training(hashes: np.ndarray, train: np.ndarray, test: np.ndarray) -> int:
    """Count the test rows that are equal to a training row.

    Parameters
    ----------
    hashes : ndarray of shape (n_rows,)
        A number for each row of the table.
    train, test : ndarray of int
        Positions of the rows of both parts.
    """
    import numpy as np

    return int(np.isin(hashes[test], hashes[train]).sum())


def expected_by_chance(table: pa.Table, hashes: np.ndarray, train: int, test: int) -> float:
    """Return how many test rows would be seen if the columns had nothing to do with each other.

    Few columns with few values, as of yes and no, make equal rows that are no copies.

    Parameters
    ----------
    table : pyarrow.Table
    hashes : ndarray of shape (n_rows,)
        A number for each row; of equal rows, one is counted.
    train, test : int
        Rows of both parts.
    """
    import numpy as np

    different = np.unique(hashes, return_index=True)[1]
    pairs = max(len(different) * (len(different) - 1), 1)
    alike = 1.0  # that two rows are
    for column in table.columns:
        counts = np.unique(_bits(column)[different], return_counts=True)[1].astype("float64")
        alike *= float((counts * (counts - 1)).sum()) / pairs
        if alike * train < 1e-6:  # noqa: PLR2004 - so rare that more columns change nothing
            return 0.0
    return test * -math.expm1(train * math.log1p(-min(alike, 1 - 1e-12)))
