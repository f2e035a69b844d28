"""The target and the features of a table: as asked, else by rules that are reported."""

from functools import partial

import pyarrow as pa
import pytest
import refusing

from reprise.data.column_names import with_row_names
from reprise.errors import DataError
from steps.dataset import prepare

refusal = partial(refusing.refusal, error=DataError)


def table(**columns):
    return pa.table({"x": [1, 2], "w": [3, 4], "y": ["a", "b"], **columns})


def prepared(table, notices=None, **asked):
    return prepare(table, **{"target": None, "features": None, **asked}, notices=notices)


def test_the_target_that_nobody_named_is_reported():
    notices = []

    prepared(table(), notices)

    assert len(notices) == 1
    assert str(notices[0]) == (
        "column 'y': it is predicted, as the last column; nothing else says what is the target. "
        "To predict another, add -P target=NAME."
    )


def test_the_target_that_somebody_named_is_not_reported():
    notices = []

    prepared(table(), notices, target="y")

    assert notices == []


def test_a_last_column_without_name_and_values_is_not_the_target():
    read = table().append_column("Unnamed: 3", pa.nulls(2))

    assert prepared(read).column_names == ["x", "w", "y"]


def test_dropped_columns_are_no_features():
    assert prepared(table(), drop=["x"]).column_names == ["w", "y"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"drop": ["x", "ww"]}, ["`drop` 'ww'", "Did you mean 'w'?"]),
        ({"drop": ["y"]}, ["'y'", "other than the target in `drop`"]),
        ({"drop": ["x", "w"]}, ["at least one feature"]),
        ({"drop": ["x"], "features": ["w"]}, ["`features` or `drop`, found both"]),
    ],
)
def test_what_cannot_be_dropped_is_refused(asked, words):
    text = refusal(prepared, table(), **asked)

    assert all(word in text for word in words), text


def test_row_names_are_no_features_unless_they_are_named():
    read = with_row_names(table(id=[1, 2]), ["id"])
    notices = []

    by_default, asked = prepared(read, notices), prepared(read, features=["id", "x"], target="y")

    assert by_default.column_names == ["x", "w", "y"]
    assert asked.column_names == ["id", "x", "y"]
    assert [notice.column for notice in notices] == ["y", "id"]
    assert "numbers the rows" in notices[1].text


def test_row_names_may_be_the_target():
    read = with_row_names(table(id=["u", "v"]), ["id"])

    assert prepared(read, target="id").column_names == ["x", "w", "y", "id"]


def test_names_with_blanks_at_their_ends_are_found_without_them():
    read = pa.table({" x": [1, 2], "x w": [1, 2], " y ": ["a", "b"]})

    assert prepared(read, target="y", features=["x"]).column_names == [" x", " y "]
    assert prepared(read, target="y", drop=["x"]).column_names == ["x w", " y "]


def test_the_exact_name_goes_first():
    read = pa.table({" x": [1, 2], "x": [3, 4], "y": ["a", "b"]})

    assert prepared(read, features=["x"])["x"].to_pylist() == [3, 4]
    assert "feature 'x '" in refusal(prepared, read, features=["x "])


def test_rows_without_a_label_are_left_out_when_asked():
    read = pa.table({"x": [1, 2, 3], "y": ["a", None, "b"]})
    notices = []

    kept = prepared(read, notices, target="y", drop_missing_labels=True)

    assert kept.to_pydict() == {"x": [1, 3], "y": ["a", "b"]}
    assert "1 of 3 rows have no label" in notices[0].text
    assert "drop_missing_labels=true" in refusal(prepared, read)


def test_nan_is_no_label():
    read = pa.table({"x": [1, 2, 3], "y": [1.0, float("nan"), 0.0]})

    assert prepared(read, drop_missing_labels=True)["y"].to_pylist() == [1, 0]


def test_a_table_without_any_label_is_refused():
    read = pa.table({"x": [1, 2], "y": pa.nulls(2)})

    assert "found none" in refusal(prepared, read, drop_missing_labels=True)


def test_many_empty_columns_get_one_notice():
    empty = {f"c{i}": pa.nulls(2) for i in range(30)}
    notices = []

    prepared(pa.table({**empty, "x": [1, 2], "y": ["a", "b"]}), notices, target="y")

    assert len(notices) == 1
    assert "30 columns have no values" in notices[0].text
