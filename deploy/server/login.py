"""Log in as MLflow's basic authentication does, and refuse what its permissions do not see.

Who makes an experiment may say where its files are, and who owns a trace may say where its spans
are; MLflow asks nobody whether they may read or write there, be it the folder of another's run or
the server's own disk. Here nobody says so: files are where the server puts them. `auth.ini` names
this function.
"""

import re

from flask import Response, jsonify, request
from mlflow.server.auth import authenticate_request_basic_auth
from mlflow.server.handlers import _get_normalized_request_json  # what MLflow is going to read
from werkzeug.datastructures import Authorization

_PLACES = {"artifact_location", "artifactLocation", "mlflow.artifactLocation"}
_PATHS = re.compile(r"/mlflow/(experiments/create|traces(/.*)?)$")
_MESSAGE = "expected no artifact location, found one: this server decides where files are."


def authenticate() -> Authorization | Response:
    """Return who asks, or the answer that refuses them."""
    found: Authorization | Response = authenticate_request_basic_auth()
    if not isinstance(found, Authorization) or request.method not in {"POST", "PATCH"}:
        return found
    if _PATHS.search(request.path) and _names_a_place(_get_normalized_request_json()):
        refused = jsonify(error_code="PERMISSION_DENIED", message=_MESSAGE)
        refused.status_code = 403
        return refused
    return found


def _names_a_place(content: object) -> bool:
    """Tell whether JSON has one of the words as a filled key, or as a value."""
    if isinstance(content, str):
        return content in _PLACES
    if isinstance(content, dict):
        return any(
            (key in _PLACES and bool(value)) or _names_a_place(value)
            for key, value in content.items()
        )
    return isinstance(content, list) and any(map(_names_a_place, content))
