"""Matches the runs that two processes have made, so that what they have logged can be compared.

A process may make several runs beside its own. Their ids differ, and their names and parameters may
hold a clock: the runs that agree in most belong together, else those at the same position.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from reprise.record.schema import LoggedRun, Outputs, RunRecord

V = TypeVar("V")
Pair = tuple[LoggedRun | None, LoggedRun | None]


_NONE = Outputs(metrics={})


def matched(original: RunRecord, replay: RunRecord) -> tuple[Outputs, Outputs]:
    """Return the outputs of two runs, with those of the runs of their processes.

    What another run has logged is named by that run's position and name in the original. A run
    that has not finished has no outputs of its own.
    """
    a, b = original.outputs or _NONE, replay.outputs or _NONE
    for number, (old, new) in enumerate(_pairs(_runs(original), _runs(replay)), 2):
        named = old or new
        label = f"run {number} {named.name if named else ''}".rstrip()
        a = _joined(a, old.outputs, label) if old else a
        b = _joined(b, new.outputs, label) if new else b
    return a, b


def _runs(record: RunRecord) -> tuple[LoggedRun, ...]:
    return record.observed.runs if record.observed else ()


def _pairs(old: Sequence[LoggedRun], new: Sequence[LoggedRun]) -> list[Pair]:
    """Pair runs, those that agree in most first; the rest stays alone."""
    partner: dict[str, LoggedRun] = {}
    left = list(new)
    for key in _KEYS:
        for run in old:
            fitting = [other for other in left if key(other) == key(run)]
            if run.run_id not in partner and fitting:
                partner[run.run_id] = fitting[0]
                left.remove(fitting[0])
    paired: list[Pair] = [(run, partner.get(run.run_id)) for run in old]
    return [*paired, *((None, run) for run in left)]


def _place(run: LoggedRun) -> tuple[str, bool]:
    return run.entry_point, run.parent is not None


_KEYS: tuple[Callable[[LoggedRun], Hashable], ...] = (
    lambda run: (*_place(run), run.name, *sorted(run.outputs.parameters.items())),
    lambda run: (*_place(run), run.name),
    lambda run: (*_place(run), *sorted(run.outputs.parameters.items())),
    _place,
)


def _joined(outputs: Outputs, other: Outputs, label: str) -> Outputs:
    """Add to outputs those of another run, by its label."""
    return outputs.model_copy(
        update={
            "metrics": outputs.metrics | _labelled(other.metrics, label),
            "histories": outputs.histories | _labelled(other.histories, label),
            "parameters": outputs.parameters | _labelled(other.parameters, label),
            "datasets": outputs.datasets | _labelled(other.datasets, label),
            "registered": outputs.registered | _labelled(other.registered, label),
            "artifacts": outputs.artifacts | _labelled(other.artifacts, label),
            "opaque": (*outputs.opaque, *(f"{label}: {name}" for name in other.opaque)),
        }
    )


def _labelled(values: dict[str, V], label: str) -> dict[str, V]:
    return {f"{label}: {name}": value for name, value in values.items()}
