"""How a step sends its results: at once, patiently, and else into the spool.

A server that is away for a moment is waited for. When it has been away for as long as
`REPRISE_PATIENCE` says, nothing more is tried: all that follows is kept, in its order.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

from mlflow.exceptions import MlflowException

from reprise import env
from reprise.console import warn
from reprise.errors import UndeliveredError
from reprise.process import interrupts
from reprise.tracking import spool
from reprise.tracking.failures import forbids, is_servers, may_come_back
from reprise.tracking.server import first_line, kept_address, shown_address
from reprise.tracking.writes import End, Write

T = TypeVar("T")
_PATIENCE_SECONDS = 60.0
_LONGEST_PAUSE = 8.0
_RETRIES = 2  # of MLflow, for one request: three tries of a third of the patience each
_MLFLOW_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_MLFLOW_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_STOPPED = (KeyboardInterrupt, interrupts.Terminated)


class Outbox:
    """What a process sends for its runs.

    Attributes
    ----------
    reason : str
        Why the server does not take any more; "" while it does.
    own : set of str
        Ids of the runs that this process has made or was given.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.own: set[str] = set()
        self._locks: dict[str, contextlib.ExitStack] = {}  # by id, until the run has ended
        self._interrupted: list[Path] = []  # what was kept, and a signal kept from being sent
        self._is_waiting = False

    def deliver(self, write: Write) -> None:
        """Send what a run has to say; keep it where the server does not take it.

        Of an own run, it is kept before it is sent, so that a kill does not lose it.
        """
        kept: Path | None = None
        try:
            with interrupts.deferred():
                kept = self._keep(write) if self.reason else self._keep_ahead(write)
            if self.reason:
                return
            self._send_interrupted()
            self._send(write)
        except _STOPPED:
            with interrupts.deferred():
                self._interrupted.append(kept or self._keep(write))
                if self._is_waiting:
                    self._give_up("interrupted while it was waited for.")
            raise
        except Exception as error:
            is_foreign = write.run_id not in self.own  # to which one may have no access
            if not is_servers(error) or (is_foreign and forbids(error)):
                if kept:
                    spool.drop(kept)
                raise
            kept = kept or self._keep(write)
            self._give_up(first_line(error))
        else:
            with interrupts.deferred():
                self._confirm(write, kept)

    def note(self, write: Write) -> None:
        """Keep what an own run sends later, in place of what was noted before."""
        if write.run_id in self.own:
            with contextlib.suppress(OSError), interrupts.deferred():
                self._lock(write.run_id)
                spool.note(write, kept_address())

    def ask(self, question: Callable[[], T]) -> T | None:
        """Return what the server answers; None if it is away."""
        if self.reason:
            return None
        try:
            return self._patiently(lambda _: question())
        except Exception as error:
            if not is_servers(error):
                raise
            self._give_up(first_line(error))
            return None

    def _send(self, write: Write) -> None:
        self._patiently(lambda again: write.send(again=again))

    def _patiently(self, call: Callable[[bool], T]) -> T:
        """Call it, and again while the server is away, for as long as patience lasts."""
        until, pause, self._is_waiting = None, 0.5, False
        while True:
            try:
                with _trying_once():
                    answer = call(self._is_waiting)
            except Exception as error:
                until = until or time.monotonic() + patience()
                if not may_come_back(error) or time.monotonic() + pause > until:
                    raise
            else:
                self._is_waiting = False
                return answer
            self._is_waiting = True
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _send_interrupted(self) -> None:
        """Send first what a signal has kept from being sent, so that all is sent in its order."""
        while self._interrupted:
            path = self._interrupted[0]
            try:
                with _trying_once():
                    spool.read(path).send(again=True)
            except MlflowException as error:
                if is_servers(error):
                    raise  # else it would never be taken
            spool.drop(path)
            del self._interrupted[0]

    def _confirm(self, write: Write, kept: Path | None) -> None:
        if kept:
            spool.drop(kept)
        if isinstance(write, End):
            self.discard(write.run_id)

    def _give_up(self, reason: str) -> None:
        self.reason = reason
        for run_id in self._locks:
            spool.flush(run_id)

    def _keep_ahead(self, write: Write) -> Path | None:
        """Keep what an own run is about to send, unless that costs much or cannot be."""
        if write.run_id in self.own:
            with contextlib.suppress(OSError):  # a disk that is full now must not end the work
                self._lock(write.run_id)
                if spool.is_cheap(write):
                    return spool.keep(write, kept_address())
        return None

    def _keep(self, write: Write) -> Path:
        try:
            self._lock(write.run_id)
            kept = spool.keep(write, kept_address())
            if self.reason:
                spool.flush(write.run_id)
        except OSError as error:
            raise spool.unusable(error) from None
        return kept

    def _lock(self, run_id: str) -> None:
        if run_id not in self._locks:
            self._locks[run_id] = contextlib.ExitStack()
            self._locks[run_id].enter_context(spool.locked(run_id))

    def discard(self, run_id: str) -> None:
        """Remove the folder of a run that has ended, if nothing of it waits to be sent."""
        if run_id in self._locks and spool.kept(run_id, "").is_empty:
            spool.clear(run_id)
            self._locks.pop(run_id).close()

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Send through this outbox what is sent within the block."""
        token = _OUTBOX.set(self)
        try:
            yield
        finally:
            _OUTBOX.reset(token)

    def close(self) -> None:
        """Let other processes deliver what is kept; leave no folder in which nothing is."""
        for run_id in list(self._locks):
            self.discard(run_id)
        for lock in self._locks.values():
            lock.close()

    def notice(self) -> str:
        """Return what to report of results that the server did not take; "" if it took all."""
        if not self.reason and not self._interrupted:
            return ""
        kept = [run_id for run_id in self._locks if not spool.kept(run_id, "").is_empty]
        if not kept:
            return ""
        runs = f"run{'s' * (len(kept) > 1)} {', '.join(kept)}"
        reason = self.reason or "interrupted before it could."
        return (
            f"expected the tracking server at {shown_address()} to take the results of {runs}, "
            f"found: {reason} They are safe in {spool.location()}. When it is back: reprise sync"
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
    try:
        with outbox.used():
            yield
    except BaseException:  # that is reported by who called; what was kept is, here
        if outbox.notice():
            warn(outbox.notice())
        raise
    finally:
        outbox.close()
    if outbox.notice():
        raise UndeliveredError(outbox.notice())


def limit_waiting() -> None:
    """Let MLflow wait as `REPRISE_PATIENCE` says, unless the user has set how long it waits.

    MLflow's own patience is 4 minutes of errors, or 16 minutes of silence.
    """
    os.environ.setdefault(_MLFLOW_RETRIES, str(_RETRIES))
    os.environ.setdefault(_MLFLOW_TIMEOUT, _timeout())


def _timeout() -> str:
    return str(round(patience() / 3) or 1)


def ask(question: Callable[[], T]) -> T | None:
    """Return what the server answers; within `keeping`, None if it is away."""
    outbox = _OUTBOX.get()
    return question() if outbox is None else outbox.ask(question)


def own(run_id: str) -> None:
    """Note that this process has made a run, or was given it."""
    outbox = _OUTBOX.get()
    if outbox is not None:
        outbox.own.add(run_id)


@contextlib.contextmanager
def _trying_once() -> Iterator[None]:
    """Keep MLflow from sending a request again whose answer was lost, as if it were another one."""
    names = (_MLFLOW_RETRIES, _MLFLOW_TIMEOUT)
    before = {name: os.environ[name] for name in names if name in os.environ}
    os.environ |= {_MLFLOW_TIMEOUT: _timeout()} | before | {_MLFLOW_RETRIES: "0"}
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ |= before


def deliver(write: Write) -> None:
    """Send what a run has to say; within `keeping`, keep it where the server does not take it."""
    outbox = _OUTBOX.get()
    if outbox is None:
        write.send()
    else:
        outbox.deliver(write)


def note(write: Write) -> None:
    """Within `keeping`, keep what a run sends later, in place of what was noted before."""
    outbox = _OUTBOX.get()
    if outbox is not None:
        outbox.note(write)


def discard(run_id: str) -> None:
    """Remove what is kept of a run that has ended, if it is nothing."""
    outbox = _OUTBOX.get()
    if outbox is not None:
        outbox.discard(run_id)


def is_taken() -> bool:
    """Return whether the server has taken all that this process has sent."""
    outbox = _OUTBOX.get()
    return outbox is None or not outbox.reason


def patience() -> float:
    """Return for how many seconds a server that is away is waited for."""
    with contextlib.suppress(ValueError):
        return max(0.0, float(os.environ.get(env.PATIENCE, _PATIENCE_SECONDS)))
    return _PATIENCE_SECONDS
