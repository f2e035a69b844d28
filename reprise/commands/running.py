"""A run that this process makes for another one, and that it ends whatever happens."""

from collections.abc import Iterator
from contextlib import contextmanager

from reprise.console import announce_run
from reprise.errors import RepriseError
from reprise.process import interrupts
from reprise.record.project_run import ProjectRun


@contextmanager
def made(experiment_id: str, planned: ProjectRun) -> Iterator[str]:
    """Make a run for the block, and yield its id.

    The run is closed as FAILED after an error that a user can fix, as KILLED after any other end
    that is not the block's own.
    """
    from reprise import tracking

    with interrupts.deferred() as admit:
        run_id = tracking.create_project_run(experiment_id, planned)
        try:
            admit()
            announce_run(planned.entry_point, run_id)
            yield run_id
        except RepriseError as error:
            _close(run_id, "FAILED", str(error))
            raise
        except BaseException:
            _close(run_id, "KILLED", "interrupted")
            raise


def _close(run_id: str, status: str, reason: str) -> None:
    from reprise import tracking

    with interrupts.deferred():
        tracking.close(run_id, status, reason)
