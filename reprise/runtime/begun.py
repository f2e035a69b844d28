"""The record of a step's run as it begins, and that of the run that it replays."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise import tracking
from reprise.capture import environment, numerics
from reprise.record.schema import Code, Numerics, RunRecord, Step, as_text
from reprise.runtime.parameters import Parameters

if TYPE_CHECKING:
    from mlflow.entities import Run


def begin_record(run: "Run", source: Code, step: Step, *, project: Path | None = None) -> RunRecord:
    """Describe what a process is about to run with, in a project: None is the current folder."""
    return RunRecord(
        code=source,
        step=step,
        environment=environment.describe(
            project or Path.cwd(), manager=run.data.tags.get(tracking.PROJECT_ENVIRONMENT)
        ),
        numerics=Numerics.model_validate(numerics.describe()),
        seeds=seeds(step.parameters),
        replays=run.data.tags.get(tracking.REPLAY_OF),
    )


def original_record(run: "Run", parameters: Parameters | None) -> tuple[RunRecord | None, bool]:
    """Return the record of the original run, and whether the replay must have its inputs.

    A run with other parameters than the old one's has other inputs where it says so itself.
    """
    replayed, tweaked = (run.data.tags.get(t) for t in (tracking.REPLAY_OF, tracking.TWEAK_OF))
    if parameters is None or not (replayed or tweaked):
        return None, False
    record = tracking.find_record(replayed or tweaked or "")
    if replayed or record is None:
        return record, True
    current = parameters.raw()
    fields = type(parameters).model_fields
    old = {n: as_text(fields[n].default) for n in parameters.locations}
    old |= {n: v for n, v in record.step.raw_parameters.items() if n in old}
    kept = all(current[name] == value for name, value in old.items())
    return (record, True) if kept else (None, False)


def seeds(typed: Mapping[str, Any]) -> dict[str, int]:
    """Return the seeds among typed parameters."""
    return {n: v for n, v in typed.items() if n == "seed" and isinstance(v, int)}
