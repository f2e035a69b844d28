"""Records the first run of a process that does not know of it, from within: REPRISE_CAPTURE=1.

MLflow loads this as it is imported itself, and asks it for tags before it makes a run. The record
is begun when the first run is made, or, of a run that `mlflow run` has made, at the end of the
process. Nothing heavy is imported before.
"""

import concurrent.futures.thread  # noqa: F401 - what it registers must come after what is here
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise import env
from reprise.capture.watch import watching

if TYPE_CHECKING:
    from reprise.scripts.capture_record import CaptureRecord

GIVEN = "MLFLOW_RUN_ID"
_CLIENT = "mlflow.tracking._tracking_service.client"  # what makes every run
# Of a process with one of these, the engine writes the record itself.
_OWN = ("reprise.cli", "reprise.runtime.launch")


class Captured:
    """The capture of this process.

    Attributes
    ----------
    given : str or None
        Id of the run that another process has made for this one.
    folder : Path
        Where the process was when MLflow was imported.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self.folder = Path.cwd()
        self.given = os.environ.get(GIVEN)
        self._since_ns = time.time_ns()
        self._record: CaptureRecord | None = None
        self._is_expecting = False
        self._ending = contextlib.ExitStack()
        self._watch = self._ending.enter_context(watching())
        self._observer = self._watch.observe_here()
        _at_end(self.end)

    @property
    def is_wanted(self) -> bool:
        """Whether this process, and no fork of it, is to be recorded from here."""
        return os.getpid() == self._process and not any(name in sys.modules for name in _OWN)

    def expect_run(self) -> None:
        """Begin the record with the run that is about to be made, if it is the first."""
        if self._is_expecting or not self.is_wanted:
            return
        self._is_expecting = True
        module: Any = sys.modules[_CLIENT]
        client = module.TrackingServiceClient
        self._observer.watch_client(module)
        make = client.create_run

        def made(this: Any, *arguments: Any, **named: Any) -> Any:
            run = make(this, *arguments, **named)
            client.create_run = make
            if self.given is None:
                self._begin(run.info.run_id)
                os.environ.pop(env.CAPTURE, None)  # the runs of what it starts are on its record
            return run

        client.create_run = made

    def end(self) -> None:
        """Complete the record at the end of the process."""
        if not self.is_wanted:
            return
        self._observer.end()
        if self.given and self._record is None:
            self._begin(self.given)
        if self._record:
            self._record.complete(self._watch.seen())
        self._ending.close()

    def _begin(self, run_id: str) -> None:
        from reprise.scripts.capture_record import CaptureRecord

        self._record = CaptureRecord.of(
            run_id, self.folder, is_given=run_id == self.given, since_ns=self._since_ns
        )


def _at_end(function: Callable[[], None]) -> None:
    """Call a function as the process ends, while MLflow can still use threads.

    What `atexit` calls comes too late for them: Python has no public place before that.
    """
    register: Callable[[Callable[[], None]], None] = threading._register_atexit  # type: ignore[attr-defined] # noqa: SLF001
    register(function)
