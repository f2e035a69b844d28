"""A model reads numbers that are text in its source as pandas reads them, and as stored."""

import datetime as dt
import json

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.pyfunc import scoring_server

from reprise import tracking
from reprise.data import splits, tables
from reprise.data.amounts import Style
from reprise.data.written import Written
from reprise.errors import DataError
from reprise.models import model_store
from steps import dataset, evaluate, load_data, models, source_readers, training
from steps.parameters import (
    EvaluateParameters,
    LoadDataParameters,
    TrainDecisionTreeParameters,
    TrainForestParameters,
    TrainLogisticRegressionParameters,
    TrainRidgeParameters,
)

ROWS = 60
NUMBERS = [round(i * 37.25 - 300, 2) for i in range(ROWS)]


def grouped(number):
    return f"{number:,.2f}"


def european(number):
    return grouped(number).translate(str.maketrans(",.", ".,"))


def dollars(number):
    return f"${grouped(number)}" if number > 0 else f"(${grouped(-number)})"


def twelve_hours(number):
    hours, minutes = divmod(int(abs(number)), 60)
    return f"{(hours - 1) % 12 + 1}:{minutes:02d} {'AP'[hours % 24 // 12]}M"


def clock(number):
    return f"{int(abs(number)) % 24:02d}:{int(abs(number)) % 60:02d}"


COLUMNS = {  # how a number is written, the options of load_data, and what the signature says
    "thousands": (grouped, {"thousands": ","}, "any"),
    "percent": (lambda n: f"{n}%", {"percent": True}, "string"),
    "currency": (dollars, {"currency": True}, "string"),
    "euros": (
        lambda n: f"{european(n)} €",
        {"currency": True, "decimal": ",", "separator": "comma"},
        "string",
    ),
    "decimal commas": (
        lambda n: str(n).replace(".", ","),
        {"decimal": ",", "separator": "comma"},
        "any",
    ),
    "points between thousands": (
        european,
        {"decimal": ",", "thousands": ".", "separator": "comma"},
        "any",
    ),
    "times": (clock, {}, "string"),
    "times with seconds": (lambda n: f"{clock(n)}:07", {}, "string"),
    "fractions of seconds": (lambda n: f"{clock(n)}:07.125", {}, "string"),
    "twelve hours": (twelve_hours, {}, "string"),
    "durations": (lambda n: f"{int(abs(n)) % 9} days {clock(n)}:30", {}, "string"),
    "long durations": (lambda n: f"{int(abs(n)) + 24}:30:00", {}, "string"),
    "markers": (lambda n: "?" if n > 900 else str(n), {"na_values": "?"}, "any"),
    "numbers that are markers": (
        lambda n: "-999" if n > 900 else str(int(n)),
        {"na_values": "-999"},
        "any",
    ),
}  # fmt: skip


@pytest.fixture
def load(recording):
    def load(path, **parameters):
        chosen = LoadDataParameters(**{"source": str(path), "target": "y", **parameters})
        with recording(chosen) as run:
            load_data.main(chosen, run)
        return run.run_id

    return load


@pytest.fixture
def train(recording):
    def train(data, kind=TrainRidgeParameters, build=models.ridge, **chosen):
        parameters = kind(data=data, **{"cv": 0, **chosen})
        with recording(parameters) as run:
            training.train(parameters, run, build=build)
        return run.run_id

    return train


def served(run_id):
    return mlflow.pyfunc.load_model(f"models:/{model_store.model_id_of(run_id)}")


def stored(data, part="train"):
    holder, digest, _ = splits.located(data, part)
    return dataset.features_and_labels(splits.verified(holder, part, digest))[0]


def frame_of(write):
    """Rows with a number in a notation, a plain one before and after it, a gap, and a target."""
    texts = [None if i % 11 == 5 else write(number) for i, number in enumerate(NUMBERS)]
    return pd.DataFrame(
        {
            "before": np.arange(ROWS) / 8,
            "written": texts,
            "after": np.arange(ROWS) % 7,
            "y": [number * 3.5 + i % 4 for i, number in enumerate(NUMBERS)],
        }
    )


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("name", COLUMNS)
def test_the_model_predicts_from_the_source_what_it_predicts_from_the_stored_table(
    tmp_path, load, train, name
):
    write, options, kind = COLUMNS[name]
    path = tmp_path / "table.csv"
    frame_of(write).to_csv(path, index=False, decimal=options.get("decimal", "."))
    data = load(path, **options)
    run_id = train(data)

    source = pd.read_csv(path)
    model = served(run_id)

    found = model.predict(source)
    X = stored(data)
    assert X["written"].dtype.kind == "f"
    assert list(X.columns) == ["before", "written", "after"]
    plain = model_store.load_model(run_id, recorded=None)
    expected = plain.predict(X)
    before = [float(str(value).replace(",", ".")) for value in source["before"]]
    assert found[[before.index(value) for value in X["before"]]].tolist() == expected.tolist()
    source_readers.remove_from(plain)
    assert plain.predict(X).tolist() == expected.tolist()
    types = {c["name"]: c["type"] for c in model.metadata.signature.inputs.to_dict()}
    assert types["written"] == kind
    assert types["after"] == ("any" if "na_values" in options else "long")


@pytest.mark.parametrize(
    ("kind", "build"),
    [
        (TrainLogisticRegressionParameters, models.logistic_regression),
        (TrainDecisionTreeParameters, models.decision_tree),
        (TrainForestParameters, models.random_forest),
    ],
)
def test_every_model_takes_it_beside_text_and_dates_and_over_http(
    tmp_path, load, train, recording, kind, build
):
    frame = frame_of(lambda n: f"${grouped(abs(n))}")
    frame["at"] = [clock(number) for number in NUMBERS]
    frame["colour"] = ["red", None, "?"] * (ROWS // 3)
    frame["day"] = pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d")
    frame["y"] = ["low", "high", "high", "low"] * (ROWS // 4)
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    data = load(path, currency=True, na_values="?")
    run_id = train(data, kind, build)

    model, source = served(run_id), pd.read_csv(path)
    answer = scoring_server.invocations(
        data=json.dumps(
            {"dataframe_split": json.loads(source.to_json(orient="split", index=False))}
        ),
        content_type="application/json",
        model=model,
        input_schema=model.metadata.get_input_schema(),
    )

    X = stored(data)
    expected = model_store.load_model(run_id, recorded=None).predict(X).tolist()
    places = [round(value * 8) for value in X["before"]]
    assert model.predict(source)[places].tolist() == expected
    assert answer.status == 200, answer.response
    predictions = json.loads(answer.response)["predictions"]
    assert [predictions[place] for place in places] == expected
    with recording(EvaluateParameters(run_id=run_id, bootstrap=0)) as run:
        evaluate.main(EvaluateParameters(run_id=run_id, bootstrap=0), run)
    assert tracking.get_run(run.run_id).data.metrics["test_accuracy"] >= 0


def test_times_and_durations_of_typed_files_are_taken_as_pandas_has_them(tmp_path, load, train):
    minutes = [(i * 17) % 1440 for i in range(ROWS)]
    columns = {
        "at": [None if i % 9 == 4 else dt.time(m // 60, m % 60, 5) for i, m in enumerate(minutes)],
        "span": [None if i % 7 == 3 else dt.timedelta(minutes=m) for i, m in enumerate(minutes)],
        "x": [float(i) for i in range(ROWS)],
        "y": [m * 1.5 for m in minutes],
    }
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(columns), path)
    data = load(path)
    run_id = train(data)

    found = served(run_id).predict(pd.read_parquet(path))

    X = stored(data)
    expected = model_store.load_model(run_id, recorded=None)
    source_readers.remove_from(expected)
    assert found[X["x"].astype(int)].tolist() == expected.predict(X).tolist()


def test_a_replay_and_a_restored_model_are_bit_identical(tmp_path, load, train):
    path = tmp_path / "table.csv"
    frame_of(lambda n: f"{n}%").to_csv(path, index=False)
    data = load(path, percent=True)

    first, second = (tracking.read_record(train(data)).outputs for _ in range(2))

    assert first == second


def test_a_model_of_plain_columns_has_no_stage_for_reading(tmp_path, load, train):
    path = tmp_path / "table.csv"
    frame_of(float).to_csv(path, index=False)

    model = model_store.load_model(train(load(path)), recorded=None)

    assert [name for name, _ in model.named_steps["columns"].steps] == ["scale", "impute"]


def test_what_a_typed_file_says_of_writing_is_not_believed(tmp_path):
    field = pa.field("x", pa.float64(), metadata={b"reprise.written": b"{"})
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table([[1.5, 2.0]], schema=pa.schema([field])), path)

    assert tables.read_table(path, name="x.parquet").schema.field("x").metadata == {}


@pytest.mark.parametrize(
    "text",
    [b"{", b"[]", b'{"kind": "code", "style": {}, "na_values": []}',
     b'{"kind": "number", "style": {"decimal": 3}, "na_values": []}',
     b'{"kind": "number", "style": {"x": 3}, "na_values": []}'],
)  # fmt: skip
def test_damaged_metadata_of_a_stored_part_are_one_line(text):
    field = pa.field("x", pa.float64(), metadata={b"reprise.written": text})

    with pytest.raises(DataError, match="Expected how column 'x' is written, found other"):
        Written.of(field)


def read_by_the_stage(written, values):
    reader = source_readers._reader(written, 1)
    return reader.fit_transform(pd.DataFrame({"x": values})).ravel()


@given(
    numbers=st.lists(st.decimals(-(10**9), 10**9, places=3, allow_nan=False), min_size=1),
    style=st.sampled_from(
        [
            Style(thousands=","),
            Style(decimal=",", thousands="."),
            Style(decimal=",", thousands="'"),
            Style(currency=True, thousands=","),
            Style(percent=True),
        ]
    ),
)
def test_a_model_reads_the_numbers_that_the_reader_of_the_file_reads(numbers, style):
    texts = [
        f"{n:,}".translate(str.maketrans({",": style.thousands or "", ".": style.decimal}))
        + ("%" if style.percent else "")
        for n in numbers
    ]
    expected = style.numbers(pa.chunked_array([texts])).cast(pa.float64()).to_numpy()

    found = read_by_the_stage(Written(style=style), texts)

    assert found.tolist() == expected.tolist()


@given(spans=st.lists(st.timedeltas(dt.timedelta(0), dt.timedelta(days=400)), min_size=1))
def test_a_model_reads_the_seconds_that_are_stored(spans):
    texts = [str(pd.Timedelta(span)) for span in spans]
    nanoseconds = pd.to_timedelta(spans).astype("timedelta64[ns]").astype("int64")

    found = read_by_the_stage(Written(kind="clock"), texts)

    assert found.tolist() == (nanoseconds / 1e9).tolist()
    assert read_by_the_stage(Written(kind="duration"), spans).tolist() == found.tolist()


def test_equal_values_that_are_written_differently_are_stored_apart(tmp_path, load, train):
    plain, grouped_too = tmp_path / "plain.csv", tmp_path / "grouped.csv"
    frame_of(lambda n: str(n).replace(".", ",")).to_csv(plain, index=False, decimal=",")
    frame_of(european).to_csv(grouped_too, index=False, decimal=",")
    options = {"decimal": ",", "separator": "comma", "features": "written"}

    first = load(plain, **options)
    second = load(grouped_too, thousands=".", **options)

    assert splits.located(first, "train")[1] == splits.located(second, "train")[1]
    source = pd.read_csv(grouped_too)
    expected = model_store.load_model(train(first), recorded=None).predict(stored(second))
    found = served(train(second)).predict(source)
    assert sorted(found) != sorted(expected)
    assert set(expected.tolist()) <= set(found.tolist())
