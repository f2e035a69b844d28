"""Delivers to the tracking server what it did not take, and closes the runs of dead processes."""

from reprise import console, tracking
from reprise.errors import TrackingError, UndeliveredError
from reprise.process import scratch


def start() -> None:
    """Deliver what is kept for the server in use, run by run, and report what is left.

    Then close the runs of that server whose process is gone.

    Raises
    ------
    UndeliveredError
        If something of it could not be delivered.
    """
    tracking.limit_waiting()
    here = tracking.kept_address()
    every = tracking.kept_runs()
    mine = [kept for kept in every if kept.server == here]
    waiting = [kept for kept in mine if not kept.is_empty]
    left = 0
    for kept in mine:
        try:
            with tracking.translating_errors():
                size = "" if kept.is_empty else f" ({kept.size()})"
                delivery = tracking.deliver_kept(kept)
        except (UndeliveredError, TrackingError) as error:
            left += 1
            console.warn(f"run {kept.run_id}{size}: {error}")
        else:
            if size or delivery is tracking.Delivery.CLOSED:
                console.say(f"run {kept.run_id}{size}: {delivery.value}")
    elsewhere = [kept.server for kept in every if kept.server != here and not kept.is_empty]
    for server in sorted(set(elsewhere)):
        count = elsewhere.count(server)
        console.say(f"{_runs(count)} of {server}: set MLFLOW_TRACKING_URI to deliver them")
    if not waiting:
        console.say(f"nothing waits for {here}")
    if left:
        raise UndeliveredError(
            f"expected {here} to take what is kept of {_runs(left)}, found that it does "
            "not, as printed above. It stays where it is. Try again: reprise sync"
        )
    with tracking.translating_errors():
        for run_id in tracking.close_gone():
            console.say(f"run {run_id}: closed as KILLED, {tracking.GONE}")
    scratch.remove_left()


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count != 1)}"
