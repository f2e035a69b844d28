"""Show all that two runs depended on and gave, side by side, and how their code differs."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from reprise import console, tracking
from reprise.backports import UTC
from reprise.commands.parameters import CompareParameters
from reprise.data.splits import FOLDER, SCHEMA
from reprise.errors import CheckoutError, CodeError, TrackingError
from reprise.projects import checkout, settings
from reprise.record import naming
from reprise.record.comparison import (
    JSON_NAME,
    PAGE_NAME,
    Comparison,
    Side,
    Subject,
    Value,
    compare,
    shown,
)
from reprise.record.digest import sha256_text
from reprise.record.patch import CodeDifference
from reprise.record.schema import Code, InputData, run_in
from reprise.replay import original_run
from reprise.runtime import door
from reprise.runtime.launch import launch
from reprise.runtime.recorder import RunRecorder
from reprise.trust import documents, limits

if TYPE_CHECKING:
    from rich.table import Table

_STORED = re.compile(rf"runs:/[0-9a-f]{{32}}/{FOLDER}/")
_DIGEST = re.compile(r"\b[0-9a-f]{40,64}\b")
_DIGITS = 12  # of a digest, on a terminal


def main(parameters: CompareParameters, run: RunRecorder) -> None:
    """Gather what is known of both runs, compare, show and log."""
    a, b = original_run.read(parameters.run_id), original_run.read(parameters.other)
    for name, each in (("run", a), ("other", b)):
        digest = sha256_text(each.record.to_json())
        data = InputData(name=name, uri=f"runs:/{each.run_id}", sha256=digest)
        run.add_input(data, context="run")
    difference = code_difference(a.record.code, b.record.code, allowed=parameters.allow_repository)
    comparison = compare(subject(a), subject(b), difference)
    run.log_text(JSON_NAME, comparison.to_json())
    run.log_text(PAGE_NAME, comparison.to_html())
    run.log_metrics({f"rows_{name}": count for name, count in comparison.counts.items()})
    names = (naming.of_run(each.record.step.entry_point, each.run_id) for each in (a, b))
    run.rename(f"{', '.join(names)}: {comparison.counts['different']} differ")
    show(comparison)
    ui = settings.of(Path.cwd()).ui
    commands = {ui: f"all of it, with the patch: {PAGE_NAME} of run {run.run_id}"}
    for label, side in (("A", comparison.a), ("B", comparison.b)):
        if side.status == "FINISHED":
            again = door.used().about("reproduce", side.run_id)
            commands.setdefault(again, f"reproduce run {label}")
    console.next_commands(commands)


def subject(run: original_run.OriginalRun) -> Subject:
    """Return what a comparison is given of a run."""
    info = run.run.info
    side = Side(
        run_id=run.run_id,
        name=run.name,
        status=info.status,
        started=f"{datetime.fromtimestamp(info.start_time / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC",
        error=run.run.data.tags.get(tracking.ERROR, ""),
        replays=run.record.replays,
        not_recorded=run.unknown,
    )
    return Subject(side=side, record=run.record, data_schema=data_schema(run))


def data_schema(run: original_run.OriginalRun) -> dict[str, Any] | None:
    """Return the schema of the split that a run read or stored; None: it cannot be had."""
    tags = run.run.data.tags
    read = [data.uri for data in run.record.inputs if _STORED.match(data.uri)]
    try:
        if read and tracking.STORED_IN not in tags:
            tags = tracking.get_run(run_in(read[0])).data.tags
        if tracking.STORED_IN not in tags:
            return None
        with tracking.artifact(tags[tracking.STORED_IN], f"{FOLDER}/{SCHEMA}") as path:
            schema = documents.parse_json(documents.read_text(path, largest=limits.JSON_BYTES))
    except (TrackingError, ValueError):  # deleted, or no JSON
        return None
    return schema if isinstance(schema, dict) else None


def code_difference(a: Code, b: Code, *, allowed: str | None) -> CodeDifference:
    """Return what changes the code of one run into that of the other, or why that is not known."""
    if a.commit is not None and a.commit == b.commit:
        return CodeDifference.of("")
    missing = []
    with checkout.repository(Path.cwd(), allowed=allowed) as repository:
        for label, code in (("A", a), ("B", b)):
            try:
                repository.obtain(code, tracking.artifact_at)
            except (CheckoutError, CodeError, TrackingError) as error:
                missing.append(f"The code of run {label} cannot be had: {error}")
        if missing:
            return CodeDifference(patch=None, missing=tuple(missing))
        return CodeDifference.of(repository.diff(str(a.commit), str(b.commit)))


def show(comparison: Comparison) -> None:
    """Print why the runs differ, the files of the patch, what differs, and how much is equal."""
    show_causes(comparison)
    show_differences(comparison)


def show_causes(comparison: Comparison) -> None:
    """Print the two runs, and what made them differ: inputs first, then the files of the code."""
    for label, side in (("A", comparison.a), ("B", comparison.b)):
        console.say(f"{label}: {side.status} run {side.run_id}  {side.name}")
        if side.error:
            console.say(f"   {side.error}")
        if side.not_recorded:
            console.say(f"   not recorded: {', '.join(side.not_recorded)}")
    for cause in comparison.causes:
        console.say(f"  cause: {_DIGEST.sub(lambda found: found[0][:_DIGITS], cause)}")
    if not comparison.causes:
        console.say("  cause: none: all that is recorded of their inputs is the same")
    for reason in comparison.code.missing:
        console.say(reason)
    if comparison.code.files:
        console.say("From the code of A to the code of B:")
    for file in comparison.code.files:
        console.say(f"  {file}")


def show_differences(comparison: Comparison) -> None:
    """Print what differs as a table, and only the number of what is equal."""
    counts = comparison.counts
    if counts["different"]:
        console.print_table(_table(comparison))
    unknown = f", {counts['unknown']} not recorded of one run" if counts["unknown"] else ""
    console.say(f"{counts['different']} differ, {counts['equal']} equal{unknown}")
    if comparison.also_installed:
        console.say(f"installed for one of them only: {len(comparison.also_installed)} packages")


def _table(comparison: Comparison) -> "Table":
    table = console.make_table(["", "differs", "A", "B"])
    for section in comparison.sections:
        for i, row in enumerate(section.different):
            change = "" if row.change is None else f" ({row.change:+.4g})"
            console.add_row(
                table,
                section.name if i == 0 else "",
                row.name,
                *_brief_pair(row.a, row.b, change),
                end_section=i == len(section.different) - 1,
            )
    return table


def _brief_pair(a: Value, b: Value, change: str) -> tuple[str, str]:
    """Write two values for people: rounded, unless they would look the same."""
    if isinstance(a, float) and isinstance(b, float):
        rounded = console.rounded(a), console.rounded(b)
        both = rounded if rounded[0] != rounded[1] else (repr(a), repr(b))
        return both[0], both[1] + change
    return _brief(a), _brief(b) + change


def _brief(value: Value) -> str:
    if value is None:
        return "absent"
    if isinstance(value, float):
        return console.rounded(value)
    text = shown(value)
    return text[:_DIGITS] if _DIGEST.fullmatch(text) else text or "empty"


def check(parameters: CompareParameters) -> None:
    """Refuse, before there is a run of this command, what can never be compared.

    Raises
    ------
    TrackingError
        If one of the runs does not exist.
    """
    for run_id in (parameters.run_id, parameters.other):
        tracking.get_run(run_id)


def start(arguments: Sequence[str] | None = None, *, checked: bool = False) -> NoReturn:
    """Be the process of this command; see `launch`."""
    launch(CompareParameters, main, arguments, check=check if checked else None)
