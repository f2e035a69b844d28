"""Runs as they are read for an archive: all that a server says of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import LoggedModel, Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from reprise.errors import TrackingError
from reprise.tracking import answers
from reprise.tracking.artifacts import _artifacts
from reprise.tracking.server import client, first_line
from reprise.tracking.tags import PROCESS, SEEN

_FIELDS = ("name", "digest", "source_type", "source", "schema", "profile")  # of a dataset
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


def datasets_of(run: Run) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the context, and the fields of MLflow's `Dataset`, of each dataset of a run."""
    for each in run.inputs.dataset_inputs if run.inputs else ():
        context = next((tag.value for tag in each.tags if tag.key == MLFLOW_DATASET_CONTEXT), "")
        values = {name: getattr(each.dataset, name) for name in _FIELDS}
        yield str(context), {name: value for name, value in values.items() if value is not None}


def fetch_artifacts(run_id: str, folder: Path, *, leave_out: Sequence[str] = ()) -> None:
    """Fetch all artifacts of a run into a folder, but those below some names.

    Raises
    ------
    TrackingError
        If one cannot be read.
    """
    with reading_artifacts(run_id):
        store = _artifacts(run_id)
        for item in store.list_artifacts():
            if item.path not in leave_out:
                answers.downloaded(store.download_artifacts(item.path, str(folder)), folder)


@contextmanager
def reading_artifacts(run_id: str) -> Iterator[None]:
    """Name the run, in a block, whose artifacts cannot be read."""
    try:
        yield
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"expected the artifacts of run {run_id}, found some that cannot be read: "
            f"{first_line(error)} Check the store of artifacts."
        ) from None
