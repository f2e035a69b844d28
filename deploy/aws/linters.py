"""Run cfn-lint and checkov, and read their reports."""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SKIPS = Path(__file__).with_name("checkov-skips.yaml")
TOOLS = Path(sys.executable).parent
TIMEOUT = 300  # seconds; both take about five


class ToolError(RuntimeError):
    """A tool did not run to its end, so the template is not checked."""

    def __init__(self, tool: str, output: str) -> None:
        lines = output.strip().splitlines() or ["nothing"]
        super().__init__(f"{tool}: expected a report, found: {lines[-1]}")


@dataclass(frozen=True, order=True)
class Fault:
    """A rule of a tool that a template breaks, and the place."""

    rule: str
    resource: str
    message: str

    def __str__(self) -> str:
        """Return the fault as one line."""
        return f"{self.resource}: {self.rule} {self.message}"


Faults = dict[str, list[Fault]]
"""Faults by the template's file name."""


def cfn_lint(templates: Iterable[Path], *, tools: Path = TOOLS) -> Faults:
    """Run cfn-lint once over templates, warnings included."""
    found: Faults = defaultdict(list)
    arguments = [tools / "cfn-lint", "--format", "json", "--", *templates]
    for match in _report("cfn-lint", arguments):
        path = match.get("Location", {}).get("Path") or []
        resource = str(path[1]) if len(path) > 1 else "the template"
        fault = Fault(match["Rule"]["Id"], resource, match["Message"])
        found[Path(match["Filename"]).name].append(fault)
    return found


def checkov(folder: Path, *, tools: Path = TOOLS) -> Faults:
    """Run checkov once over a folder of templates, without network access."""
    options = ("--framework", "cloudformation", "--skip-download", "--quiet", "--compact")
    arguments = [tools / "checkov", "--directory", folder, *options, "--output", "json"]
    report = _report("checkov", arguments)
    if not isinstance(report, dict) or "results" not in report:
        raise ToolError("checkov", f"no template in {folder.name}")
    found: Faults = defaultdict(list)
    for failed in report["results"]["failed_checks"]:
        resource = failed["resource"].rpartition(".")[2]
        fault = Fault(failed["check_id"], resource, failed["check_name"])
        found[Path(failed["file_path"]).name].append(fault)
    unread = report["results"].get("parsing_errors")
    if unread:
        raise ToolError("checkov", f"unread: {unread}")
    return found


def _report(tool: str, arguments: list[Any]) -> Any:
    done = subprocess.run(  # noqa: PLW1510 - faults are exit codes; the report says which
        list(map(str, arguments)), capture_output=True, text=True, timeout=TIMEOUT
    )
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        raise ToolError(tool, done.stderr or done.stdout) from None


@dataclass(frozen=True)
class Skip:
    """A finding of checkov to ignore, and the reason."""

    rule: str
    resource: str
    reason: str


def skips(path: Path = SKIPS) -> list[Skip]:
    """Read the findings to ignore, one entry for each resource.

    Raises
    ------
    ToolError
        If an entry has no reason.
    """
    entries = yaml.safe_load(path.read_text("utf-8"))
    bare = [rule for rule, entry in entries.items() if not str(entry.get("reason", "")).strip()]
    if bare:
        raise ToolError(path.name, f"no reason for {bare}")
    return [
        Skip(rule, resource, entry["reason"])
        for rule, entry in entries.items()
        for resource in entry["resources"]
    ]


def without_skips(faults: Iterable[Fault], left: Iterable[Skip]) -> tuple[list[Fault], list[Skip]]:
    """Return the faults that no skip covers, and the skips that cover no fault."""
    faults, left = list(faults), list(left)
    spared = {(skip.rule, skip.resource) for skip in left}
    seen = {(fault.rule, fault.resource) for fault in faults}
    return (
        [fault for fault in faults if (fault.rule, fault.resource) not in spared],
        [skip for skip in left if (skip.rule, skip.resource) not in seen],
    )
