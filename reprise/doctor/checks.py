"""The checks in order, the checks that each needs, and the time limit of each."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from reprise.doctor.account import login, permission, versions
from reprise.doctor.connection import address, certificate, clock
from reprise.doctor.context import Context
from reprise.doctor.local import pickle, repository
from reprise.doctor.result import CheckResult, Status, failed, obstacles, skipped
from reprise.doctor.transfer import artifacts, clean_up, transfers

_SECONDS = 45


@dataclass(frozen=True)
class Check:
    """One check: its name, its function, and the names of the checks that must pass before it."""

    name: str
    look: Callable[[Context], CheckResult]
    stands_on: tuple[str, ...] = ()
    is_local: bool = False


CHECKS = (
    Check("address", address, is_local=True),
    Check("certificate", certificate, ("address",)),
    Check("login", login, ("certificate",)),
    Check("clock", clock, ("certificate",)),
    Check("versions", versions, ("login",)),
    Check("permission", permission, ("login",)),
    Check("transfers", transfers, ("permission",)),
    Check("artifacts", artifacts, ("permission",)),
    Check("pickle", pickle, is_local=True),
    Check("git", repository, is_local=True),
)
WIDTH = max(len(check.name) for check in CHECKS)


class TimeIsUpError(BaseException):
    """A check took too long. No library catches it, as it is not an Exception."""


def examine(context: Context, *, seconds: float = _SECONDS) -> Iterator[CheckResult]:
    """Run the checks one after the other, and yield the result of each.

    Parameters
    ----------
    context : Context
        If the checks make a run, it is stored here; `leave` deletes it.
    seconds : float
        Time limit of each check; the check of artifacts gets two more seconds for each MB.
    """
    failures: dict[str, str] = {}
    for check in CHECKS:
        if not (check.is_local or context.has_server):
            continue
        causes = obstacles(check.stands_on, failures)
        if causes:
            failures[check.name] = causes[0]
            yield skipped(check.name, causes[0])
            continue
        context.show(check.name)
        limit = seconds + 2 * context.size_mb if check.name == "artifacts" else seconds
        result = _within(limit, check, context)
        if result.status == Status.FAILED:
            failures[check.name] = check.name
        yield result


def leave(context: Context, *, seconds: float = _SECONDS) -> CheckResult | None:
    """Delete what the checks made on the server; return None if there is nothing to delete."""
    context.show("clean-up")
    run_id = context.run.info.run_id if context.run else ""
    try:
        with at_most(seconds):
            return clean_up(context)
    except TimeIsUpError:
        advice = f"Do: mlflow runs delete --run-id {run_id}"
        found = f"not finished in {seconds:.0f} s; run {run_id} may remain"
        return failed("clean-up", found, advice)


def _within(seconds: float, check: Check, context: Context) -> CheckResult:
    try:
        with at_most(seconds):
            return check.look(context)
    except TimeIsUpError:
        context.abandoned = True
        advice = "The server, its store or the network hangs or is too slow: ask the administrator"
        if check.name == "artifacts":
            advice += ", or try a smaller file: python -m reprise.doctor --size-mb 10"
        return failed(check.name, f"not finished in {seconds:.0f} s", advice)


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Interrupt the main thread after this time, even if it waits.

    Raises
    ------
    TimeIsUpError
        If the time is up.
    """

    def end(_signal: int, _frame: Any) -> None:
        raise TimeIsUpError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
