"""Runs: opened, planned, made, and closed where their process is gone."""

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import mlflow
from mlflow.entities import (
    LifecycleStage,
    Run,
    SourceType,
)
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.default_context import DefaultRunContext
from mlflow.utils import mlflow_tags

from reprise.backports import StrEnum
from reprise.console import warn
from reprise.errors import TrackingError
from reprise.record.description import of_lost
from reprise.record.project_run import ProjectRun
from reprise.tracking import answers, spool
from reprise.tracking.artifacts import LOCATIONS
from reprise.tracking.heartbeat import holding
from reprise.tracking.log import end, log
from reprise.tracking.made_up import is_made_up
from reprise.tracking.outbox import discard, own
from reprise.tracking.search import find_runs, get_run, open_children
from reprise.tracking.server import (
    client,
    current_experiment_id,
    ensure_experiment,
    first_line,
    prepare_mlflow,
)
from reprise.tracking.tags import (
    BACKEND,
    ENTRY_POINT,
    ERROR,
    ERROR_KIND,
    GIT_COMMIT,
    GIT_REPOSITORY,
    KEY,
    NOTE,
    PARENT,
    PROJECT_ENVIRONMENT,
    PROJECT_FOLDER,
    REPLAY_OF,
    RUN_NAME,
    SOURCE_NAME,
    TWEAK_OF,
    error_tag,
)

GIVEN = "MLFLOW_RUN_ID"  # MLflow's variable: the run that was made for this process
_OPEN = ("RUNNING", "SCHEDULED")  # the statuses of a run that has not ended
_LONGEST_NAME = 250


class Origin(StrEnum):
    """Who made the run of a process."""

    GIVEN = "given"  # `mlflow run`, or another process that started this one
    PLANNED = "planned"  # the process itself, from the plan of the process that started it
    NEW = "new"  # the process itself


def is_run_given() -> bool:
    """Return whether whoever started this process has made its run."""
    return bool(os.environ.get(GIVEN))


def open_run(
    *, ordered: ProjectRun | None = None, planned: "Plan | None" = None, name: str | None = None
) -> tuple[Run, Origin]:
    """Attach to the run that `mlflow run` made for this process, or make one.

    The caller must log the parameters and the tags of a new run.

    Parameters
    ----------
    ordered : ProjectRun, optional
        The run to make, as `mlflow run` would have made it.
    planned : Plan, optional
        The child run to make.
    name : str, optional
        Of a run that nobody has named.

    Raises
    ------
    TrackingError
        If the given run has ended.
    """
    prepare_mlflow()
    if ordered:
        named = replace(ordered, name=ordered.name or name)
        run_id = create_project_run(current_experiment_id(), named)
        os.environ[GIVEN] = run_id
        own(run_id)
        return mlflow.start_run(run_id=run_id), Origin.GIVEN
    if planned:
        run = make(planned)
        os.environ[GIVEN] = run.info.run_id  # direct calls of MLflow in the step log to it too
        return run, Origin.PLANNED
    asked = os.environ.get(GIVEN)
    if asked:
        given = get_run(asked)
        refuse_ended(given)
        run = answers.run(start_run(asked), asked=asked)
        hold(asked, name=name if is_made_up(given.info.run_name) else None)
        return run, Origin.GIVEN
    run = answers.run(start_run(None, tags=holding(), name=name))
    own(run.info.run_id)
    return run, Origin.NEW


def move_given(experiment: str) -> None:
    """Make the run in MLFLOW_RUN_ID anew in the experiment of a name, unless it is there.

    `mlflow run` makes it before the step can say where it belongs; what it has made there is ended,
    which MLflow looks at later, and deleted. Replays and child runs stay where they are.
    """
    given = get_run(os.environ[GIVEN])
    refuse_ended(given)
    tags = given.data.tags
    if not tags.keys().isdisjoint((REPLAY_OF, TWEAK_OF, PARENT)):
        return
    experiment_id = ensure_experiment(experiment)
    if experiment_id == given.info.experiment_id:
        return
    name = given.info.run_name
    moved = answers.run(client().create_run(experiment_id, tags=tags, run_name=name))
    log(moved.info.run_id, params=given.data.params)
    client().set_terminated(given.info.run_id, "FINISHED")
    client().delete_run(given.info.run_id)
    os.environ[GIVEN] = moved.info.run_id
    os.environ["MLFLOW_EXPERIMENT_ID"] = experiment_id
    os.environ.pop("MLFLOW_EXPERIMENT_NAME", None)


def hold(run_id: str, *, name: str | None = None) -> None:
    """Take over a run that was made for this process, and give it a name where it needs one."""
    own(run_id)
    log(run_id, tags=holding() | ({RUN_NAME: name} if name else {}))


def refuse_ended(run: Run) -> None:
    """Refuse a run in MLFLOW_RUN_ID if this process would overwrite its results.

    Raises
    ------
    TrackingError
        If the run has ended, or is deleted.
    """
    deleted = run.info.lifecycle_stage != LifecycleStage.ACTIVE
    if deleted or run.info.status not in _OPEN:
        raise TrackingError(
            f"expected a run that has not ended in {GIVEN}, found run {run.info.run_id}, which is "
            f"{'deleted' if deleted else run.info.status}. To make a new run: unset {GIVEN}"
        )


def start_run(
    run_id: str | None,
    *,
    nested: bool = False,
    tags: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Run:
    """Start a run, with system metrics only if MLflow can measure them.

    With MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING, MLflow refuses to start a run if psutil is missing.
    """
    can_measure = None if importlib.util.find_spec("psutil") else False
    return mlflow.start_run(
        run_id=run_id,
        nested=nested,
        tags=tags,
        run_name=name,
        log_system_metrics=can_measure,
    )


@dataclass(frozen=True)
class Plan:
    """A run to make: its experiment, tags, parameters and name."""

    experiment_id: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]


def plan_run(
    parent: Run,
    entry_point: str,
    raw_parameters: Mapping[str, str],
    *,
    name: str,
    tags: Mapping[str, str] | None = None,
) -> Plan:
    """Plan a child run as `mlflow run` would make it, with a name to show."""
    inherited = (
        mlflow_tags.MLFLOW_USER,
        SOURCE_NAME,
        GIT_COMMIT,
        GIT_REPOSITORY,
        PROJECT_ENVIRONMENT,
    )
    inheritance = {n: parent.data.tags[n] for n in inherited if n in parent.data.tags}
    own = {
        mlflow_tags.MLFLOW_SOURCE_TYPE: SourceType.to_string(SourceType.PROJECT),
        ENTRY_POINT: entry_point,
        PARENT: parent.info.run_id,
    }
    return Plan(
        experiment_id=parent.info.experiment_id,
        name=name[:_LONGEST_NAME],
        tags={**inheritance, **own, **(tags or {})},
        params=raw_parameters,
    )


def find_planned(plan: Plan, key: str) -> Run | None:
    """Return the finished run with this key and the parent of the planned run, or None."""
    runs = find_runs(plan.experiment_id, tags={KEY: key, PARENT: plan.tags[PARENT]})
    return runs[0] if runs else None


def make(plan: Plan) -> Run:
    """Make a planned run; log its tags first and its parameters second."""
    created = answers.run(
        client().create_run(plan.experiment_id, tags={**plan.tags, **holding()}, run_name=plan.name)
    )
    LOCATIONS[created.info.run_id] = created.info.artifact_uri
    own(created.info.run_id)
    log(created.info.run_id, params=plan.params)
    return created


def create_project_run(experiment_id: str, planned: ProjectRun) -> str:
    """Make a run for a project's step, as `mlflow run` makes it, and return its id.

    Raises
    ------
    TrackingError
        If MLflow refuses its parameters.
    """
    prepare_mlflow()
    above = mlflow.active_run()
    tags = {
        mlflow_tags.MLFLOW_USER: DefaultRunContext().tags()[mlflow_tags.MLFLOW_USER],
        mlflow_tags.MLFLOW_SOURCE_TYPE: SourceType.to_string(SourceType.PROJECT),
        SOURCE_NAME: planned.source,
        ENTRY_POINT: planned.entry_point,
        BACKEND: planned.backend,
        PROJECT_FOLDER: planned.folder,
        GIT_COMMIT: planned.commit,
        GIT_REPOSITORY: planned.repository,
        PROJECT_ENVIRONMENT: planned.environment,
        PARENT: above.info.run_id if above else None,
        **holding(),
    }
    known_tags = {name: value for name, value in tags.items() if value is not None}
    made = client().create_run(experiment_id, tags=known_tags, run_name=planned.name)
    created = answers.run(made)
    run_id = str(created.info.run_id)
    quoted = planned.raw_parameters.items()
    try:
        log(run_id, params={name: "" if value == "''" else value for name, value in quoted})
    except MlflowException as error:
        close(run_id, "FAILED", first_line(error))
        raise TrackingError(
            f"expected parameters that MLflow can log, found that it cannot: {first_line(error)} "
            "Check their names and lengths."
        ) from None
    return run_id


def create_script_run(experiment_id: str, entry_point: str, *, name: str, user: str) -> Run:
    """Make a run of a script, or of an interactive session if `entry_point` is ""."""
    kind = SourceType.LOCAL if entry_point else SourceType.NOTEBOOK
    tags = {
        mlflow_tags.MLFLOW_USER: user,
        mlflow_tags.MLFLOW_SOURCE_TYPE: SourceType.to_string(kind),
        **({SOURCE_NAME: entry_point, ENTRY_POINT: entry_point} if entry_point else {}),
        **holding(),
    }
    run_name = (name or entry_point)[:_LONGEST_NAME] or None
    return answers.run(client().create_run(experiment_id, tags=tags, run_name=run_name))


def end_planned(run_id: str, status: str, *, alone: bool = True) -> None:
    """Give a planned run that `open_run` made its final status.

    If a process is not alone with its plan, another may have given the process up, closed its run,
    and had a new run made; then the run keeps its status.
    """
    if not alone and get_run(run_id).info.status != "RUNNING":
        return
    end(run_id, status)


def end_failed(
    run_id: str,
    status: str,
    error: str,
    *,
    kind: str,
    end: Callable[[str, str], None] = end,
) -> None:
    """End a run with its error; if this fails too, print a warning."""
    try:
        log(run_id, tags={ERROR: error_tag(error), ERROR_KIND: kind})
        end(run_id, status)
    except MlflowException as refused:
        warn(f"run {run_id} could not be marked {status}: {first_line(refused)}")


def close(run_id: str, status: str, error: str) -> bool:
    """Give a run without a process a final status; return whether it had none yet.

    A run whose end waits in the spool of this machine is left to `reprise sync`.
    """
    run = get_run(run_id)
    is_open = run.info.status in _OPEN and not _is_left_to_sync(run_id)
    if is_open:
        if error:
            log(run_id, tags={ERROR: error_tag(error), **_described(run, error)})
        client().set_terminated(run_id, status)
    discard(run_id)
    return is_open


def _described(run: Run, error: str) -> dict[str, str]:
    """Return the tag that describes a run which nobody has described."""
    if NOTE in run.data.tags:
        return {}
    return {NOTE: of_lost(run.data.tags.get(ENTRY_POINT, ""), error_tag(error))}


def close_children(run_id: str, experiment_id: str, status: str, error: str) -> int:
    """End the open child runs of a run, after their processes ended; return how many."""
    runs = open_children(run_id, experiment_id)
    for run in runs:
        close(run.info.run_id, status, error)
    return len(runs)


def delete_open_children(run_id: str, experiment_id: str) -> None:
    """Delete the open child runs of a run, after every process has reported its own run.

    If a server dies after it made a run and before it answers, the request is repeated, and makes
    a second run that no process reports. A run whose end waits in the spool is not one of these.
    """
    for run in open_children(run_id, experiment_id):
        if not _is_left_to_sync(run.info.run_id):
            client().delete_run(run.info.run_id)


def _is_left_to_sync(run_id: str) -> bool:
    """Return whether the end of a run waits in the spool of this machine."""
    return spool.kept(run_id, "").ends
