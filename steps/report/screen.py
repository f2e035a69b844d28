"""The report as text: a table of the columns on a terminal, a few lines in a log."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from reprise import console
from reprise.data.notices import Notice
from steps.report.groups import grouped
from steps.report.report import PAGE_NAME
from steps.report.survey import Warned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steps.report.report import DataReport

_MOST_COLUMNS = 25  # on a terminal
_MOST_CLASSES = 6
_LONGEST_NAME, _LONGEST_EXAMPLE = 28, 18  # characters


def show(report: DataReport) -> None:
    """Print the columns if there is a terminal, what the table is, and its warnings."""
    if sys.stdout.isatty():
        _show_columns(report)
    show_facts(report.facts())


def show_facts(facts: Mapping[str, Any]) -> None:
    """Print what the table is, and its warnings, from the JSON file of a report."""
    for line in heading(facts):
        console.say(line)
    for line in warning_lines(facts):
        console.warn(line)


def heading(facts: Mapping[str, Any]) -> list[str]:
    """Return what is predicted from what."""
    rows, target, classes = facts["rows"], facts["target"], facts["classes"]
    features = sum(column["role"] == "feature" for column in facts["columns"])
    noun = "feature" if features == 1 else "features"
    parts = f"{rows['train']:,} to train on, {rows['test']:,} to test on"
    split = facts.get("split", "")  # reports of the first versions have none
    lines = [
        f"{rows['read']:,} rows ({parts}), {features:,} {noun}",
        *([f"split: {split}"] if split else []),
        f"target: {target['name']} ({target['chosen']})",
    ]
    if not classes:
        return [*lines, f"task: {facts['task']}"]
    ordered = sorted(classes.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{_cut(name, _LONGEST_NAME)} {n:,}" for name, n in ordered[:_MOST_CLASSES])
    more = len(ordered) - _MOST_CLASSES
    others = f", and {more:,} more" if more > 0 else ""
    return [*lines, f"task: {facts['task']}, {len(ordered):,} classes: {shown}{others}"]


def warning_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return a line for each warning; of many of one kind, the columns of the others."""
    warned = [
        Warned(each["kind"], Notice(each["column"], each["text"], each["advice"]))
        for each in facts["warnings"]
    ]
    lines = []
    for group in grouped(warned):
        lines += [f"warning: {notice}" for notice in group.shown]
        if group.others:
            lines.append(f"warning: {group.kind}, likewise: {group.others}")
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
