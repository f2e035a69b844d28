"""The report's format is the documented one, and what others have named cannot forge it."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from evidences import FAR, SEED, compared, evidence

from reprise.record.verdict import Verdict
from reprise.signatures import UNSIGNED
from reprise.verification import formats
from reprise.verification.judging import judge
from reprise.verification.policy import Policy
from reprise.verification.report import FORMAT_VERSION, Report, RunReport
from reprise.verification.verifying import Verification

DOCS = Path(__file__).parents[3] / "docs"
SCHEMA = f"verification-{FORMAT_VERSION}.schema.json"


def report_of(*found, name="train"):
    return Report.of(
        Policy(),
        [
            Verification(
                run_id=each.run_id,
                name=name,
                evidence=each,
                signature=UNSIGNED,
                outcome=judge(Policy(), each, UNSIGNED),
                is_earlier=False,
            )
            for each in found
        ],
    )


GOOD = evidence()
BAD = evidence(compared(FAR, causes=(SEED,)))
LOST = evidence(compared(verdict=Verdict.NOT_REPLAYABLE, reason="gone", number=0, basis=""))


def test_the_schema_is_the_documented_one():
    documented = json.loads((DOCS / SCHEMA).read_text(encoding="utf-8"))

    assert documented == Report.model_json_schema()


@pytest.mark.parametrize(("model", "heading"), [(Report, "field"), (RunReport, "field of a run")])
def test_every_field_is_documented(model, heading):
    text = (DOCS / "verify.md").read_text(encoding="utf-8")
    table = text.partition(f"| {heading} | is |\n|---|---|\n")[2].partition("\n\n")[0]

    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))

    assert rows == {name: field.description for name, field in model.model_fields.items()}


@pytest.mark.parametrize(
    ("found", "result"),
    [
        ([GOOD], "met"),
        ([GOOD, LOST], "could not be judged"),
        ([LOST, BAD, GOOD], "not met"),
        ([], "could not be judged"),
    ],
)
def test_the_result_is_the_worst_of_all_runs(found, result):
    assert report_of(*found).result == result


def test_json_is_read_again_as_the_same_report():
    report = report_of(GOOD, BAD)

    assert Report.model_validate_json(report.to_json()) == report


@pytest.mark.parametrize("name", formats.FORMATS)
@pytest.mark.parametrize("found", [GOOD, BAD, LOST], ids=["good", "bad", "lost"])
def test_every_format_says_the_basis_and_what_was_not_compared(name, found):
    text = formats.FORMATS[name](report_of(found))

    assert "basis" in text
    assert re.search("not.compared", text)
    assert found.basis in text.replace("\\", "")


def test_a_line_of_text_says_why_and_how_many():
    text = formats.text(report_of(GOOD, BAD))

    assert "  reason: run " in text
    assert "causes: seed: seed was 1, is 2" in text
    assert text.endswith("Result: not met; 1 of 2 runs met the policy\n")


def test_junit_has_a_case_for_each_run():
    suite = ET.fromstring(formats.junit(report_of(GOOD, BAD, LOST)))

    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [[child.tag for child in case] for case in suite] == [
        ["system-out"],
        ["failure", "system-out"],
        ["error", "system-out"],
    ]


HOSTILE = "\x1b[31m</testcase> | <img src=x> `rm` [a](b)\n| \u202e \ufffe"


def test_a_hostile_name_stays_text_in_every_format():
    report = report_of(GOOD, name=HOSTILE)

    (case,) = ET.fromstring(formats.junit(report))
    (row,) = [line for line in formats.markdown(report).splitlines() if "| `" in line]
    (first, *_) = formats.text(report).splitlines()
    assert case.get("name").startswith("\\x1b[31m</testcase>")
    assert "<img" not in row.replace("\\<", "")
    assert len(re.findall(r"(?<!\\)\|", row)) == 8
    assert first.startswith("\\x1b[31m")
    assert json.loads(report.to_json())["runs"][0]["name"] == HOSTILE
    assert report.to_json().isascii()


def test_a_badge_says_how_many_and_in_which_colour():
    good, bad = formats.badge(report_of(GOOD)), formats.badge(report_of(GOOD, BAD))

    assert "reproduced: 1 of 1" in ET.fromstring(good)[0].text
    assert "reproduced: 1 of 2" in ET.fromstring(bad)[0].text
    assert "#2da44e" in good
    assert "#cf222e" in bad
