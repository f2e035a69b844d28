"""The only module that talks to MLflow tracking: runs, metrics, artifacts, records, datasets."""

import contextlib
import difflib
import fcntl
import importlib.util
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a team's runs are its own business
# A server that sends its client elsewhere could have it ask hosts that only this machine reaches.
os.environ.setdefault("MLFLOW_ALLOW_HTTP_REDIRECTS", "false")

import mlflow
import requests
from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunTag,
    SourceType,
)
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking.context.default_context import DefaultRunContext
from mlflow.tracking.fluent import _get_experiment_id
from mlflow.utils import mlflow_tags

from reprise import answers, limits
from reprise.console import warn
from reprise.documents import read_text, size_text
from reprise.errors import RecordError, TrackingError
from reprise.project_run import ORDERED, ProjectRun
from reprise.record import FILE_NAME, InputData, RunRecord, run_in
from reprise.urls import without_credentials, without_login, without_logins_within

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

    from reprise.parameters import Parameters
    from reprise.record import Code

COMMIT = "reprise.commit"
TREE = "reprise.tree"
DIRTY = "reprise.dirty"
KEY = "reprise.key"
ERROR = "reprise.error"
ERROR_KIND = "reprise.error_kind"
DATA_DIGEST = "reprise.data_digest"
STORED_IN = "reprise.stored_in"
MODEL_DIGEST = "reprise.model_digest"
TEST_DIGEST = "reprise.test_digest"
BUNDLE = "reprise.bundle"
VERDICT = "reprise.verdict"
REPLAY_OF = "reprise.replay_of"  # the run that this one makes again
PROJECT_FOLDER = "reprise.project_folder"  # within the repository
TWEAK_OF = "reprise.tweak_of"  # the run that this one makes with other parameters or code
BACKEND = mlflow_tags.MLFLOW_PROJECT_BACKEND
PROJECT_ENVIRONMENT = mlflow_tags.MLFLOW_PROJECT_ENV
PATCH = mlflow_tags.MLFLOW_GIT_DIFF
PARENT = mlflow_tags.MLFLOW_PARENT_RUN_ID
SOURCE_NAME = mlflow_tags.MLFLOW_SOURCE_NAME
GIT_COMMIT = mlflow_tags.MLFLOW_GIT_COMMIT
GIT_REPOSITORY = mlflow_tags.MLFLOW_GIT_REPO_URL
ENTRY_POINT = mlflow_tags.MLFLOW_PROJECT_ENTRY_POINT

GIVEN = "MLFLOW_RUN_ID"  # of MLflow: the run that was made for a process
SYSTEM_METRICS = "system/"  # begin the names of what MLflow measures of the machine

KEPT = "REPRISE_KEPT"  # folder of artifacts that several processes read
PLANNED = "REPRISE_PLANNED"  # the run that a process is to make for itself, as JSON
ONCE = "REPRISE_ONCE"  # key of that run: where a finished run has it, it is not made again
# The largest artifact that is fetched unasked, by the end of its name.
_LARGEST = {
    ".json": limits.DOCUMENT_ARTIFACT_BYTES,
    ".bundle": limits.BUNDLE_BYTES,
}
_LARGEST_OTHER = limits.STORED_PART_BYTES
LONGEST_ERROR = 4000  # characters of a tag
LONGEST_PATCH = 5000
_OPEN = ("RUNNING", "SCHEDULED")  # statuses of a run that has not ended
_LONGEST_NAME = 250
_MOST_METRICS = 900  # in a request, which may have 1,000 metrics, parameters and tags
_MOST_PARAMS = 100
_PAGE = 1000  # runs
_ATTEMPTS = 5
_NOT_A_DEFECT = re.compile(
    "API request to|does not exist in the tracking server|ENDPOINT_NOT_FOUND"
)
_DATASET_DIGEST_LENGTH = 36  # what MLflow's schema holds
_USER_ERRORS = frozenset(
    {"PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_DOES_NOT_EXIST", "TEMPORARILY_UNAVAILABLE"}
)


_SERVER: ContextVar[str | None] = ContextVar("server", default=None)
_LOCATIONS: dict[str, str] = {}  # of the artifacts of runs; it never changes


def client() -> MlflowClient:
    """Return a client of the server of `at_server`, else of the one MLFLOW_TRACKING_URI names."""
    return MlflowClient(tracking_uri=_SERVER.get())


@contextlib.contextmanager
def at_server(uri: str | None) -> Iterator[None]:
    """Talk to this tracking server meanwhile; None: the one that MLFLOW_TRACKING_URI names."""
    token = _SERVER.set(uri)
    try:
        yield
    finally:
        _SERVER.reset(token)


def address(uri: str | None = None) -> str:
    """Return a tracking URI, else that in use, such that it means the same from another folder."""
    return absolute(uri or mlflow.get_tracking_uri())


def _where() -> str:
    """Return the server's address without credentials."""
    return without_login(str(_SERVER.get() or mlflow.get_tracking_uri()))


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn a server's refusal, or its absence, into a `TrackingError`; defects pass through."""
    try:
        yield
    except (ParseError, json.JSONDecodeError, requests.JSONDecodeError) as error:
        raise TrackingError(
            f"expected an answer of MLflow's REST API from {_where()}, found something else: "
            f"{_first_line(error)} Check MLFLOW_TRACKING_URI, and what stands before the server."
        ) from None
    except MlflowException as error:
        if error.error_code == "INVALID_PARAMETER_VALUE":
            raise TrackingError(
                f"expected names and values that MLflow takes, found one that it refuses: "
                f"{_first_line(error)} Correct it."
            ) from error
        if error.error_code in _USER_ERRORS or _NOT_A_DEFECT.search(_whole_story(error)):
            raise TrackingError(
                f"the tracking server at {_where()} did not do what was asked: "
                f"{_first_line(error)} Check MLFLOW_TRACKING_URI, your login and the id."
            ) from error
        raise


def _whole_story(error: BaseException | None) -> str:
    """Return what an error and all that caused it say."""
    return "" if error is None else f"{error}\n{_whole_story(error.__cause__ or error.__context__)}"


def _first_line(error: Exception) -> str:
    """Return the first line of what MLflow says, without the credentials that a URL in it has."""
    return without_logins_within(str(error).partition("\n")[0]).rstrip(" .") + "."


class Origin(StrEnum):
    """Who made the run of a process."""

    GIVEN = "given"  # `mlflow run`, or whoever started the process
    PLANNED = "planned"  # the process itself, as whoever started it has planned it
    NEW = "new"  # the process itself


def is_run_given() -> bool:
    """Tell whether whoever started this process has made or planned its run."""
    return PLANNED in os.environ or bool(os.environ.get(GIVEN))


def open_run() -> tuple[Run, Origin]:
    """Attach to the run that `mlflow run` made for this process, or make one: as planned, or new.

    Of a new one, the parameters and the tags of the step are still to be logged.

    Raises
    ------
    TrackingError
        If the given run has ended.
    """
    ordered = os.environ.pop(ORDERED, None)
    if ordered:
        run_id = create_project_run(current_experiment_id(), ProjectRun.from_json(ordered))
        os.environ["MLFLOW_RUN_ID"] = run_id
        return mlflow.start_run(run_id=run_id), Origin.GIVEN
    planned = os.environ.pop(PLANNED, None)
    if planned:
        run = make(Plan(**json.loads(planned)))
        os.environ[GIVEN] = run.info.run_id  # what a step logs by itself goes there too
        return run, Origin.PLANNED
    given = os.environ.get(GIVEN)
    if given:
        refuse_ended(get_run(given))
    return answers.run(_start_run(given), asked=given), Origin.GIVEN if given else Origin.NEW


def refuse_ended(run: Run) -> None:
    """Refuse a run that MLFLOW_RUN_ID gives to this process, whose results would be overwritten.

    Raises
    ------
    TrackingError
        If it has ended, or is deleted.
    """
    deleted = run.info.lifecycle_stage != LifecycleStage.ACTIVE
    if deleted or run.info.status not in _OPEN:
        raise TrackingError(
            f"expected a run that has not ended in {GIVEN}, found run {run.info.run_id}, which is "
            f"{'deleted' if deleted else run.info.status}. To make a new run: unset {GIVEN}"
        )


def open_nested_run(parent: Run, parameters: "Parameters") -> Run:
    """Make and enter a run below another, as `mlflow run` would make it."""
    created = make(plan_step(parent, parameters))
    return _start_run(created.info.run_id, nested=True)


def _start_run(run_id: str | None, *, nested: bool = False) -> Run:
    """Enter a run; MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING is followed only where MLflow can.

    MLflow refuses to start a run with this variable where psutil is not installed.
    """
    can_measure = None if importlib.util.find_spec("psutil") else False
    return mlflow.start_run(run_id=run_id, nested=nested, log_system_metrics=can_measure)


@dataclass(frozen=True)
class Plan:
    """A run to be made: where, with which tags, parameters and name."""

    experiment_id: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]

    def to_json(self) -> str:
        """Write it for another process."""
        return json.dumps(asdict(self))


def plan_run(
    parent: Run,
    entry_point: str,
    raw_parameters: Mapping[str, str],
    *,
    name: str,
    tags: Mapping[str, str] | None = None,
) -> Plan:
    """Plan a run below a parent, as `mlflow run` would make it, with a name to show."""
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


def plan_step(
    parent: Run, parameters: "Parameters", *, tags: Mapping[str, str] | None = None
) -> Plan:
    """Plan a run of an entry point below a parent, named by the parameters that it is given."""
    words = [f"{n}={v}" for n, v in parameters.given().items() if n not in parameters.locations]
    name = " ".join([parameters.entry_point, *words])
    return plan_run(parent, parameters.entry_point, parameters.raw(), name=name, tags=tags)


def find_planned(key: str) -> Run | None:
    """Return the finished run that the run of this process would make once more; None: none."""
    plan = Plan(**json.loads(os.environ[PLANNED]))
    found = find_runs(plan.experiment_id, tags={KEY: key, PARENT: plan.tags[PARENT]})
    return found[0] if found else None


def make(plan: Plan) -> Run:
    """Make a planned run: first its tags, then its parameters."""
    created = answers.run(
        client().create_run(plan.experiment_id, tags=plan.tags, run_name=plan.name)
    )
    _LOCATIONS[created.info.run_id] = created.info.artifact_uri
    log(created.info.run_id, params=plan.params)
    return created


def create_project_run(experiment_id: str, planned: ProjectRun) -> str:
    """Make a run for a project's step to do, as `mlflow run` makes it, and return its id.

    Raises
    ------
    TrackingError
        If MLflow does not take its parameters.
    """
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
    }
    known = {name: value for name, value in tags.items() if value is not None}
    made = client().create_run(experiment_id, tags=known, run_name=planned.name)
    created = answers.run(made)
    run_id = str(created.info.run_id)
    try:
        log(run_id, params=planned.raw_parameters)
    except MlflowException as error:
        close(run_id, "FAILED", _first_line(error))
        raise TrackingError(
            f"expected parameters that MLflow can log, found that it cannot: {_first_line(error)} "
            "Check their names and lengths."
        ) from None
    return run_id


def create_script_run(experiment_id: str, entry_point: str, *, name: str, user: str) -> Run:
    """Make a run of a script, or of an interactive session: `entry_point` is "" then."""
    kind = SourceType.LOCAL if entry_point else SourceType.NOTEBOOK
    tags = {
        mlflow_tags.MLFLOW_USER: user,
        mlflow_tags.MLFLOW_SOURCE_TYPE: SourceType.to_string(kind),
        **({SOURCE_NAME: entry_point, ENTRY_POINT: entry_point} if entry_point else {}),
    }
    run_name = name[:_LONGEST_NAME] or None
    return answers.run(client().create_run(experiment_id, tags=tags, run_name=run_name))


def log(
    run_id: str,
    *,
    params: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
    model_id: str | None = None,
) -> None:
    """Log parameters, metrics and tags of a run: in one call, unless there are many metrics."""
    points = [(name, 0, value) for name, value in (metrics or {}).items()]
    if len(points) > _MOST_METRICS:
        log_points(run_id, points, model_id=model_id)
        points = []
    now = int(time.time() * 1000)
    client().log_batch(
        run_id,
        params=[Param(name, value) for name, value in (params or {}).items()],
        metrics=[Metric(name, value, now, step, model_id=model_id) for name, step, value in points],
        tags=[RunTag(name, value) for name, value in (tags or {}).items()],
    )


def log_params(run_id: str, params: Mapping[str, str]) -> None:
    """Log any number of parameters of a run."""
    every = list(params.items())
    for start in range(0, len(every), _MOST_PARAMS):
        log(run_id, params=dict(every[start : start + _MOST_PARAMS]))


def log_points(
    run_id: str, points: Sequence[tuple[str, int, float]], *, model_id: str | None = None
) -> None:
    """Log points of metrics, each a name, a step and a value."""
    now = int(time.time() * 1000)
    every = [Metric(name, value, now, step, model_id=model_id) for name, step, value in points]
    for start in range(0, len(every), _MOST_METRICS):
        client().log_batch(run_id, metrics=every[start : start + _MOST_METRICS])


def log_inputs(run_id: str, inputs: Sequence[InputData], *, context: str) -> None:
    """Show inputs as datasets of a run in the MLflow UI; the record holds their full digests."""
    datasets = [
        DatasetInput(
            Dataset(
                name=data.name,
                digest=data.sha256[:_DATASET_DIGEST_LENGTH],
                **_dataset_source(data.uri),
                profile=json.dumps({"num_rows": data.rows, "num_columns": data.columns}),
            ),
            tags=[InputTag("mlflow.data.context", context)],
        )
        for data in inputs
    ]
    for attempt in range(_ATTEMPTS):
        try:
            client().log_inputs(run_id, datasets)
        except MlflowException as error:
            # MLflow looks a dataset up and then inserts it: of two runs that log the same new one
            # at once, the database refuses one, which then finds it there.
            if "constraint" not in str(error).lower() or attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def _dataset_source(uri: str) -> dict[str, str]:
    """Name a URI as one of MLflow's kinds of dataset source, so that MLflow can load it again."""
    scheme = uri.partition(":")[0]
    kind, field = {"http": ("http", "url"), "https": ("http", "url"), "s3": ("s3", "uri")}.get(
        scheme, ("local", "uri")
    )
    return {"source_type": kind, "source": json.dumps({field: uri})}


def describe_source(run: Run, code: "Code") -> dict[str, str]:
    """Return the tags that say what code a run was made with, for search and for the MLflow UI."""
    name = run.data.tags.get(SOURCE_NAME, "")
    tags = {COMMIT: code.commit or "", TREE: code.tree or ""}
    if code.commit:  # what is in no repository is neither clean nor dirty
        dirty = str(code.dirty).lower()
        tags |= {DIRTY: dirty, mlflow_tags.MLFLOW_GIT_DIRTY: dirty}
    if name:
        tags[SOURCE_NAME] = without_credentials(name)
    if code.base_commit:
        tags[GIT_COMMIT] = code.base_commit
    if code.repository:
        tags[GIT_REPOSITORY] = code.repository
    return {name: value for name, value in tags.items() if run.data.tags.get(name) != value}


def describe_step(entry_point: str, code: "Code") -> dict[str, str]:
    """Return the tags that `mlflow run` would have given, for a step that ran without it."""
    tags = {
        ENTRY_POINT: entry_point,
        mlflow_tags.MLFLOW_SOURCE_TYPE: SourceType.to_string(SourceType.PROJECT),
    }
    if code.repository:
        tags[SOURCE_NAME] = code.repository
    return tags


def log_text(run_id: str, name: str, text: str) -> None:
    """Store a text as an artifact of a run, replacing an earlier one of that name."""
    folder, _, last = name.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="reprise-") as temporary:
        path = Path(temporary, last)
        path.write_text(text, encoding="utf-8")
        _artifacts(run_id).log_artifact(str(path), folder or None)


def log_folder(run_id: str, folder: Path, name: str | None = None) -> None:
    """Store the files of a folder as artifacts of a run, below a name."""
    _artifacts(run_id).log_artifacts(str(folder), name)


def log_file(run_id: str, path: str, folder: str | None = None) -> None:
    """Store a file, or a folder, as an artifact of a run."""
    store = _artifacts(run_id)
    if Path(path).is_dir():
        inner = os.path.basename(os.path.normpath(path))  # noqa: PTH119 - as MLflow's client does
        store.log_artifacts(path, f"{folder}/{inner}" if folder else inner)
    else:
        store.log_artifact(path, folder)


def log_model_files(model_id: str, folder: str) -> None:
    """Store the files of a folder as those of a logged model."""
    _model_artifacts(model_id).log_artifacts(folder)


def _artifacts(run_id: str) -> "ArtifactRepository":
    """Return where the artifacts of a run are stored, asking the server once at most."""
    if run_id not in _LOCATIONS:
        _LOCATIONS[run_id] = get_run(run_id).info.artifact_uri
    return _store_at(_LOCATIONS[run_id])


def _model_artifacts(model_id: str) -> "ArtifactRepository":
    """Return where the files of a logged model are stored."""
    found = client().get_logged_model(answers.model_id(model_id))
    return _store_at(found.artifact_location)


def _store_at(location: str) -> "ArtifactRepository":
    """Return a store that the server has named, if it may be used."""
    server = client().tracking_uri
    checked = answers.location(location, server=server)
    return answers.checking_names(get_artifact_repository(checked, tracking_uri=server))


@contextlib.contextmanager
def artifact_at(uri: str, *, allow_large: bool = False) -> Iterator[Path]:
    """Fetch the artifact at `runs:/<id>/<name>` into a temporary folder."""
    run_id = answers.run_id(run_in(uri))
    with artifact(run_id, uri.partition(f"{run_id}/")[2], allow_large=allow_large) as path:
        yield path


@contextlib.contextmanager
def artifact(run_id: str, name: str, *, allow_large: bool = False) -> Iterator[Path]:
    """Fetch an artifact into a temporary folder, or into that of KEPT, once for all who read it.

    Raises
    ------
    TrackingError
        If the run has no such artifact, or it cannot be read, or is larger than its kind may be.
    """
    answers.run_id(run_id)
    answers.artifact_name(name)

    def fetch(folder: str) -> Path:
        if not allow_large:
            _refuse_large(run_id, name)
        return _fetched(run_id, name, folder)

    kept = os.environ.get(KEPT)
    if kept:
        yield _kept(Path(kept, run_id, name), fetch)
        return
    with tempfile.TemporaryDirectory(prefix="reprise-") as folder:
        yield fetch(folder)


def stored_in(run_id: str) -> str:
    """Return the id of the run whose artifacts hold the data that a load_data run has loaded."""
    answers.run_id(run_id)
    kept = os.environ.get(KEPT)

    def ask(folder: str) -> Path:
        path = Path(folder, STORED_IN)
        holder = answers.run_id(get_run(run_id).data.tags.get(STORED_IN, run_id))
        path.write_text(holder, encoding="utf-8")
        return path

    with tempfile.TemporaryDirectory(prefix="reprise-") as folder:
        path = _kept(Path(kept, run_id, STORED_IN), ask) if kept else ask(folder)
        return answers.run_id(path.read_text(encoding="utf-8"))


def _kept(path: Path, fetch: Callable[[str], Path]) -> Path:
    """Return a file that several processes read, fetched by the first of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with path.with_name(f"{path.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # free again when this process ends, however it does
            if not path.exists():
                with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                    fetch(folder).rename(path)
    return path


def _refuse_large(run_id: str, name: str) -> None:
    """Refuse an artifact that is larger than its kind may be, or a folder, by the server's list."""
    folder, _, _ = name.rpartition("/")
    try:
        listed = {item.path: item for item in client().list_artifacts(run_id, folder or None)}
    except (MlflowException, OSError):  # the download says better what is wrong
        return
    item = listed.get(name)
    largest = next((most for end, most in _LARGEST.items() if name.endswith(end)), _LARGEST_OTHER)
    if item is not None and item.is_dir:
        raise TrackingError(
            f"expected the file {name} of run {run_id}, found a folder. It was replaced."
        )
    if item is not None and (item.file_size or 0) > largest:
        raise TrackingError(
            f"expected at most {size_text(largest)} in the artifact {name} of run {run_id}, found "
            f"{size_text(item.file_size)}. If you trust it, add -P allow_large=true."
        )


def _fetched(run_id: str, name: str, folder: str) -> Path:
    try:
        return answers.downloaded(_artifacts(run_id).download_artifacts(name, folder), folder)
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"expected the artifact {name} of run {run_id}, found none that can be read: "
            f"{_first_line(error)} It was deleted, or its store cannot be reached."
        ) from None


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
        raise TrackingError(
            f"expected the id of a run on {_where()}, "
            f"found {run_id}, which is not there. Copy the id from the MLflow UI, or set "
            "MLFLOW_TRACKING_URI to the server that has it."
        ) from None


def read_record(run_id: str) -> RunRecord:
    """Return the record of a run.

    Raises
    ------
    RecordError
        If it has none, or one that cannot be read.
    """
    try:
        with artifact(run_id, FILE_NAME) as path:
            text = read_text(path, largest=limits.JSON_BYTES)
    except (OSError, ValueError) as error:
        raise RecordError(
            f"expected a {FILE_NAME} of run {run_id} that can be read, found: {error}. "
            "It is damaged or forged."
        ) from None
    except TrackingError:
        raise RecordError(
            f"expected a run made by this project, found run {run_id} without {FILE_NAME}. "
            "Name a run that one of this project's entry points has made."
        ) from None
    return RunRecord.from_json(text)


def find_record(run_id: str) -> RunRecord | None:
    """Return the record of a run; None where it was made without one."""
    names = {item.path for item in _artifacts(run_id).list_artifacts()}
    return read_record(run_id) if FILE_NAME in names else None


def artifact_sizes(run_id: str, folder: str) -> dict[str, int | None]:
    """Return the files in a folder of a run's artifacts, and their bytes; none where they are gone.

    The bytes are None where the artifact store does not report them.
    """
    try:
        items = client().list_artifacts(run_id, folder)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return {}
    return {Path(item.path).name: item.file_size for item in items if not item.is_dir}


def find_bundle(experiment_id: str, commit: str) -> str | None:
    """Return the URI of a bundle that a run of an experiment carries of a commit."""
    found = find_runs(experiment_id, tags={COMMIT: commit}, limit=100, finished=False)
    for uri in dict.fromkeys(run.data.tags[BUNDLE] for run in found if BUNDLE in run.data.tags):
        folder, _, name = uri.partition(f"{run_in(uri)}/")[2].rpartition("/")
        if name in artifact_sizes(run_in(uri), folder):  # the tag stays when the file is deleted
            return str(uri)
    return None


def find_runs(
    experiment_id: str,
    *,
    tags: Mapping[str, str],
    order_by: Sequence[str] = ("attributes.start_time ASC",),
    limit: int = 1,
    finished: bool = True,
) -> list[Run]:
    """Return the (finished) runs of an experiment that carry all these tags, first in order."""
    wanted = ["attributes.status = 'FINISHED'"] if finished else []
    wanted += [f"tags.`{name}` = '{value}'" for name, value in tags.items()]
    found = client().search_runs(
        [experiment_id], " AND ".join(wanted), max_results=limit, order_by=list(order_by)
    )
    return [answers.run(run) for run in found]


def replays_of(run_id: str) -> list[Run]:
    """Return the runs of every experiment that reproduce a run, in the order of their start."""
    experiments = [each.experiment_id for each in _all_pages(client().search_experiments)]
    wanted = f"tags.`{REPLAY_OF}` = '{run_id}'"
    search = partial(
        client().search_runs, experiments, wanted, order_by=["attributes.start_time ASC"]
    )
    return list(_all_pages(search))


def children(run: Run) -> list[Run]:
    """Return the runs below a run, in the order in which they were made."""
    return all_runs(run.info.experiment_id, f"tags.`{PARENT}` = '{run.info.run_id}'")


def all_runs(experiment_id: str, wanted: str = "") -> list[Run]:
    """Return all runs of an experiment that a filter lets through, in the order of their start."""
    search = partial(
        client().search_runs, [experiment_id], wanted, order_by=["attributes.start_time ASC"]
    )
    return [answers.run(run) for run in _all_pages(search)]


def _all_pages(search: Callable[..., Any]) -> Iterator[Any]:
    """Return what a search of MLflow's finds, page by page."""
    token, seen = None, set()
    for _ in range(limits.SEARCH_PAGES):
        page = search(max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
        if token in seen:
            break
        seen.add(token)
    raise TrackingError(
        f"expected the tracking server at {_where()} to come to an end of what it lists, found "
        f"{'the same page again' if token in seen else f'{limits.SEARCH_PAGES} pages'}. "
        "Ask for less, or report it to whoever runs the server."
    )


def current_experiment_id() -> str:
    """Return the id of the experiment that a new run goes to, as MLflow decides it."""
    return str(_get_experiment_id())


def experiment_name(experiment_id: str) -> str:
    """Return the name of an experiment by its id."""
    return str(client().get_experiment(experiment_id).name)


def experiment_id(name: str) -> str:
    """Return the id of an experiment by its name.

    Raises
    ------
    TrackingError
        If there is none of that name; with the nearest one.
    """
    found = client().get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == LifecycleStage.ACTIVE:
        return answers.experiment_id(found.experiment_id)
    names = [experiment.name for experiment in _all_pages(client().search_experiments)]
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0)
    raise TrackingError(
        f"expected the name of an experiment, found {name!r}, which "
        f"{'has been deleted' if found else 'is not there'}. "
        + (f"Did you mean {nearest[0]!r}?" if nearest else "Make a run first.")
    )


def end_run(run_id: str, status: str) -> None:
    """Give the active run its final status: FINISHED, FAILED or KILLED."""
    active = mlflow.active_run()
    if active is None or active.info.run_id != run_id:
        raise AssertionError(f"run {run_id} is not the active one")
    mlflow.end_run(status)


def end_planned(run_id: str, status: str, *, alone: bool = True) -> None:
    """Give a run that `open_run` has made as planned its final status.

    Where a process is not alone with its plan, somebody may have given it up and closed its run, to
    have it made by another; that stands.
    """
    if not alone and get_run(run_id).info.status != "RUNNING":
        return
    if mlflow.active_run() is None:
        terminate(run_id, status)
    else:  # the step has logged to it by MLflow's own functions
        end_run(run_id, status)


def terminate(run_id: str, status: str) -> None:
    """Give a run its final status, also where it is not the active one."""
    client().set_terminated(run_id, status)


def end_failed(
    run_id: str,
    status: str,
    error: str,
    *,
    kind: str,
    end: Callable[[str, str], None] = end_run,
) -> None:
    """End a run with its error; say so where even that fails, hiding nothing."""
    try:
        log(run_id, tags={ERROR: _tag(error), ERROR_KIND: kind})
        end(run_id, status)
    except MlflowException as refused:
        warn(f"run {run_id} could not be marked {status}: {_first_line(refused)}")


def _tag(error: str) -> str:
    """Write an error as a tag can hold it, without the credentials that a URL in it has."""
    return without_logins_within(error)[:LONGEST_ERROR]


def close(run_id: str, status: str, error: str) -> None:
    """Give a run whose process is gone a final status, if it has none yet."""
    if get_run(run_id).info.status in _OPEN:
        if error:
            log(run_id, tags={ERROR: _tag(error)})
        client().set_terminated(run_id, status)


def open_below(run_id: str, experiment_id: str) -> list[Run]:
    """Return the runs below a run that have not ended."""
    wanted = f"attributes.status = 'RUNNING' AND tags.`{PARENT}` = '{run_id}'"
    return all_runs(experiment_id, wanted)


def close_below(run_id: str, experiment_id: str, status: str, error: str) -> int:
    """End the runs below a run that have not ended, and whose processes are gone; count them."""
    found = open_below(run_id, experiment_id)
    for run in found:
        close(run.info.run_id, status, error)
    return len(found)


def delete_open_below(run_id: str, experiment_id: str) -> None:
    """Delete the runs below a run that have not ended, when every process has told of its own.

    A server that dies after it has made a run, and before it says so, is asked a second time.
    """
    for run in open_below(run_id, experiment_id):
        client().delete_run(run.info.run_id)


def ensure_experiment(name: str, *, artifact_location: str | None = None) -> str:
    """Return the id of an experiment by its name, making it where there is none.

    Raises
    ------
    TrackingError
        If it has been deleted.
    """
    if client().get_experiment_by_name(name) is None:
        with contextlib.suppress(MlflowException):  # made meanwhile by another; else told below
            return answers.experiment_id(client().create_experiment(name, artifact_location))
    return experiment_id(name)


def environment(experiment_id: str) -> dict[str, str]:
    """Return the variables that make another process log where this one does."""
    return {
        "MLFLOW_TRACKING_URI": address(),
        "MLFLOW_EXPERIMENT_ID": experiment_id,
    }


def absolute(uri: str) -> str:
    """Return a tracking URI that means the same from another folder."""
    scheme, separator, path = uri.partition(":///")
    if separator and scheme.startswith("sqlite"):
        return f"{scheme}:///{Path(path).absolute()}"
    named = r"[a-z0-9+.-]+:|(databricks|databricks-uc|uc)$"
    return uri if re.match(named, uri, re.IGNORECASE) else str(Path(uri).absolute())


def _refuse_large_model(model_id: str) -> None:
    """Refuse a model of more files or bytes than any has, by the server's list."""
    folders, files, size = [""], 0, 0
    while folders:
        for item in client().list_logged_model_artifacts(model_id, folders.pop() or None):
            files, size = files + 1, size + (item.file_size or 0)
            if item.is_dir:
                folders.append(item.path)
        if files > limits.MODEL_FILES or size > limits.MODEL_BYTES:
            raise TrackingError(
                f"expected at most {limits.MODEL_FILES} files of {size_text(limits.MODEL_BYTES)} "
                f"in model {model_id}, found {files} of {size_text(size)}. Name another run."
            )


def download_model(model_id: str, folder: str) -> None:
    """Fetch the files of a logged model into a folder.

    Raises
    ------
    TrackingError
        If they are gone, or the artifact store cannot be reached.
    """
    try:
        _refuse_large_model(model_id)
        _model_artifacts(model_id).download_artifacts("", folder)
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"expected the files of model {model_id}, found none that can be read: "
            f"{_first_line(error)} Train the model again."
        ) from None
