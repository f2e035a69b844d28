"""Makes a version of a registered model the champion, if replays bear out all that speaks for it.

Nothing that stands in tags is believed: the run that has trained the model and the run that has
judged it are both reproduced (or have a signed verdict), identically, and the registered files must
be those that the replay has made. Tags only say which runs these are.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import console, tracking
from reprise.errors import NotJudgedError, PromotionError
from reprise.models.evaluation import Evaluation
from reprise.replay import original_run
from reprise.replay.prepare import Request
from reprise.tracking import CANDIDATE, CHAMPION, RegisteredVersion, answers
from reprise.verification import history, model_files, policy
from reprise.verification.evidence import record_digest
from reprise.verification.history import Entry, Read
from reprise.verification.judging import Result
from reprise.verification.statements import Signing
from reprise.verification.verifying import Verification, Verifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reprise.runtime.recorder import RunRecorder


@dataclass(frozen=True)
class _Judged:
    """A version whose training a replay has borne out, and how it was judged."""

    version: RegisteredVersion
    training: Verification
    evaluation: Evaluation
    replays: tuple[str, ...]


def promote(
    verifier: Verifier,
    address: str,
    *,
    who: str,
    why: str,
    judged: Evaluation | None = None,
) -> Entry:
    """Make a version the champion.

    Parameters
    ----------
    verifier : Verifier
        Its policy is demanded, for an identical replay, with nothing left out.
    address : str
        Name of the registered model, with @alias or /version; else its candidate.
    who, why : str
        For the list of promotions.
    judged : Evaluation, optional
        How this process itself has judged the model; else the evaluation is verified, too.

    Returns
    -------
    Entry
        Of the list of promotions.

    Raises
    ------
    PromotionError
        In one line, why not.
    NotJudgedError
        If a run could not be reproduced.
    """
    exact = replace(verifier, policy=verifier.policy.exact())
    version = tracking.find_version(address, alias=CANDIDATE)
    best = tracking.find_alias(version.name, CHAMPION)
    if best and best.version == version.version:
        raise PromotionError(
            f"expected another version of {version.name} than its champion, found version "
            f"{version.version}, which is the champion already. Name another."
        )
    entries = history.read(version.name, verifier.signing.signers)
    candidate = _judged(exact, version, judged)
    if best:
        _refuse_unless_better(candidate, _evaluation(exact, best)[0], best)
    files = candidate.training.evidence.model_files
    return _change(
        verifier,
        entries,
        Entry(
            number=0,
            action="promoted",
            model=version.name,
            version=version.version,
            before=best.version if best else None,
            who=who,
            when=history.now(),
            why=why,
            replays=candidate.replays,
            files_sha256=history.digest_of_files(files),
        ),
    )


def promote_judged(run: "RunRecorder", name: str, evaluation: Evaluation) -> None:
    """Make the candidate the champion that a run has just judged, by the policy of this folder.

    Raises
    ------
    PromotionError, NotJudgedError
        See `promote`.
    """
    here = Path.cwd()
    verifier = Verifier(run, policy.read(here), Signing.of(here), Request())
    who, why = history.person(here), f"evaluated by run {run.run_id}"
    console.say(shown(promote(verifier, name, who=who, why=why, judged=evaluation)))


def shown(entry: Entry) -> str:
    """Say in a line what an entry has changed."""
    before = "it is the first" if entry.before is None else f"it was version {entry.before}"
    return f"Version {entry.version} is the {CHAMPION} of {entry.model} now; {before}."


def roll_back(verifier: Verifier, name: str, *, who: str, why: str) -> Entry:
    """Make the version the champion that was it before the present one was promoted.

    Nothing is reproduced: the list of promotions, which must be as it was written, says which
    version that is, and which files it has had.

    Raises
    ------
    PromotionError
        If the list does not say so, or the files have changed.
    """
    entries = history.read(name, verifier.signing.signers)
    history.refuse_altered(entries, signed=verifier.policy.require_signature)
    best = tracking.find_alias(name, CHAMPION)
    promotions = [each.entry for each in entries if each.entry.action == "promoted"]
    last = next(
        (each for each in reversed(promotions) if best and each.version == best.version), None
    )
    if best is None or last is None or last.before is None:
        found = f"version {best.version}, before which there was none" if best else "no champion"
        raise PromotionError(
            f"expected a champion of {name} that the list of promotions has, after another one, "
            f"found {found}. Name a version to promote. See: reprise log {name}"
        )
    version = tracking.find_version(f"{name}/{last.before}")
    _refuse_changed(version, promotions)
    return _change(
        verifier,
        entries,
        Entry(
            number=0,
            action="rolled back",
            model=name,
            version=version.version,
            before=best.version,
            who=who,
            when=history.now(),
            why=why,
        ),
    )


def _change(verifier: Verifier, entries: list[Read], entry: Entry) -> Entry:
    """Write a change down, then make it."""
    written = history.append(entries, entry, verifier.signing)
    tracking.set_alias(entry.model, CHAMPION, entry.version)
    return written


def _judged(verifier: Verifier, version: RegisteredVersion, own: Evaluation | None) -> _Judged:
    """Return a version, after its training and its evaluation have been borne out."""
    verifier.on_stage(f"verifying the training of version {version.version}")
    training = verifier.verify(version.run_id, model_id=version.model_id)
    _refuse_unmet(training, f"the training of version {version.version} of {version.name}")
    if training.evidence.model_opaque:
        raise PromotionError(
            f"expected files of version {version.version} that its replay has made, found pickles "
            f"that nobody can compare: {', '.join(training.evidence.model_opaque)}. Store the "
            "model in another format, such as skops."
        )
    if not training.evidence.model_files:
        raise PromotionError(
            f"expected a run with a model, found run {version.run_id} of version "
            f"{version.version} without one. Register a run that has trained one."
        )
    replays = [training.evidence.replayed_by]
    evaluation = own
    if evaluation is None:
        evaluation, replay = _evaluation(verifier, version)
        replays.append(replay)
    _refuse_other_model(version, training, evaluation)
    return _Judged(version, training, evaluation, tuple(filter(None, replays)))


def _evaluation(verifier: Verifier, version: RegisteredVersion) -> tuple[Evaluation, str | None]:
    """Return how a version was judged, after a replay has borne it out; and that replay."""
    run_id = version.tags.get(tracking.EVALUATED_BY, "")
    what = f"the evaluation of version {version.version} of {version.name}"
    if not run_id:
        raise PromotionError(
            f"expected the run of {what} in its tag {tracking.EVALUATED_BY}, found none. "
            "Evaluate and register the model again."
        )
    verifier.on_stage(f"verifying {what}")
    found = verifier.verify(answers.run_id(run_id))
    _refuse_unmet(found, what)
    original = original_run.read(found.run_id)
    if record_digest(original) != found.evidence.record_sha256:
        raise PromotionError(f"expected {what} as it was verified, found it altered. Run again.")
    return Evaluation.read(found.run_id, original.record), found.evidence.replayed_by


def _refuse_unmet(found: Verification, what: str) -> None:
    outcome = found.outcome
    if outcome.result is Result.NOT_JUDGED:
        raise NotJudgedError(
            f"expected {what} to be reproduced, found that it could not be: "
            f"{'; '.join(outcome.reasons)}"
        )
    if outcome.result is Result.NOT_MET:
        raise PromotionError(
            f"expected an identical replay of {what} that meets the policy, found that "
            f"{'; '.join(outcome.reasons)}"
        )


def _refuse_other_model(
    version: RegisteredVersion, training: Verification, evaluation: Evaluation
) -> None:
    """Refuse an evaluation of another model than the one that the training has made."""
    outputs = original_run.read(training.run_id).record.outputs
    made = outputs.model if outputs else None
    if evaluation.model != made:
        raise PromotionError(
            f"expected an evaluation of model {made} of run {version.run_id}, found one of model "
            f"{evaluation.model}. Evaluate it again."
        )


def _refuse_unless_better(candidate: _Judged, other: Evaluation, best: RegisteredVersion) -> None:
    """Refuse a candidate that is not strictly better, by the same metric on the same test data."""
    reason = candidate.evaluation.why_not_better(other)
    if reason:
        raise PromotionError(
            f"expected a better version of {best.name} than its champion, found version "
            f"{candidate.version.version}; version {best.version} stays {CHAMPION}: {reason}."
        )


def _refuse_changed(version: RegisteredVersion, promotions: list[Entry]) -> None:
    """Refuse a version whose files are not those that were promoted."""
    promoted: Mapping[int, str] = {each.version: each.files_sha256 for each in promotions}
    files = history.digest_of_files(model_files.of_model(version.model_id))
    if version.version not in promoted or promoted[version.version] == files:
        return
    raise PromotionError(
        f"expected the files of version {version.version} of {version.name} as they were "
        "promoted, found others. Train the model again."
    )
