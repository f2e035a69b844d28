"""What a replay has shown of a run, as a document that can be signed and judged again later."""

from collections.abc import Iterator
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from reprise.backports import UTC, Self
from reprise.errors import RepriseError
from reprise.record.basis import FROM_LOCK, NOTHING
from reprise.record.digest import sha256_text
from reprise.record.verdict import Difference, Judgement, Verdict, worst
from reprise.replay.original_run import OriginalRun
from reprise.replay.verdicts import Replay
from reprise.verification import model_files
from reprise.verification.model_files import ModelFiles

_BUNDLE = "the run's own bundle"  # where `checkout` says that code came from


class Compared(BaseModel):
    """A run, its replay, and what their comparison says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    run_id: str
    replayed_by: str | None  # None: there is no replay of it
    judgement: Judgement


class Evidence(BaseModel):
    """What one replay has shown: facts, which every policy can judge.

    Attributes
    ----------
    run_id, record_sha256 : str
        Of the original run, and the digest of its record as it was then.
    clean : bool
        Whether the code had no edits, and its commit came from a repository, not from the run.
    compared : tuple of Compared
        The run, then its child runs.
    made : datetime
        When the replay had ended.
    model_files : dict of str to str
        SHA-256 of each file of the run's stored model, which the replay has made, too.
    model_opaque : dict of str to str
        The same of pickles whose bytes differ from the replay's, which cannot be compared.
    model_fault : str
        Why they are not known: a file of the model is another one than that of the replay.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: str
    record_sha256: str
    replayed_by: str | None
    code_from: str
    clean: bool
    compared: tuple[Compared, ...]
    made: AwareDatetime
    model_files: dict[str, str] = {}
    model_opaque: dict[str, str] = {}
    model_fault: str = ""

    @classmethod
    def of(cls, original: OriginalRun, replay: Replay) -> Self:
        """Return what a replay has just shown, and compare the stored models of both."""
        code = original.record.code
        files, fault = ModelFiles(), ""
        if replay.new_run_id and replay.verdict is not Verdict.NOT_REPLAYABLE:
            try:
                files = model_files.compare(original.run_id, replay.new_run_id)
            except RepriseError as error:
                fault = str(error)
        return cls(
            run_id=original.run_id,
            record_sha256=record_digest(original),
            replayed_by=replay.new_run_id,
            code_from=replay.code_from,
            clean=not (code.dirty or original.unknown or replay.code_from in ("", _BUNDLE)),
            compared=tuple(
                Compared(
                    name=each.name,
                    run_id=each.run_id,
                    replayed_by=each.new_run_id,
                    judgement=each.judgement,
                )
                for each in replay.family()
            ),
            made=datetime.now(UTC).replace(microsecond=0),
            model_files=files.verified,
            model_opaque=files.opaque,
            model_fault=fault,
        )

    @property
    def verdict(self) -> Verdict:
        """Return the worst verdict of the run and its child runs."""
        return worst(each.judgement.verdict for each in self.compared)

    @property
    def is_from_lock(self) -> bool:
        """Return whether every replay had just the environment of its run's lock."""
        bases = [each.judgement.basis for each in self.compared if each.judgement.basis]
        return bool(bases) and all(basis.endswith(FROM_LOCK) for basis in bases)

    @property
    def basis(self) -> str:
        """Say what the verdict stands on."""
        own = self.compared[0].judgement.basis if self.compared else ""
        below = len(self.compared) - 1
        more = f", and {below} child run{'' if below == 1 else 's'}" if below > 0 else ""
        return f"{own}{more}" if own else f"no replay that could be compared{more}"

    @property
    def not_compared(self) -> tuple[str, ...]:
        """List what the verdict says nothing about."""
        left_out = [
            fact
            for each in self.compared
            for fact in (*each.judgement.unknown, *each.judgement.not_compared)
        ]
        left_out += [f"{name} of its model (opaque)" for name in self.model_opaque]
        if self.verdict is Verdict.NOT_REPLAYABLE:
            left_out.append("what could not be reproduced")
        return tuple(dict.fromkeys(left_out)) or (NOTHING,)

    def differences(self) -> Iterator[tuple[Compared, Difference]]:
        """Yield every difference, with the run that it is of."""
        for each in self.compared:
            for difference in each.judgement.differences:
                yield each, difference


def record_digest(original: OriginalRun) -> str:
    """Return the digest of a run's record."""
    return sha256_text(original.record.to_json())
