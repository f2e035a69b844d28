"""Delivers to the tracking server what it did not take, and closes the runs of dead processes."""

from reprise import console, tracking
from reprise.errors import UndeliveredError
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
    here = tracking.shown_address()
    every = tracking.kept_runs()
    mine = [kept for kept in every if kept.server == here]
    left = 0
    for kept in mine:
        try:
            with tracking.translating_errors():
                size = kept.size()
                tracking.deliver_kept(kept)
        except UndeliveredError as error:
            left += 1
            console.warn(f"run {kept.run_id} ({size}): {error}")
        else:
            console.say(f"run {kept.run_id} ({size}): delivered")
    for server in sorted({kept.server for kept in every} - {here}):
        count = sum(kept.server == server for kept in every)
        console.say(f"{_runs(count)} of {server}: set MLFLOW_TRACKING_URI to deliver them")
    if not mine:
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
