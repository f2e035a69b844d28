"""What an audit reports: a table on the terminal, a CSV artifact, and how the command ends."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from reprise import console
from reprise.backports import UTC
from reprise.errors import AuditError
from reprise.record.verdict import Verdict
from reprise.replay.audit import REPLAYABLE, Answer, Finding
from reprise.replay.original_run import shown_name
from reprise.tracking import short
from reprise.visible import cell, word

if TYPE_CHECKING:
    from rich.table import Table

FILE_NAME = "audit.csv"
_COLUMNS = (
    *("run_id", "entry_point", "name", "status", "start_time", "commit"),
    *("replayable", "reasons", "verdict", "replayed_by"),
)
_DIGITS = 12  # of a commit, shown
_UNFINISHED = frozenset({Answer.UNFINISHED, Answer.RUNNING})
_LISTED = 5  # runs of which the same is said


def as_csv(findings: Sequence[Finding]) -> str:
    """Write findings as CSV, a row for each run; times are ISO 8601, in UTC."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for finding in findings:
        info, made = finding.run.info, finding.replay
        started = datetime.fromtimestamp(info.start_time / 1000, UTC)
        texts = [
            *(finding.run_id, finding.entry_point, info.run_name or "", info.status),
            *(started.isoformat(timespec="milliseconds"), finding.commit, finding.answer),
            " ".join(map(str, finding.reasons)),
            *((made.verdict, made.new_run_id or "") if made else ("", "")),
        ]
        writer.writerow(map(cell, texts))
    return text.getvalue()


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Return how many runs there are of each kind, as metrics."""
    answers = Counter(finding.answer for finding in findings)
    return {
        "runs": len(findings),
        "replayable": answers[Answer.YES],
        "replayable_best_effort": answers[Answer.BEST_EFFORT],
        "not_replayable": answers[Answer.NO],
        "unfinished": answers[Answer.UNFINISHED],
        "running": answers[Answer.RUNNING],
        "replayed": sum(finding.replay is not None for finding in findings),
        "identical": sum(_identical(finding) for finding in findings),
    }


def summary(findings: Sequence[Finding]) -> str:
    """Say in a few words how many finished runs can be reproduced, and how many were."""
    able = sum(finding.answer in REPLAYABLE for finding in findings)
    finished = able + sum(finding.answer is Answer.NO for finding in findings)
    replayed = sum(finding.replay is not None for finding in findings)
    identical = sum(_identical(finding) for finding in findings)
    more = f", {identical} of {replayed} replays identical" if replayed else ""
    return f"{able} of {finished}{more}"


def show(findings: Sequence[Finding], experiment: str) -> None:
    """Print a table of all runs, then why some cannot be reproduced."""
    console.print_table(_table(findings, experiment))
    explained: dict[str, list[str]] = {}
    for finding in findings:
        for text in _explanations(finding):
            explained.setdefault(text, []).append(finding.run_id)
    for text, run_ids in explained.items():
        more = f" and {len(run_ids) - _LISTED} more" if len(run_ids) > _LISTED else ""
        console.say(text)
        console.say(f"  runs: {', '.join(run_ids[:_LISTED])}{more}")
    counted = counts(findings)
    console.say(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counted.items()))
    if counted["replayable"] and not counted["replayed"]:
        again = f"reprise audit --experiment {word(experiment)} --replay 3"
        console.next_commands({again: "reproduce three of them"})


def raise_unless_good(findings: Sequence[Finding], experiment: str) -> None:
    """End the command as the audit did.

    Raises
    ------
    AuditError
        If a finished run cannot be reproduced, or a replay was not identical.
    """
    lost = [f.run_id for f in findings if f.answer is Answer.NO]
    differing = [f for f in findings if f.replay and not _identical(f)]
    problems = []
    if lost:
        finished = len(lost) + sum(f.answer in REPLAYABLE for f in findings)
        problems.append(f"{len(lost)} of {finished} finished runs cannot be reproduced")
    if differing:
        replayed = sum(f.replay is not None for f in findings)
        problems.append(
            f"{len(differing)} of {replayed} replays were not identical "
            f"({', '.join(f'{f.run_id}: {f.replay.verdict}' for f in differing if f.replay)})"
        )
    if problems:
        raise AuditError(
            f"expected that every run of experiment {experiment} can be reproduced, found that "
            f"{' and '.join(problems)}. {FILE_NAME} of this run says why."
        )


def _table(findings: Sequence[Finding], experiment: str) -> "Table":
    table = console.make_table(
        ["run", "name", "commit", "replayable", "why not", "verdict"],
        title=f"Runs of experiment {experiment}",
        whole=["run", "commit", "replayable", "verdict"],
    )
    for finding in findings:
        kinds = dict.fromkeys(r.kind for r in finding.reasons if r.kind != "note")
        console.add_row(
            table,
            short(finding.run_id),
            shown_name(finding.run, finding.entry_point),
            finding.commit[:_DIGITS],
            finding.answer,
            ", ".join(kinds),
            finding.replay.verdict if finding.replay else "",
        )
    return table


def _identical(finding: Finding) -> bool:
    return finding.replay is not None and finding.replay.verdict is Verdict.IDENTICAL


def _explanations(finding: Finding) -> list[str]:
    """Return the lines that a table has no room for."""
    reasons = [str(r) for r in finding.reasons if finding.answer not in _UNFINISHED]
    for each in finding.replay.family() if finding.replay else ():
        if each.judgement.verdict is not Verdict.IDENTICAL:
            causes = "; ".join(map(str, each.judgement.causes))
            reasons.append(f"{each.judgement.verdict}: {each.judgement.reason or causes}")
    return reasons
