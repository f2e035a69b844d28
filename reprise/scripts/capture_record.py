"""The record of a run that a process did not know it would have; see `captured`."""

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.backports import Self
from reprise.capture import code, numerics
from reprise.capture.watch import Seen
from reprise.console import warn
from reprise.errors import RepriseError
from reprise.observing import observe
from reprise.observing.begin import begin
from reprise.process import started
from reprise.projects import project_file
from reprise.record import naming
from reprise.record.schema import RunRecord, Step
from reprise.runtime import source_artifacts
from reprise.scripts.script import script

if TYPE_CHECKING:
    from mlflow.entities import Run

_BEFORE_MLFLOW = "what the process did before it imported MLflow"
_EXIT_CODE = "the exit code of the process"
_LATE_CODE = "the code before the process ended: it was looked at then"
_CELLS = "the cells that were run: an interactive session cannot be reproduced"
_NO_HASH_SEED = "the order of sets and of hashes: PYTHONHASHSEED was not set"


@dataclass(frozen=True)
class CaptureRecord:
    """A record that was begun.

    Attributes
    ----------
    process : observe.Process
    begun : RunRecord
    before : observe.Before
    gaps : tuple of str
        What of the process is not known, because it was seen from within.
    """

    process: observe.Process
    begun: RunRecord
    before: observe.Before
    gaps: tuple[str, ...]

    @classmethod
    def of(cls, run_id: str, folder: Path, *, is_given: bool, since_ns: int) -> Self | None:
        """Begin the record of a run; None, and a warning, where it cannot be had.

        Parameters
        ----------
        run_id : str
        folder : Path
            Where the process was started.
        is_given : bool
            Whether another process has made the run for this one.
        since_ns : int
            When the process began to be watched.
        """
        try:
            with tracking.translating_errors():
                record = tracking.find_record(run_id)
                if record is not None and record.observed is None:
                    return None  # it has a recorder of its own
                return cls._of(run_id, folder, is_given=is_given, since_ns=since_ns)
        except RepriseError as error:
            warn(f"run {run_id} is not recorded: {error}")
            return None

    @classmethod
    def _of(cls, run_id: str, folder: Path, *, is_given: bool, since_ns: int) -> Self:
        run = tracking.get_run(run_id)
        declared = _declared(run, folder) if is_given else {}
        step, project = _entry_point(run, declared, folder) if is_given else _script()
        before = observe.Before.of(project, since_ns=since_ns)
        with code.capture(project) as captured:
            source, tags = source_artifacts.carry(run, captured, Path())
        if step.entry_point and tracking.is_made_up(run.info.run_name):
            tags |= {tracking.RUN_NAME: naming.of_step(step.entry_point, step.raw_parameters)}
        tracking.log(run_id, tags={**tracking.describe_source(run, source), **tags})
        variables = {**os.environ, **numerics.stale_variables()}
        python = Path(sys.executable)
        begun = begin(source, step, folder=project, python=python, variables=variables)
        observe.write(run_id, begun)
        os.environ.update(tracking.process_context(run_id, os.environ))
        gaps = [_BEFORE_MLFLOW, _EXIT_CODE]
        gaps += [_LATE_CODE] * is_given
        gaps += [_CELLS] * (not step.entry_point)
        gaps += [_NO_HASH_SEED] * (not variables.get("PYTHONHASHSEED"))
        process = observe.Process(run_id, project, python, variables, declared)
        return cls(process, begun, before, tuple(gaps))

    def complete(self, seen: Seen) -> None:
        """Complete the record at the end of the process."""
        try:
            with tracking.translating_errors():
                status = tracking.get_run(self.process.run_id).info.status
                # The error of a cell ends no session.
                ended_by_error = hasattr(sys, "last_value") and bool(self.begun.step.entry_point)
                failed = ended_by_error or status not in ("FINISHED", "RUNNING")
                after = observe.After(seen, None, int(failed), self.gaps)
                observe.complete(self.process, self.begun, self.before, after)
        except RepriseError as error:
            warn(f"the record of run {self.process.run_id} is not complete: {error}")


def _script() -> tuple[Step, Path]:
    """Return the step of the script of this process, and the folder of its project."""
    found = script(
        sys.modules["__main__"], started.ARGUMENTS, started.FOLDER, program=started.PROGRAM
    )
    return found.step(1), found.project


def _entry_point(run: "Run", declared: Mapping[str, str], folder: Path) -> tuple[Step, Path]:
    """Return the step of the entry point that `mlflow run` has started."""
    values = {name: "".join(shlex.split(value)) for name, value in declared.items()}
    name = run.data.tags.get(tracking.ENTRY_POINT, "")
    return Step(entry_point=name, raw_parameters=values, parameters=dict(values)), folder


def _declared(run: "Run", folder: Path) -> dict[str, str]:
    """Return the parameters that `mlflow run` has logged, as it has: those that are declared."""
    entry_points = project_file.read(folder).get("entry_points") or {}
    declared = entry_points.get(run.data.tags.get(tracking.ENTRY_POINT, "")) or {}
    names = declared.get("parameters") or {}
    return {name: value for name, value in run.data.params.items() if name in names}
