"""Which runs belong into an archive: those that are named, and what it takes to reproduce them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.console import warn
from reprise.errors import RecordError, TrackingError
from reprise.record.schema import RunRecord, run_in

if TYPE_CHECKING:
    from mlflow.entities import Run

_RUN = re.compile(r"(?:runs:/)?([0-9a-f]{32})(?:/.*)?")
_ENDED = ("FINISHED", "FAILED", "KILLED")
_NEEDED = (tracking.STORED_IN, tracking.BUNDLE, tracking.RECORDED_BY)  # tags that name a run


@dataclass(frozen=True)
class Chosen:
    """A run that belongs into an archive, and its record, if it has one."""

    run: "Run"
    record: RunRecord | None


def closure(run_ids: Iterable[str]) -> list[Chosen]:
    """Return runs with their child runs, and the runs that have their inputs or their code.

    A run that has not ended is left out, with a warning.

    Parameters
    ----------
    run_ids : iterable of str

    Returns
    -------
    list of Chosen
        In the order of their start.

    Raises
    ------
    TrackingError
        If one of the runs that are named does not exist.
    """
    waiting = [(tracking.get_run(run_id), True) for run_id in dict.fromkeys(run_ids)]
    found: dict[str, Chosen] = {}
    while waiting:
        run, is_named = waiting.pop()
        if run.info.run_id in found:
            continue
        if run.info.status not in _ENDED:
            if is_named:
                warn(f"run {run.info.run_id} is left out: it is {run.info.status}")
            continue
        chosen = Chosen(run, _record(run))
        found[run.info.run_id] = chosen
        if is_named:
            waiting += [(child, True) for child in tracking.children(run)]
        waiting += [(each, False) for each in _existing(needs(chosen) - found.keys())]
    return sorted(found.values(), key=lambda each: (each.run.info.start_time, each.run.info.run_id))


def needs(chosen: Chosen) -> set[str]:
    """Return the ids of the runs that a run refers to, and that it takes to reproduce it."""
    run, record = chosen.run, chosen.record
    names = [run.data.tags[name] for name in _NEEDED if name in run.data.tags]
    names += run.data.params.values()
    if record is not None:
        names += [uri for data in record.inputs for uri in (data.uri, data.kept)]
        names += [record.code.bundle or ""]
        names += [each.run_id for each in record.observed.runs] if record.observed else []
    matches = (_RUN.fullmatch(name) for name in names)
    return {run_in(match[1]) for match in matches if match} - {run.info.run_id}


def _record(run: "Run") -> RunRecord | None:
    try:
        return tracking.find_record(run.info.run_id)
    except RecordError as error:
        warn(f"run {run.info.run_id}: {error}")
        return None


def _existing(run_ids: Iterable[str]) -> Iterator["Run"]:
    """Yield the runs with these ids; what a parameter names may be no run, or be deleted."""
    for run_id in run_ids:
        try:
            yield tracking.get_run(run_id)
        except TrackingError:
            warn(f"run {run_id}, which another run names, does not exist: it is left out")
