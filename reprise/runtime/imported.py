"""Says which modules of a run no replay will have: those of the project that git ignores."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprise import tracking
from reprise.capture import imports
from reprise.console import warn
from reprise.runtime.recorder import RunRecorder


@contextmanager
def reporting(recorded: RunRecorder, project: Path, *, is_on: bool) -> Iterator[None]:
    """Report ignored modules before a step computes, and those that it imports meanwhile."""
    if not is_on:
        yield
        return
    reported = report(recorded, project)
    yield
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
