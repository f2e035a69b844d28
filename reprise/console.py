"""What a person sees: progress on a terminal, tables, and the commands to run next.

In a log, where output is no terminal, there is no progress and no colour. All text of ours comes
by here, and here what others have written (names, tags, metrics, errors) is made visible: nothing
of it moves the cursor, begins a line, or is markup.
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


def next_commands(commands: Mapping[str, str]) -> None:
    """Print the commands that make sense next, each below what it is for."""
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
