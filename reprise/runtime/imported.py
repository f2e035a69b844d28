"""Says which modules of a run no replay will have: those of the project that git ignores."""

from pathlib import Path

from reprise import tracking
from reprise.capture import imports
from reprise.console import warn
from reprise.runtime.recorder import RunRecorder


def report(recorded: RunRecorder, project: Path) -> None:
    """Tag a run with the ignored modules that its process has imported, and print their names."""
    names = imports.ignored(project)
    if not names:
        return
    listed = ", ".join(names)
    recorded.set_tags({tracking.IGNORED: listed[: tracking.LONGEST_ERROR]})
    warn(
        f"expected modules that a commit can have, found imports of files that git ignores: "
        f"{listed}. They are not recorded, and a replay runs without them. Take them out of "
        ".gitignore."
    )
