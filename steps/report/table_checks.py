"""What can be odd about a table that a model would be fitted on: a check for each kind.

A check takes the prepared table, and yields what it found.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reprise.data.notices import Notice
from reprise.visible import option
from steps.report import advice, column_checks
from steps.report.duplicates import expected_by_chance, row_hashes, seen_in_training
from steps.report.leaks import leaks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    import pyarrow as pa

_FEW_DUPLICATES = 0.01  # of the test rows; they change no metric
_MORE_THAN_CHANCE = 3  # times
_IMBALANCED = 0.9  # of the rows in one class
_SHOWN = 5  # names in a warning
_RARE = 0.1  # of the rows that a class would have if all had the same number


@dataclass(frozen=True)
class Fitted:
    """What models would be fitted on, and judged by.

    Attributes
    ----------
    table : pyarrow.Table
        A prepared table: features, then the target.
    classes : mapping of str to int
        Rows of each class; empty for a regression.
    train, test : ndarray of int
        Positions of the rows of both parts.
    warned : mapping of str to str
        Columns with a warning, and its kind; what follows from it needs no second one.
    """

    table: pa.Table
    classes: Mapping[str, int]
    train: np.ndarray
    test: np.ndarray
    warned: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """Name of the target."""
        return str(self.table.column_names[-1])

    @property
    def is_regression(self) -> bool:
        """Whether the target is a quantity."""
        return not self.classes


def leaking(fitted: Fitted) -> Iterator[Notice]:
    """Find features that predict the target alone."""
    ids = {name for name, kind in fitted.warned.items() if kind == column_checks.ID}
    names = fitted.table.column_names
    # an id predicts what it has learnt by heart; that it is missing may still be a leak
    kept = [
        place
        for place, (name, column) in enumerate(zip(names[:-1], fitted.table.columns, strict=False))
        if name not in ids or column.null_count
    ]
    table = fitted.table.select([*kept, len(names) - 1])
    for leak in leaks(table, is_regression=fitted.is_regression):
        how = "" if fitted.is_regression else f" in {leak.right:,} of {leak.rows:,} rows"
        yield Notice(
            leak.name,
            f"predicts the target {fitted.target!r} alone{how}",
            f"If it is only known afterwards, leave it out: {advice.drop(leak.name)}.",
        )


def duplicates(fitted: Fitted) -> Iterator[Notice]:
    """Find rows of the test part that are in the training part, too."""
    tested = len(fitted.test)
    hashes = row_hashes(fitted.table)
    seen = seen_in_training(hashes, fitted.train, fitted.test)
    if seen < 2 or seen <= _FEW_DUPLICATES * tested:  # noqa: PLR2004 - one is no pattern
        return
    chance = expected_by_chance(fitted.table, hashes, len(fitted.train), tested)
    if seen > _MORE_THAN_CHANCE * chance:
        yield Notice(
            None,
            f"{seen:,} of {tested:,} test rows are also in the training part",
            "Metrics of the test part are too good: remove duplicate rows from the source.",
        )


def imbalance(fitted: Fitted) -> Iterator[Notice]:
    """Find a class with nearly all rows, or with nearly none."""
    if not fitted.classes:
        return
    rows = sum(fitted.classes.values())
    common = max(fitted.classes, key=fitted.classes.__getitem__)
    rare = [n for n, k in fitted.classes.items() if k * len(fitted.classes) < _RARE * rows]
    if fitted.classes[common] >= _IMBALANCED * rows:
        share = fitted.classes[common] / rows
        found = (
            f"{share:.1%} of the rows are of class {common!r}, which a constant guess gets right"
        )
    elif rare:
        shown = ", ".join(f"{name} ({fitted.classes[name]:,})" for name in rare[:_SHOWN])
        more = f" and {len(rare) - _SHOWN} more" if len(rare) > _SHOWN else ""
        found = f"some classes have few rows: {shown}{more}"
    else:
        return
    metric = option("metric", "balanced_accuracy")
    weight = option("class_weight", "balanced")
    yield Notice(fitted.target, found, f"Judge by {metric}, and train with {weight}.")


def wide(fitted: Fitted) -> Iterator[Notice]:
    """Find more columns than training rows, when each text is a column of zeros and ones."""
    import pyarrow.compute as pc
    from pyarrow import types

    categories = {
        name: int(pc.count_distinct(column).as_py())
        for name, column in zip(fitted.table.column_names[:-1], fitted.table.columns, strict=False)
        if types.is_string(column.type) and name not in fitted.warned
    }
    width = fitted.table.num_columns - 1 - len(categories) + sum(categories.values())
    rows = len(fitted.train)
    if width <= rows:
        return
    found = f"{width:,} columns after encoding, but only {rows:,} rows to train on"
    most = max(categories, key=categories.__getitem__, default="")
    if 2 * categories.get(most, 0) > width:
        yield Notice(
            most,
            f"{found}: {categories[most]:,} are categories of this column",
            f"Group its values in the source, or leave it out: {advice.drop(most)}.",
        )
    else:
        yield Notice(None, found, "Leave columns out, or regularise: a small C or max_depth.")


CHECKS: dict[str, Callable[[Fitted], Iterator[Notice]]] = {
    "leak": leaking,
    "duplicates": duplicates,
    "imbalance": imbalance,
    "wide": wide,
}
