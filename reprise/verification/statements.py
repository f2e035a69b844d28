"""Statements among the artifacts of a replay: written and signed, found again, and believed or not.

Whoever can write to the server can write a statement. So one is believed only with a signature of
an allowed signer, about this run and its record as it is now, and not older than the policy says.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from reprise import signatures, tracking
from reprise.backports import UTC
from reprise.errors import SignatureError, TrackingError
from reprise.record.schema import RunRecord
from reprise.replay.original_run import OriginalRun
from reprise.signatures import UNSIGNED, Signature, Signers
from reprise.tracking import answers
from reprise.trust import documents, limits
from reprise.verification import statement
from reprise.verification.evidence import Evidence, record_digest
from reprise.verification.judging import Result, judge
from reprise.verification.policy import Policy

FOLDER = "statements"  # among the artifacts of a replay
_MOST = 20  # replays whose statements are looked at, the newest first
_SKEW = timedelta(minutes=5)  # between the clocks of two machines


@dataclass(frozen=True)
class Signing:
    """Who signs here, and who is trusted.

    Attributes
    ----------
    key : str
        As `signatures.signing_key` returns it; "": nothing is signed.
    signers : Signers
    """

    key: str = ""
    signers: Signers = field(default_factory=Signers)

    @classmethod
    def of(cls, folder: Path, key: str = "", allowed: str = "") -> "Signing":
        """Return what is given, else what git's settings of a folder say."""
        return cls(signatures.signing_key(folder, key), signatures.allowed_signers(folder, allowed))


@dataclass(frozen=True)
class Earlier:
    """Evidence of an earlier replay that is believed."""

    evidence: Evidence
    signature: Signature


def keep(record: RunRecord, evidence: Evidence, policy: Policy, signing: Signing) -> Signature:
    """Write the statements of a replay among its artifacts, signed if there is a key.

    Returns
    -------
    Signature
        What is known of the signature: a key of this machine need not be an allowed one.
    """
    if evidence.replayed_by is None:
        return UNSIGNED
    unsigned = policy.model_copy(update={"require_signature": False})
    is_met = judge(unsigned, evidence, UNSIGNED).result is Result.MET
    first = statement.provenance(record, evidence).to_json()
    second = statement.summary(evidence, policy, is_met=is_met, provenance=first).to_json()
    found = UNSIGNED
    for name, text in ((statement.PROVENANCE, first), (statement.SUMMARY, second)):
        tracking.log_text(evidence.replayed_by, f"{FOLDER}/{name}", text)
        if signing.key:
            content = text.encode()
            signature = signatures.sign(content, signing.key, signatures.STATEMENT)
            tracking.log_text(
                evidence.replayed_by,
                f"{FOLDER}/{name}{signatures.SUFFIX}",
                signature.decode("ascii"),
            )
            found = signatures.verify(
                content, signature, signatures.STATEMENT, signers=signing.signers
            )
    return found


def believed(original: OriginalRun, max_age: timedelta, signers: Signers) -> Earlier | None:
    """Return the newest signed evidence of a run that may be believed, or None."""
    if not max_age:
        return None
    now, digest = datetime.now(UTC), record_digest(original)
    for found in _signed(original.run_id, signers):
        evidence = found.evidence
        is_of_run = evidence.run_id == original.run_id and evidence.record_sha256 == digest
        if is_of_run and now - max_age <= evidence.made <= now + _SKEW:
            return found
    return None


def _signed(run_id: str, signers: Signers) -> Iterator[Earlier]:
    """Yield the signed evidence that replays of a run carry, the newest replay first."""
    for run in reversed(tracking.replays_of(run_id)[-_MOST:]):
        replay_id = answers.run_id(run.info.run_id)
        read = _statement_of(replay_id)
        if read is None:
            continue
        signed = signatures.verify(*read, signatures.STATEMENT, signers=signers)
        evidence = _evidence(read[0]) if signed.is_trusted else None  # nothing is read before
        if evidence is not None:
            yield Earlier(evidence, signed)


def _statement_of(run_id: str) -> tuple[bytes, bytes] | None:
    """Return the statement that a replay carries, and its signature; None if it has none."""
    signature = f"{statement.SUMMARY}{signatures.SUFFIX}"
    if not {statement.SUMMARY, signature} <= tracking.artifact_sizes(run_id, FOLDER).keys():
        return None
    try:
        return (
            _read(run_id, statement.SUMMARY, limits.JSON_BYTES),
            _read(run_id, signature, signatures.LARGEST),
        )
    except (TrackingError, OSError, ValueError):  # no files, or larger than they may be
        return None


def _evidence(content: bytes) -> Evidence | None:
    """Return the evidence of a trusted statement; None of one that another version has written."""
    try:
        read = statement.SummaryStatement.read(content.decode("utf-8", "replace"))
    except SignatureError:
        return None
    return read.predicate.reprise_evidence


def _read(run_id: str, name: str, largest: int) -> bytes:
    with tracking.artifact(run_id, f"{FOLDER}/{name}") as path:
        return documents.read_bytes(path, largest=largest)
