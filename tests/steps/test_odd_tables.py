"""Tables with the faults of real ones, from the file to what a model is fitted on."""

import io
from functools import partial

import pandas as pd
import pytest
import refusing

from reprise.data.tables import read_table
from reprise.errors import DataError
from steps.dataset import prepare
from steps.parameters import LoadDataParameters

refusal = partial(refusing.refusal, error=DataError)


def rows(*cells, count=30):
    """Write lines; a cell that can be called gets the row's number."""
    return "".join(
        ",".join(str(cell(i) if callable(cell) else cell) for cell in cells) + "\n"
        for i in range(count)
    )


def label(i):
    return "xz"[i % 2]


def named_index():
    frame = pd.DataFrame({"x": [0.5, 1.5] * 9, "y": ["u", "v"] * 9})
    frame.index = pd.Index(list(range(100, 118)), name="customer_id")
    stream = io.BytesIO()
    frame.to_parquet(stream)
    return stream.getvalue()


def long_text():
    word = "word " * 40_000
    return "label,text\n" + "".join(f'{label(i)},"line {i}\n{word}"\n' for i in range(4))


CASES = {
    "R's row names": (
        '"","Sepal.Length","Species"\n' + rows(lambda i: f'"{i + 1}"', 5.5, label),
        {},
        ["Sepal.Length", "Species"],
        ["numbers the rows", "it is predicted"],
    ),
    "a header that ends in a comma": (
        "radius,diagnosis,\n" + rows(lambda i: i / 7, label),
        {},
        ["radius", "diagnosis"],
        ["rows have fewer values", "column 'Unnamed: 2': it has no values", "'diagnosis': it is"],
    ),
    "a column without values": (
        "age,_c39,fraud\n" + rows(lambda i: i, "", label),
        {},
        ["age", "fraud"],
        ["column '_c39': it has no values"],
    ),
    "commas in names": (
        '"Deaths, lon","Deaths, lat",y\n' + rows(lambda i: i, 3, label),
        {"features": '"Deaths, lat"', "target": "y"},
        ["Deaths, lat", "y"],
        [],
    ),
    "spaces after commas": (
        "a, b, y\n" + rows(lambda i: i, " 3", " z"),
        {"features": "b,a", "target": "a"},
        "found 'a' as both",
        [],
    ),
    "spaces before names": (
        "a, b, y\n" + rows(lambda i: i, " 3", lambda i: " " + label(i)),
        {"features": "b,a", "target": "y"},
        [" b", "a", " y"],
        [],
    ),
    "None among numbers": (
        "x,y\n" + rows(lambda i: "None" if i == 5 else i, label),
        {},
        ["x", "y"],
        ["it is predicted"],
    ),
    "a marker among numbers": (
        "TotalCharges,Churn\n" + rows(lambda i: " " if i == 5 else i + 0.85, label),
        {"target": "Churn"},
        ["TotalCharges", "Churn"],
        ["1 of 30 cells is ' '; the others are numbers", "-P na_values=' '"],
    ),
    "semicolons and decimal commas": (
        "CO;T;level\n" + rows("2", lambda i: f"{i};13", lambda i: f"0;{label(i)}"),
        {},
        ["CO", "T", "level"],
        ["';' between its columns and decimal commas"],
    ),
    "labels that are missing": (
        "Rainfall,RainTomorrow\n" + rows(lambda i: i, lambda i: "NA" if i == 7 else label(i)),
        {},
        "found 1 of 30 missing, the first in row 8",
        [],
    ),
    "labels that are missing, left out": (
        "Rainfall,RainTomorrow\n" + rows(lambda i: i, lambda i: "NA" if i == 7 else label(i)),
        {"drop_missing_labels": "true"},
        ["Rainfall", "RainTomorrow"],
        ["1 of 30 rows have no label"],
    ),
    "times of day": (
        "Time,Payment\n" + rows(lambda i: f"{10 + i % 9}:{i:02}", label),
        {"target": "Payment"},
        ["Time", "Payment"],
        [],
    ),
    "long texts": (long_text(), {"target": "label"}, ["text", "label"], []),
    "an id that is dropped": (
        "customerID,n,y\n" + rows(lambda i: f"{i}-AHVEG", lambda i: i, label),
        {"drop": "customerID", "target": "y"},
        ["n", "y"],
        [],
    ),
}


def loaded(path, name, options):
    parameters = LoadDataParameters.parse({"source": name, **options})
    notices = []
    read = read_table(path, name=name, options=parameters.read_options(), notices=notices)
    table = prepare(
        read,
        target=parameters.target,
        features=parameters.feature_names(),
        drop=parameters.dropped(),
        drop_missing_labels=parameters.drop_missing_labels,
        notices=notices,
    )
    return table, [str(notice) for notice in notices]


@pytest.mark.parametrize("case", CASES)
def test_a_table_is_read_as_people_expect_with(case, tmp_path):
    text, options, expected, words = CASES[case]
    path = tmp_path / "source"
    path.write_text(text, encoding="utf-8")

    if isinstance(expected, str):
        assert expected in refusal(loaded, path, "x.csv", options)
        return
    table, notices = loaded(path, "x.csv", options)

    assert table.column_names == expected
    assert all(any(word in notice for notice in notices) for word in words), notices
    assert len(notices) <= max(len(words), 2)


def test_times_of_day_are_seconds(tmp_path):
    path = tmp_path / "source"
    path.write_text("Time,y\n10:00,a\n23:59,b\n")

    table, _ = loaded(path, "x.csv", {})

    assert table["Time"].to_pylist() == [36_000.0, 86_340.0]


def test_a_named_index_in_parquet_is_neither_feature_nor_target(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(named_index())

    table, notices = loaded(path, "x.parquet", {})

    assert table.column_names == ["x", "y"]
    assert any("'customer_id': it only names or numbers the rows" in notice for notice in notices)
