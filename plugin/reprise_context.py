"""What MLflow loads into every process that imports it: it does nothing unless REPRISE_CAPTURE=1.

It is no part of the package `reprise`, whose import has the numerics of later imports pinned.
"""

import os
from typing import TYPE_CHECKING

from mlflow.tracking.context.abstract_context import RunContextProvider

if TYPE_CHECKING:
    from reprise.scripts.captured import Captured


class Context(RunContextProvider):
    """Lets the engine record the runs of a process that does not know of it."""

    def __init__(self) -> None:
        self._captured: Captured | None = None
        if os.environ.get("REPRISE_CAPTURE") == "1":
            from reprise.scripts import captured

            self._captured = captured.Captured()

    def in_context(self) -> bool:
        """Return whether the process is to be recorded."""
        return self._captured is not None

    def tags(self) -> dict[str, str]:
        """Begin the record when MLflow asks for the tags of the run that it is about to make."""
        if self._captured:
            self._captured.expect_run()
        return {}


# It is the installation's, which may lie in the user's clone. Where a process is to have modules of
# a run's commit only, an engine of any commit looks by this name which of them are the clone's.
del __file__
