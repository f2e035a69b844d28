"""Forge runs with an attacker's records, and look for a secret file in a store."""

import hashlib

import mlflow
from attackers import run_git

from reprise.capture import environment, numerics
from reprise.record.schema import Code, InputData, Numerics, Outputs, RunRecord, Step

NO_DIGEST = "0" * 64


def forge(
    place,
    *,
    parameters=None,
    entry_point="load_data",
    locations=("source",),
    inputs=(),
    command=(),
    typed=None,
):
    """Write a finished run of the clone's commit into the store; return its id."""
    client = mlflow.MlflowClient(tracking_uri=place.store_uri)
    experiment = client.get_experiment_by_name("attacks")
    run = client.create_run(
        experiment.experiment_id, tags={"mlflow.project.entryPoint": entry_point}
    )
    commit = run_git(place.clone, "rev-parse", "HEAD")
    record = RunRecord(
        code=Code(
            repository=None,
            project="",
            commit=commit,
            tree=run_git(place.clone, "rev-parse", "HEAD^{tree}"),
            base_commit=commit,
            dirty=False,
        ),
        step=Step(
            entry_point=entry_point,
            raw_parameters=parameters or {},
            parameters=typed or parameters or {},
            locations=locations,
            command=command,
        ),
        inputs=tuple(InputData(name=name, uri=uri, sha256=sha256) for name, uri, sha256 in inputs),
        environment=environment.describe(place.clone),
        numerics=Numerics.model_validate(numerics.describe()),
        outputs=Outputs(metrics={"features": 2.0}),
    )
    path = place.folder / "artifacts" / run.info.run_id / "artifacts" / "provenance.json"
    path.parent.mkdir(parents=True)
    path.write_text(record.to_json(), encoding="utf-8")
    client.set_terminated(run.info.run_id)
    return run.info.run_id


def stored_files(place):
    """Return the names of the data files in the store."""
    return sorted(str(path) for path in (place.folder / "artifacts").rglob("*.parquet"))


def holds(place, content):
    """Return whether the store has a file's content, or its digest."""
    marks = (content, hashlib.sha256(content).hexdigest().encode())
    files = [place.folder / "mlflow.db", *(place.folder / "artifacts").rglob("*")]
    texts = [path.read_bytes() for path in files if path.is_file()]
    return any(mark in text for mark in marks for text in texts)
