"""The end of a run: FINISHED, FAILED with its error, or KILLED, whatever happens and whenever."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.errors import RepriseError
from reprise.process import interrupts

if TYPE_CHECKING:
    from mlflow.entities import Run

# GeneratorExit: of a block that a signal has interrupted on the way into it, or out of it.
_STOPPED = (KeyboardInterrupt, interrupts.Terminated, GeneratorExit)


def failure(error: BaseException) -> str:
    """Say in words why a run has not finished."""
    if isinstance(error, _STOPPED):
        return "interrupted"
    return str(error) if isinstance(error, RepriseError) else f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def finalizing_run(run: "Run", *, end: Callable[[str, str], None] = tracking.end) -> Iterator[None]:
    """End a run as FINISHED, FAILED with its error, or KILLED, whichever it is.

    A signal that comes while it is ended as FINISHED makes it KILLED; one that comes while it is
    ended otherwise waits until that is done.
    """
    failed = partial(tracking.end_failed, run.info.run_id, end=end)
    try:
        with tracking.beating(run.info.run_id):
            yield
        end(run.info.run_id, "FINISHED")
    except _STOPPED as error:
        with interrupts.deferred():
            failed("KILLED", failure(error), kind="KeyboardInterrupt")
        raise
    except BaseException as error:
        with interrupts.deferred():
            failed("FAILED", failure(error), kind=type(error).__name__)
        raise
