"""Show and log the report of a load, and refuse the table if it must have no warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reprise import tracking
from reprise.console import say, warn
from reprise.errors import DataError
from reprise.record.digest import sha256_json
from reprise.trust import documents, limits
from steps.report.page import to_html
from steps.report.report import JSON_NAME, PAGE_NAME
from steps.report.screen import show, show_facts

if TYPE_CHECKING:
    from reprise.runtime.recorder import RunRecorder
    from steps.report.report import DataReport

DIGEST = "report"  # its name on the record


def show_and_check(run: RunRecorder, report: DataReport, *, strict: bool) -> None:
    """Print the report; before anything is stored, refuse a table with warnings.

    Parameters
    ----------
    run : RunRecorder
    report : DataReport
    strict : bool
        Whether the table must have no warnings.

    Raises
    ------
    DataError
        If it has one. The report is logged all the same.
    """
    show(report)
    run.log_digest(DIGEST, report.digest)
    refused = [each.notice for each in report.warnings if not each.notice.is_asked_for]
    if not (strict and refused):
        return
    _log(run, report, private=False)
    others = len(refused) - 1
    more = f" (and {others:,} more)" if others else ""
    raise DataError(
        f"Expected a table without warnings, as strict is true; found{more}: "
        f"{refused[0]} See {PAGE_NAME} of run {run.run_id}."
    )


def log_once(run: RunRecorder, report: DataReport, *, holder: str | None, private: bool) -> None:
    """Log the report, unless the run that holds the same data has the same report.

    Parameters
    ----------
    run : RunRecorder
        The run of the load, after it has stored its data.
    report : DataReport
    holder : str or None
        Id of the run that holds the data; None: a replay stored nothing, as its data differ.
    private : bool
        Whether the content must not be sent anywhere.
    """
    if holder in (None, run.run_id) or not _is_logged(str(holder), report):
        _log(run, report, private=private)
    else:
        say(f"its report is that of the same data: {PAGE_NAME} of run {holder}")


def show_again(load_run_id: str) -> None:
    """Print the report of a load that another process has done, if it has logged one."""
    for run_id in (load_run_id, tracking.stored_in(load_run_id)):
        facts = _logged(run_id)
        if facts:
            try:
                show_facts(facts)
            except (LookupError, TypeError, ValueError, AttributeError):  # somebody else's words
                warn(f"{JSON_NAME} of run {run_id} is no report; open {PAGE_NAME} instead")
            return


def _logged(run_id: str) -> dict[str, Any]:
    """Return the report that a run has logged; empty: none."""
    if not {JSON_NAME, PAGE_NAME} <= tracking.artifact_sizes(run_id, "").keys():
        return {}
    with tracking.artifact(run_id, JSON_NAME) as path:
        text = documents.read_text(path, largest=limits.JSON_BYTES)
    facts = documents.parse_json(text)
    return facts if isinstance(facts, dict) else {}


def _is_logged(run_id: str, report: DataReport) -> bool:
    """Return whether a run has logged a report that differs by the address of the table at most."""
    facts = {name: value for name, value in _logged(run_id).items() if name != "source"}
    return bool(facts) and sha256_json(facts) == sha256_json(report.facts())


def _log(run: RunRecorder, report: DataReport, *, private: bool) -> None:
    """Log both files; a replay sends only what its original run has sent."""
    if private or not run.may_store({DIGEST: report.digest}):
        return
    run.log_text(JSON_NAME, report.to_json())
    run.log_text(PAGE_NAME, to_html(report))
