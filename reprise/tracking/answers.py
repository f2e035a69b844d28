"""Check the answers of a tracking server before they are used as a path, an id or a number.

Neither a server nor a user who can write tags and artifacts to it decides where this machine reads
or writes: ids have the form of MLflow's ids, names of artifacts stay in their folder, and the
artifacts of a remote server are not in a folder of this machine.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from reprise.errors import TrackingError
from reprise.trust.hosts import is_public

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

_ADVICE = "The server, or somebody who can write to it, has changed it: do not trust it."
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MODEL_ID = re.compile(r"m-[0-9A-Za-z]{1,64}")
_EXPERIMENT_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_LAST_MILLISECOND = 253_402_300_799_999  # of the year 9999
_REMOTE = re.compile(r"(https?:|databricks)", re.IGNORECASE)
_WEB = frozenset({"http", "https", "mlflow-artifacts"})
# Schemes of stores on other machines; `file`, a plain path, `runs` and `models` are not among them.
_STORES = _WEB | {
    *("s3", "r2", "b2", "gs", "oci", "wasb", "wasbs", "abfss", "dbfs", "hdfs", "viewfs"),
    *("ftp", "sftp"),
}


def run_id(text: object) -> str:
    """Return the id of a run.

    Raises
    ------
    TrackingError
        If the text is not the id of a run.
    """
    return _matched(_RUN_ID, text, "the id of a run, 32 hex digits,")


def model_id(text: object) -> str:
    """Return the id of a logged model; see `run_id`."""
    return _matched(_MODEL_ID, text, "the id of a model, such as m-0123abcd,")


def experiment_id(text: object) -> str:
    """Return the id of an experiment; see `run_id`."""
    return _matched(_EXPERIMENT_ID, text, "the id of an experiment")


def run(answered: "Run", *, asked: str | None = None) -> "Run":
    """Return a run after a check of its ids and times.

    Parameters
    ----------
    answered : Run
    asked : str, optional
        Id of the requested run.

    Raises
    ------
    TrackingError
        If an id or a time is not valid, or if the server returned another run.
    """
    info = answered.info
    answered_id = run_id(info.run_id)
    if asked is not None and answered_id != asked:
        raise TrackingError(
            f"expected run {asked} of the tracking server, found that it returned run "
            f"{answered_id}. {_ADVICE}"
        )
    experiment_id(info.experiment_id)
    for moment in (info.start_time, info.end_time):
        if moment is not None and not 0 <= moment <= _LAST_MILLISECOND:
            raise TrackingError(
                f"expected the time of run {answered_id} in milliseconds, found {moment}. {_ADVICE}"
            )
    return answered


def artifact_name(name: str) -> str:
    """Return the name of an artifact, after a check that it stays inside the artifacts of its run.

    Raises
    ------
    TrackingError
        If the name leads outside, or is not a name.
    """
    plain = unquote(name)
    parts = PurePosixPath(plain).parts
    if (
        not parts
        or PurePosixPath(plain).is_absolute()
        or ".." in parts
        or "\\" in plain
        or not plain.isprintable()
        or re.match("[A-Za-z]:", plain)
    ):
        raise TrackingError(
            f"expected the name of an artifact within its run, found {name!a:.200}. {_ADVICE}"
        )
    return name


def location(uri: str, *, server: str) -> str:
    """Return the address of artifacts; that of a remote server is not on this machine.

    Parameters
    ----------
    uri : str
        The address that the server returned.
    server : str
        URI of the tracking server.

    Raises
    ------
    TrackingError
        If the server is remote and the address is a local folder, or a host of this machine or its
        network.
    """
    if not _REMOTE.match(server):
        return uri
    shown = f"{uri.rpartition('@')[2]!a:.200}"
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        raise TrackingError(
            f"expected the address of artifacts, found {shown}. {_ADVICE}"
        ) from None
    if parts.scheme not in _STORES or ".." in unquote(parts.path).split("/"):
        raise TrackingError(
            f"expected the artifacts of a remote tracking server at mlflow-artifacts:/ or in a "
            f"store such as s3://, found {shown}, which is on this machine. Ask the server's "
            "administrator for --serve-artifacts, and use a new experiment."
        )
    if parts.scheme in _WEB and host and host != urlsplit(server).hostname and not is_public(host):
        raise TrackingError(
            f"expected artifacts on the tracking server or a public host, found {shown}, which "
            f"is in the network of this machine. {_ADVICE}"
        )
    return uri


def checking_names(repository: "ArtifactRepository") -> "ArtifactRepository":
    """Return a store of artifacts that checks its listings, also during downloads."""
    listed: Callable[..., Sequence[Any]] = repository.list_artifacts

    def list_artifacts(path: str | None = None) -> Sequence[Any]:
        items = listed(path)
        for item in items:
            artifact_name(item.path)
        return items

    repository.list_artifacts = list_artifacts
    return repository


def downloaded(path: str, folder: Path | str) -> Path:
    """Return the path of a download, after a check that it is in the requested folder."""
    resolved = Path(path).resolve()
    if not resolved.is_relative_to(Path(folder).resolve()):
        raise TrackingError(f"expected a download into {folder}, found it at {resolved}. {_ADVICE}")
    return Path(path)


def _matched(pattern: re.Pattern[str], text: object, what: str) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        found = f"{text!a:.100}"
        raise TrackingError(f"expected {what} from the tracking server, found {found}. {_ADVICE}")
    return text
