"""What a person sees: progress on a terminal, tables, and the commands to run next.

In a log, where output is no terminal, there is no progress and no colour. All text of ours comes
by here, and here what others have written (names, tags, metrics, errors) is made visible: nothing
of it moves the cursor, begins a line, or is markup.
"""

import contextlib
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from reprise.visible import option, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.table import Table
    from rich.text import Text

    from reprise.parameters import Parameters
    from reprise.run import RecordedRun
    from reprise.sweeps.plan import Outcome

_LOG_WIDTH = 120
_LONGEST_CELL = 200  # characters
_HEADLINES = ("cv_accuracy_mean", "cv_accuracy_std", "train_accuracy", "test_accuracy")
RUN = "mlflow run . --env-manager local -e"


def say(line: object = "") -> None:
    """Print one line."""
    _write(f"{visible(line)}\n", sys.stdout)


def warn(line: object) -> None:
    """Print one line on stderr: an error, or what one should know of."""
    _write(f"{visible(line)}\n", sys.stderr)


def _write(text: str, stream: TextIO) -> None:
    """Write text, also where the terminal's encoding lacks some of its characters."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


@contextlib.contextmanager
def working() -> "Iterator[Callable[[str], None]]":
    """Show what is being done, on a terminal: yields what to call with each stage's name."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("starting") as status:
        yield lambda stage: status.update(cell(stage))


def done(run: "RecordedRun", commands: Mapping[str, str]) -> None:
    """Say what a step has made, and what to run next.

    Parameters
    ----------
    run : RecordedRun
    commands : mapping of str to str
        What each command is for, keyed by the command.
    """
    say(f"{run.record.step.entry_point}: run {run.run_id}")
    headlines = [name for name in _HEADLINES if name in run.metrics] or list(run.metrics)
    say("  " + "  ".join(f"{name} {run.metrics[name]:.6g}" for name in headlines))
    next_commands(commands)


def next_commands(commands: Mapping[str, str]) -> None:
    """Print the commands that make sense next, each below what it is for."""
    say("Next:")
    for command, purpose in commands.items():
        say(f"  # {purpose}")
        say(f"  {command}")


def command(parameters: "Parameters") -> str:
    """Write the command that makes a run with these parameters."""
    words = [option(name, value) for name, value in parameters.given().items()]
    return " ".join([RUN, parameters.entry_point, *words])


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
    table = make_table(["run id", *words], title=title, whole=["run id"])
    for heading in shown.values():
        table.add_column(cell(heading), justify="right")
    decides = metric if metric in shown else next(iter(shown), "")
    for outcome in ranked(outcomes, decides, ascending=ascending)[:most]:
        raw, metrics = outcome.parameters.raw(), outcome.metrics
        add_row(
            table,
            outcome.run_id,
            *([outcome.parameters.entry_point + _failed(outcome)] if len(steps) > 1 else []),
            *(raw.get(name, "") for name in varying),
            *(f"{metrics[name]:.4f}" if name in metrics else "" for name in shown),
        )
    print_table(table)
    if most is not None and len(outcomes) > most:
        say(f"and {len(outcomes) - most} more")


def _failed(outcome: "Outcome") -> str:
    return " (failed)" if outcome.error else ""


def make_table(
    headings: Sequence[str],
    *,
    title: str | None = None,
    whole: Sequence[str] = (),
    right: Sequence[str] = (),
) -> "Table":
    """Make a table without rows.

    Parameters
    ----------
    headings : sequence of str
    title : str, optional
    whole, right : sequence of str
        Headings of the columns that are not wrapped, and of those that are aligned to the right.
    """
    from rich.table import Table

    table = Table(title=None if title is None else cell(title), title_justify="left")
    for heading in headings:
        table.add_column(
            cell(heading),
            no_wrap=heading in whole,
            justify="right" if heading in right else "left",
            overflow="ellipsis" if heading in whole else "fold",
        )
    return table


def add_row(table: "Table", *texts: object, end_section: bool = False) -> None:
    """Add a row of texts, none of which is markup."""
    table.add_row(*map(cell, texts), end_section=end_section)


def cell(text: object) -> "Text":
    """Make a text of a table, or of a progress display: no markup, on one line, not too long."""
    from rich.text import Text

    shown = visible(text)
    return Text(shown if len(shown) <= _LONGEST_CELL else f"{shown[:_LONGEST_CELL]}…")


def print_table(table: "Table") -> None:
    """Print a table as wide as the terminal, or as a log is."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=_LOG_WIDTH)
    with console.capture() as captured:
        console.print(table)
    _write(captured.get(), sys.stdout)


def ranked(outcomes: "Sequence[Outcome]", name: str, *, ascending: bool) -> "list[Outcome]":
    """Order outcomes by a metric, best first; those without it come last; ties keep their order."""
    sign = 1 if ascending else -1

    def rank(outcome: "Outcome") -> tuple[bool, float]:
        value = outcome.metrics.get(name, math.nan)
        return bool(outcome.error) or math.isnan(value), 0.0 if math.isnan(value) else sign * value

    return sorted(outcomes, key=rank)


def varying_parameters(outcomes: "Sequence[Outcome]") -> list[str]:
    """Return the names of parameters that differ between runs of the same step."""
    seen: dict[tuple[str, str], set[str]] = {}
    for outcome in outcomes:
        for name, value in outcome.parameters.raw().items():
            seen.setdefault((outcome.parameters.entry_point, name), set()).add(value)
    return list(dict.fromkeys(name for (_, name), values in seen.items() if len(values) > 1))
