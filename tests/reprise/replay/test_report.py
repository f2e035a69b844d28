"""A report names what differs, and why, however deep in a family of runs it is."""

from dataclasses import replace

import pytest

from reprise import tracking
from reprise.errors import DifferentError, NotReplayableError
from reprise.record.patch import CodeDifference
from reprise.record.verdict import Cause, Difference, Judgement, Verdict
from reprise.replay import original_run, report, verdict_page
from reprise.replay.prepare import Request
from reprise.replay.verdicts import Replay
from reprise.runtime.parameters import Parameters
from reprise.runtime.run_name import RunName

GOOD = Judgement(verdict=Verdict.IDENTICAL, compared=3)
CAUSE = Cause(kind="seed", name="seed", recorded="1", found="2")
DIFFERENT = Judgement(
    verdict=Verdict.DIFFERENT,
    compared=3,
    differences=(Difference(kind="metric", name="m", recorded=1.0, found=2.0),),
    causes=(CAUSE,),
)
LOST = Judgement(verdict=Verdict.NOT_REPLAYABLE, reason="its data is gone")


def family(judgement, *, depth):
    """A replay whose only descendant at this depth has a judgement, and whose others are good."""
    replay = Replay(f"run {depth}", f"{depth}" * 32, "f" * 32, judgement)
    for level in reversed(range(depth)):
        replay = Replay(f"run {level}", f"{level}" * 32, "f" * 32, GOOD, (replay,))
    return replay


DEPTHS = pytest.mark.parametrize("depth", [0, 1, 2, 4])


@DEPTHS
def test_a_difference_is_reported_with_its_cause(depth, capsys):
    found = family(DIFFERENT, depth=depth)

    report.show(found, Request())
    with pytest.raises(DifferentError, match=r"in 1 places\. Causes: seed: seed was 1, is 2\.$"):
        report.raise_unless_good(found, Request())

    shown = capsys.readouterr().out
    assert shown.count(f"cause: {CAUSE}") == 1
    assert f"Verdict: different ({3 * (depth + 1) - 1} of {3 * (depth + 1)} equal)" in shown


@DEPTHS
def test_a_run_that_is_not_replayable_is_reported_with_its_reason(depth):
    with pytest.raises(NotReplayableError, match="its data is gone"):
        report.raise_unless_good(family(LOST, depth=depth), Request())


def test_the_reason_is_that_of_the_run_which_is_not_replayable():
    nothing = Judgement(verdict=Verdict.DIFFERENT, reason="nothing to compare with")
    found = Replay("a", "1" * 32, "2" * 32, nothing, (family(LOST, depth=2),))

    with pytest.raises(NotReplayableError, match="its data is gone"):
        report.raise_unless_good(found, Request())


def test_a_run_without_results_to_compare_with_is_a_cause():
    nothing = Judgement(verdict=Verdict.DIFFERENT, reason="nothing to compare with")

    with pytest.raises(DifferentError, match=r"Causes: nothing to compare with\.$"):
        report.raise_unless_good(family(nothing, depth=0), Request())


class AskingParameters(Parameters):
    """Ask for a replay."""

    entry_point = "reproduce"


@pytest.mark.parametrize(
    ("request_", "name", "title"),
    [
        (Request(), "reproduce run 00000000: different", "Verdict: different"),
        (Request(changes={"a": "2"}), "reproduce run 00000000 with a=2", "1 of 3 changed"),
    ],
)
def test_the_run_that_asked_has_the_verdict_in_its_name_its_description_and_its_page(
    store, recording, request_, name, title
):
    with recording(AskingParameters()) as run:
        run.name = RunName("reproduce", {})
        report.log(run, family(DIFFERENT, depth=0), request_)

    made = store.run(run.run_id)
    page = (store.artifacts(run.run_id) / "report.html").read_text(encoding="utf-8")
    assert made.info.run_name == name
    assert f'<h1 class="different">{title}</h1>' in page
    assert ("Verdict: different" in made.data.tags[tracking.NOTE]) == request_.is_exact


def test_the_page_shows_the_change_of_the_code_or_the_edits_of_the_original_run(original):
    replay = replace(family(GOOD, depth=0), original=original)

    edits = verdict_page.page(replay, Request())
    change = verdict_page.page(
        replay, Request(current_code=True), CodeDifference(patch="the change")
    )

    assert (edits.patch_title, edits.patch) == (verdict_page.EDITS, "the edits")
    assert (change.patch_title, change.patch) == (verdict_page.CHANGED, "the change")
    assert change.command == f"reprise reproduce {'0' * 32} --code current"


@pytest.fixture
def original(store, recording):
    """A run with uncommitted edits."""
    with recording(AskingParameters()) as run:
        run.set_tags({tracking.PATCH: "the edits"})
    return original_run.read(run.run_id)
