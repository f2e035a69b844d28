"""Which errors are the tracking server's, or its artifact store's, and may be over in a moment."""

from mlflow.exceptions import MlflowException

_AWAY = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})
_REFUSING = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})  # a login that has ended
_UNAUTHORIZED = (401, 403)
_TOO_MANY, _BROKEN = 429, 500  # statuses of HTTP: from the last on, the server's fault
_STORES = ("boto3", "botocore", "urllib3")  # their errors have no base of their own


def is_servers(error: Exception) -> bool:
    """Return whether an error says that the server, or its store, does not take things now."""
    if isinstance(error, MlflowException) and error.error_code in _REFUSING:
        return True
    return _status(error) in _UNAUTHORIZED or may_come_back(error)


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
