"""Rows that belong together (`group`) or follow each other (`time`): how they are split.

The key of each row is stored as the first column of both parts, under a name that no feature has.
So the folds of a training come from what the split has stored, and its digest covers them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reprise.errors import DataError
from reprise.visible import option
from steps import columns, selection

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Kind = Literal["group", "time"]
GROUP: Kind = "group"
TIME: Kind = "time"
STORED_AS: dict[str, Kind] = {"reprise.group": GROUP, "reprise.time": TIME}
"""Names of the columns that hold keys in a stored part."""


@dataclass(frozen=True)
class RowKey:
    """What keeps rows together, or in order.

    Attributes
    ----------
    kind : {"group", "time"}
    name : str
        The column of the source.
    values : pyarrow.Array
        Its values, of the rows of a prepared table; none is missing.
    codes : ndarray of int64, of shape (n_rows,)
        The place of each value among the different ones, in ascending order.
    """

    kind: Kind
    name: str
    values: pa.Array
    codes: np.ndarray[Any, Any]

    def split(self, test_size: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Choose the rows to train on and the rows to test on.

        Parameters
        ----------
        test_size : float
            Fraction of the groups, or of the rows in order of time.
        seed : int
            Seed that chooses the groups.

        Returns
        -------
        train, test : ndarray of int
            Positions of rows: of groups as `GroupShuffleSplit` chooses them; by time, the latest
            ones to test on, both parts in order of time. Rows of one time are in one part: the cut
            between two times is the one nearest to `test_size`.

        Raises
        ------
        DataError
            If a part would be empty.

        References
        ----------
        https://scikit-learn.org/stable/modules/generated/sklearn.model_selection.GroupShuffleSplit.html
        """
        return self._by_group(test_size, seed) if self.kind == GROUP else self._by_time(test_size)

    def _by_group(self, test_size: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        import math

        from sklearn.model_selection import GroupShuffleSplit

        groups = int(self.codes.max()) + 1
        to_test = math.ceil(test_size * groups)  # as scikit-learn rounds
        if not 0 < to_test < groups:
            raise DataError(
                f"Expected groups of column {self.name!r} in both parts, found {groups} in all. "
                "Lower -P test_size, or split by another column."
            )
        splitter = GroupShuffleSplit(1, test_size=test_size, random_state=seed)
        train, test = next(splitter.split(self.codes, groups=self.codes))
        return train, test

    def _by_time(self, test_size: float) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        order = np.argsort(self.codes, kind="stable")
        cuts = np.flatnonzero(np.diff(self.codes[order])) + 1  # rows before a new time
        if not cuts.size:
            raise DataError(
                f"Expected different times in column {self.name!r}, found {self.values[0]} in "
                "every row. Split by another column."
            )
        wanted = len(order) - np.ceil(test_size * len(order))
        cut = int(cuts[np.abs(cuts - wanted).argmin()])
        return order[:cut], order[cut:]

    def stored_with(self, part: pa.Table, rows: np.ndarray) -> pa.Table:
        """Return a part of a prepared table with the keys of its rows as its first column."""
        import pyarrow as pa

        name = next(name for name, kind in STORED_AS.items() if kind == self.kind)
        return part.add_column(0, name, pa.array(self.codes[rows]))

    def describe(self, train: np.ndarray, test: np.ndarray) -> str:
        """Say how the rows were split."""
        import numpy as np

        if self.kind == GROUP:
            groups = [len(np.unique(self.codes[rows])) for rows in (train, test)]
            return (
                f"by groups of {self.name!r}, {groups[0]:,} to train on and {groups[1]:,} to test "
                "on"
            )
        last, first = self.values[int(train[-1])], self.values[int(test[0])]
        return f"by {self.name!r}, up to {last} to train on and from {first} to test on"


def marked(source: pa.Table, *, group: str | None, time: str | None) -> pa.Table:
    """Mark the column of `group` or `time` in a table as read; without one, return the table.

    Raises
    ------
    DataError
        If there is no such column.
    """
    for role, name in ((GROUP, group), (TIME, time)):
        if name is not None:
            return selection.splitting_rows(source, f"`{role}`", name)
    return source


def of_source(source: pa.Table, prepared: pa.Table, kind: Kind) -> RowKey | None:
    """Return the key by which rows are split; None: they are split at random.

    Parameters
    ----------
    source, prepared : pyarrow.Table
        As `marked`, and as prepared from it: without the rows that have no label, if those were
        left out.
    kind : {"group", "time"}
        What the marked column is.

    Raises
    ------
    DataError
        If the column has missing values, or cannot be put in order.
    """
    import pyarrow.compute as pc

    name = selection.splits_rows(source)
    if name is None:
        return None
    reserved = [name for name in prepared.column_names if name in STORED_AS]
    if reserved:
        raise DataError(
            f"Expected no column {reserved[0]!r} in a table that is split by {kind}, which has "
            f"that name in a stored split. Leave it out: {option('drop', reserved[0])}."
        )
    column = source.column(name)
    if prepared.num_rows != source.num_rows:  # those without a label were left out
        labels = source.column(prepared.column_names[-1])
        column = column.filter(pc.invert(labels.is_null(nan_is_null=True)))
    values = _comparable(name, columns.contiguous(column), kind)
    ranks = pc.rank(values, tiebreaker="dense").to_numpy(zero_copy_only=False)
    return RowKey(kind, name, values, ranks.astype("int64") - 1)


def _comparable(name: str, values: pa.Array, kind: Kind) -> pa.Array:
    """Return values that can be put in order, and refuse missing ones and times in text."""
    import pyarrow as pa
    from pyarrow import types

    of = values.type
    if types.is_dictionary(of):
        return _comparable(name, values.cast(of.value_type), kind)
    if types.is_float16(of):
        return _comparable(name, values.cast(pa.float32()), kind)
    if columns.is_text(of) and of != pa.string():
        return _comparable(name, values.cast(pa.string()), kind)
    _refuse_missing(name, values, kind)
    is_time = types.is_temporal(of) or _is_number(of)
    if kind == TIME and not is_time:
        raise DataError(
            f"Expected dates, times or numbers in column {name!r} to split by time, found {of}. "
            f"Give the format of its dates, for example {option('dates', f'{name}=%d/%m/%Y')}."
        )
    if not (is_time or columns.is_text(of) or types.is_boolean(of)):
        raise DataError(
            f"Expected text, numbers, booleans or dates in column {name!r} to split by group, "
            f"found {of}. Name another column."
        )
    return values


def _refuse_missing(name: str, values: pa.Array, kind: Kind) -> None:
    import pyarrow.compute as pc

    missing = values.is_null(nan_is_null=True)
    if count := pc.sum(missing).as_py():
        raise DataError(
            f"Expected a {kind} in every row of column {name!r}, found {count:,} of "
            f"{len(values):,} missing, the first in row {pc.index(missing, True).as_py() + 1}. "
            "Fill them in, or remove these rows."
        )


def _is_number(kind: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def without(table: pa.Table) -> pa.Table:
    """Return a stored part without the keys of its rows."""
    return table.drop_columns([name for name in table.column_names[:1] if name in STORED_AS])
