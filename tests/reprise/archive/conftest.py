"""A second tracking store, runs worth exporting, and archives of them."""

import shutil

import mlflow
import numpy as np
import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag
from sklearn.linear_model import Ridge
from stores import copy_store

from reprise import tracking
from reprise.archive import exporting, importing, reader
from reprise.signatures import Signers

NOBODY = Signers()
POINTS = [("loss", 0, 0.1), ("loss", 1, float("nan")), ("loss", 2, float("-inf")), ("r2", 0, 1 / 3)]


@pytest.fixture
def elsewhere(migrated, tmp_path):
    """Client of the store of somebody else."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    uri = copy_store(migrated, folder)
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory):
    """Folder of a model that MLflow has saved."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    model = Ridge().fit(np.eye(3), [1.0, 2.0, 3.0])
    mlflow.sklearn.save_model(
        model, str(folder), serialization_format="skops", pip_requirements=["scikit-learn"]
    )
    return folder


@pytest.fixture
def rich(store, tmp_path, saved_model):
    """Make a run with one of everything that a run can have, and return its id."""
    run = store.client.create_run(store.experiment_id, start_time=1_000, run_name="rich [one]")
    run_id = run.info.run_id
    tracking.log(run_id, params={"alpha": "0.1", "empty": ""}, tags={"reprise.dirty": "false"})
    for at, (name, step, value) in enumerate(POINTS):
        tracking.log_points(run_id, [(name, step, value)], at=2_000 + at)
    dataset = Dataset("iris", "abc", "local", '{"uri": "iris"}', profile='{"num_rows": 3}')
    tags = [InputTag("mlflow.data.context", "train")]
    store.client.log_inputs(run_id, [DatasetInput(dataset, tags)])
    tracking.log_text(run_id, "notes/größe 1.txt", "text\n")
    folder = shutil.copytree(saved_model, tmp_path / "model")
    tracking.log_model(
        run_id,
        str(folder),
        experiment_id=store.experiment_id,
        name="model",
        params={"alpha": "1.0"},
        model_type="ridge",
    )
    store.client.set_terminated(run_id, "FINISHED", end_time=9_000)
    return run_id


@pytest.fixture
def exported(store, tmp_path):
    """Export runs, and return the path of the archive."""
    numbers = iter(range(100))

    def exported(*run_ids, parts=("data", "models"), at_hand=None, **options):
        path = tmp_path / f"archive{next(numbers)}.zip"
        exporting.export(run_ids, path, parts=parts, at_hand=at_hand or tmp_path, **options)
        return path

    return exported


@pytest.fixture
def imported(elsewhere):
    """Import an archive into the other store."""

    def imported(path, *, signers=NOBODY, allow_large=False, **options):
        here = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(elsewhere.tracking_uri)
        try:
            with reader.unpacked(path, signers=signers, allow_large=allow_large) as archive:
                return importing.import_runs(archive, **options)
        finally:
            mlflow.set_tracking_uri(here)

    return imported
