"""Runs of a sweep, best first, as a table."""

import math
from typing import TYPE_CHECKING

from reprise.console import add_row, brief_number, cell, make_table, print_table, say
from reprise.sweeps.outcome import succeeded, varying
from reprise.tracking import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reprise.sweeps.outcome import Outcome


def leaderboard(
    title: str,
    outcomes: "Sequence[Outcome]",
    *,
    metric: str,
    ascending: bool,
    most: int | None = None,
) -> None:
    """Print runs in order of a metric: id, step, the parameters that vary, metrics.

    Parameters
    ----------
    title : str
    outcomes : sequence of Outcome
        Printed best first, failed ones last.
    metric : str
        Decides the order: a headline metric by its cross-validated mean, else by its value on the
        training part; or one of these by its full name.
    ascending : bool
        Whether less is better.
    most : int, optional
        How many to print.
    """
    base = metric.removeprefix("cv_").removeprefix("train_").removesuffix("_mean")
    headings = {
        f"cv_{base}_mean": f"cv {base}",
        f"cv_{base}_std": "± std",
        f"train_{base}": "train",
        f"test_{base}": "test",
    }
    shown = {n: h for n, h in headings.items() if any(n in o.metrics for o in outcomes)}
    varying = varying_parameters(outcomes)
    steps = {outcome.parameters.entry_point + _failed(outcome) for outcome in outcomes}
    words = ["step", *varying] if len(steps) > 1 else varying
    table = make_table(["run", *words], title=title, whole=["run"])
    for heading in shown.values():
        table.add_column(cell(heading), justify="right")
    decides = metric if metric in shown else next(iter(shown), "")
    for outcome in ranked(outcomes, decides, ascending=ascending)[:most]:
        raw, metrics = outcome.parameters.raw(), outcome.metrics
        add_row(
            table,
            short(outcome.run_id),
            *([outcome.parameters.entry_point + _failed(outcome)] if len(steps) > 1 else []),
            *(brief_number(raw.get(name, "")) for name in varying),
            *(f"{metrics[name]:.4f}" if name in metrics else "" for name in shown),
        )
    print_table(table)
    if most is not None and len(outcomes) > most:
        say(f"and {len(outcomes) - most} more")


def _failed(outcome: "Outcome") -> str:
    return " (failed)" if outcome.error else ""


def best_run(trained: "Sequence[Outcome]", metric: str, *, ascending: bool) -> str:
    """Return the id of the best run by its cross-validated metric, else by its training metric.

    Raises
    ------
    RunFailedError
        If none finished.
    """
    finished = [outcome for outcome in trained if not outcome.error] or succeeded(trained)
    validated = f"cv_{metric}_mean"
    any_validated = any(validated in outcome.metrics for outcome in finished)
    name = validated if any_validated else f"train_{metric}"
    return ranked(finished, name, ascending=ascending)[0].run_id


def ranked(outcomes: "Sequence[Outcome]", name: str, *, ascending: bool) -> "list[Outcome]":
    """Order outcomes by a metric, best first; those without it come last; ties keep their order."""
    sign = 1 if ascending else -1

    def rank(outcome: "Outcome") -> tuple[bool, float]:
        value = outcome.metrics.get(name, math.nan)
        return bool(outcome.error) or math.isnan(value), 0.0 if math.isnan(value) else sign * value

    return sorted(outcomes, key=rank)


def varying_parameters(outcomes: "Sequence[Outcome]") -> list[str]:
    """Return the names of parameters that differ between runs of the same step."""
    return varying(outcome.parameters for outcome in outcomes)
