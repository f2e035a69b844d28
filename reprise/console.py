"""What a person sees: progress on a terminal, tables, and the commands to run next.

In a log, where output is no terminal, there is no progress and no colour.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

if TYPE_CHECKING:
    from reprise.plan import Outcome
    from reprise.run import RecordedRun

_LOG_WIDTH = 120
_HEADLINES = ("cv_accuracy_mean", "cv_accuracy_std", "train_accuracy", "test_accuracy")
RUN = "mlflow run . --env-manager local -e"


class Progress:
    """Counts runs as they end, on a terminal.

    Parameters
    ----------
    total : int
        Runs to come.
    """

    def __init__(self, total: int) -> None:
        console = Console(stderr=True)
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def ended(self, outcome: "Outcome") -> None:
        """Count a run that has ended."""
        state = "failed" if outcome.error else "done"
        self._bar.update(
            self._task, advance=1, description=f"{outcome.parameters.entry_point} {state}"
        )


def done(run: "RecordedRun", commands: Sequence[str]) -> None:
    """Say what a step has made, and what to run next.

    Parameters
    ----------
    run : RecordedRun
    commands : sequence of str
        Entry points and their parameters; `{run_id}` stands for this run's id.
    """
    print(f"\n{run.record.step.entry_point}: run {run.run_id}")  # noqa: T201
    headlines = [name for name in _HEADLINES if name in run.metrics] or list(run.metrics)
    print("  " + "  ".join(f"{name} {run.metrics[name]:.6g}" for name in headlines))  # noqa: T201
    next_commands([f"{RUN} {command.format(run_id=run.run_id)}" for command in commands])


def next_commands(commands: Sequence[str]) -> None:
    """Print the commands that make sense next."""
    print("Next:")  # noqa: T201
    for command in commands:
        print(f"  {command}")  # noqa: T201


def leaderboard(run: "RecordedRun", outcomes: "Sequence[Outcome]", *, metric: str) -> None:
    """Print runs in order of a metric: id, step, the parameters that vary, metrics."""
    from reprise import tracking

    console = Console()
    if not console.is_terminal:
        console = Console(width=_LOG_WIDTH)
    runs = {o.run.info.run_id: tracking.get_run(o.run.info.run_id) for o in outcomes}
    rows = [(o, runs[o.run.info.run_id].data.metrics) for o in outcomes]
    columns = [f"cv_{metric}_mean", f"cv_{metric}_std", f"train_{metric}", f"test_{metric}"]
    columns = [name for name in columns if any(name in metrics for _, metrics in rows)]
    varying = varying_parameters([o for o in outcomes])
    table = Table(title=f"Runs of {run.run_id}", title_justify="left")
    table.add_column("run id", no_wrap=True)
    for name in ["step", *varying]:
        table.add_column(name)
    for name in columns:
        table.add_column(name, justify="right")
    descending = metric != "log_loss"
    rows.sort(key=lambda row: row[1].get(columns[0], 0.0) if columns else 0.0, reverse=descending)
    for outcome, metrics in rows:
        raw = outcome.parameters.raw()
        table.add_row(
            outcome.run.info.run_id,
            outcome.parameters.entry_point,
            *(raw.get(name, "") for name in varying),
            *(f"{metrics[name]:.4f}" if name in metrics else "" for name in columns),
        )
    console.print(table)


def varying_parameters(outcomes: "Sequence[Outcome]") -> list[str]:
    """Return the names of parameters that differ between runs of the same step."""
    seen: dict[tuple[str, str], set[str]] = {}
    for outcome in outcomes:
        for name, value in outcome.parameters.raw().items():
            seen.setdefault((outcome.parameters.entry_point, name), set()).add(value)
    return list(dict.fromkeys(name for (_, name), values in seen.items() if len(values) > 1))


def after_main(outcomes: "Sequence[Outcome]") -> None:
    """Print what to try after an experiment: the UI, one training, one evaluation."""
    first = outcomes[0]
    data = first.parameters.raw()["data"]
    next_commands(
        [
            "make ui",
            f"{RUN} train_dt -P data={data} -P max_depth=5",
            f"{RUN} evaluate -P run_id={first.run.info.run_id}",
        ]
    )
