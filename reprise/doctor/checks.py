"""The checks, in order, what each stands on, and how long each may take."""

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
    """One check: its name, what does it, and the checks without which it makes no sense."""

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
    """A check took too long; no library may take this for an error of its own."""


def examine(visit: Context, *, seconds: float = _SECONDS) -> Iterator[CheckResult]:
    """Make the checks one after the other, and yield what each finds.

    Parameters
    ----------
    visit : Context
        Its run, if one was made, is still there afterwards: `leave` deletes it.
    seconds : float
        Limit of each check; that of artifacts has two seconds more for each MB.
    """
    failures: dict[str, str] = {}
    for check in CHECKS:
        if not (check.is_local or visit.has_server):
            continue
        causes = obstacles(check.stands_on, failures)
        if causes:
            failures[check.name] = causes[0]
            yield skipped(check.name, causes[0])
            continue
        visit.show(check.name)
        limit = seconds + 2 * visit.size_mb if check.name == "artifacts" else seconds
        finding = _within(limit, check, visit)
        if finding.status == Status.FAILED:
            failures[check.name] = check.name
        yield finding


def leave(visit: Context, *, seconds: float = _SECONDS) -> CheckResult | None:
    """Delete what a visit has made on the server; None: nothing."""
    visit.show("clean-up")
    run_id = visit.run.info.run_id if visit.run else ""
    try:
        with at_most(seconds):
            return clean_up(visit)
    except TimeIsUpError:
        advice = f"Do: mlflow runs delete --run-id {run_id}"
        return failed("clean-up", f"no end in {seconds:.0f} s; run {run_id} may be left", advice)


def _within(seconds: float, check: Check, visit: Context) -> CheckResult:
    try:
        with at_most(seconds):
            return check.look(visit)
    except TimeIsUpError:
        visit.abandoned = True
        advice = (
            "The server, its store, or the way to it hangs or is too slow: ask the administrator"
        )
        if check.name == "artifacts":
            advice += ", or try with less: python -m reprise.doctor --size-mb 10"
        return failed(check.name, f"no end in {seconds:.0f} s", advice)


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Interrupt what is done in the main thread after this time, whatever it waits for.

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
