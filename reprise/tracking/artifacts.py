"""Artifacts of runs: store them, fetch them once, and read records, bundles and models."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from reprise.errors import RecordError, TrackingError
from reprise.process import scratch, user_cache
from reprise.record.schema import FILE_NAME, RunRecord, run_in
from reprise.tracking import answers
from reprise.tracking.search import find_runs, get_run
from reprise.tracking.server import client, first_line
from reprise.tracking.tags import BUNDLE, COMMIT, STORED_IN
from reprise.trust import limits
from reprise.trust.documents import read_text, size_text

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

# The largest artifact that is fetched without the user's permission, by the end of its name.
_LARGEST = {
    ".json": limits.DOCUMENT_ARTIFACT_BYTES,
    ".bundle": limits.BUNDLE_BYTES,
    ".input": limits.SOURCE_BYTES,
}
_LARGEST_OTHER = limits.STORED_PART_BYTES
LOCATIONS: dict[str, str] = {}  # addresses of the artifacts of runs; they never change
_CACHE: ContextVar[Path | None] = ContextVar("cache", default=None)


@contextlib.contextmanager
def caching(folder: Path | None) -> Iterator[None]:
    """Fetch each artifact once into a folder that several processes share; None: no such folder."""
    token = _CACHE.set(folder)
    try:
        yield
    finally:
        _CACHE.reset(token)


def upload(run_id: str, path: Path, folder: str | None = None) -> None:
    """Store a file, or the files of a folder, as artifacts of a run, replacing earlier ones."""
    store = _artifacts(run_id)
    if path.is_dir():
        store.log_artifacts(str(path), folder)
    else:
        store.log_artifact(str(path), folder)


def log_model_files(model_id: str, folder: str) -> None:
    """Store the files of a folder as the files of a logged model."""
    _model_artifacts(model_id).log_artifacts(folder)


def _artifacts(run_id: str) -> "ArtifactRepository":
    """Return the store of a run's artifacts; ask the server at most once."""
    if run_id not in LOCATIONS:
        LOCATIONS[run_id] = get_run(run_id).info.artifact_uri
    return _store_at(LOCATIONS[run_id])


def _model_artifacts(model_id: str) -> "ArtifactRepository":
    """Return the store of a logged model's files."""
    model = client().get_logged_model(answers.model_id(model_id))
    return _store_at(model.artifact_location)


def _store_at(location: str) -> "ArtifactRepository":
    """Return the store at an address from the server, if the address may be used."""
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
    """Fetch an artifact into a temporary folder, or into the shared one of `caching`.

    Raises
    ------
    TrackingError
        If the artifact is missing, cannot be read, or is larger than its kind may be.
    """
    answers.run_id(run_id)
    answers.artifact_name(name)

    def fetch(folder: str) -> Path:
        if not allow_large:
            _refuse_large(run_id, name)
        return _fetched(run_id, name, folder)

    cache = _CACHE.get()
    if cache:
        yield _cached(cache / run_id / name, fetch)
        return
    with scratch.folder() as folder:
        yield fetch(folder)


def stored_in(run_id: str) -> str:
    """Return the id of the run that stores the data that a run has loaded."""
    answers.run_id(run_id)
    cache = _CACHE.get()

    def ask(folder: str) -> Path:
        path = Path(folder, STORED_IN)
        holder = answers.run_id(get_run(run_id).data.tags.get(STORED_IN, run_id))
        path.write_text(holder, encoding="utf-8")
        return path

    with scratch.folder() as folder:
        path = _cached(cache / run_id / STORED_IN, ask) if cache else ask(folder)
        return answers.run_id(path.read_text(encoding="utf-8"))


def _cached(path: Path, fetch: Callable[[str], Path]) -> Path:
    """Return a file that several processes read; the first of them fetches it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with user_cache.alone(path.with_name(f"{path.name}.lock")):
            if not path.exists():
                with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                    fetch(folder).rename(path)
    return path


def _refuse_large(run_id: str, name: str) -> None:
    """Refuse a folder, and an artifact that the server lists as larger than its kind may be."""
    folder, _, _ = name.rpartition("/")
    _artifacts(run_id)  # refuses an invalid address before anything is listed
    try:
        listed = {item.path: item for item in client().list_artifacts(run_id, folder or None)}
    except (MlflowException, OSError):  # the download has the better message
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
            f"{first_line(error)} It was deleted, or its store cannot be reached."
        ) from None


def read_record(run_id: str) -> RunRecord:
    """Return the record of a run.

    Raises
    ------
    RecordError
        If the run has no record, or a record that cannot be read.
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
    """Return the record of a run, or None if it has none."""
    names = {item.path for item in _artifacts(run_id).list_artifacts()}
    return read_record(run_id) if FILE_NAME in names else None


def artifact_sizes(run_id: str, folder: str) -> dict[str, int | None]:
    """Return the files in a folder of a run's artifacts, with their sizes; empty if it is missing.

    A size is None if the artifact store does not report it.
    """
    try:
        items = client().list_artifacts(run_id, folder)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return {}
    return {Path(item.path).name: item.file_size for item in items if not item.is_dir}


def find_bundle(experiment_id: str, commit: str) -> str | None:
    """Return the URI of a bundle with a commit, carried by a run of an experiment, or None."""
    runs = find_runs(experiment_id, tags={COMMIT: commit}, limit=100, finished=False)
    for uri in dict.fromkeys(run.data.tags[BUNDLE] for run in runs if BUNDLE in run.data.tags):
        folder, _, name = uri.partition(f"{run_in(uri)}/")[2].rpartition("/")
        if name in artifact_sizes(run_in(uri), folder):  # the tag remains when the file is deleted
            return str(uri)
    return None


def _refuse_large_model(model_id: str) -> None:
    """Refuse a model with too many files or bytes in the server's list."""
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
        If the files are missing, or the artifact store cannot be reached.
    """
    try:
        repository = _model_artifacts(model_id)  # refuses an invalid address
        _refuse_large_model(model_id)
        repository.download_artifacts("", folder)
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"expected the files of model {model_id}, found none that can be read: "
            f"{first_line(error)} Train the model again."
        ) from None
