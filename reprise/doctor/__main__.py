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

from reprise.console import RUN, next_commands, say, warn, working
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
    """Make the checks, print a line for each, and return the exit code.

    Parameters
    ----------
    size_mb : int
        Size of the artifact to send and fetch.
    """
    visit = of_environment(Path.cwd(), size_mb)
    be_brief_and_quiet()
    logging.disable()  # libraries log URLs with their signatures
    warnings.simplefilter("ignore")
    try:
        with interrupts.interruptible():
            findings = _examined(visit)
    except KeyboardInterrupt:
        visit.abandoned = True
        warn("doctor: interrupted")
        return _ended(visit, interrupts.EXIT_CODE)
    worst = next((f for f in findings if f.status == Status.FAILED), None)
    if worst:
        say(f"Mend first: {worst.check}. {worst.advice}")
        return _ended(visit, 1)
    next_commands({f"{RUN} train_dt": "train a decision tree, and have it on the record"})
    return _ended(visit, 0)


def _size_mb() -> int:
    """Return the size that the command line asks for."""
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


def _examined(visit: Context) -> list[CheckResult]:
    """Print what each check finds, as it does; leave nothing on the server, come what may."""
    findings: list[CheckResult] = []
    checking = examine(visit)
    try:
        while finding := _shown(visit, lambda: next(checking, None)):
            findings.append(finding)
    finally:
        left = _shown(visit, lambda: leave(visit))
    return [*findings, left] if left else findings


def _shown(visit: Context, look: Callable[[], CheckResult | None]) -> CheckResult | None:
    """Print what is found, once the line that says what is being done is gone."""
    with working() as show:
        visit.show = show
        finding = look()
    if finding:
        _print(finding)
    return finding


def _print(finding: CheckResult) -> None:
    """Print a finding; on a terminal, its status has a colour."""
    text = line(finding, width=WIDTH)
    console = Console()
    if not console.is_terminal:
        say(text)
        return
    shown = Text(text)
    shown.stylize(_COLOURS[finding.status], 0, len(finding.status))
    console.print(shown, soft_wrap=True)


def _ended(visit: Context, code: int) -> int:
    """Return the exit code; or go at once, where threads of what was given up may never end."""
    if visit.abandoned:
        sys.stdout.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main(_size_mb()))
