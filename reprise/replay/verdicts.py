"""A replay beside its original: what was compared, the verdict, and the same for their children."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reprise import console, tracking
from reprise.errors import DifferentError, RepriseError
from reprise.models import model_store
from reprise.record.digest import canonical_json
from reprise.record.verdict import Cause, CauseKind, Judgement, Verdict, judge, worst
from reprise.replay import original_run
from reprise.replay.original_run import OriginalRun
from reprise.visible import word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import Run


# What kept a run from being reproduced, by the error that reported it.
_KINDS: dict[str, CauseKind] = {
    "CheckoutError": "code",
    "CodeError": "code",
    "ProjectError": "code",
    "EnvironmentMismatchError": "environment",
    "DigestMismatchError": "data",
    "DataError": "data",
    "NotAllowedError": "data",
    "ModelError": "data",
    "ParameterError": "parameter",
}
FILE_NAME = "verdict.json"


@dataclass(frozen=True)
class Replay:
    """An original run, its replay, and what a comparison says; the same for their children.

    Attributes
    ----------
    name, run_id : str
        Of the original run.
    new_run_id : str or None
        None: it could not be started.
    code_from : str
        Where the code was found.
    """

    name: str
    run_id: str
    new_run_id: str | None
    judgement: Judgement
    children: tuple["Replay", ...] = ()
    code_from: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of its own verdict and its children's."""
        return worst(replay.judgement.verdict for replay in self.family())

    def family(self) -> "Iterator[Replay]":
        """Yield this replay, then its children, each with its own children behind it."""
        yield self
        for child in self.children:
            yield from child.family()

    def values(self) -> dict[str, Any]:
        """Return it, JSON-able."""
        return {
            "verdict": str(self.verdict),
            "name": self.name,
            "run_id": self.run_id,
            "replayed_by": self.new_run_id,
            "code_from": self.code_from,
            **self.judgement.model_dump(mode="python", exclude={"verdict"}),
            "children": [child.values() for child in self.children],
        }


def compare(old: OriginalRun, new: OriginalRun, *, tolerance: float | None = None) -> Replay:
    """Compare two finished runs, and their child runs that belong together."""
    judgement = judge(old.record, new.record, tolerance=tolerance)
    if old.unknown:
        judgement = judgement.model_copy(update={"unknown": old.unknown, "causes": ()})
    ignored = old.run.data.tags.get(tracking.IGNORED, "")
    if judgement.differences and ignored and tracking.IGNORED not in new.run.data.tags:
        cause = Cause(kind="code", name=ignored, recorded="imported, ignored by git", found="")
        judgement = judgement.model_copy(update={"causes": (*judgement.causes, cause)})
    children = tuple(_pairs(old, new, tolerance))
    if judgement.compared == 0 and not children:
        judgement = not_replayable("", "neither run has anything that could be compared")
    return Replay(old.name, old.run_id, new.run_id, judgement, children)


def _pairs(old: OriginalRun, new: OriginalRun, tolerance: float | None) -> "list[Replay]":
    """Compare each child of one run with the child of the other that replays it."""
    replayed = {_origin(run): run for run in tracking.children(new.run)}
    if not any(tracking.REPLAY_OF in run.data.tags for run in replayed.values()):
        return []
    replays = []
    for child in tracking.children(old.run):
        origin, name = _origin(child), str(child.info.run_name)
        if origin in replayed:
            replays.append(
                compare(
                    original_run.of(child), original_run.of(replayed[origin]), tolerance=tolerance
                )
            )
        else:
            missing = not_replayable("", "the replay made no such run")
            replays.append(Replay(name, child.info.run_id, None, missing))
    return replays


def _origin(run: "Run") -> str:
    """Return the id of the run that a run replays, else its own."""
    return str(run.data.tags.get(tracking.REPLAY_OF, run.info.run_id))


def not_replayable(kind: str, reason: str) -> Judgement:
    """Judge that a run could not be reproduced; `kind` is the name of the error that kept it."""
    causes = (Cause(kind=_KINDS[kind], name="", recorded="", found=""),) if kind in _KINDS else ()
    return Judgement(verdict=Verdict.NOT_REPLAYABLE, reason=reason, causes=causes)


def restore_model(replay: Replay) -> None:
    """Give the original run the model of its replay, if they are identical.

    Raises
    ------
    DifferentError
        If they are not.
    """
    if replay.verdict is not Verdict.IDENTICAL or replay.new_run_id is None:
        raise DifferentError(
            f"expected an identical replay of run {replay.run_id}, for its model; found one "
            f"that is {replay.verdict}. See: reprise reproduce {word(replay.run_id)}"
        )
    model_store.attach(replay.run_id, replay.new_run_id)


def record_verdict(replay: Replay) -> None:
    """Tag both runs with the verdict, and log it to the new one; the same for their children."""
    verdict = str(replay.verdict)
    if replay.new_run_id:
        tracking.log(replay.new_run_id, tags={tracking.VERDICT: verdict})
        tracking.log_text(replay.new_run_id, FILE_NAME, canonical_json(replay.values()))
    try:
        with tracking.translating_errors():
            tracking.log(replay.run_id, tags={tracking.VERDICT: verdict})
    except RepriseError as error:
        console.warn(f"run {replay.run_id} was not tagged with its verdict: {error}")
    for child in replay.children:
        record_verdict(child)
