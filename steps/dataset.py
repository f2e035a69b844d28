"""Tables to train on: named data sets, preparing, splitting, and what models are fitted on.

A prepared table has its features first and its target last. Features are float32, float64 or
text. The target is text, int64 or bool of classes, and float64 of a regression. Missing values are
nulls.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, cast

from reprise.data.column_names import choices
from reprise.data.column_names import listed as _listed
from reprise.errors import DataError
from steps import columns, row_keys, selection, source_types, tasks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from reprise.data.notices import Notice
    from steps.row_keys import RowKey

NAMED = ("iris", "wine", "breast_cancer", "digits")

_TARGETS = {"iris": "species", "wine": "cultivar", "breast_cancer": "diagnosis", "digits": "digit"}


def named(name: str) -> tuple[pa.Table, str]:
    """Load one of scikit-learn's bundled data sets.

    Parameters
    ----------
    name : str
        One of `NAMED`.

    Returns
    -------
    table : pyarrow.Table
        Features as float64 under lower_snake names, the target last: class names as text, or
        int64 for digits.
    target : str
        Name of the target.

    Raises
    ------
    DataError
        If there is no data set of that name.

    References
    ----------
    https://scikit-learn.org/stable/datasets/toy_dataset.html
    """
    import pyarrow as pa
    from sklearn import datasets

    if name not in NAMED:
        raise DataError(f"Expected a named data set, found {name!r}. {choices(name, NAMED)}")
    bunch = getattr(datasets, f"load_{name}")()
    table = {
        _snake(feature): pa.array(column)
        for feature, column in zip(bunch.feature_names, bunch.data.T, strict=True)
    }
    labels = bunch.target if name == "digits" else bunch.target_names[bunch.target].astype(str)
    table[_TARGETS[name]] = pa.array(labels)
    return pa.table(table), _TARGETS[name]


def _snake(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", re.sub(r"\(.*?\)", "", name.lower())).strip("_")


def prepare(
    table: pa.Table,
    *,
    target: str | None,
    features: Sequence[str] | None,
    task: tasks.Task | None = tasks.CLASSIFICATION,
    drop: Sequence[str] = (),
    drop_missing_labels: bool = False,
    notices: list[Notice] | None = None,
) -> pa.Table:
    """Select and convert the columns that a model is fitted on.

    Parameters
    ----------
    table : pyarrow.Table
        Data as read. Columns that need no conversion and are contiguous are not copied.
    target : str or None
        Column to predict; None is the last one that does not name the rows.
    features : sequence of str or None
        Columns to predict it from, in that order; None is all but the target and row names.
    task : {"classification", "regression"} or None
        What the target is; None is what its values suggest: see `tasks.of_target`.
    drop : sequence of str
        Columns that are no features.
    drop_missing_labels : bool
        Whether rows without a label are left out.
    notices : list of Notice, optional
        Gets which target was chosen, and which columns and rows are left out.

    Returns
    -------
    pyarrow.Table
        Features, then the target, each one chunk, without metadata. Features: float32 and float64
        stay; integers, booleans and decimals become float64; dates become float64 days since
        1970-01-01 UTC; times of day and durations become float64 seconds; text and
        dictionary-encoded columns become text. NaN becomes null. Target: text, int64 or bool, or
        float64 of a regression.

    Raises
    ------
    DataError
        If columns are missing, duplicate, infinite or of another type, labels are missing or
        fractional, or there are not two classes.
    """
    import pyarrow as pa

    kept: list[Notice] = [] if notices is None else notices
    if table.num_rows == 0:
        raise DataError("Expected rows of data, found none. Check the data source.")
    target, features = selection.select(table, target, features, drop=drop, notices=kept)
    if drop_missing_labels:
        table = selection.with_labels(table, target, kept)
    converted = {name: columns.feature(name, table.column(name)) for name in features}
    empty = [name for name, column in converted.items() if column.null_count == len(column)]
    for name in empty:
        del converted[name]
    kept.extend(selection.empty_notices(empty))
    if not converted:
        raise selection.no_features(target, empty)
    task = task or tasks.of_target(table.column(target))[0]
    return pa.table(converted | {target: columns.labels(target, table.column(target), task)})


def split(table: pa.Table, *, test_size: float, stratify: bool, seed: int) -> Iterator[pa.Table]:
    """Split a prepared table as `split_rows` says; each part is copied when it is asked for."""
    return parts(table, split_rows(table, test_size=test_size, stratify=stratify, seed=seed))


def parts(
    table: pa.Table, rows: Sequence[np.ndarray], key: RowKey | None = None
) -> Iterator[pa.Table]:
    """Copy each part of a table when it is asked for: a large table's need not be held at once."""
    import pyarrow as pa

    copies = ((table.take(pa.array(part)), part) for part in rows)
    return (copy if key is None else key.stored_with(copy, part) for copy, part in copies)


def split_rows(
    table: pa.Table, *, test_size: float, stratify: bool, seed: int, key: RowKey | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the rows of a prepared table to train on and the rows to test on.

    Parameters
    ----------
    table : pyarrow.Table
        A prepared table.
    test_size : float
        Fraction of the rows to test on, in (0, 1); their number is rounded up.
    stratify : bool
        Keep the proportions of the classes in both parts; a regression has none.
    seed : int
        Seed of the shuffle.
    key : RowKey, optional
        What keeps rows together or in order; then no proportions are kept.

    Returns
    -------
    train, test : ndarray of int
        Positions of the rows of both parts: those that
        ``train_test_split(X, y, test_size=..., random_state=seed)`` selects, or `RowKey.split`.

    Raises
    ------
    DataError
        If a part would be empty, or a class would be absent from the training part.

    References
    ----------
    https://scikit-learn.org/stable/modules/generated/sklearn.model_selection.train_test_split.html
    """
    if key is None:
        train, test = _at_random(table, test_size=test_size, stratify=stratify, seed=seed)
    else:
        train, test = key.split(test_size, seed)
    if tasks.of_table(table) == tasks.CLASSIFICATION:
        _refuse_absent(table, train, "-P seed" if key is None else "the split")
    return train, test


def _at_random(
    table: pa.Table, *, test_size: float, stratify: bool, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np
    from sklearn.model_selection import train_test_split

    rows = table.num_rows
    n_test = math.ceil(test_size * rows)  # as scikit-learn rounds
    if not 0 < n_test < rows:
        raise DataError(
            f"Expected rows in both parts, found {rows - n_test} to train and {n_test} to test on. "
            "Change -P test_size, or add rows."
        )
    codes = None
    if stratify and tasks.of_table(table) == tasks.CLASSIFICATION:
        classes, codes = _classes(table)
        _check_stratified(classes, np.bincount(codes), train=rows - n_test, test=n_test)
    train, test = train_test_split(
        np.arange(rows), stratify=codes, test_size=test_size, random_state=seed
    )
    return train, test


def _refuse_absent(table: pa.Table, train: np.ndarray, changed: str) -> None:
    import numpy as np

    classes, codes = _classes(table)
    absent = np.flatnonzero(np.bincount(codes[train], minlength=len(classes)) == 0)
    if absent.size:
        names = _listed([classes[i] for i in absent])
        raise DataError(
            f"Expected every class in the training part, found no row of {names}. "
            f"Lower -P test_size, change {changed}, or remove rare classes."
        )


def _classes(table: pa.Table) -> tuple[list[str], np.ndarray]:
    """Give the sorted classes as text, and each row's place among them."""
    import pyarrow.compute as pc

    labels = columns.contiguous(table.column(-1))
    codes = pc.subtract(pc.rank(labels, tiebreaker="dense"), 1).to_numpy().astype("int64")
    return [str(label) for label in sorted(pc.unique(labels).to_pylist())], codes


def _check_stratified(classes: list[str], counts: np.ndarray, *, train: int, test: int) -> None:
    rare = [f"{name} ({n})" for name, n in zip(classes, counts, strict=True) if n < 2]  # noqa: PLR2004
    if rare:
        raise DataError(
            f"Expected two or more rows of every class, found one of {_listed(rare)}. "
            "Say -P stratify=false, or remove them."
        )
    for part, rows in (("train", train), ("test", test)):
        if rows < len(classes):
            raise DataError(
                f"Expected a row of every class in both parts, found {rows} rows to {part} on for "
                f"{len(classes)} classes. Change -P test_size, or say -P stratify=false."
            )


def profile(table: pa.Table) -> dict[str, Any]:
    """Describe the columns and classes of a prepared table, ready for JSON.

    Parameters
    ----------
    table : pyarrow.Table
        A prepared table.

    Returns
    -------
    dict
        ``target``, ``task``, ``rows``, ``classes`` (rows by label; not of a regression), and
        ``columns``: name, type and number of missing values of each, with min, max and mean of
        numbers, the number of distinct values of text and of classes, and the type and the form
        as pandas reads the source, if it is another one. A statistic that is not finite is None.
    """
    import numpy as np

    task, by_class = tasks.of_table(table), {}
    if task == tasks.CLASSIFICATION:
        classes, codes = _classes(table)
        by_class = {"classes": dict(zip(classes, np.bincount(codes).tolist(), strict=True))}
    return {
        "target": table.column_names[-1],
        "task": task,
        "rows": table.num_rows,
        **by_class,
        "columns": [
            _describe(field.name, table.column(field.name)) | source_types.differences(field)
            for field in table.schema
        ],
    }


def _describe(name: str, column: pa.ChunkedArray) -> dict[str, Any]:
    import pyarrow.compute as pc
    from pyarrow import types

    kind = {"double": "float64", "float": "float32"}.get(str(column.type), str(column.type))
    facts: dict[str, Any] = {"name": name, "type": kind, "missing": column.null_count}
    if not types.is_floating(column.type):  # text, and labels of any type
        return facts | {"distinct": pc.count_distinct(column).as_py()}
    statistics = pc.min_max(column).as_py() | {"mean": pc.mean(column).as_py()}
    return facts | {
        key: value if value is not None and math.isfinite(value) else None
        for key, value in statistics.items()
    }


def features_and_labels(table: pa.Table) -> tuple[pd.DataFrame, np.ndarray]:
    """Give a prepared table the form that scikit-learn's estimators are fitted on.

    Parameters
    ----------
    table : pyarrow.Table
        A prepared table, or a stored part of one, of which the keys of its rows are left out.

    Returns
    -------
    features : DataFrame of shape (n_samples, n_features)
        Numbers as float32 or float64, text as objects; missing values are NaN in both, which is
        what SimpleImputer looks for. Dates and times of the source as datetime64, if the table
        says which columns they are. A copy: it may be changed.
    labels : ndarray of shape (n_samples,)
        Labels as str (of dtype object), int64 or bool; float64 of a regression.
    """
    import pandas as pd
    from pyarrow import types

    table = row_keys.without(table)
    features = table.select(table.column_names[:-1])
    text = {f.name: i for i, f in enumerate(features.schema) if types.is_string(f.type)}
    frame = _number_frame(features.drop_columns(list(text)))
    for name, place in text.items():
        values = pd.Series(_text(features.column(name)), dtype=object)  # not pandas' own str
        frame.insert(place, name, values)
    if formats := source_types.times(features):
        for name in formats:
            frame[name] = source_types.as_times(frame[name])
        frame.attrs[source_types.FORMATS] = formats
    labels = table.column(-1)
    return frame, _text(labels) if types.is_string(labels.type) else labels.to_numpy().copy()


def _number_frame(numbers: pa.Table) -> pd.DataFrame:
    """Copy columns of numbers into a frame, by rows: estimators copy by rows what is by columns."""
    import numpy as np
    import pandas as pd

    if len(set(numbers.schema.types)) != 1:
        return cast("pd.DataFrame", numbers.to_pandas(ignore_metadata=True))
    dtype = numbers.schema.types[0].to_pandas_dtype()
    values = np.empty((numbers.num_rows, numbers.num_columns), dtype)
    for place, column in enumerate(numbers.columns):
        values[:, place] = column.to_numpy()
    return pd.DataFrame(values, columns=numbers.column_names, copy=False)


def _text(column: pa.ChunkedArray) -> np.ndarray:
    """Give text as one object for each distinct value, however many rows have it."""
    import numpy as np

    encoded = columns.contiguous(column).dictionary_encode()
    values = np.array([*encoded.dictionary.to_pylist(), np.nan], dtype=object)
    codes = encoded.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)
    texts: np.ndarray = values[codes]
    return texts
