"""A replay of a load reads the same content as the original run: steps/load_data.py."""

import shutil

import boto3
import mlflow
import pytest
from moto.server import ThreadedMotoServer

from reprise import tracking
from reprise.data.read_options import ReadOptions
from reprise.errors import ParameterError
from reprise.runtime import recorder
from steps import load_data
from steps.parameters import LoadDataParameters, TrainDecisionTreeParameters

ROWS = "".join(f"{i},{'ab'[i % 2]}\n" for i in range(20))
SOURCE = "s3://versioned/table.csv"


@pytest.fixture
def upload(monkeypatch):
    """Put a table into a bucket that keeps versions."""
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3 = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    yield lambda text: s3.put_object(Bucket="versioned", Key="table.csv", Body=text.encode())
    server.stop()


def test_a_replay_reads_the_recorded_version_of_an_object(store, record_of, recording, upload):
    parameters = LoadDataParameters(source=SOURCE)
    upload(f"x,y\n{ROWS}")
    with recording(parameters) as first:
        load_data.main(parameters, first)
    upload(f"z,y\n{ROWS}")

    past = tracking.read_record(first.run_id)
    with mlflow.start_run() as run:
        again = recorder.RunRecorder(
            run, record_of(parameters), parameters=parameters, tags={}, original=past
        )
        with again.recorded():
            load_data.main(parameters, again)

    assert again.record.inputs == past.inputs
    assert again.record.outputs == past.outputs


def test_a_new_run_reads_the_newest(store, recording, upload):
    parameters = LoadDataParameters(source=SOURCE)
    upload(f"x,y\n{ROWS}")
    with recording(parameters) as first:
        load_data.main(parameters, first)
    upload(f"z,y\n{ROWS}")

    with recording(parameters) as second:
        load_data.main(parameters, second)

    assert second.record.inputs[0].sha256 != first.record.inputs[0].sha256


def test_a_training_loads_data_again_that_was_deleted_from_its_load(store, recording, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text(f"x,y\n{ROWS}")

    def loaded():
        with recording(TrainDecisionTreeParameters()) as run:
            return load_data.ensure_loaded(str(table), run)

    first, same = loaded(), loaded()
    shutil.rmtree(store.artifacts(first) / "data")
    second, third = loaded(), loaded()

    assert same == first
    assert second == third != first
    assert "data/train.parquet" in store.files(second)


def test_options_reach_the_reader_and_notices_the_terminal(store, recording, tmp_path, capsys):
    path = tmp_path / "x.csv"
    rows = "".join(f"{i};{i / 2:.1f};{'ab'[i % 2]};?\n".replace(".", ",") for i in range(20))
    path.write_text(f";width;kind;empty\n{rows}")
    parameters = LoadDataParameters(source=str(path), target="kind", na_values="?")

    with recording(parameters) as run:
        load_data.main(parameters, run)

    printed = capsys.readouterr().err
    assert "the file has ';' between its columns and decimal commas" in printed
    assert "column 'Unnamed: 0': it only names or numbers the rows" in printed
    assert "column 'empty': it has no values" in printed
    assert run.record.step.raw_parameters["na_values"] == "?"
    assert run.record.outputs.metrics["features"] == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("separator", "ab"),
        ("decimal", "x"),
        ("thousands", "x"),
        ("encoding", "utf-99"),
        ("encoding", "rot13"),
        ("header", "0"),
        ("header", "last"),
        ("comment", "a"),
        ("comment", "//"),
        ("features", '"a'),
        ("percent", "5"),
    ],
)
def test_an_option_that_is_no_option_is_refused_in_one_line(name, value):
    with pytest.raises(ParameterError, match=f"{name} must be") as caught:
        LoadDataParameters.parse({name: value})

    assert "\n" not in str(caught.value)
    assert "For example: -P" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("separator", "tab", "separator", "tab"),
        ("separator", "\\t", "separator", "\\t"),
        ("separator", "|", "separator", "|"),
        ("header", "none", "header", 0),
        ("header", "first", "header", 1),
        ("header", "3", "header", 3),
        ("thousands", " ", "thousands", " "),
        ("na_values", " ", "na_values", (" ",)),
        ("na_values", "", "na_values", ()),
        ("encoding", "latin-1", "encoding", "latin-1"),
        ("dates", "a=b,day=%d.%m.%Y", "dates", (("a=b", None), ("day", "%d.%m.%Y"))),
    ],
)
def test_an_option_is_read_from_text(name, value, field, expected):
    parameters = LoadDataParameters.parse({name: value})

    assert getattr(parameters.read_options(), field) == expected
    assert LoadDataParameters.parse(parameters.raw()) == parameters


def test_parameters_of_a_run_before_there_were_options_read_as_they_did():
    before = {"source": "x.csv", "target": "", "features": "a, b", "test_size": "0.33"}

    parameters = LoadDataParameters.parse(before)

    assert parameters.read_options() == ReadOptions()
    assert parameters.feature_names() == ["a", "b"]
