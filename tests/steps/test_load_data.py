"""A replay of a load reads the same content as the original run: steps/load_data.py."""

import shutil

import boto3
import mlflow
import pytest
from moto.server import ThreadedMotoServer

from reprise import tracking
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
