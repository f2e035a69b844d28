"""Which errors are the tracking server's, or its artifact store's, and may be over in a moment."""

from mlflow.exceptions import MlflowException

_AWAY = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})
_ENDED, _FORBIDDEN = "UNAUTHENTICATED", "PERMISSION_DENIED"  # of a login that has ended, either
_STATUS_ENDED, _STATUS_FORBIDDEN = 401, 403
_TOO_MANY, _BROKEN = 429, 500  # statuses of HTTP: from the last on, the server's fault
_STORES = ("boto3", "botocore", "urllib3")  # their errors have no base of their own


def is_servers(error: Exception) -> bool:
    """Return whether an error says that the server, or its store, does not take things now."""
    if isinstance(error, MlflowException) and error.error_code == _ENDED:
        return True
    return _status(error) == _STATUS_ENDED or forbids(error) or may_come_back(error)


def forbids(error: Exception) -> bool:
    """Return whether an error says that this user may not do it."""
    if isinstance(error, MlflowException):
        return bool(error.error_code == _FORBIDDEN)
    return _status(error) == _STATUS_FORBIDDEN


def may_come_back(error: Exception) -> bool:
    """Return whether an error may be over in a moment."""
    if isinstance(error, MlflowException):
        return error.error_code in _AWAY
    if type(error).__module__.partition(".")[0] in _STORES:
        return True
    status = _status(error)
    if status is not None:
        return status == _TOO_MANY or status >= _BROKEN
    return isinstance(error, OSError)  # of requests, too


def _status(error: Exception) -> int | None:
    """Return the status of HTTP that an error of requests has."""
    response = getattr(error, "response", None)
    return getattr(response, "status_code", None)
