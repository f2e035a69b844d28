"""An original run: its record, or, for a plain MLflow run, what its tags and parameters say."""

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.errors import NotReplayableError
from reprise.record.schema import Code, Environment, Numerics, Outputs, RunRecord, Step
from reprise.runtime.parameters import LONGEST
from reprise.urls import without_credentials

if TYPE_CHECKING:
    from mlflow.entities import Run

_NOT_RECORDED = (
    "uncommitted edits", "data", "environment", "numerics", "model", "predictions",
)  # fmt: skip
_NO_ENVIRONMENT = Environment(
    python="", implementation="", manager="", platform="", lock_sha256=None, deviations=(),
    packages={},
)  # fmt: skip
_NO_NUMERICS = Numerics(
    baseline=False, variables={}, threads=0, blas=(), simd=(), cpu="", architecture="",
    c_library="", float_bits=0,
)  # fmt: skip


@dataclass(frozen=True)
class OriginalRun:
    """A run that is to be reproduced, or looked at.

    Attributes
    ----------
    run : Run
        As the server has it.
    record : RunRecord
        What it depended on and produced; of a plain MLflow run, as far as its tags say.
    unknown : tuple of str
        What was not recorded.
    """

    run: "Run"
    record: RunRecord
    unknown: tuple[str, ...] = field(default=())

    @property
    def run_id(self) -> str:
        """Return the run's id."""
        return str(self.run.info.run_id)

    @property
    def name(self) -> str:
        """Return the run's entry point and name."""
        return shown_name(self.run, self.record.step.entry_point)


def shown_name(run: "Run", entry_point: str) -> str:
    """Return a run's entry point and name, which mostly begins with it."""
    name = str(run.info.run_name or "")
    return name if name.startswith(entry_point) else f"{entry_point} {name}"


def read(run_id: str) -> OriginalRun:
    """Return a run by its id, also written `runs:/<id>`.

    Raises
    ------
    TrackingError, RecordError
        If there is no such run, or its record cannot be read.
    """
    return of(tracking.get_run(run_id))


def has_own_record(run: "Run") -> bool:
    """Return whether a run is not on the record of another one, whose process has made it."""
    return tracking.RECORDED_BY not in run.data.tags


def of(run: "Run") -> OriginalRun:
    """Return a run with its record, or with what its tags and parameters say.

    A run that the process of another has made is on the record of that one, which is returned.
    """
    record = tracking.find_record(run.info.run_id)
    if record is not None:
        return OriginalRun(run, record)
    holder = run.data.tags.get(tracking.RECORDED_BY)
    if holder and holder != run.info.run_id:
        whole = tracking.get_run(holder)
        record = tracking.find_record(whole.info.run_id)
        if record is not None and record.observed is not None:
            return OriginalRun(whole, record)
    return OriginalRun(run, _from_tags(run), unknown=_NOT_RECORDED)


def refuse_lost(original: OriginalRun) -> None:
    """Refuse a run whose record was deleted: its tags do not say what it depended on.

    Raises
    ------
    NotReplayableError
        With the reason.
    """
    if original.unknown and tracking.TREE in original.run.data.tags:
        place = without_credentials(str(original.run.info.artifact_uri))
        raise NotReplayableError(
            f"expected the record of run {original.run_id}, found that its provenance.json is "
            f"gone from {place}: it was deleted, or the store was moved. Restore the artifact; "
            "without it nobody knows what the run depended on."
        )


def refuse_cut(original: OriginalRun) -> None:
    """Refuse a plain run with a parameter of which MLflow has kept the beginning alone.

    Raises
    ------
    NotReplayableError
        With its name.
    """
    params = original.run.data.params if original.unknown else {}
    for name, value in params.items():
        if len(value) >= LONGEST:
            raise NotReplayableError(
                f"expected the parameters of run {original.run_id}, found that MLflow has cut "
                f"{name} at {LONGEST} characters. The rest of it is not known; run the entry point "
                "again with the value."
            )


def refuse_unfinished(original: OriginalRun) -> None:
    """Refuse a run that has no results which a replay could be compared with.

    Raises
    ------
    NotReplayableError
        With the reason.
    """
    if original.run.info.status != "FINISHED" or original.record.outputs is None:
        error = original.run.data.tags.get(tracking.ERROR, "").rstrip(".")
        raise NotReplayableError(
            f"expected a finished run, found run {original.run_id} {original.run.info.status}"
            f"{': ' + error if error else ''}. There is nothing to compare a replay with."
        )
    if original.unknown and not original.record.outputs.metrics:
        raise NotReplayableError(
            f"expected a run with a record or with metrics, found run {original.run_id} with "
            "neither. There is nothing to compare a replay with."
        )


def refuse_interactive(original: OriginalRun) -> None:
    """Refuse a run of which nobody knows what to run.

    Raises
    ------
    NotReplayableError
        With the reason.
    """
    if not original.record.step.entry_point and not original.record.step.command:
        raise NotReplayableError(
            f"expected a run of an entry point or a script, found run {original.run_id}, which was "
            "made interactively. What was typed then is not known."
        )


def _from_tags(run: "Run") -> RunRecord:
    """Read what a plain `mlflow run` leaves: commit, entry point and shell-quoted parameters."""
    tags = run.data.tags
    repository, _, folder = tags.get(tracking.SOURCE_NAME, "").partition("#")
    folder = tags.get(tracking.PROJECT_FOLDER, folder)  # after # there may be a commit
    commit = tags.get(tracking.GIT_COMMIT)
    raw = {name: _unquoted(value) for name, value in run.data.params.items()}
    finished = run.info.status == "FINISHED"
    measured = run.data.metrics.items()
    metrics = {n: v for n, v in sorted(measured) if not n.startswith(tracking.SYSTEM_METRICS)}
    return RunRecord(
        code=Code(
            repository=without_credentials(tags.get(tracking.GIT_REPOSITORY, repository)) or None,
            project=folder,
            commit=commit,
            tree=None,
            base_commit=commit,
            dirty=False,
        ),
        step=Step(
            entry_point=tags.get(tracking.ENTRY_POINT, ""),
            raw_parameters=raw,
            parameters=dict(raw),
        ),
        environment=_NO_ENVIRONMENT,
        numerics=_NO_NUMERICS,
        outputs=Outputs(metrics=metrics) if finished else None,
    )


def _unquoted(value: str) -> str:
    """Take off the shell's quotes with which `mlflow run` logs a parameter."""
    try:
        words = shlex.split(value)
    except ValueError:  # an unbalanced quote: it was never quoted
        return value
    quoted = len(words) == 1 and shlex.quote(words[0]) == value
    return words[0] if quoted else value  # else a step logged it, as it is
