"""What the checks share: the server's address, the user, and the run that they make."""

import configparser
import contextlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds, read_mlflow_creds
from mlflow.utils.rest_utils import MlflowHostCreds, http_request

from reprise.doctor.result import quoted
from reprise.errors import TrackingError

if TYPE_CHECKING:
    import requests
    from mlflow.entities import Run

CONNECT_SECONDS = 5
ANSWER_SECONDS = 10
TRACKING_URI = "MLFLOW_TRACKING_URI"
PORTS = {"http": 80, "https": 443}
_LIMITS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a server may just have closed a connection
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(ANSWER_SECONDS),
}
_QUIET = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_UNANSWERED = re.compile(r"API request to \S+ failed with")
_GAVE_UP = re.compile(r"too many (\d{3}) error responses")
_NO_LOGIN = {"username": None, "password": None, "token": None}


@dataclass
class Context:
    """The server at a tracking URI, and the project in a folder, as all checks see them.

    Attributes
    ----------
    uri : str
        "" if none is set.
    folder : Path
    size_mb : int
        Size of the artifact to send and fetch.
    show : callable
        Shows its argument as progress.
    run : Run, optional
        The run that the checks made, once there is one.
    abandoned : bool
        Whether a check was stopped before its end.
    """

    uri: str
    folder: Path
    size_mb: int = 200
    show: Callable[[str], None] = field(default=lambda _: None)
    run: "Run | None" = None
    abandoned: bool = False

    @property
    def parts(self) -> SplitResult:
        """The parts of the address."""
        return urlsplit(self.uri)

    @property
    def has_server(self) -> bool:
        """Whether there is a server to check; a store without one is a file or a database."""
        return not self.uri or self.parts.scheme in PORTS

    @property
    def bare_uri(self) -> str:
        """The address without a login."""
        return self.parts._replace(netloc=self.parts.netloc.rpartition("@")[2]).geturl()

    @property
    def user(self) -> str:
        """The user's name on the server, or ""."""
        return self.parts.username or _named()[0] or ""

    def secrets(self) -> list[str]:
        """Return the texts that must not be printed."""
        token = os.environ.get("MLFLOW_TRACKING_TOKEN")
        return [s for s in (_named()[1], token, self.parts.password) if s]

    def shortened(self, error: Exception) -> str:
        """Return an error's text, short enough for a part of a line."""
        return quoted(str(error), self.secrets())

    def ask(
        self, path: str, *, anonymous: bool = False, params: dict[str, str] | None = None
    ) -> "requests.Response":
        """GET a path of the server as MLflow's client does, and return any answer.

        Raises
        ------
        TrackingError
            If the server does not answer.
        """
        host = get_default_host_creds(self.uri.rstrip("/"))
        more: dict[str, Any] = {}
        if anonymous:
            known = {n: getattr(host, n) for n in ("server_cert_path", "client_cert_path")}
            host = MlflowHostCreds(self.bare_uri.rstrip("/"), **known, **_NO_LOGIN)
            more["auth"] = lambda request: request  # no login of ~/.netrc either
        try:
            answer: requests.Response = http_request(
                host, path, "GET", retry_codes=(), raise_on_status=False, params=params, **more
            )
        except MlflowException as error:
            raise TrackingError(self.shortened(error)) from error
        return answer


def of_environment(folder: Path, size_mb: int) -> Context:
    """Return the context for the server that the environment names."""
    return Context(os.environ.get(TRACKING_URI, ""), folder, size_mb)


def _named() -> tuple[str | None, str | None]:
    """Return the user's name and password as MLflow's client reads them."""
    try:
        found = read_mlflow_creds()
    except (configparser.Error, OSError, UnicodeDecodeError):  # `login` reports it
        return None, None
    return found.username, found.password


def status_of(error: BaseException | None) -> int:
    """Return the HTTP status in an error, or 0 if there was no answer."""
    if error is None:
        return 0
    response = getattr(error, "response", None)
    code = getattr(response, "status_code", None)
    if code is not None:
        return int(code)
    gave_up = _GAVE_UP.search(str(error))
    if gave_up:
        return int(gave_up[1])
    if isinstance(error, MlflowException) and not _UNANSWERED.search(str(error)):
        return int(error.get_http_status_code())
    return status_of(error.__cause__)


@contextlib.contextmanager
def variables(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables inside a block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def be_brief_and_quiet() -> None:
    """Make MLflow's client in this process give up soon, unless the user has set its limits."""
    for name, value in _LIMITS.items():
        os.environ.setdefault(name, value)
    os.environ.update(_QUIET)
