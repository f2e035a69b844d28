"""The report as text: a table of the columns on a terminal, a few lines in a log."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from reprise import console
from steps.report.groups import grouped
from steps.report.report import PAGE_NAME

if TYPE_CHECKING:
    from steps.report.report import DataReport

_MOST_COLUMNS = 25  # on a terminal
_MOST_CLASSES = 6
_LONGEST_NAME, _LONGEST_EXAMPLE = 28, 18  # characters


def show(report: DataReport) -> None:
    """Print what the table is, its columns if there is a terminal, and its warnings."""
    for line in heading(report):
        console.say(line)
    if sys.stdout.isatty():
        _show_columns(report)
    for line in warning_lines(report):
        console.warn(line)


def heading(report: DataReport) -> list[str]:
    """Return what is predicted from what."""
    features = len(report.features)
    noun = "feature" if features == 1 else "features"
    parts = f"{report.train:,} to train on, {report.test:,} to test on"
    lines = [
        f"{report.rows:,} rows ({parts}), {features:,} {noun}",
        f"target: {report.target} ({report.chosen})",
    ]
    if not report.classes:
        return [*lines, f"task: {report.task}"]
    ordered = sorted(report.classes.items(), key=lambda item: -item[1])
    shown = ", ".join(
        f"{_cut(name, _LONGEST_NAME)} {rows:,}" for name, rows in ordered[:_MOST_CLASSES]
    )
    more = len(ordered) - _MOST_CLASSES
    others = f", and {more:,} more" if more > 0 else ""
    return [*lines, f"task: {report.task}, {len(ordered):,} classes: {shown}{others}"]


def warning_lines(report: DataReport) -> list[str]:
    """Return a line for each warning; of many of one kind, the columns of the others."""
    lines = []
    for group in grouped(report.warnings):
        lines += [f"warning: {notice}" for notice in group.shown]
        if group.others:
            lines.append(f"warning: {group.kind}, too: {group.others}")
    return lines


def _show_columns(report: DataReport) -> None:
    headings = ["column", "type", "missing", "distinct", "example"]
    table = console.make_table(headings, whole=headings[1:], right=("missing", "distinct"))
    for column in report.columns[:_MOST_COLUMNS]:
        role = "" if column.role == "feature" else f" ({column.role})"
        console.add_row(
            table,
            _cut(column.name, _LONGEST_NAME) + role,
            column.kind,
            f"{column.missing:,}" if column.missing else "",
            "" if column.distinct is None else f"{column.distinct:,}",
            _cut(column.example or "", _LONGEST_EXAMPLE),
        )
    console.print_table(table)
    more = len(report.columns) - _MOST_COLUMNS
    if more > 0:
        console.say(f"and {more:,} more columns, in {PAGE_NAME}")


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
