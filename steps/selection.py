"""Which columns of a table are predicted, and from which others."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from reprise.data import column_names
from reprise.data.notices import Notice
from reprise.errors import DataError
from reprise.record import lists
from reprise.visible import option

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

_SPLITS_ROWS = b"splits rows"
_MOST_EMPTY = 20  # empty columns that get a notice each; more get one together


def select(
    table: pa.Table,
    target: str | None,
    features: Sequence[str] | None,
    *,
    drop: Sequence[str] = (),
    notices: list[Notice],
) -> tuple[str, list[str]]:
    """Return the names of the target and of the features.

    Parameters
    ----------
    table : pyarrow.Table
    target : str or None
        None is the last column that does not name the rows.
    features : sequence of str or None
        None is all columns but the target, those of `drop`, and those that name or split the rows.
    drop : sequence of str
        Columns that are no features.
    notices : list of Notice
        Gets which target was chosen, and which columns are left out without being asked to.

    Raises
    ------
    DataError
        If a column is missing, named twice, or both a feature and the target.
    """
    names = table.column_names
    _refuse_duplicates("columns", names)
    if features is not None and drop:
        raise DataError(
            "Expected `features` or `drop`, found both. Name the columns to predict from, "
            "or those to leave out."
        )
    row_names = column_names.row_names(table)
    split_by = splits_rows(table)
    if target is None:
        target = _last(table, [*row_names, split_by])
        notices.append(
            Notice(
                target,
                "it is predicted, as the last column; nothing else says what is the target",
                f"To predict another, add {option('target', 'NAME')}.",
            )
        )
    target = named_column("target", target, names)
    if target == split_by:
        raise DataError(
            f"Expected a column other than the target to split by, found {target!r}. "
            "Name another one, or another target."
        )
    if features is not None:
        return target, _named(features, target, names)
    known = set(names)
    dropped = {d if d in known else named_column("`drop`", d, names) for d in drop}
    if target in dropped:
        raise DataError(
            f"Expected columns other than the target in `drop`, found {target!r}. "
            "Remove it there, or name another target."
        )
    notices.extend(
        Notice(
            name,
            "it only names or numbers the rows, so it is no feature",
            "To predict from it, name it in `features` together with the others.",
        )
        for name in row_names
        if name not in dropped and name not in (target, split_by)
    )
    if split_by is not None and split_by not in dropped:
        notices.append(
            Notice(
                split_by,
                "it splits the rows, so it is no feature",
                "To predict from it, name it in `features` together with the others.",
                is_asked_for=True,
            )
        )
    dropped |= {target, *row_names, *([] if split_by is None else [split_by])}
    chosen = [name for name in names if name not in dropped]
    if not chosen:
        raise no_features(target)
    return target, chosen


def splitting_rows(table: pa.Table, role: str, name: str) -> pa.Table:
    """Mark the column by which rows are split: it is no feature unless someone says so.

    Raises
    ------
    DataError
        If there is no such column.
    """
    return column_names.with_role(
        table, [named_column(role, name, table.column_names)], _SPLITS_ROWS
    )


def splits_rows(table: pa.Table) -> str | None:
    """Return the name of the column by which rows are split, or None."""
    return next(iter(column_names.of_role(table, _SPLITS_ROWS)), None)


def _last(table: pa.Table, others: Sequence[str | None]) -> str:
    """Return the last column that does not name or split the rows, and has a name or values."""
    names: list[str] = table.column_names
    for name in reversed(names):
        is_filled = table.column(name).null_count < table.num_rows
        if name not in others and (is_filled or not column_names.was_blank(name)):
            return name
    return names[-1]


def _named(features: Sequence[str], target: str, names: list[str]) -> list[str]:
    if not features:
        raise no_features(target)
    known = set(names)
    chosen = [f if f in known else named_column("feature", f, names) for f in features]
    _refuse_duplicates("`features`", chosen)
    if target in chosen:
        raise DataError(
            f"Expected features other than the target, found {target!r} as both. "
            "Remove it from `features`, or name another target."
        )
    return chosen


def named_column(role: str, name: str, names: list[str]) -> str:
    """Return the column of a name, or the only one that differs from it by blanks at its ends.

    Raises
    ------
    DataError
        If there is none; with all names, the nearest first.
    """
    if name in names:
        return name
    same = [each for each in names if each.strip() == name.strip()]
    if len(same) == 1:
        return same[0]
    raise DataError(
        f"Expected a column for {role} {name!r}, found none. {column_names.choices(name, names)}"
    )


def _refuse_duplicates(where: str, names: Sequence[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise DataError(
            f"Expected different names in {where}, found more than one "
            f"{column_names.listed(twice)}. Rename or remove them."
        )


def no_features(target: str, empty: Sequence[str] = ()) -> DataError:
    """Return the error for a table with nothing to predict from."""
    if empty:
        return DataError(
            f"Expected values in a feature besides the target {target!r}, found none in "
            f"{column_names.listed(empty)}. Check the data source."
        )
    return DataError(
        f"Expected at least one feature besides the target {target!r}, found none. "
        "Name one in `features`, or check the separator of the file."
    )


def with_labels(table: pa.Table, target: str, notices: list[Notice]) -> pa.Table:
    """Return the rows that have a label."""
    labels = table.column(target)
    missing = labels.is_null(nan_is_null=True)
    count = missing.to_numpy().sum()
    if not count:
        return table
    if count == table.num_rows:
        raise DataError(f"Expected labels in target {target!r}, found none. Name another target.")
    notices.append(
        Notice(
            target,
            f"{count:,} of {table.num_rows:,} rows have no label, and are left out",
            "To have them refused instead, do without -P drop_missing_labels=true.",
            is_asked_for=True,
        )
    )
    import pyarrow.compute as pc

    return table.filter(pc.invert(missing))


def empty_notices(empty: Sequence[str]) -> list[Notice]:
    """Return what to know of features without values, which are left out."""
    text, advice = "it has no values, so it is no feature", "To leave it out at once, add {}."
    if len(empty) <= _MOST_EMPTY:
        return [
            Notice(name, text, advice.format(option("drop", lists.joined([name]))))
            for name in empty
        ]
    return [
        Notice(
            None,
            f"{len(empty):,} columns have no values, so they are no features: "
            f"{column_names.listed(empty)}",
            "To leave them out at once, name them in `drop`.",
        )
    ]
