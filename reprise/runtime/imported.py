"""Says which modules of a run no replay will have, and refuses those that none may have."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprise import tracking
from reprise.capture import imports
from reprise.console import warn
from reprise.runtime.recorder import RunRecorder


@contextmanager
def checking(recorded: RunRecorder, project: Path, *, clone: Path | None) -> Iterator[None]:
    """Look at what a step has imported, before and after it computes.

    Parameters
    ----------
    recorded : RunRecorder
    project : Path
        A folder in the repository that the step runs in.
    clone : Path or None
        A folder in the repository that it was checked out from, whose modules it must not have;
        None: it runs in the user's own, and what git ignores there is reported.

    Raises
    ------
    CodeError
        If it has imported modules of that repository.
    """
    reported = () if clone else report(recorded, project)
    yield
    check(recorded, project, reported, clone=clone)


def check(
    recorded: RunRecorder, project: Path, reported: tuple[str, ...] = (), *, clone: Path | None
) -> None:
    """Look at what a process has imported, at the end of its run; see `checking`."""
    if clone:
        imports.refuse_of_clone(project, clone)
    else:
        report(recorded, project, reported)


def report(recorded: RunRecorder, project: Path, reported: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Tag a run with the ignored modules that its process has imported, and print their names.

    Parameters
    ----------
    recorded : RunRecorder
    project : Path
        A folder in the repository.
    reported : tuple of str
        What an earlier call has returned: only if there is more is it said again.

    Returns
    -------
    tuple of str
        The modules' files.
    """
    names = imports.ignored(project)
    if names == reported:
        return names
    listed = ", ".join(names)
    recorded.set_tags({tracking.IGNORED: listed[: tracking.LONGEST_ERROR]})
    warn(
        f"expected modules that a commit can have, found imports of files that git ignores: "
        f"{listed}. They are not recorded, and a replay runs without them. Take them out of "
        ".gitignore."
    )
    return names
