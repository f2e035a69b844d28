"""Runs as they are made again on another server, from an archive.

MLflow gives each run that is made a new id. A run that was made from an archive names the one that
it was in a tag, which is how it is found again, so that nothing is made twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import yaml
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME

from reprise.errors import ArchiveError
from reprise.tracking import answers
from reprise.tracking.artifacts import LOCATIONS
from reprise.tracking.heartbeat import holding
from reprise.tracking.server import client
from reprise.tracking.tags import IMPORTED_AS, IMPORTED_FROM
from reprise.tracking.versions import ensure_registered, model_of, versions_of
from reprise.tracking.writes import Batch, End, Inputs, ModelFiles
from reprise.trust import limits
from reprise.trust.documents import parse_yaml, read_text

T = TypeVar("T")
_MOST = 100  # parameters, and tags, in a request
_MOST_POINTS = 800
# What MLflow raises for a description that is none: it checks few of its fields.
_NO_DESCRIPTION = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError),
    *(yaml.YAMLError, MlflowException),
)


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
    if any(each.name == name and model_of(each) == model_id for each in versions_of(run_id)):
        return
    ensure_registered(name)
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
        SHA-256 of the archive's seal.
    """
    End(run_id, status=status, at=at).send(again=True)
    client().set_tag(run_id, IMPORTED_AS, digest)


def refuse_damaged_model(folder: Path) -> None:
    """Refuse the folder of a saved model without a description that MLflow can read.

    Raises
    ------
    ArchiveError
        With the reason.
    """
    path = folder / MLMODEL_FILE_NAME
    try:
        Model.from_dict(parse_yaml(read_text(path, largest=limits.YAML_BYTES)))
    except _NO_DESCRIPTION as error:
        raise ArchiveError(
            f"expected the description of a model in {MLMODEL_FILE_NAME}, found none that MLflow "
            f"can read ({type(error).__name__}). The archive was altered: get it again."
        ) from None
