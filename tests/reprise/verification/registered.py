"""The registered model of these tests, and the file of a run's model."""

from pathlib import Path

from reprise import tracking

NAME = "iris"
DIGEST = "d" * 64


def file_of(store, run_id):
    model = store.client.get_logged_model(tracking.logged_model(run_id))
    return Path(model.artifact_location.removeprefix("file://")) / "model.skops"
