"""A report names what differs, and why, however deep in a family of runs it is."""

import pytest

from reprise.errors import DifferentError, NotReplayableError
from reprise.record.verdict import Cause, Difference, Judgement, Verdict
from reprise.replay import report
from reprise.replay.prepare import Request
from reprise.replay.verdicts import Replay

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
