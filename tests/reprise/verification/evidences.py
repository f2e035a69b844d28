"""What replays have shown, made up: of a run and its child runs, with and without differences."""

from datetime import datetime

from reprise.backports import UTC
from reprise.record.basis import FROM_LOCK
from reprise.record.verdict import Cause, Difference, Judgement, Verdict
from reprise.verification.evidence import Compared, Evidence

RUN, CHILD = "a" * 32, "b" * 32
SEED = Cause(kind="seed", name="seed", recorded="1", found="2")
NEARLY = Difference(kind="metric", name="accuracy", recorded=0.5, found=0.5 + 1e-12)
FAR = Difference(kind="metric", name="accuracy", recorded=0.5, found=0.75)
TIME = Difference(kind="metric", name="fit_seconds", recorded=1.0, found=2.0)
PLOT = Difference(kind="artifact", name="plots/tree.png", recorded="0" * 64, found="1" * 64)
ARRAYS = Difference(kind="model", name="fitted arrays", recorded="0" * 64, found="1" * 64)


def compared(*differences, run_id=RUN, verdict=None, number=10, **facts):
    judged = Verdict.DIFFERENT if differences else Verdict.IDENTICAL
    facts = {"basis": f"{number} metrics, {FROM_LOCK}", **facts}
    judgement = Judgement(
        verdict=verdict or judged, compared=number, differences=differences, **facts
    )
    return Compared(name="train", run_id=run_id, replayed_by="c" * 32, judgement=judgement)


def evidence(*runs, **changes):
    fields = {
        "run_id": RUN,
        "record_sha256": "d" * 64,
        "replayed_by": "c" * 32,
        "code_from": "this clone",
        "clean": True,
        "compared": runs or (compared(),),
        "made": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Evidence(**{**fields, **changes})
