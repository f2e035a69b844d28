"""What the user sees: progress on a terminal, tables, and the commands to run next.

If the output is no terminal, there is no progress and no colour. All our output is printed here,
and here text from others (names, tags, metrics, errors) is escaped: it cannot move the cursor,
start a line, or be markup.
"""

import contextlib
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO, TypeVar

from reprise.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.table import Column, Table
    from rich.text import Text


T = TypeVar("T")
_LOG_WIDTH = 120
_LONG_NUMBER = 8  # characters
_NARROWEST = 12  # columns in which a text can be read that is wrapped
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


def tracked(items: "Sequence[T]", what: str) -> "Iterator[T]":
    """Yield items, and show on a terminal how many of them are done."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(
        items, description=what, console=console, transient=True, disable=not console.is_terminal
    )


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


def brief_number(text: str) -> str:
    """Write a number with many digits, as a random search draws it, for people; else the text."""
    if len(text) <= _LONG_NUMBER or "." not in text or not text.lstrip("-")[:1].isdigit():
        return text
    try:
        return rounded(float(text))
    except ValueError:
        return text


def cell(text: object) -> "Text":
    """Make a text for a table or a progress display: no markup, one line, not too long."""
    from rich.text import Text

    shown = visible(text)
    return Text(shown if len(shown) <= _LONGEST_CELL else f"{shown[:_LONGEST_CELL]}…")


def print_table(table: "Table") -> None:
    """Print a table as wide as the terminal, or as COLUMNS says; by rows, where it is too wide."""
    width = _width()
    if _needed(table) > width:
        for line in _as_records(table, width):
            _write(f"{line}\n", sys.stdout)
        return
    from rich.console import Console

    console = Console(width=width)
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().splitlines()
    _write("".join(f"{line.rstrip()}\n" for line in lines), sys.stdout)


def _width() -> int:
    """Return how many columns there are: of the terminal, or a fixed number in a log."""
    from rich.console import Console

    console = Console()
    return console.width if console.is_terminal or "COLUMNS" in os.environ else _LOG_WIDTH


def _needed(table: "Table") -> int:
    """Return the width in which every column can still be read."""
    needed = 1
    for column in table.columns:
        lengths = [cell.cell_len for cell in _cells(column)]
        heading, longest = lengths[0], max(lengths)
        needed += (longest if column.no_wrap else min(longest, max(heading, _NARROWEST))) + 3
    return needed


def _as_records(table: "Table", width: int) -> "Iterator[str]":
    """Write each row as lines: its first cell, then one line for each of the others."""
    if table.title:
        yield str(table.title)
    columns = [_cells(column) for column in table.columns]
    headings = [str(cells[0]) for cells in columns]
    margin = min(max(map(len, headings), default=0), width // 2)
    for row in zip(*(cells[1:] for cells in columns), strict=True):
        yield f"{headings[0]} {row[0]}".strip()
        for heading, value in zip(headings[1:], row[1:], strict=True):
            if value.plain:
                start = f"  {heading:{margin}}  "
                yield from textwrap.wrap(
                    f"{start}{value}",
                    max(width, len(start) + 1),
                    subsequent_indent=" " * (margin + 4),
                    drop_whitespace=False,
                )


def _cells(column: "Column") -> "list[Text]":
    """Return the heading of a column, and its cells."""
    from rich.text import Text

    cells = [column.header, *column.cells]
    return [each if isinstance(each, Text) else Text(str(each)) for each in cells]
