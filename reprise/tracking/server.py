"""The tracking server: its address, its experiments, and its errors as the user sees them."""

import contextlib
import difflib
import getpass
import json
import os
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import mlflow
import requests
from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]
from mlflow import MlflowClient
from mlflow.entities import (
    LifecycleStage,
)
from mlflow.exceptions import MlflowException
from mlflow.tracking.fluent import _get_experiment_id

from reprise.errors import TrackingError
from reprise.tracking import answers
from reprise.trust import limits
from reprise.urls import without_login, without_logins_within

_PAGE = 1000  # runs
_NOT_A_DEFECT = re.compile(
    "API request to|does not exist in the tracking server|ENDPOINT_NOT_FOUND"
)
_USER_ERRORS = frozenset(
    {"PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_DOES_NOT_EXIST", "TEMPORARILY_UNAVAILABLE"}
)


# How MLflow's client behaves where the user has not said it.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # a team's runs are its own business
    # With a redirect, a server could make its client send requests to hosts in this machine's
    # network.
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
}
_SERVER: ContextVar[str | None] = ContextVar("server", default=None)


def apply_defaults() -> None:
    """Set how MLflow's client of this process behaves, unless the user has."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def client() -> MlflowClient:
    """Return a client of the server of `using_server`, else of that in MLFLOW_TRACKING_URI."""
    apply_defaults()
    return MlflowClient(tracking_uri=_SERVER.get())


@contextlib.contextmanager
def using_server(uri: str | None) -> Iterator[None]:
    """Use this tracking server inside a block; None for that in MLFLOW_TRACKING_URI."""
    token = _SERVER.set(uri)
    try:
        yield
    finally:
        _SERVER.reset(token)


def address(uri: str | None = None) -> str:
    """Return a tracking URI (by default the current one) that is valid from any folder."""
    return absolute(uri or mlflow.get_tracking_uri())


def shown_address() -> str:
    """Return the server's address without credentials."""
    return without_login(str(_SERVER.get() or mlflow.get_tracking_uri()))


def kept_address() -> str:
    """Return the server's address without credentials, the same from any folder."""
    return without_login(absolute(str(_SERVER.get() or mlflow.get_tracking_uri())))


@contextlib.contextmanager
def translating_errors() -> Iterator[None]:
    """Turn a server's refusal or absence into a `TrackingError`; other errors pass through."""
    apply_defaults()
    try:
        yield
    except (ParseError, json.JSONDecodeError, requests.JSONDecodeError) as error:
        raise TrackingError(
            f"expected an answer of MLflow's REST API from {shown_address()}, found something "
            f"else: {first_line(error)} Check MLFLOW_TRACKING_URI, and what stands before the "
            "server."
        ) from None
    except MlflowException as error:
        if error.error_code in _USER_ERRORS or _NOT_A_DEFECT.search(_whole_story(error)):
            raise TrackingError(
                f"the tracking server at {shown_address()} refused the request: "
                f"{first_line(error)} Check MLFLOW_TRACKING_URI, your login and the id."
            ) from error
        if error.error_code == "INVALID_PARAMETER_VALUE":
            raise TrackingError(
                f"expected names and values that MLflow accepts, found one that it refuses: "
                f"{first_line(error)} Correct it."
            ) from error
        raise


def _whole_story(error: BaseException | None) -> str:
    """Return the texts of an error and of all its causes."""
    return "" if error is None else f"{error}\n{_whole_story(error.__cause__ or error.__context__)}"


def first_line(error: Exception) -> str:
    """Return the first line of MLflow's message, without credentials in URLs."""
    return without_logins_within(str(error).partition("\n")[0]).rstrip(" .") + "."


def all_pages(search: Callable[..., Any], *, size: int = _PAGE) -> Iterator[Any]:
    """Return the results of a search of MLflow's, page by page."""
    token, seen = None, set()
    for _ in range(limits.SEARCH_PAGES):
        page = search(max_results=size, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
        if token in seen:
            break
        seen.add(token)
    raise TrackingError(
        f"expected the tracking server at {shown_address()} to list results with an end, "
        f"found {'the same page again' if token in seen else f'{limits.SEARCH_PAGES} pages'}. "
        "Ask for less, or report it to whoever runs the server."
    )


def current_experiment_id() -> str:
    """Return the id of the experiment that MLflow would choose for a new run."""
    return str(_get_experiment_id())


def experiment_name(experiment_id: str) -> str:
    """Return the name of an experiment by its id."""
    return str(client().get_experiment(experiment_id).name)


def experiment_id(name: str) -> str:
    """Return the id of an experiment by its name.

    Raises
    ------
    TrackingError
        If no experiment has that name; the message names the nearest one.
    """
    experiment = client().get_experiment_by_name(name)
    if experiment is not None and experiment.lifecycle_stage == LifecycleStage.ACTIVE:
        return answers.experiment_id(experiment.experiment_id)
    names = [experiment.name for experiment in all_pages(client().search_experiments)]
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0)
    raise TrackingError(
        f"expected the name of an experiment, found {name!r}, which "
        f"{'has been deleted' if experiment else 'does not exist'}. "
        + (f"Did you mean {nearest[0]!r}?" if nearest else "Make a run first.")
    )


def ensure_experiment(name: str, *, artifact_location: str | None = None) -> str:
    """Return the id of an experiment by its name; create the experiment if it does not exist.

    Raises
    ------
    TrackingError
        If the experiment has been deleted.
    """
    if client().get_experiment_by_name(name) is None:
        with contextlib.suppress(MlflowException):  # another made it, else see below
            return answers.experiment_id(client().create_experiment(name, artifact_location))
    return experiment_id(name)


def environment(experiment_id: str) -> dict[str, str]:
    """Return the variables that make another process log to the same server and experiment."""
    return {
        "MLFLOW_TRACKING_URI": address(),
        "MLFLOW_EXPERIMENT_ID": experiment_id,
        **_needed_by_mlflow(),
    }


def prepare_mlflow() -> None:
    """Set what MLflow needs in this process before it makes or enters a run."""
    os.environ.update(_needed_by_mlflow())


def _needed_by_mlflow() -> dict[str, str]:
    """Return variables without which MLflow prints a password, or fails for a nameless user."""
    needed = {}
    uri = str(_SERVER.get() or mlflow.get_tracking_uri())
    if without_login(uri) != uri:
        needed["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # "View run … at: <uri>"
    try:
        getpass.getuser()
    except (KeyError, OSError):  # as in a container, by its number alone
        needed["LOGNAME"] = f"uid-{os.getuid()}"
    return needed


def absolute(uri: str) -> str:
    """Return a tracking URI that is valid from any folder."""
    scheme, separator, path = uri.partition(":///")
    if separator and scheme.startswith("sqlite"):
        return f"{scheme}:///{Path(path).absolute()}"
    named = r"[a-z0-9+.-]+:|(databricks|databricks-uc|uc)$"
    return uri if re.match(named, uri, re.IGNORECASE) else str(Path(uri).absolute())
