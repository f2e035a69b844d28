"""A run that this process makes for another one, and that it ends whatever happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprise.console import announce_run
from reprise.errors import CodeError, RepriseError
from reprise.git import git
from reprise.process import interrupts
from reprise.projects.address import Address
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


def source(project: Address, folder: Path) -> str:
    """Name a project as MLflow does: a local folder by its repository and its place there."""
    if project.local is None or project.fragment:
        return project.shown
    try:
        root, prefix = git(folder, "rev-parse", "--show-toplevel", "--show-prefix").splitlines()
    except CodeError:  # it is in none
        return str(folder)
    return f"file://{root}#{prefix.removesuffix('/')}" if prefix else f"file://{root}"
