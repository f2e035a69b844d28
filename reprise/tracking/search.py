"""Find runs: by id, by tags, and by their parent run."""

from collections.abc import Mapping, Sequence
from functools import partial

from mlflow.entities import (
    Run,
)
from mlflow.exceptions import MlflowException

from reprise.errors import TrackingError
from reprise.record.schema import run_in
from reprise.tracking import answers
from reprise.tracking.server import all_pages, client, shown_address
from reprise.tracking.tags import IMPORTED_FROM, PARENT, REPLAY_OF, SYSTEM_METRICS


def get_run(run_id: str) -> Run:
    """Return a run by id, also written `runs:/<id>`.

    Raises
    ------
    TrackingError
        If there is no such run.
    """
    asked = run_in(run_id)
    try:
        return answers.run(client().get_run(asked), asked=asked)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        now = _imported_as(asked)
        raise TrackingError(
            f"expected the id of a run on {shown_address()}, found {run_id}, which does not exist"
            + (
                f" here: it was imported as run {now}. Name that."
                if now
                else ". Copy the id from the MLflow UI, or set MLFLOW_TRACKING_URI to the server "
                "that has it."
            )
        ) from None


def _imported_as(run_id: str) -> str:
    """Return the id that a run of another server has on this one; "" if it was not imported."""
    if not run_id.isalnum():  # it is part of a query
        return ""
    experiments = [each.experiment_id for each in all_pages(client().search_experiments)]
    found = client().search_runs(experiments, f"tags.`{IMPORTED_FROM}` = '{run_id}'", max_results=1)
    return answers.run_id(found[0].info.run_id) if found else ""


def metrics_of(run: Run) -> dict[str, float]:
    """Return what a run has measured: not of the machine, and nothing that came after its end."""
    end = run.info.end_time
    return {
        metric.key: metric.value
        for metric in run.data._metric_objs  # noqa: SLF001 - MLflow's client has no other way
        if not metric.key.startswith(SYSTEM_METRICS) and (end is None or metric.timestamp <= end)
    }


def logged_model(run_id: str) -> str | None:
    """Return what the server gives as the id of the model that a run has logged; None if none."""
    outputs = get_run(run_id).outputs
    return outputs.model_outputs[-1].model_id if outputs and outputs.model_outputs else None


def find_runs(
    experiment_id: str,
    *,
    tags: Mapping[str, str],
    order_by: Sequence[str] = ("attributes.start_time ASC",),
    limit: int = 1,
    finished: bool = True,
    dataset: str = "",
) -> list[Run]:
    """Return the first (finished) runs of an experiment that have all these tags, in order.

    With the digest of a dataset, only those that read it.
    """
    filters = ["attributes.status = 'FINISHED'"] if finished else []
    filters += [f"tags.`{name}` = '{value}'" for name, value in tags.items()]
    filters += [f"dataset.digest = '{dataset}'"] if dataset else []
    runs = client().search_runs(
        [experiment_id], " AND ".join(filters), max_results=limit, order_by=list(order_by)
    )
    return [answers.run(run) for run in runs]


def dataset_of(run: Run, name: str) -> str:
    """Return the digest of a dataset that a run read, for `find_runs`; "": it read none."""
    inputs = run.inputs.dataset_inputs if run.inputs else ()
    digests = [str(each.dataset.digest) for each in inputs if each.dataset.name == name]
    return digests[-1] if digests and digests[-1].isalnum() else ""


def replays_of(run_id: str) -> list[Run]:
    """Return the replays of a run in all experiments, in the order of their start."""
    experiments = [each.experiment_id for each in all_pages(client().search_experiments)]
    filter_string = f"tags.`{REPLAY_OF}` = '{run_id}'"
    search = partial(
        client().search_runs, experiments, filter_string, order_by=["attributes.start_time ASC"]
    )
    return list(all_pages(search))


def children(run: Run) -> list[Run]:
    """Return the child runs of a run, in the order of their start."""
    return all_runs(run.info.experiment_id, f"tags.`{PARENT}` = '{run.info.run_id}'")


def all_runs(experiment_id: str, filter_string: str = "") -> list[Run]:
    """Return all runs of an experiment that match a filter, in the order of their start."""
    search = partial(
        client().search_runs, [experiment_id], filter_string, order_by=["attributes.start_time ASC"]
    )
    return [answers.run(run) for run in all_pages(search)]


def open_children(run_id: str, experiment_id: str) -> list[Run]:
    """Return the child runs of a run that have not ended."""
    open_runs = f"attributes.status = 'RUNNING' AND tags.`{PARENT}` = '{run_id}'"
    return all_runs(experiment_id, open_runs)
