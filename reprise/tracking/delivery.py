"""Delivers what is kept of runs, and closes those whose process is gone."""

import contextlib
from enum import Enum

from mlflow.exceptions import MlflowException

from reprise.errors import SpoolError, TrackingError, UndeliveredError
from reprise.tracking import spool
from reprise.tracking.failures import is_servers
from reprise.tracking.gone import GONE, close_if_gone
from reprise.tracking.outbox import is_taken
from reprise.tracking.search import get_run
from reprise.tracking.server import first_line, kept_address


class Delivery(Enum):
    """What has become of what is kept of a run."""

    DONE = "delivered"
    CLOSED = f"closed as KILLED: {GONE}"
    HELD = "its process still runs, or another one delivers it"


def deliver_kept(kept: spool.Kept) -> Delivery:
    """Deliver what is kept of a run, in its order; what the server has confirmed is removed.

    Raises
    ------
    UndeliveredError
        If the server does not take it.
    """
    with spool.locked(kept.run_id) as is_mine:
        if not is_mine:
            return Delivery.HELD
        try:
            for path, write in kept.writes():
                write.send(again=True)
                spool.drop(path)
            run = get_run(kept.run_id)
            was_open = close_if_gone(run)
        except Exception as error:
            if not isinstance(error, MlflowException) and not is_servers(error):
                raise
            raise UndeliveredError(first_line(error)) from None
        if run.info.status == "RUNNING" and not was_open:
            return Delivery.HELD
        spool.clear(kept.run_id)
        return Delivery.CLOSED if was_open else Delivery.DONE


def deliver_quietly() -> None:
    """Deliver all that is kept for the server in use, if it has taken this process's results."""
    if not is_taken():
        return
    for kept in spool.kept_runs():
        if kept.server == kept_address():
            # `reprise sync` says why it cannot be.
            with contextlib.suppress(UndeliveredError, SpoolError, TrackingError):
                deliver_kept(kept)
