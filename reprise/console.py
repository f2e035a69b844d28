"""What the user sees: progress on a terminal, tables, and the commands to run next.

If the output is no terminal, there is no progress and no colour. All our output is printed here,
and here text from others (names, tags, metrics, errors) is escaped: it cannot move the cursor,
start a line, or be markup.
"""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from reprise.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.table import Table
    from rich.text import Text


_LOG_WIDTH = 120
_LONGEST_CELL = 200  # characters


def say(line: object = "") -> None:
    """Print one line."""
    _write(f"{visible(line)}\n", sys.stdout)


def warn(line: object) -> None:
    """Print one line on stderr: an error or a warning."""
    _write(f"{visible(line)}\n", sys.stderr)


def _write(text: str, stream: TextIO) -> None:
    """Write text; escape characters that the terminal's encoding lacks."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def announce_run(entry_point: str, run_id: str) -> None:
    """Print which run is being made, as soon as it is there; in MLflow's words, where it looks."""
    warn(f"=== Running {entry_point} in run with ID '{run_id}' ===")


@contextlib.contextmanager
def working() -> "Iterator[Callable[[str], None]]":
    """Show progress on a terminal: yield a function to call with the name of each stage."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("starting") as status:
        yield lambda stage: status.update(cell(stage))


def next_commands(commands: Mapping[str, str]) -> None:
    """Print the commands to run next, each after its purpose."""
    say("Next:")
    for command, purpose in commands.items():
        say(f"  # {purpose}")
        say(f"  {command}")


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
        Headings of the columns that are not wrapped, and of the columns that are aligned right.
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
    """Add a row of plain texts; markup in them is printed as it is."""
    table.add_row(*map(cell, texts), end_section=end_section)


def rounded(value: float) -> str:
    """Write a number for people: six digits at most; files have all of them."""
    return f"{value:.6g}"


def cell(text: object) -> "Text":
    """Make a text for a table or a progress display: no markup, one line, not too long."""
    from rich.text import Text

    shown = visible(text)
    return Text(shown if len(shown) <= _LONGEST_CELL else f"{shown[:_LONGEST_CELL]}…")


def print_table(table: "Table") -> None:
    """Print a table as wide as the terminal, or with a fixed width in a log."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=_LOG_WIDTH)
    with console.capture() as captured:
        console.print(table)
    _write(captured.get(), sys.stdout)
