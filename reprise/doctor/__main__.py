"""The command: `python -m reprise.doctor [--size-mb 200]`; exit code 0 if nothing has failed."""

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from reprise.console import next_commands, say, warn, working
from reprise.doctor.checks import WIDTH, examine, leave
from reprise.doctor.context import Context, be_brief_and_quiet, of_environment
from reprise.doctor.result import CheckResult, Status, line
from reprise.process import interrupts

_COLOURS = {
    Status.OK: "green",
    Status.WARNING: "yellow",
    Status.FAILED: "bold red",
    Status.SKIPPED: "dim",
}


def main(size_mb: int) -> int:
    """Run the checks, print a line for each, and return the exit code.

    Parameters
    ----------
    size_mb : int
        Size of the artifact to send and fetch.
    """
    context = of_environment(Path.cwd(), size_mb)
    be_brief_and_quiet()
    logging.disable()  # libraries log URLs with their signatures
    warnings.simplefilter("ignore")
    try:
        with interrupts.interruptible():
            results = _examined(context)
    except KeyboardInterrupt:
        context.abandoned = True
        warn("doctor: interrupted")
        return _ended(context, interrupts.EXIT_CODE)
    worst = next((f for f in results if f.status == Status.FAILED), None)
    if worst:
        say(f"Fix first: {worst.check}. {worst.advice}")
        return _ended(context, 1)
    next_commands({"reprise run": "run the project in this folder and record the run"})
    return _ended(context, 0)


def _size_mb() -> int:
    """Return the size from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m reprise.doctor",
        description="Check that this machine can work with the tracking server that "
        "MLFLOW_TRACKING_URI names: one line for each check, and what to do.",
    )
    parser.add_argument(
        "--size-mb", type=int, default=200, help="size of the artifact to send and fetch"
    )
    size = int(parser.parse_args().size_mb)
    if size < 1:
        parser.error(f"expected at least 1 MB, found {size}")
    return size


def _examined(context: Context) -> list[CheckResult]:
    """Print each result when its check ends; always delete what the checks left on the server."""
    results: list[CheckResult] = []
    checking = examine(context)
    try:
        while result := _shown(context, lambda: next(checking, None)):
            results.append(result)
    finally:
        left = _shown(context, lambda: leave(context))
    return [*results, left] if left else results


def _shown(context: Context, look: Callable[[], CheckResult | None]) -> CheckResult | None:
    """Show progress while a check runs, then remove it and print the result."""
    with working() as show:
        context.show = show
        result = look()
    if result:
        _print(result)
    return result


def _print(result: CheckResult) -> None:
    """Print a result; on a terminal, its status has a colour."""
    text = line(result, width=WIDTH)
    console = Console()
    if not console.is_terminal:
        say(text)
        return
    shown = Text(text)
    shown.stylize(_COLOURS[result.status], 0, len(result.status))
    console.print(shown, soft_wrap=True)


def _ended(context: Context, code: int) -> int:
    """Return the exit code; exit at once if a check was abandoned, as its threads may never end."""
    if context.abandoned:
        sys.stdout.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main(_size_mb()))
