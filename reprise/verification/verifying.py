"""Verifies runs: an earlier verdict where it may be believed, else a replay that is made now."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.errors import RepriseError
from reprise.process.launcher import Launcher
from reprise.replay import original_run, replay
from reprise.replay.original_run import OriginalRun
from reprise.replay.prepare import Request
from reprise.signatures import UNSIGNED, Signature
from reprise.verification import model_files, statements
from reprise.verification.evidence import Evidence
from reprise.verification.judging import Outcome, Result, judge
from reprise.verification.policy import Policy
from reprise.verification.statements import Signing

if TYPE_CHECKING:
    from mlflow.entities import Run

    from reprise.runtime.recorder import RunRecorder

OnStage = Callable[[str], None]


@dataclass(frozen=True)
class Verification:
    """What was found out about a run.

    Attributes
    ----------
    run_id, name : str
    evidence : Evidence
    signature : Signature
        Of the statement with the evidence.
    outcome : Outcome
        What the policy says.
    is_earlier : bool
        Whether the evidence is of an earlier replay, by its signature.
    """

    run_id: str
    name: str
    evidence: Evidence
    signature: Signature
    outcome: Outcome
    is_earlier: bool


@dataclass(frozen=True)
class Verifier:
    """Who asks, by which policy, and how replays are made.

    Attributes
    ----------
    parent : RunRecorder
        The run that asks.
    policy : Policy
    signing : Signing
    request : Request
        What replays may read and run.
    warm : Launcher or None
        A reused process of this environment that has imported libraries.
    on_stage : callable
        Called with what is done next, for progress.
    """

    parent: "RunRecorder"
    policy: Policy
    signing: Signing
    request: Request
    warm: Launcher | None = None
    on_stage: OnStage = lambda _: None

    def verify(self, run_id: str, *, model_id: str = "") -> Verification:
        """Verify one run.

        Parameters
        ----------
        run_id : str
        model_id : str
            A model that must have just the files that the replay has made, such as a registered
            one; else that of the run.

        Raises
        ------
        TrackingError, RecordError
            If there is no such run, or its record cannot be read.
        """
        original = original_run.read(run_id)
        if self.request.current_code:
            return self._with_current_code(original)
        earlier = statements.believed(original, self.policy.max_age, self.signing.signers)
        if earlier is None:
            evidence = self._reproduced(original)
            signature = statements.keep(original.record, evidence, self.policy, self.signing)
        else:
            evidence, signature = earlier.evidence, earlier.signature
        outcome = judge(self.policy, evidence, signature)
        if outcome.result is Result.MET and (model_id or earlier):
            outcome = _of_files(evidence, model_id or tracking.logged_model(run_id), outcome)
        is_earlier = earlier is not None
        name = original.name
        return Verification(original.run_id, name, evidence, signature, outcome, is_earlier)

    def _with_current_code(self, original: OriginalRun) -> Verification:
        """Verify that the current code gives the same; that proves nothing of the run's own."""
        evidence = self._reproduced(original)
        policy = self.policy.model_copy(update={"clean": False, "require_signature": False})
        outcome = judge(policy, evidence, UNSIGNED)
        name = f"{original.name} (current code)"
        return Verification(original.run_id, name, evidence, UNSIGNED, outcome, is_earlier=False)

    def _reproduced(self, original: OriginalRun) -> Evidence:
        request = replace(self.request, tolerance=self.policy.tolerance)
        made = replay.reproduce(
            self.parent, original, request, warm=self.warm, on_stage=self.on_stage
        )
        return Evidence.of(original, made)


def _of_files(evidence: Evidence, model_id: str | None, outcome: Outcome) -> Outcome:
    """Return that a policy is not met, if the files of a model are not those of the evidence."""
    try:
        files = model_files.of_model(model_id) if model_id else {}
    except RepriseError as error:
        return Outcome(Result.NOT_MET, (str(error),), outcome.left_out)
    known = {**evidence.model_files, **evidence.model_opaque}
    names = sorted(dict(files.items() ^ known.items()))
    if not names:
        return outcome
    reason = (
        f"expected the files of model {model_id} as they were when it was reproduced, found "
        f"others: {', '.join(names)}"
    )
    return Outcome(Result.NOT_MET, (reason,), outcome.left_out)


def choose(
    runs: Sequence["Run"], *, without: Collection[str], sample: int | None, seed: int
) -> list[str]:
    """Return the ids of the runs of an experiment that are to be verified, in their order.

    Parameters
    ----------
    runs : sequence of Run
        All runs of the experiment.
    without : collection of str
        Entry points whose runs have no results of their own.
    sample : int or None
        How many; all, where there are not so many.
    seed : int
        Decides which.
    """
    able = [
        str(run.info.run_id)
        for run in runs
        if run.info.status == "FINISHED"
        and run.data.tags.get(tracking.ENTRY_POINT) not in without
        and not {tracking.REPLAY_OF, tracking.TWEAK_OF} & run.data.tags.keys()
        and original_run.has_own_record(run)
    ]
    if sample is None or sample >= len(able):
        return able
    chosen = set(random.Random(seed).sample(sorted(able), sample))  # noqa: S311 - no secret
    return [run_id for run_id in able if run_id in chosen]
