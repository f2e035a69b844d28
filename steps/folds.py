"""Which rows of a training part are fitted on and which are scored on, fold by fold."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reprise.errors import DataError
from steps import tasks
from steps.row_keys import GROUP, STORED_AS, TIME, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Parts = Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True)
class StoredKey:
    """The key of each row of a stored part: its group, or its place in time.

    Attributes
    ----------
    kind : {"group", "time"}
    codes : ndarray of shape (n_samples,)
        Equal for rows of one group, or one time; rows are stored in order of time.
    """

    kind: Kind
    codes: NDArray[np.int64]

    @classmethod
    def of(cls, table: pa.Table) -> StoredKey | None:
        """Return the keys of a stored part; None: its rows were split at random."""
        name = table.column_names[0]
        kind = STORED_AS.get(name)
        return None if kind is None else cls(kind, table.column(name).to_numpy())


def parts(y: NDArray[Any], *, folds: int, seed: int, key: StoredKey | None = None) -> Parts:
    """Yield the rows to fit and to score on, fold by fold.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels, or float64 for a regression, in the order of the stored rows.
    folds, seed : int
        Number of folds, and the seed that shuffles rows or groups.
    key : StoredKey, optional
        What keeps rows together, or in order.

    Yields
    ------
    train, test : ndarray of int
        As `StratifiedKFold` (of numbers `KFold`) has them; of groups, as `StratifiedGroupKFold`
        (`GroupKFold`); by time, as `TimeSeriesSplit`: each fold is fitted on the rows before those
        it is scored on.

    Raises
    ------
    DataError
        If there are fewer rows or groups than folds, or no class has as many rows.

    References
    ----------
    https://scikit-learn.org/stable/modules/cross_validation.html#cross-validation-iterators
    """
    is_regression = tasks.of_labels(y) == tasks.REGRESSION
    if key is not None and key.kind == TIME:
        return _forward(y, folds)
    if not is_regression:
        _refuse_rare(y, folds)
    if key is not None and key.kind == GROUP:
        return _grouped(y, key.codes, folds=folds, seed=seed)
    if is_regression:
        _refuse_less(len(y), folds, "rows to train on")
    return _shuffled(y, folds=folds, seed=seed)


def _forward(y: NDArray[Any], folds: int) -> Parts:
    from sklearn.model_selection import TimeSeriesSplit

    _refuse_less(len(y) - 1, folds, "rows after the first one to train on")
    yield from TimeSeriesSplit(folds).split(y)


def _grouped(y: NDArray[Any], groups: NDArray[np.int64], *, folds: int, seed: int) -> Parts:
    import numpy as np
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    _refuse_less(len(np.unique(groups)), folds, "groups to train on")
    kind = GroupKFold if tasks.of_labels(y) == tasks.REGRESSION else StratifiedGroupKFold
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class in y")
        splitter = kind(folds, shuffle=True, random_state=seed)
        for train, test in splitter.split(y, y, groups):
            if not len(test):
                raise DataError(
                    f"{folds}-fold cross-validation: expected groups in every fold, found a fold "
                    "without, as the classes of the groups differ. Use fewer folds (-P cv), or "
                    "another -P seed."
                )
            yield train, test


def _shuffled(y: NDArray[Any], *, folds: int, seed: int) -> Parts:
    import numpy as np
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = KFold if tasks.of_labels(y) == tasks.REGRESSION else StratifiedKFold
    with warnings.catch_warnings():
        # `validation.rare_classes` has a line of its own about it
        warnings.filterwarnings("ignore", message="The least populated class in y")
        yield from kind(folds, shuffle=True, random_state=seed).split(np.zeros(len(y)), y)


def _refuse_rare(y: NDArray[Any], folds: int) -> None:
    import numpy as np

    most = int(np.unique(y, return_counts=True)[1].max())
    _refuse_less(most, folds, "rows of any class")


def _refuse_less(most: int, folds: int, what: str) -> None:
    if most < folds:
        advice = f"-P cv={most} or -P cv=0" if most > 1 else "-P cv=0 (no cross-validation)"
        raise DataError(
            f"{folds}-fold cross-validation: expected at least {folds} {what}, found {most}. "
            f"Use {advice}."
        )
