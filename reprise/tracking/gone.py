"""Closes the runs that processes have left RUNNING which are gone."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException

from reprise.errors import TrackingError
from reprise.process import identity
from reprise.tracking import answers
from reprise.tracking.heartbeat import is_gone
from reprise.tracking.outbox import is_taken
from reprise.tracking.runs import close
from reprise.tracking.server import client, current_experiment_id
from reprise.tracking.tags import PROCESS

if TYPE_CHECKING:
    from mlflow.entities import Run

GONE = "its process is gone"
_MOST_EXPERIMENTS = 1000
_MOST_RUNS = 1000


def held_runs(experiment_ids: Sequence[str] | None = None, *, is_here: bool = False) -> "list[Run]":
    """Return the open runs that name their process: the latest 1,000, in the order of their start.

    Parameters
    ----------
    experiment_ids : sequence of str, optional
        None: the latest 1,000 experiments of the server.
    is_here : bool
        Whether to return only those of processes of this machine, in this container.
    """
    if experiment_ids is None:
        found = client().search_experiments(max_results=_MOST_EXPERIMENTS)
        experiment_ids = [answers.experiment_id(each.experiment_id) for each in found]
    place = f"% {identity.current().place} %" if is_here else "%"
    runs = client().search_runs(
        list(experiment_ids),
        f"attributes.status = 'RUNNING' AND tags.`{PROCESS}` LIKE '{place}'",
        max_results=_MOST_RUNS,
        order_by=["attributes.start_time DESC"],
    )
    return [answers.run(run) for run in reversed(runs)]


def close_gone(experiment_ids: Sequence[str] | None = None, *, is_here: bool = False) -> list[str]:
    """Close the open runs whose process is gone as KILLED; return their ids. See `held_runs`."""
    runs = held_runs(experiment_ids, is_here=is_here)
    return [run.info.run_id for run in runs if close_if_gone(run)]


def close_if_gone(run: "Run") -> bool:
    """Close a run as KILLED if it is open and its process is gone; return whether it was."""
    is_open = run.info.status == "RUNNING" and is_gone(run)
    return is_open and close(run.info.run_id, "KILLED", GONE)


def close_gone_quietly() -> None:
    """Do so in the current experiment for this machine, if the server has taken all results."""
    if is_taken():
        with contextlib.suppress(MlflowException, TrackingError):  # `reprise sync` says why
            close_gone([current_experiment_id()], is_here=True)
