"""A real `mlflow models serve` takes a column of each type as pandas reads it from the source."""

import json
import sys

import mlflow
import numpy as np
import pandas as pd
import pytest
from driving import HOST, base_environment, fetch, healthy, server

from deploy.dev.processes import free_port
from reprise.models import model_store
from steps import load_data, models, training
from steps.parameters import LoadDataParameters, TrainRidgeParameters

pytestmark = pytest.mark.drill(
    "steps/source_readers.py", "steps/source_types.py", "steps/encoding.py", "reprise/models"
)
ROWS = 60
NUMBERS = np.arange(ROWS)


def gaps(values, every):
    return [None if i % every == 0 else value for i, value in enumerate(values)]


COLUMNS = {
    "whole": NUMBERS.tolist(),
    "whole with gaps": gaps(NUMBERS.tolist(), 7),
    "fraction": (NUMBERS / 4).tolist(),
    "flag": (NUMBERS % 2 == 0).tolist(),
    "flag with gaps": gaps((NUMBERS % 3 == 0).tolist(), 11),
    "text": gaps(["red, dark", "blue", "grün"] * (ROWS // 3), 13),
    "day": gaps([f"2024-01-{i % 28 + 1:02d}" for i in range(ROWS)], 9),
    "moment": [f"2024-01-01T{i % 24:02d}:30:00Z" for i in range(ROWS)],
    "time": gaps([f"{i % 24:02d}:{i:02d}" for i in range(ROWS)], 8),
    "duration": [f"{i % 5} days {i % 24:02d}:00:30" for i in range(ROWS)],
    "amount": gaps([f"${1000 * i:,}" for i in range(ROWS)], 10),
    "share": [f"{i}.5%" for i in range(ROWS)],
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "table.csv"
    target = NUMBERS * 3.5 + NUMBERS % 5
    pd.DataFrame({**COLUMNS, "y": target}).to_csv(path, index=False)
    return path


@pytest.fixture
def trained(recording, path):
    """Folder of a model of all these columns."""
    loading = LoadDataParameters(source=str(path), target="y", currency=True, percent=True)
    with recording(loading) as loaded:
        load_data.main(loading, loaded)
    parameters = TrainRidgeParameters(data=loaded.run_id, cv=0)
    with recording(parameters) as run:
        training.train(parameters, run, build=models.ridge)
    uri = f"models:/{model_store.model_id_of(run.run_id)}"
    return mlflow.artifacts.download_artifacts(uri, dst_path=str(path.parent))


def test_a_request_for_each_type_is_answered_as_the_model_predicts(path, trained):
    source, folder = pd.read_csv(path), path.parent
    model = mlflow.pyfunc.load_model(trained)
    port = free_port()
    url = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", trained]
    command += ["-h", HOST, "-p", str(port), "--env-manager", "local"]
    environment = base_environment(folder)

    answered = {}
    with server(
        command,
        lambda: healthy(f"{url}/health"),
        log=folder / "log",
        environment=environment,
        cwd=folder,
    ):
        for name in COLUMNS:
            varied = pd.concat([source.iloc[[1]]] * ROWS, ignore_index=True)
            varied[name] = source[name]
            rows = json.loads(varied.drop(columns="y").to_json(orient="split", index=False))
            answer = json.loads(fetch(f"{url}/invocations", body={"dataframe_split": rows}))
            answered[name] = answer["predictions"], model.predict(varied).tolist()

    for name, (predictions, expected) in answered.items():
        assert predictions == expected, name
        assert len(set(predictions)) > 1, name
