"""What runs have logged: their metrics with every point, their artifacts, their models' files."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from mlflow.entities import Dataset, Run
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from reprise.process import scratch
from reprise.tracking import answers
from reprise.tracking.artifacts import _artifacts, _model_artifacts
from reprise.tracking.exported import reading_artifacts
from reprise.tracking.search import get_run
from reprise.tracking.server import all_pages, client
from reprise.tracking.tags import RECORDED_BY, SYSTEM_METRICS
from reprise.tracking.versions import versions_of

_CONTEXT = "MLFLOW_RUN_CONTEXT"


@dataclass(frozen=True)
class Logged:
    """A run, and what it has logged.

    Attributes
    ----------
    run : Run
    points : mapping of str to list of (int, float)
        Steps and values of each metric, in the order in which they were logged.
    files : Path
        Folder with its artifacts, and in `models/<name>` the files of each model.
    registered : sequence of (str, str)
        Each registered version of a model: the registered model's name, and what it was made from.
    """

    run: Run
    points: Mapping[str, list[tuple[int, float]]]
    files: Path
    registered: Sequence[tuple[str, str]] = ()

    def datasets(self) -> Iterator[tuple[str, Dataset]]:
        """Yield the datasets that were logged as inputs, each with its context or ""."""
        for each in self.run.inputs.dataset_inputs if self.run.inputs else ():
            contexts = (tag.value for tag in each.tags if tag.key == MLFLOW_DATASET_CONTEXT)
            yield str(next(contexts, "")), each.dataset


def process_context(run_id: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variable by which MLflow tags all runs that a process starts, beside its own."""
    try:
        tags = json.loads(environment.get(_CONTEXT, "{}"))
    except ValueError:  # MLflow says so itself, to the process
        return {}
    return {_CONTEXT: json.dumps({**tags, RECORDED_BY: run_id})}


def runs_of_process(run_id: str) -> list[Run]:
    """Return the other runs that the process of a run has made, by their tag, by their start."""
    experiments = [each.experiment_id for each in all_pages(client().search_experiments)]
    search = partial(
        client().search_runs,
        experiments,
        f"tags.`{RECORDED_BY}` = '{run_id}'",
        order_by=["attributes.start_time ASC"],
    )
    return [answers.run(run) for run in all_pages(search) if run.info.run_id != run_id]


@contextmanager
def logged(run_id: str, *, models: Sequence[str] = ()) -> Iterator[Logged]:
    """Fetch all that a run has logged, for the time of a `with` block.

    Parameters
    ----------
    run_id : str
    models : sequence of str
        Ids of logged models that belong to no run, and are taken for this run's.

    Raises
    ------
    TrackingError
        If an artifact cannot be read.
    """
    run = get_run(run_id)
    names = [name for name in run.data.metrics if not name.startswith(SYSTEM_METRICS)]
    points = {name: _points(run_id, name) for name in sorted(names)}
    with scratch.folder() as folder:
        with reading_artifacts(run_id):
            _fetch(run, models, Path(folder))
        yield Logged(run, points, Path(folder), _registered(run_id))


def _points(run_id: str, name: str) -> list[tuple[int, float]]:
    history = client().get_metric_history(run_id, name)
    ordered = sorted(history, key=lambda metric: (metric.step, metric.timestamp))
    return [(metric.step, metric.value) for metric in ordered]


def _fetch(run: Run, more: Sequence[str], folder: Path) -> None:
    store = _artifacts(run.info.run_id)
    if store.list_artifacts():
        store.download_artifacts("", str(folder))
    own = [output.model_id for output in run.outputs.model_outputs] if run.outputs else []
    for model_id in map(answers.model_id, dict.fromkeys([*own, *more])):
        place = _free(folder / "models" / answers.artifact_name(_name_of(model_id)))
        place.mkdir(parents=True)
        _model_artifacts(model_id).download_artifacts("", str(place))


def _registered(run_id: str) -> list[tuple[str, str]]:
    """Return the registered versions of a run's models, by name and number."""
    return [(str(each.name), _origin(str(each.source))) for each in versions_of(run_id)]


def _origin(source: str) -> str:
    """Return what a registered version was made from, without ids and places."""
    kind, _, rest = source.partition(":/")
    if kind == "models" and rest.startswith("m-"):
        return _name_of(answers.model_id(rest))
    return PurePosixPath(source).name


def _name_of(model_id: str) -> str:
    return str(client().get_logged_model(model_id).name)


def _free(place: Path) -> Path:
    """Return a folder's path, numbered where there is one of that name already."""
    number = 1
    numbered = place
    while numbered.exists():
        number += 1
        numbered = place.with_name(f"{place.name} {number}")
    return numbered
