"""Log in as MLflow's basic authentication does, and refuse what its permissions do not see.

Who makes an experiment may say where its files are; MLflow asks nobody whether they may read or
write there, be it the folder of another's run or the server's own disk. Here nobody says so: files
are where the server puts them.

Who makes a trace may give it the id of another's, which then is in their experiment, and may say
where its spans are. Traces are of applications of language models. This server takes none.

`auth.ini` names this function.
"""

import threading

from cachetools import LRUCache
from flask import Response, jsonify, request
from mlflow.server import auth
from mlflow.server.handlers import _get_normalized_request_json  # what MLflow is going to read
from werkzeug.datastructures import Authorization

# One at a time hashes a password, which takes 0.3 s, and the others find the result.
_HASHING = tuple(threading.Lock() for _ in range(64))
_PLACE = "expected no artifact location, found one: this server decides where files are."
_TRACE = "expected no trace: this server takes none, as their permissions are not checked."
# Requests about traces that write none, though their method is one that does.
_HARMLESS = {
    "batchGetInfos",
    "calculate-filter-correlation",
    "delete-traces",
    "metrics",
    "search",
}


def authenticate() -> Authorization | Response:
    """Return who asks, or the answer that refuses them."""
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
    if "/mlflow/demo/" in request.path:  # makes traces, and deletes those of others
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
    """Say what somebody must hold to do something with a run, as MLflow does.

    MLflow loads the whole run with all that was logged to it, on every request, only to learn its
    experiment; that was a fifth of the time of `log_batch`. Whether somebody holds it is asked of
    the database every time.
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
