"""Judges evidence by a policy: met, not met, or not judged, each with its reasons."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from reprise.backports import StrEnum
from reprise.record.verdict import Difference, Verdict, is_tolerable
from reprise.signatures import Signature
from reprise.verification.evidence import Compared, Evidence
from reprise.verification.policy import Equivalent, Policy

_LISTED = 5  # differences in a line


class Result(StrEnum):
    """How evidence stands to a policy, best first."""

    MET = "met"
    NOT_JUDGED = "could not be judged"
    NOT_MET = "not met"


@dataclass(frozen=True)
class Outcome:
    """What a policy says of evidence.

    Attributes
    ----------
    result : Result
    reasons : tuple of str
        Why it is not met, or could not be judged.
    left_out : tuple of str
        What differs, and is not compared because the policy says so.
    """

    result: Result
    reasons: tuple[str, ...] = ()
    left_out: tuple[str, ...] = field(default=())


def judge(policy: Policy, evidence: Evidence, signature: Signature) -> Outcome:
    """Judge what a replay has shown.

    Parameters
    ----------
    policy : Policy
    evidence : Evidence
    signature : Signature
        Of the statement that has the evidence.
    """
    lost = tuple(_not_reproduced(evidence))
    if lost:
        return Outcome(Result.NOT_JUDGED, lost)
    left_out, differing = [], []
    for run, difference in evidence.differences():
        reason = next((each.reason for each in policy.allow if each.covers(difference)), None)
        if reason is not None:
            left_out.append(f"{difference.name} ({reason})")
        elif not _is_tolerated(policy, difference):
            differing.append((run, difference))
    compared = sum(each.judgement.compared for each in evidence.compared)
    if compared <= len(left_out):
        nothing = ("nothing that the policy does not leave out could be compared",)
        return Outcome(Result.NOT_JUDGED, nothing, tuple(left_out))
    reasons = (*_differences(differing), *_reasons(evidence), *_demands(policy, evidence))
    if policy.require_signature and not signature.is_trusted:
        reasons = (*reasons, f"expected a signed statement, found one that is {signature}")
    result = Result.NOT_MET if reasons else Result.MET
    return Outcome(result, reasons, tuple(dict.fromkeys(left_out)))


def _not_reproduced(evidence: Evidence) -> Iterator[str]:
    if not evidence.compared:
        yield "there is no replay"
    for each in evidence.compared:
        if each.judgement.verdict is Verdict.NOT_REPLAYABLE:
            yield f"run {each.run_id} could not be reproduced: {each.judgement.reason}"


def _is_tolerated(policy: Policy, difference: Difference) -> bool:
    verdict = policy.verdict
    return isinstance(verdict, Equivalent) and is_tolerable(difference, verdict.of(difference.name))


def _differences(differing: list[tuple[Compared, Difference]]) -> Iterator[str]:
    """Name what differs, in a line for each run, and why."""
    runs = {run.run_id: run for run, _ in differing}
    for run_id, run in runs.items():
        names = [f"{d.kind} {d.name}" for each, d in differing if each.run_id == run_id]
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        causes = "; ".join(map(str, run.judgement.causes)) or "not known"
        yield f"run {run_id} differs in {', '.join(names[:_LISTED])}{more}; causes: {causes}"


def _reasons(evidence: Evidence) -> Iterator[str]:
    """Yield why a run is different although no value of it differs."""
    for each in evidence.compared:
        if each.judgement.verdict is Verdict.DIFFERENT and not each.judgement.differences:
            yield f"run {each.run_id}: {each.judgement.reason}"


def _demands(policy: Policy, evidence: Evidence) -> Iterator[str]:
    if evidence.model_fault:
        yield f"its stored model is not what its replay has made: {evidence.model_fault}"
    if policy.clean and not evidence.clean:
        yield "expected clean code, found edits, or a commit that only the run itself carries"
    if policy.environment == "lock" and not evidence.is_from_lock:
        yield f"expected the environment of the run's lock, found: {evidence.basis}"
