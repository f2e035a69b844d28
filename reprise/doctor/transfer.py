"""Checks of artifacts: their route, and a large one sent and fetched."""

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from mlflow import MlflowClient
from mlflow.environment_variables import (
    MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD,
    MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD,
    MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE,
)
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.server_info import SERVER_INFO_ENDPOINT

from reprise.backports import file_digest
from reprise.doctor.context import ANSWER_SECONDS, CONNECT_SECONDS, Context, status_of, variables
from reprise.doctor.result import CheckResult, failed, ok, warning
from reprise.errors import TrackingError
from reprise.process import scratch

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

FOLDER = "reprise-doctor"  # of the run's artifacts
BY_SERVER = {
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}
SET_BY_SERVER = "Do (outside the network): export " + " ".join(
    f"{name}={value}" for name, value in BY_SERVER.items()
)
_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_IDLE = {_TIMEOUT: "60"}  # the server stores a large file before it answers
_PROXIED = "mlflow-artifacts"
_FOLDERS = ("", "file")
_VARIABLES = {
    "downloads": MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD,
    "uploads": MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD,
}
_SMALL = b"reprise-doctor\n"
_MB = 1_000_000
_CHUNK = 1 << 20
_DONE, _FORBIDDEN, _NOT_FOUND, _TOO_LARGE, _SERVER_ERROR = 200, 403, 404, 413, 500
_UNKNOWN = (_NOT_FOUND, 501)
_NO_BUCKET = re.compile("NoSuchBucket|bucket does not exist")


def transfers(context: Context) -> CheckResult:
    """Check that artifacts can use the route that MLflow's client would choose."""
    name = "transfers"
    scheme = urlsplit(_artifact_uri(context)).scheme
    if scheme in _FOLDERS:
        found = f"expected artifacts on the server, found the folder {_artifact_uri(context)}"
        advice = "Ask the administrator for --serve-artifacts, and use a new experiment"
        return failed(name, f"{found}: they would stay on the machine that runs", advice)
    if scheme != _PROXIED:
        return ok(name, f"artifacts go directly to {scheme}, with this machine's own credentials")
    offered, direct = _ways(context)
    if not direct:
        why = "as the variables here require" if offered else "as it offers no other way"
        return ok(name, f"all go through the server, {why}")
    what = f"{' and '.join(direct)} would go directly to"
    try:
        host, fault = _direct(context)
    except _NotTriedError as error:
        return warning(name, f"{what} the object store, {error}", error.advice)
    if fault:
        os.environ.update(BY_SERVER)  # for the next check
        return failed(name, f"{what} {host or 'the object store'}: {fault}", SET_BY_SERVER)
    least = MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE.get() // _MB
    size = f" (uploads from {least} MB on)" if "uploads" in direct else ""
    return ok(name, f"{' and '.join(direct)} go directly to {host}{size}, which answers here")


class _NotTriedError(Exception):
    """The direct route cannot be tried."""

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(why)
        self.advice = advice


def _ways(context: Context) -> tuple[bool, list[str]]:
    """Return whether the server offers direct transfers, and which transfers would be direct."""
    try:
        info = context.ask(SERVER_INFO_ENDPOINT, anonymous=True).json()
    except (TrackingError, ValueError):  # MLflow's client then assumes that it does not
        info = {}
    offered = {way: bool(info.get(f"multipart_{way}_enabled")) for way in _VARIABLES}
    direct = [
        way
        for way, variable in _VARIABLES.items()
        if (variable.get() if variable.is_set() else offered[way])
    ]
    return any(offered.values()), direct


def _artifact_uri(context: Context) -> str:
    return str(context.run.info.artifact_uri) if context.run else ""


def _repository(context: Context) -> "ArtifactRepository":
    return get_artifact_repository(_artifact_uri(context), tracking_uri=context.uri)


def _faults() -> tuple[type[Exception], ...]:
    """Return the types of the exceptions for faults of the user and of the server."""
    kinds: tuple[type[Exception], ...]
    kinds = (MlflowException, requests.RequestException, OSError, TrackingError)
    with contextlib.suppress(ImportError):
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        kinds += (Boto3Error, BotoCoreError, ClientError)
    return kinds


def _direct(context: Context) -> tuple[str, str]:
    """Fetch a small file by a presigned URL; return the URL's host, and the fault or ""."""
    store = _repository(context)
    path = f"{FOLDER}/small"
    host = ""
    try:
        with scratch.folder() as folder, variables(BY_SERVER):
            (Path(folder) / "small").write_bytes(_SMALL)
            store.log_artifact(str(Path(folder) / "small"), FOLDER)
    except _faults() as error:
        raise _NotTriedError(
            "which was not tried: no file can be stored", "See artifacts"
        ) from error
    try:
        below = PurePosixPath(urlsplit(_artifact_uri(context)).path.lstrip("/")) / path
        answer = context.ask(f"/api/2.0/mlflow-artifacts/presigned/{below}")
        if answer.status_code in _UNKNOWN and MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD.is_set():
            why = f"but the server does not support this (HTTP {answer.status_code})"
            raise _NotTriedError(why, SET_BY_SERVER)  # the client then goes through the server
        if answer.status_code != _DONE:
            return "", f"the server returned no presigned URL (HTTP {answer.status_code})"
        signed = answer.json()
        host = urlsplit(signed["url"]).netloc.rpartition("@")[2]
        with requests.get(
            signed["url"], headers=signed.get("headers"), timeout=CONNECT_SECONDS, stream=True
        ) as fetched:
            if fetched.raw.read(len(_SMALL) + 1) != _SMALL or not fetched.ok:
                return host, f"it returned another file (HTTP {fetched.status_code})"
    except _faults() as error:
        return host, f"it cannot be reached from here ({_kind(error, context)})"
    return host, ""


def _kind(error: Exception, context: Context) -> str:
    """Return a short name of a fault."""
    if isinstance(error, requests.Timeout):
        return f"no answer in {CONNECT_SECONDS} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted here"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return context.shortened(error)


class _Trip:
    """A large file that is sent to the server and fetched back, in a temporary folder."""

    def __init__(self, context: Context, folder: Path) -> None:
        self.stage = "written"  # what is tried next
        self._context, self._folder, self._store = context, folder, _repository(context)

    def try_deleting(self) -> None:
        """Write and delete a small file, so that a large one is only sent if it can be deleted."""
        small = self._folder / "deleted"
        small.write_bytes(_SMALL)
        self._store.log_artifact(str(small), FOLDER)
        self.stage = "deleted"
        self._store.delete_artifacts(f"{FOLDER}/{small.name}")

    def send(self) -> tuple[str, float]:
        """Send the file; return its digest, and how many seconds that took."""
        self.stage = "written"
        size = self._context.size_mb
        large = self._folder / "large"
        digest = _write(large, size * _MB)
        self._context.show(f"artifacts: {size} MB to the server")
        seconds = _timed(lambda: self._store.log_artifact(str(large), FOLDER))
        large.unlink()
        return digest, seconds

    def fetch(self) -> tuple[str, float]:
        """Fetch the file; return its digest, and how many seconds that took."""
        self.stage = "read"
        self._context.show(f"artifacts: {self._context.size_mb} MB from the server")
        path = f"{FOLDER}/large"
        seconds = _timed(lambda: self._store.download_artifacts(path, str(self._folder)))
        return _digest(self._folder / path), seconds

    def delete(self) -> bool:
        """Delete the file; return whether the server no longer lists it."""
        self.stage = "deleted"
        self._store.delete_artifacts(f"{FOLDER}/large")
        return f"{FOLDER}/large" not in _listed(self._store)


def artifacts(context: Context) -> CheckResult:
    """Check that a large file can be written, read back unchanged, and deleted."""
    name, size = "artifacts", context.size_mb
    with scratch.folder() as folder, _patient():
        trip = _Trip(context, Path(folder))
        try:
            trip.try_deleting()
            sent, up = trip.send()
            received, down = trip.fetch()
            gone = trip.delete()
        except _faults() as error:
            return _not_done(trip.stage, error, context)
    if received != sent:
        found = f"{size} MB were changed on the way: the SHA-256 is another"
        return failed(name, found, "Ask the administrator about the proxy and the bucket")
    if not gone:
        found = "a deleted artifact is still listed"
        return failed(name, found, "Ask the administrator about the bucket's policy")
    speed = f"{size / up:.0f} MB/s up, {size / down:.0f} MB/s down"
    return ok(name, f"{size} MB written, read back unchanged and deleted; {speed}")


def _patient() -> contextlib.AbstractContextManager[None]:
    """Wait longer for answers inside a block, unless the user has set how long."""
    return variables(_IDLE if os.environ.get(_TIMEOUT) == str(ANSWER_SECONDS) else {})


def _timed(do: Callable[[], object]) -> float:
    before = time.monotonic()
    do()
    return max(time.monotonic() - before, 1e-6)


def _write(file: Path, size: int) -> str:
    """Write a number of random bytes, which nothing can compress, and return their digest."""
    digest = hashlib.sha256()
    with file.open("wb") as out:
        for start in range(0, size, _CHUNK):
            chunk = os.urandom(min(_CHUNK, size - start))
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return file_digest(content, "sha256").hexdigest()


def _listed(store: "ArtifactRepository") -> list[str]:
    """Return the paths of the doctor's files in a run's artifacts."""
    return [info.path for info in store.list_artifacts(FOLDER)]


def _not_done(stage: str, error: Exception, context: Context) -> CheckResult:
    """Return why an artifact was not written, read or deleted, and what to do."""
    status, shown = status_of(error), context.shortened(error)
    if status == _FORBIDDEN and stage == "deleted":
        found = "a file can be written but not deleted (HTTP 403): the large file was not tried"
        advice = "Ask for the permission MANAGE, or try in an experiment of your own: env -u "
        advice += "MLFLOW_EXPERIMENT_NAME -u MLFLOW_EXPERIMENT_ID python -m reprise.doctor"
        return warning("artifacts", found, advice)
    why, advice = f"({shown})", "Ask the administrator to read the server's log"
    if status == _FORBIDDEN:
        why = "(HTTP 403): read only"
        advice = "Ask the experiment's owner or the administrator for the permission EDIT"
    elif status == _TOO_LARGE:
        why = f"({context.size_mb} MB are too large for the proxy in front of the server, HTTP 413)"
        advice = "Ask the administrator for `client_max_body_size 0;` in nginx"
    elif (status >= _SERVER_ERROR or not status) and _lacks_bucket(context):
        why = "(the server's bucket does not exist)"
        advice = "Ask the administrator to create the bucket of --artifacts-destination"
    elif status >= _SERVER_ERROR:
        why = f"(the server cannot use its store, HTTP {status})"
        advice = "Ask the administrator to read its log: a missing bucket, no rights, a full disk"
    elif not status and stage == "written":
        why = f"(the transfer broke off: {shown})"
        advice = (
            "Check the disk here (df), else ask the administrator to read the server's log, and "
        )
        advice += "for `client_max_body_size 0;` in nginx"
    return failed("artifacts", f"an artifact cannot be {stage} {why}", advice)


def _lacks_bucket(context: Context) -> bool:
    """Return whether the server reports a missing bucket; only a listing makes it report that."""
    try:
        _listed(_repository(context))
    except _faults() as error:
        return _NO_BUCKET.search(str(error)) is not None
    return False


def clean_up(context: Context) -> CheckResult | None:
    """Delete the doctor's run and its artifacts; return None if there is no run."""
    if context.run is None:
        return None
    name, run_id = "clean-up", context.run.info.run_id
    client = MlflowClient(tracking_uri=context.uri)
    left: list[str] = []
    try:
        if urlsplit(_artifact_uri(context)).scheme not in _FOLDERS:  # a folder is not the server's
            store = _repository(context)
            for path in _listed(store):
                store.delete_artifacts(path)
    except _faults() as error:
        if status_of(error) != _NOT_FOUND:  # else there is nothing to delete
            left.append(f"artifacts in {FOLDER}/ ({context.shortened(error)})")
    try:
        client.update_run(run_id, status="FINISHED")
        client.delete_run(run_id)
    except MlflowException as error:
        left.append(f"the run itself ({context.shortened(error)})")
    if left:
        found = f"run {run_id} could not be deleted completely: {', and '.join(left)} remained"
        return warning(
            name, found, f"Ask the experiment's owner for: mlflow runs delete --run-id {run_id}"
        )
    return ok(name, "the run and its artifacts are deleted")
