"""Each file of a stored model is compared with that of the replay, by its content."""

from pathlib import Path

import pytest
from mlflow.entities import LoggedModelOutput, LoggedModelStatus

from reprise.errors import DigestMismatchError, ModelError, TrackingError
from reprise.record.digest import sha256_bytes
from reprise.verification import model_files


@pytest.fixture
def train(store):
    """Make a run with a logged model of these files; "<run>" and "<model>" are their ids."""

    def train(files):
        run_id = store.make_run(status="RUNNING")
        made = store.client.create_logged_model(
            store.experiment_id, name="model", source_run_id=run_id
        )
        store.client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
        store.client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])
        folder = Path(made.artifact_location.removeprefix("file://"))
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            of_run = content.replace(b"<run>", run_id.encode())
            path.write_bytes(of_run.replace(b"<model>", made.model_id.encode()))
        return run_id

    return train


DESCRIBED = {"MLmodel": b"run_id: <run>\nmodel_id: <model>\nflavors: {}\n", "a/b.txt": b"b\n"}
PICKLE, OTHER = b"\x80\x04K\x01.", b"\x80\x04K\x02."


def test_equal_files_are_verified_whatever_the_ids(train):
    found = model_files.compare(train(DESCRIBED), train(DESCRIBED))

    assert set(found.verified) == {"MLmodel", "a/b.txt"}
    assert found.verified["a/b.txt"] == sha256_bytes(b"b\n")
    assert found.opaque == {}


@pytest.mark.parametrize(
    "change",
    [
        {"MLmodel": b"run_id: <run>\nmodel_id: <model>\nflavors: {python_function: {}}\n"},
        {"a/b.txt": b"c\n"},
        {"a/c.txt": b"b\n"},
    ],
    ids=["the description", "a file", "one more file"],
)
def test_another_file_is_refused_from_either_side(train, change):
    usual, other = train(DESCRIBED), train({**DESCRIBED, **change})

    for pair in ((usual, other), (other, usual)):
        with pytest.raises(DigestMismatchError, match=f"{next(iter(change))} of model m-"):
            model_files.compare(*pair)


def test_pickles_of_other_bytes_cannot_be_compared(train):
    found = model_files.compare(
        train({**DESCRIBED, "model.pkl": PICKLE}), train({**DESCRIBED, "model.pkl": OTHER})
    )

    assert found.opaque == {"model.pkl": sha256_bytes(PICKLE)}
    assert "model.pkl" not in found.verified


def test_equal_pickles_are_verified(train):
    files = {**DESCRIBED, "model.pkl": PICKLE}

    assert "model.pkl" in model_files.compare(train(files), train(files)).verified


def test_a_run_without_a_model_has_no_files(store, train):
    assert model_files.compare(store.make_run(), train(DESCRIBED)).verified == {}


def test_a_replay_without_a_model_verifies_none(store, train):
    with pytest.raises(ModelError, match="expected a model of replay"):
        model_files.compare(train(DESCRIBED), store.make_run())


def test_a_model_whose_files_are_gone_is_refused(train):
    with pytest.raises((TrackingError, DigestMismatchError), match=r"MLmodel|the files of model"):
        model_files.compare(train({}), train(DESCRIBED))
