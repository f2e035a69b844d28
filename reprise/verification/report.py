"""What `reprise verify` reports, as a document of a numbered format: see docs/verify.md."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reprise.backports import UTC
from reprise.record.basis import NOTHING
from reprise.record.verdict import Cause, Difference
from reprise.verification.judging import Result
from reprise.verification.policy import Policy
from reprise.verification.statement import engine_version
from reprise.verification.verifying import Verification

FORMAT_VERSION: Literal[1] = 1
FILE_NAME = "verification.json"
EXIT_CODES = {Result.MET: 0, Result.NOT_MET: 1, Result.NOT_JUDGED: 2}


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DifferenceOf(_Frozen):
    """A difference, and the run that it is of: the verified run, or a child run of it."""

    run_id: str
    difference: Difference


class RunReport(_Frozen):
    """What was found out about one run."""

    run_id: Annotated[str, Field(description="the verified run")]
    name: Annotated[str, Field(description="its entry point and name")]
    result: Annotated[Result, Field(description="met, not met, or could not be judged")]
    reasons: Annotated[tuple[str, ...], Field(description="why it is not met, or not judged")]
    verdict: Annotated[str, Field(description="of the replay, before the policy")]
    basis: Annotated[str, Field(description="what the verdict stands on")]
    not_compared: Annotated[
        tuple[str, ...], Field(description="what it says nothing about; never empty")
    ]
    replayed_by: Annotated[str | None, Field(description="the replay; null: there is none")]
    evidence: Annotated[
        Literal["replay", "statement"],
        Field(description="replay: made now; statement: an earlier one, believed by its signature"),
    ]
    made: Annotated[str, Field(description="when the replay had ended, in UTC")]
    signature: Annotated[str, Field(description="who has signed the statement, or why nobody has")]
    code_from: Annotated[str, Field(description="where the code was found")]
    differences: Annotated[tuple[DifferenceOf, ...], Field(description="all that differs")]
    causes: Annotated[tuple[Cause, ...], Field(description="why it differs")]

    @classmethod
    def of(cls, found: Verification) -> "RunReport":
        """Return the report of one run."""
        evidence, outcome = found.evidence, found.outcome
        known = [fact for fact in evidence.not_compared if fact != NOTHING]
        return cls(
            run_id=found.run_id,
            name=found.name,
            result=outcome.result,
            reasons=outcome.reasons,
            verdict=str(evidence.verdict),
            basis=evidence.basis,
            not_compared=(*known, *outcome.left_out) or (NOTHING,),
            replayed_by=evidence.replayed_by,
            evidence="statement" if found.is_earlier else "replay",
            made=evidence.made.isoformat(),
            signature=str(found.signature),
            code_from=evidence.code_from,
            differences=tuple(
                DifferenceOf(run_id=each.run_id, difference=difference)
                for each, difference in evidence.differences()
            ),
            causes=tuple(cause for each in evidence.compared for cause in each.judgement.causes),
        )


class Report(_Frozen):
    """What was found out about all runs."""

    format_version: Annotated[Literal[1], Field(description="of this document")] = FORMAT_VERSION
    engine: Annotated[dict[str, str], Field(description="the version of Reprise")]
    time: Annotated[str, Field(description="when it was written, in UTC")]
    policy: Annotated[dict[str, Any], Field(description="what was demanded, with all defaults")]
    policy_sha256: Annotated[str, Field(description="its digest")]
    result: Annotated[Result, Field(description="the worst of all runs")]
    runs: Annotated[tuple[RunReport, ...], Field(description="one for each run")]

    @classmethod
    def of(cls, policy: Policy, found: Sequence[Verification]) -> "Report":
        """Return the report of several runs; of none, nothing is met."""
        results = [each.outcome.result for each in found]
        return cls(
            engine=engine_version(),
            time=datetime.now(UTC).replace(microsecond=0).isoformat(),
            policy=policy.model_dump(mode="json"),
            policy_sha256=policy.sha256,
            result=max(results, key=list(Result).index, default=Result.NOT_JUDGED),
            runs=tuple(map(RunReport.of, found)),
        )

    @property
    def number_met(self) -> int:
        """Return how many runs meet the policy."""
        return sum(run.result is Result.MET for run in self.runs)

    @property
    def headline(self) -> str:
        """Say the result in a line."""
        number = len(self.runs)
        return f"{self.number_met} of {number} run{'' if number == 1 else 's'} met the policy"

    def to_json(self) -> str:
        """Return the report as JSON, in ASCII, which a terminal can take as it is."""
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"
