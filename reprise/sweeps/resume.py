"""What earlier sweeps have left: finished runs, which are not made twice, and dead ones."""

import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.errors import RunFailedError
from reprise.record.digest import sha256_json

if TYPE_CHECKING:
    from mlflow.entities import Run

    from reprise.runtime.recorder import RunRecorder

PLAN = "reprise.plan"  # names what a sweep makes
_GRACE_SECONDS = 15  # in which the runs of a process that is gone end by themselves
_POLL_SECONDS = 0.5


def finished(run: "RunRecorder", entry_point: str, keys: Collection[str]) -> "Mapping[str, Run]":
    """Return the finished runs of an experiment that have one of these keys, the first of each."""
    tags = {tracking.TREE: run.record.code.tree, tracking.ENTRY_POINT: entry_point}
    filters = ["attributes.status = 'FINISHED'", *(f"tags.`{n}` = '{v}'" for n, v in tags.items())]
    runs: dict[str, Run] = {}
    for earlier in tracking.all_runs(run.experiment_id, " AND ".join(filters)):
        own = earlier.data.tags
        is_replay = tracking.REPLAY_OF in own or tracking.TWEAK_OF in own
        if own.get(tracking.KEY) in keys and not is_replay:
            runs.setdefault(own[tracking.KEY], earlier)
    return runs


def plan_digest(keys: Collection[str]) -> str:
    """Name a plan by the keys of its runs."""
    return sha256_json(sorted(keys))


def close_dead(run: "RunRecorder", plan: str) -> int:
    """Close what processes that are gone have left open in an experiment, and count it.

    Raises
    ------
    RunFailedError
        If another process makes the same plan right now.
    """
    tracking.log(run.run_id, tags={PLAN: plan})
    closed = 0
    for other in tracking.held_runs([run.experiment_id]):
        if other.info.run_id == run.run_id:
            continue
        if tracking.is_gone(other):
            closed += _close(other)
        elif other.data.tags.get(PLAN) == plan and _came_first(other, run):
            raise RunFailedError(
                f"expected to be alone with this plan, found that run {other.info.run_id} makes "
                "the same runs now. Wait for it, or stop it."
            )
    return closed


def _came_first(other: "Run", run: "RunRecorder") -> bool:
    own = tracking.get_run(run.run_id)
    return (other.info.start_time, other.info.run_id) < (own.info.start_time, run.run_id)


def _close(parent: "Run") -> int:
    """Wait for the child runs of a dead process's run to end by themselves, and close the rest."""
    deadline = time.monotonic() + _GRACE_SECONDS
    children = (parent.info.run_id, parent.info.experiment_id)
    while tracking.open_children(*children) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    closed = tracking.close_children(*children, "KILLED", tracking.GONE)
    return closed + tracking.close(parent.info.run_id, "KILLED", tracking.GONE)
