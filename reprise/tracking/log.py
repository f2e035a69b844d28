"""What a run logs: parameters, metrics, tags, inputs, artifacts, its model, and its end."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from reprise.process import scratch
from reprise.record.description import of_model
from reprise.record.schema import InputData
from reprise.tracking.outbox import deliver, note
from reprise.tracking.writes import Batch, End, Files, Inputs, ModelFiles, now

_MOST_METRICS = 900  # in a request, which may have 1,000 metrics, parameters and tags
_MOST_PARAMS = 100
_DATASET_DIGEST_LENGTH = 36  # what MLflow's schema holds


def log(
    run_id: str,
    *,
    params: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
    model_id: str | None = None,
    at: int = 0,
) -> None:
    """Log parameters, metrics and tags of a run: in one call, unless there are many metrics.

    The metrics are also those of a logged model, if its id is given, or `OWN_MODEL`. They are of
    now, or of a time in milliseconds since 1970.
    """
    points = [(name, 0, value) for name, value in (metrics or {}).items()]
    if len(points) > _MOST_METRICS:
        log_points(run_id, points, model_id=model_id, at=at)
        points = []
    at = at or now()
    dated = [(name, step, value, at) for name, step, value in points]
    deliver(Batch(run_id, params=params, points=dated, tags=tags, model_id=model_id))


def note_metrics(run_id: str, metrics: Mapping[str, float], *, at: int) -> None:
    """Keep metrics on this machine that are logged later, lest the process is killed before."""
    note(Batch(run_id, points=[(name, 0, value, at) for name, value in metrics.items()]))


def log_params(run_id: str, params: Mapping[str, str]) -> None:
    """Log any number of parameters of a run."""
    every = list(params.items())
    for start in range(0, len(every), _MOST_PARAMS):
        log(run_id, params=dict(every[start : start + _MOST_PARAMS]))


def log_points(
    run_id: str,
    points: Sequence[tuple[str, int, float]],
    *,
    model_id: str | None = None,
    at: int = 0,
) -> None:
    """Log points of metrics, each a name, a step and a value; of now, or of a time."""
    at = at or now()
    every = [(name, step, value, at) for name, step, value in points]
    for start in range(0, len(every), _MOST_METRICS):
        deliver(Batch(run_id, points=every[start : start + _MOST_METRICS], model_id=model_id))


def log_inputs(run_id: str, inputs: Sequence[InputData], *, context: str) -> None:
    """Show inputs as datasets of a run in the MLflow UI; the record holds their full digests."""
    datasets = [
        {
            "name": data.name,
            "digest": data.sha256[:_DATASET_DIGEST_LENGTH],
            **_dataset_source(data.uri),
            "profile": json.dumps({"num_rows": data.rows, "num_columns": data.columns}),
        }
        for data in inputs
    ]
    deliver(Inputs(run_id, datasets=datasets, context=context))


def _dataset_source(uri: str) -> dict[str, str]:
    """Name a URI as one of MLflow's kinds of dataset source, so that MLflow can load it again."""
    scheme = uri.partition(":")[0]
    kind, field = {"http": ("http", "url"), "https": ("http", "url"), "s3": ("s3", "uri")}.get(
        scheme, ("local", "uri")
    )
    return {"source_type": kind, "source": json.dumps({field: uri})}


def log_text(run_id: str, name: str, text: str) -> None:
    """Store a text as an artifact of a run, replacing an earlier one of that name."""
    folder, _, last = name.rpartition("/")
    with scratch.folder() as temporary:
        path = Path(temporary, last)
        path.write_text(text, encoding="utf-8")
        deliver(Files(run_id, str(path), name=folder or None))


def log_folder(run_id: str, folder: Path, name: str | None = None) -> None:
    """Store the files of a folder as artifacts of a run, below a name."""
    deliver(Files(run_id, str(folder), name=name))


def log_file(run_id: str, path: str, folder: str | None = None) -> None:
    """Store a file, or a folder by its name, as an artifact of a run."""
    if Path(path).is_dir():
        inner = os.path.basename(os.path.normpath(path))  # noqa: PTH119 - as MLflow's client does
        folder = f"{folder}/{inner}" if folder else inner
    deliver(Files(run_id, path, name=folder))


def log_model(
    run_id: str,
    folder: str,
    *,
    experiment_id: str,
    name: str,
    params: Mapping[str, str],
    model_type: str,
) -> None:
    """Store a saved model as the logged model of a run.

    Parameters
    ----------
    run_id : str
    folder : str
        With the saved model; its description gets the id of the logged one.
    experiment_id, name, params, model_type
        Of the logged model.
    """
    deliver(
        ModelFiles(
            run_id,
            folder,
            experiment_id=experiment_id,
            name=name,
            params=params,
            model_type=model_type,
            description=of_model(model_type, run_id, params),
        )
    )


def end(run_id: str, status: str) -> None:
    """Give a run its final status: FINISHED, FAILED or KILLED."""
    deliver(End(run_id, status=status, at=now()))
