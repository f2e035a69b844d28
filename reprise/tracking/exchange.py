"""Runs as they are read for an archive, and as they are made again on another server.

MLflow gives each run that is made a new id. A run that was made from an archive names the one that
it was in a tag, which is how it is found again, so that nothing is made twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

from mlflow.entities import LoggedModel, Metric, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException

from reprise.errors import TrackingError
from reprise.tracking import answers
from reprise.tracking.artifacts import LOCATIONS, _artifacts
from reprise.tracking.heartbeat import holding
from reprise.tracking.server import all_pages, client, first_line
from reprise.tracking.tags import IMPORTED_AS, IMPORTED_FROM, PROCESS, SEEN
from reprise.tracking.writes import Batch, End, Inputs, ModelFiles

T = TypeVar("T")
_MOST = 100  # parameters, and tags, in a request
_MOST_POINTS = 800
NOT_COPIED = frozenset({PROCESS, SEEN})  # tags that are of the process which made a run


def history(run: Run) -> Iterator[Metric]:
    """Yield every value of every metric of a run, by name, step and time."""
    for name in sorted(run.data.metrics):
        points = client().get_metric_history(run.info.run_id, name)
        yield from sorted(points, key=lambda point: (point.step, point.timestamp))


def models_of(run: Run) -> Iterator[LoggedModel]:
    """Yield the models that a run has logged."""
    for output in run.outputs.model_outputs if run.outputs else ():
        yield client().get_logged_model(answers.model_id(output.model_id))


def versions_of(run_id: str) -> list[ModelVersion]:
    """Return the registered versions of models of a run, by name and number."""
    search = partial(client().search_model_versions, f"run_id = '{answers.run_id(run_id)}'")
    try:
        found = [*all_pages(search)]
    except UnsupportedModelRegistryStoreURIException:  # a store of runs alone
        return []
    return sorted(found, key=lambda version: (version.name, int(version.version)))


def versions_named(name: str) -> list[ModelVersion]:
    """Return the versions of a registered model.

    Raises
    ------
    TrackingError
        If there is no such model, or it has no version.
    """
    quoted = name.replace("'", "\\'")
    found = [*all_pages(partial(client().search_model_versions, f"name = '{quoted}'"))]
    if not found:
        raise TrackingError(
            f"expected the name of a registered model, found {name!r}, which has no version. "
            "Copy the name from the MLflow UI."
        )
    return sorted(found, key=lambda version: int(version.version))


def fetch_artifacts(run_id: str, folder: Path, *, leave_out: Sequence[str] = ()) -> None:
    """Fetch all artifacts of a run into a folder, but those below some names.

    Raises
    ------
    TrackingError
        If one cannot be read.
    """
    try:
        store = _artifacts(run_id)
        for item in store.list_artifacts():
            if item.path not in leave_out:
                answers.downloaded(store.download_artifacts(item.path, str(folder)), folder)
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"expected the artifacts of run {run_id}, found some that cannot be read: "
            f"{first_line(error)} Check the store of artifacts."
        ) from None


def make_imported(experiment_id: str, original: str, *, name: str, start: int) -> str:
    """Make a run for one of an archive, still without its content, and return its id.

    Parameters
    ----------
    experiment_id : str
    original : str
        The id that the run had.
    name : str
    start : int
        In milliseconds since 1970.
    """
    tags = {IMPORTED_FROM: original, **holding()}
    made = answers.run(
        client().create_run(experiment_id, start_time=start, tags=tags, run_name=name or None)
    )
    LOCATIONS[made.info.run_id] = made.info.artifact_uri
    return str(made.info.run_id)


def log_imported(
    run_id: str,
    *,
    params: Mapping[str, str],
    tags: Mapping[str, str],
    points: Sequence[tuple[str, int, float, int]],
    datasets: Sequence[tuple[str, Mapping[str, str]]],
) -> None:
    """Log what a run of an archive has logged, in few requests.

    Parameters
    ----------
    run_id : str
    params, tags : mapping of str to str
    points : sequence of (str, int, float, int)
        Of metrics: name, step, value, and milliseconds since 1970.
    datasets : sequence of (str, mapping)
        Context and fields of each dataset.
    """
    pieces = zip_longest(
        _pieces(list(params.items()), _MOST),
        _pieces(list(tags.items()), _MOST),
        _pieces(points, _MOST_POINTS),
        fillvalue=(),
    )
    for some_params, some_tags, some_points in pieces:
        batch = Batch(run_id, params=dict(some_params), tags=dict(some_tags), points=some_points)
        batch.send(again=True)
    for context, fields in datasets:
        Inputs(run_id, datasets=[fields], context=context).send(again=True)


def _pieces(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def log_imported_model(
    run_id: str,
    folder: Path,
    *,
    experiment_id: str,
    name: str,
    kind: str,
    params: Mapping[str, str],
) -> str:
    """Store the folder of a saved model as a logged model of a run, once; return its id.

    Raises
    ------
    TrackingError
        If the server does not have it afterwards.
    """
    write = ModelFiles(
        run_id,
        str(folder),
        experiment_id=experiment_id,
        name=name,
        params=params,
        model_type=kind,
    )
    return write.sent(again=True)


def register_imported(run_id: str, model_id: str, *, name: str, tags: Mapping[str, str]) -> None:
    """Register a model as a version of a registered model, unless it is one already.

    No alias is set: what is the champion is not for an archive to say.
    """
    if any(each.name == name and each.model_id == model_id for each in versions_of(run_id)):
        return
    try:
        client().create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"models:/{model_id}"
    client().create_model_version(name, source, run_id=run_id, model_id=model_id, tags=dict(tags))


def end_imported(run_id: str, status: str, *, at: int, digest: str) -> None:
    """End a run as it had ended, and note that all of it is here.

    Parameters
    ----------
    run_id, status : str
    at : int
        When it had ended, in milliseconds since 1970.
    digest : str
        SHA-256 of the archive's manifest.
    """
    End(run_id, status=status, at=at).send(again=True)
    client().set_tag(run_id, IMPORTED_AS, digest)
