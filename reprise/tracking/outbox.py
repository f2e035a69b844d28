"""How a step sends its results: at once, patiently, and else into the spool.

A server that is away for a moment is waited for. When it has been away for as long as
`REPRISE_PATIENCE` says, nothing more is tried: all that follows is kept, in its order.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from contextvars import ContextVar

from mlflow.exceptions import MlflowException

from reprise import env
from reprise.console import warn
from reprise.errors import SpoolError, UndeliveredError
from reprise.tracking import spool
from reprise.tracking.server import first_line, shown_address
from reprise.tracking.writes import Write

_PATIENCE_SECONDS = 60.0
_LONGEST_PAUSE = 8.0
_RETRIES = 2  # of MLflow, for one request: three tries of a third of the patience each
_AWAY = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})
_REFUSING = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})  # a login that has ended
_UNAUTHORIZED = (401, 403)
_TOO_MANY, _BROKEN = 429, 500  # statuses of HTTP: from the last on, the server's fault
_MLFLOW_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_STORES = ("boto3", "botocore", "urllib3")  # their errors have no base of their own


class Outbox:
    """What a process sends for its runs.

    Attributes
    ----------
    reason : str
        Why the server does not take any more; "" while it does.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.own: set[str] = set()  # ids of the runs that this process has made or was given
        self._kept: list[str] = []  # ids of runs
        self._locks = contextlib.ExitStack()  # until this process has ended its runs

    def deliver(self, write: Write) -> None:
        """Send what a run has to say; keep it where the server does not take it."""
        if not self.reason:
            try:
                self._send(write)
            except Exception as error:
                is_foreign = write.run_id not in self.own  # to which one may have no access
                if not _is_servers(error) or (is_foreign and not _may_come_back(error)):
                    raise
                self.reason = first_line(error)
            except KeyboardInterrupt:
                self.reason = "interrupted while it was waited for."
                self._keep(write)
                raise
            else:
                return
        self._keep(write)

    def _send(self, write: Write) -> None:
        """Send it, and try again while the server is away, for as long as patience lasts."""
        until, pause, again = None, 0.5, False
        while True:
            try:
                with _trying_once():
                    write.send(again=again)
            except Exception as error:
                until = until or time.monotonic() + patience()
                if not _may_come_back(error) or time.monotonic() + pause > until:
                    raise
            else:
                return
            time.sleep(pause)
            pause, again = min(2 * pause, _LONGEST_PAUSE), True

    def _keep(self, write: Write) -> None:
        if write.run_id not in self._kept:
            self._kept.append(write.run_id)
            self._locks.enter_context(spool.locked(write.run_id))
        spool.keep(write, shown_address())

    def close(self) -> None:
        """Let other processes deliver what is kept."""
        self._locks.close()

    def notice(self) -> str:
        """Return what to report of results that the server did not take; "" if it took all."""
        if not self._kept:
            return ""
        runs = f"run{'s' * (len(self._kept) > 1)} {', '.join(self._kept)}"
        return (
            f"expected the tracking server at {shown_address()} to take the results of {runs}, "
            f"found: {self.reason} They are safe in {spool.location()}. When it is back: "
            "reprise sync"
        )


_OUTBOX: ContextVar[Outbox | None] = ContextVar("outbox", default=None)


@contextlib.contextmanager
def keeping() -> Iterator[None]:
    """Keep what is sent in this block and the server does not take.

    Raises
    ------
    SpoolError
        If there is no place to keep it.
    UndeliveredError
        When the block has ended, if something is kept.
    """
    spool.refuse_unusable()
    limit_waiting()
    outbox = Outbox()
    token = _OUTBOX.set(outbox)
    try:
        yield
    except BaseException:  # that is reported by who called; what was kept is, here
        if outbox.notice():
            warn(outbox.notice())
        raise
    finally:
        _OUTBOX.reset(token)
        outbox.close()
    if outbox.notice():
        raise UndeliveredError(outbox.notice())


def limit_waiting() -> None:
    """Let MLflow wait as `REPRISE_PATIENCE` says, unless the user has set how long it waits.

    MLflow's own patience is 4 minutes of errors, or 16 minutes of silence.
    """
    os.environ.setdefault(_MLFLOW_RETRIES, str(_RETRIES))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(round(patience() / 3) or 1))


def own(run_id: str) -> None:
    """Note that this process has made a run, or was given it."""
    outbox = _OUTBOX.get()
    if outbox is not None:
        outbox.own.add(run_id)


@contextlib.contextmanager
def _trying_once() -> Iterator[None]:
    """Keep MLflow from sending a request again whose answer was lost, as if it were another one."""
    before = os.environ.get(_MLFLOW_RETRIES)
    os.environ[_MLFLOW_RETRIES] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_MLFLOW_RETRIES]
        else:
            os.environ[_MLFLOW_RETRIES] = before


def deliver(write: Write) -> None:
    """Send what a run has to say; within `keeping`, keep it where the server does not take it."""
    outbox = _OUTBOX.get()
    if outbox is None:
        write.send()
    else:
        outbox.deliver(write)


def deliver_kept(kept: spool.Kept) -> None:
    """Deliver what is kept of a run, in its order; what the server has confirmed is removed.

    Raises
    ------
    UndeliveredError
        If the server does not take it, or another process of this machine holds it.
    """
    with spool.locked(kept.run_id) as is_mine:
        if not is_mine:
            raise UndeliveredError("another process delivers it, or still runs. Wait for it.")
        try:
            for path, write in kept.writes():
                write.send(again=True)
                kept.drop(path)
        except Exception as error:
            if not isinstance(error, MlflowException) and not _is_servers(error):
                raise
            raise UndeliveredError(first_line(error)) from None
        spool.clear(kept)


def is_taken() -> bool:
    """Return whether the server has taken all that this process has sent."""
    outbox = _OUTBOX.get()
    return outbox is None or not outbox.reason


def deliver_quietly() -> None:
    """Deliver all that is kept for the server in use, if it has taken this process's results."""
    if not is_taken():
        return
    for kept in spool.kept_runs():
        if kept.server == shown_address():
            with contextlib.suppress(UndeliveredError, SpoolError):  # `reprise sync` says why
                deliver_kept(kept)


def patience() -> float:
    """Return for how many seconds a server that is away is waited for."""
    with contextlib.suppress(ValueError):
        return max(0.0, float(os.environ.get(env.PATIENCE, _PATIENCE_SECONDS)))
    return _PATIENCE_SECONDS


def _is_servers(error: Exception) -> bool:
    """Return whether an error says that the server, or its store, does not take things now."""
    if isinstance(error, MlflowException) and error.error_code in _REFUSING:
        return True
    return _status(error) in _UNAUTHORIZED or _may_come_back(error)


def _may_come_back(error: Exception) -> bool:
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
