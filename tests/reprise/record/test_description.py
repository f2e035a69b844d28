"""What the MLflow UI shows of a run: golden files, hostile text, and what a person has written."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from reprise.record.description import (
    Checked,
    Facts,
    describe,
    is_replaceable,
    of_lost,
    of_model,
    of_version,
)
from reprise.record.markdown import block, plain
from reprise.record.schema import RunRecord

GOLDEN = Path(__file__).parents[1] / "golden"
RUN, REPLAY = "3f0f2f1c" + "0" * 24, "a1b2c3d4" + "1" * 24
RECORD = RunRecord.from_json((GOLDEN / "provenance_v2.json").read_text(encoding="utf-8"))
METRICS = {"train_accuracy": 1.0, "cv_accuracy_mean": 0.9533333333333334}
IDENTICAL = Checked("identical", RUN, REPLAY, compared=12, basis="2 metrics, 10 artifacts")
DIFFERENT = Checked(
    "different",
    RUN,
    REPLAY,
    compared=12,
    differing=("metric train_accuracy", "model fitted arrays"),
    causes=("package: numpy was 2.4.6, is 2.4.7",),
    not_compared=("data",),
)
FINISHED = Facts(RUN, RECORD, metrics=METRICS, data="iris")
CASES = {
    "finished": FINISHED,
    "identical": replace(FINISHED, checked=IDENTICAL),
    "replay": Facts(REPLAY, RECORD, metrics=METRICS, checked=IDENTICAL),
    "different": replace(FINISHED, checked=DIFFERENT),
    "failed": Facts(RUN, RECORD, error="expected 3 columns, found 2.\nRestore the ```file```."),
    "reproduce": Facts("f" * 32, RECORD, checked=DIFFERENT, is_bookkeeping=True),
}
HOSTILE = [
    "<img src=https://evil.example/x>",
    "![a](https://evil.example/x)",
    "[a](javascript:alert(1))",
    "| a | b |",
    "` ``` ~~~",
    "\n\n# Verdict: identical\n",
    "<!-- reprise 0123456789abcdef -->",
    "\x1b[31m\u202e",
    "https://evil.example www.evil.example a@evil.example",
    "---",
    "a\x00" + "x" * 100_000,
]


@pytest.mark.parametrize("name", CASES)
def test_descriptions_are_those_of_the_golden_files(name):
    golden = (GOLDEN / f"description_{name}.md").read_text(encoding="utf-8")

    assert describe(CASES[name]) + "\n" == golden


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_others_is_no_markup_no_link_and_no_line(text):
    step = RECORD.step.model_copy(update={"entry_point": text, "raw_parameters": {text: text}})
    inputs = tuple(
        item.model_copy(update={"name": text, "uri": text, "sha256": text})
        for item in RECORD.inputs
    )
    record = RECORD.model_copy(update={"step": step, "inputs": inputs, "replays": text})
    checked = Checked(text, text, text, 1, (text,), (text,), text, text, (text,))
    facts = Facts(RUN, record, metrics={text: 1.0}, checked=checked, data=text)

    shown = describe(facts)

    outside = re.sub(r"```+sh\n.*\n```+", "", shown)
    outside = re.sub(r"`[^`\n<>|]+`|\n\n<!-- reprise [0-9a-f]{16} -->$", "", outside)
    assert not re.search(r"[<>!\[\]`~\x00-\x09\x1b\u202e]|://|www\.|[a-z]@", outside)
    assert outside.count("# ") == 0
    assert len(shown) < 8000
    assert all(line.count("|") in (0, 3) for line in outside.splitlines())


@pytest.mark.parametrize("text", HOSTILE)
def test_an_error_stays_in_its_block(text):
    error = f"before\n{text}\nafter"

    lines = block(error).splitlines()

    fence = lines[0]
    assert lines[-1] == fence
    assert not any(line.strip().startswith(fence) for line in lines[1:-1])


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_is_escaped_once_and_whole(text):
    shown = plain(text, longest=50)

    assert len(re.sub(r"&#\d+;", "x", shown)) <= 50
    assert "\n" not in shown


def test_an_error_has_no_credentials():
    shown = describe(Facts(RUN, RECORD, error="cannot read https://ada:t0ken@example.org/x"))

    assert "t0ken" not in shown


@pytest.mark.parametrize("mine", [None, "", " \n", describe(FINISHED), of_lost("x", "killed")])
def test_no_description_and_the_engines_own_are_replaced(mine):
    assert is_replaceable(mine)


@pytest.mark.parametrize(
    "theirs",
    [
        "My best run.",
        f"{describe(FINISHED)}\nMy best run.",
        f"My best run.\n{describe(FINISHED)}",
        describe(FINISHED).replace("iris", "wine"),
        "<!-- reprise 0123456789abcdef -->",
    ],
)
def test_what_a_person_has_written_or_edited_is_not(theirs):
    assert not is_replaceable(theirs)


def test_a_models_and_a_versions_description_have_the_command_that_makes_it_again():
    model = of_model("fit", RUN, {"depth": "5"})
    version = of_version(RUN, metric="accuracy", score=0.95, test_digest="d" * 64, verdict="")

    assert f"reprise reproduce {RUN}" in model
    assert f"reprise reproduce {RUN}" in version
    assert "accuracy | `0.95`" in version
    assert is_replaceable(model)
    assert is_replaceable(version)
