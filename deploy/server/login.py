"""Log in as MLflow's basic authentication does, and refuse requests that its permissions overlook.

In MLflow, a user who makes an experiment may choose the place of its files, and MLflow does not
check the user's right to read or write there: it may be the folder of another user's run, or the
server's own disk. Here the server alone chooses the place.

In MLflow, a user who makes a trace may give it the id of another user's trace, which then moves to
the first user's experiment, and may choose the place of its spans. Traces are of applications of
language models. This server refuses them.

`auth.ini` names this function.
"""

import threading

from cachetools import LRUCache
from flask import Response, jsonify, request
from mlflow.server import auth
from mlflow.server.handlers import _get_normalized_request_json  # the values that MLflow will read
from werkzeug.datastructures import Authorization

# Only one thread at a time hashes a password, which takes 0.3 s; the others find the result.
_HASHING = tuple(threading.Lock() for _ in range(64))
_PLACE = "expected no artifact location, found one: this server decides where files are."
_TRACE = "expected no trace: this server takes none, as their permissions are not checked."
# Requests about traces that write nothing, in spite of their methods.
_HARMLESS = {
    "batchGetInfos",
    "calculate-filter-correlation",
    "delete-traces",
    "metrics",
    "search",
}


def authenticate() -> Authorization | Response:
    """Return the user who makes the request, or the answer that refuses it."""
    with _HASHING[hash(request.headers.get("Authorization")) % len(_HASHING)]:
        found: Authorization | Response = auth.authenticate_request_basic_auth()
    if not isinstance(found, Authorization) or request.method not in {"POST", "PUT", "PATCH"}:
        return found
    if request.path.endswith("/mlflow/experiments/create") and _names_a_place():
        return _refused(_PLACE)
    if _writes_a_trace():
        return _refused(_TRACE)
    return found


def _names_a_place() -> bool:
    content = _get_normalized_request_json()
    words = ("artifact_location", "artifactLocation")
    return isinstance(content, dict) and any(content.get(word) for word in words)


def _writes_a_trace() -> bool:
    if "/mlflow/demo/" in request.path:  # makes traces, and deletes other users' traces
        return True
    if not (request.path.startswith("/v1/traces") or "/mlflow/traces" in request.path):
        return False
    return request.method != "POST" or request.path.rpartition("/")[2] not in _HARMLESS


def _refused(message: str) -> Response:
    answer = jsonify(error_code="PERMISSION_DENIED", message=message)
    answer.status_code = 403
    return answer


_Requirement = tuple[tuple[str, str], list[auth.Requirement]]
_RUNS: LRUCache[str, str] = LRUCache(100_000)  # run -> its experiment, which never changes
_RUNS_LOCK = threading.Lock()
_ask = auth._run_requirement  # noqa: SLF001


def _run_requirement(run_id: str, action: str) -> _Requirement | None:
    """Return the permission that a request about a run needs, as MLflow does.

    MLflow loads the whole run with its metrics and parameters on every request, only to find its
    experiment: that took a fifth of the time of `log_batch`. Whether a user has the permission is
    read from the database every time.
    """
    with _RUNS_LOCK:
        experiment_id = _RUNS.get(run_id)
    if experiment_id is None:
        asked: _Requirement | None = _ask(run_id, action)
        if asked is not None:
            with _RUNS_LOCK:
                _RUNS[run_id] = asked[0][1]
        return asked
    experiment = (auth.RESOURCE_TYPE_EXPERIMENT, experiment_id)
    return experiment, [
        auth.Requirement(auth.RESOURCE_TYPE_EXPERIMENT, experiment_id, "read"),
        auth.Requirement(auth.RESOURCE_TYPE_RUN, "*", action, fallback_if_no_grant=(experiment,)),
    ]


auth._run_requirement = _run_requirement  # noqa: SLF001
