"""Columns become numbers without more memory than they need, and dates in any form."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from steps import dataset, encoding, source_types

IDS = pd.DataFrame({"id": pd.Series([f"C{i:03d}" for i in range(300)], dtype=object)})
DATES = pd.Series(pd.to_datetime(["2020-01-01", "2020-01-03", None, "2021-01-01"]), name="d")


def linear(X, *, scale=False, max_categories=None):
    return encoding.linear_columns(X, scale=scale, max_categories=max_categories)


def test_indicators_of_text_are_sparse_and_numbers_are_scaled_beside_them():
    X = IDS.assign(x=np.arange(300.0))

    encoded = linear(X, scale=True).fit_transform(X)

    assert sparse.issparse(encoded)
    assert encoded.shape == (300, 301)
    assert encoded.nnz <= 600
    assert encoded[:, [0]].mean() == pytest.approx(0.0, abs=1e-12)


def test_the_rarest_categories_share_an_indicator():
    X = pd.DataFrame({"c": pd.Series(["a"] * 5 + ["b"] * 4 + ["c", "d"], dtype=object)})
    columns = linear(X, max_categories=3).fit(X)

    assert encoding.feature_names(columns) == ["c_a", "c_b", "c_infrequent_sklearn"]
    new = pd.DataFrame({"c": pd.Series(["d", "never seen"], dtype=object)})
    assert columns.transform(new).tolist() == [[0, 0, 1]] * 2


def test_a_tree_reads_few_categories_one_by_one_and_many_by_their_place():
    X = IDS.assign(colour=pd.Series(["red", "blue"] * 150, dtype=object))
    columns = encoding.tree_columns(X, max_categories=1000)

    encoded = columns.fit_transform(X)

    assert encoding.feature_names(columns) == ["colour_blue", "colour_red", "id"]
    assert encoded[:3, 2].tolist() == [0.0, 1.0, 2.0]
    new = pd.DataFrame({"id": ["never seen"], "colour": ["red"]}).astype(object)
    assert columns.transform(new).tolist() == [[0.0, 1.0, -1.0]]


def test_boosting_reads_each_column_as_one():
    X = IDS.assign(colour=pd.Series(["red", "blue"] * 150, dtype=object), d=pd.Timestamp("2020"))

    encoded = encoding.dense_columns(X, max_categories=10).fit_transform(X)

    assert encoded.shape == (300, 3)


READ_AS = {
    "text": pd.Series(["2020-01-02", None, "2020-01-03T12:00:00"], dtype="str"),
    "objects of text": pd.Series(["2020-01-02", np.nan, "2020-01-03 12:00"], dtype=object),
    "text with zones": pd.Series(["2020-01-02T01:00+01:00", None, "2020-01-03T12:00Z"]),
    "times": pd.Series(
        pd.to_datetime(["2020-01-02", None, "2020-01-03 12:00:00"], format="ISO8601")
    ),
    "times in nanoseconds": pd.Series(
        np.array(["2020-01-02", "NaT", "2020-01-03T12"], "datetime64[ns]")
    ),
    "times with a zone": pd.Series(
        pd.to_datetime(["2020-01-02", None, "2020-01-03 12:00:00"], format="ISO8601", utc=True)
    ),
    "datetimes": pd.Series(
        [
            dt.datetime(2020, 1, 2, tzinfo=dt.UTC),
            None,
            dt.datetime(2020, 1, 3, 12, tzinfo=dt.UTC),
        ],
        dtype=object,
    ),
}


@pytest.mark.parametrize("column", READ_AS.values(), ids=READ_AS)
def test_a_date_is_the_same_number_in_any_form(column):
    columns = linear(DATES.to_frame()).fit(DATES.to_frame())

    found = columns.transform(pd.DataFrame({"d": column})).ravel()

    days = [18263, (18262 + 18264 + 18628) / 3, 18264.5]  # a missing one is the mean
    assert found == pytest.approx(np.array(days) * 86_400_000_000, rel=1e-12)


def test_a_date_is_scaled_as_a_number_is():
    encoded = linear(DATES.to_frame(), scale=True).fit_transform(DATES.to_frame())

    assert encoded.mean() == pytest.approx(0.0, abs=1e-9)
    assert encoded.std() == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["a__b", "n_jobs", "transformers", "text", "", "time 0"])
def test_a_column_of_dates_may_have_any_name(name):
    X = DATES.rename(name).to_frame().assign(x=1.0)

    columns = linear(X).fit(X)

    assert encoding.feature_names(columns) == ["x", name]
    assert encoding.time_columns(columns) == {name}


def test_dates_in_another_format_are_parsed_by_it():
    X = DATES.to_frame()
    X.attrs["time_formats"] = {"d": "%d.%m.%Y"}
    columns = linear(X).fit(X)

    found = columns.transform(pd.DataFrame({"d": ["02.01.2020", None]})).ravel()

    assert found[0] == 18263 * 86_400_000_000


def test_the_format_of_a_date_is_stored_with_the_table_and_shown_in_the_example():
    source = pa.table(
        {"d": pa.array([18263, 18264], pa.int32()).cast(pa.date32()), "y": ["a", "b"]}
    )
    prepared = dataset.prepare(source, target="y", features=None)

    table = source_types.remember(prepared, source, name="t.csv", formats={"d": "%d.%m.%Y"})

    X, _ = dataset.features_and_labels(table)
    assert X.attrs["time_formats"] == {"d": "%d.%m.%Y"}
    shown = source_types.example(X, source_types.as_read(table), {})
    assert shown["d"].tolist() == ["02.01.2020", "03.01.2020"]
