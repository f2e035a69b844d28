"""Writes a report for people and for other programs: text, Markdown, JUnit, and a badge."""

import re
from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET

from reprise.verification.judging import Result
from reprise.verification.report import Report, RunReport
from reprise.visible import visible, word

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")
_COLOURS = {Result.MET: "#2da44e", Result.NOT_JUDGED: "#9a6700", Result.NOT_MET: "#cf222e"}
_CHARACTER = 7  # pixels of a character of the badge, about
_LABEL = "reproduced"


def text(report: Report) -> str:
    """Return a report for a terminal: every run with its basis, and what was not compared."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    for run in report.runs:
        yield visible(f"{run.name}: run {run.run_id}: {run.result}")
        for label, value in _facts(run):
            yield visible(f"  {label}: {value}")
    yield f"Result: {report.result}; {report.headline}"


def _facts(run: RunReport) -> Iterator[tuple[str, str]]:
    """Yield what every format says of a run."""
    replay = f" (replay {run.replayed_by}, {run.made})" if run.replayed_by else ""
    earlier = ", by an earlier replay" if run.evidence == "statement" else ""
    yield "verdict", f"{run.verdict}{replay}{earlier}"
    for reason in run.reasons:
        yield "reason", reason
    yield "basis", run.basis
    yield "not compared", "; ".join(run.not_compared)
    yield "statement", run.signature


def markdown(report: Report) -> str:
    """Return a report as Markdown, as the summary of a job."""
    rows = [
        f"| `{word(run.run_id)}` | {_escaped(run.name)} | **{run.result}** "
        f"| {_cell(run, 'verdict', 'reason')} | {_cell(run, 'basis')} "
        f"| {_cell(run, 'not compared')} | {_cell(run, 'statement')} |"
        for run in report.runs
    ]
    return "\n".join(
        [
            f"### Reproduced: {report.result}",
            "",
            f"{report.headline} (`{report.policy_sha256[:12]}`).",
            "",
            "| run | name | result | verdict | basis: | not compared: | statement |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _cell(run: RunReport, *labels: str) -> str:
    return "<br>".join(_escaped(value) for label, value in _facts(run) if label in labels)


def _escaped(value: str) -> str:
    """Write text from others so that it is neither markup nor HTML."""
    return _MARKUP.sub(r"\\\1", visible(value))


def junit(report: Report) -> str:
    """Return a report as JUnit's XML: a test case for each run."""
    counts = {result: sum(run.result is result for run in report.runs) for result in Result}
    suite = ET.Element(
        "testsuite",
        name="reprise verify",
        tests=str(len(report.runs)),
        failures=str(counts[Result.NOT_MET]),
        errors=str(counts[Result.NOT_JUDGED]),
        timestamp=report.time,
    )
    for run in report.runs:
        name = visible(f"{run.name} {run.run_id}")
        case = ET.SubElement(suite, "testcase", classname="reprise.verify", name=name)
        kinds = {Result.NOT_MET: "failure", Result.NOT_JUDGED: "error"}
        if run.result in kinds:
            message = visible("; ".join(run.reasons))
            ET.SubElement(case, kinds[run.result], message=message)
        said = "\n".join(visible(f"{label}: {value}") for label, value in _facts(run))
        ET.SubElement(case, "system-out").text = said
    ET.indent(suite, " ")
    return ET.tostring(suite, encoding="unicode") + "\n"


def badge(report: Report) -> str:
    """Return a picture that says how many runs meet the policy, as SVG."""
    value = f"{report.number_met} of {len(report.runs)}"
    left, right = ((len(part) + 2) * _CHARACTER for part in (_LABEL, value))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img">',
        f"<title>{_LABEL}: {value}</title>",
        f'<rect width="{left}" height="20" fill="#57606a"/>',
        f'<rect x="{left}" width="{right}" height="20" fill="{_COLOURS[report.result]}"/>',
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,sans-serif" font-size="11">',
        f'<text x="{left / 2}" y="14">{_LABEL}</text>',
        f'<text x="{left + right / 2}" y="14">{value}</text>',
        "</g></svg>",
    ]
    return "".join(parts) + "\n"


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text,
    "json": Report.to_json,
    "junit": junit,
    "markdown": markdown,
}
