"""A replay beside its original: what was compared, the verdict, and the same for their children."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reprise import console, tracking
from reprise.errors import DifferentError, RepriseError
from reprise.models import model_store
from reprise.record.description import Checked, Facts, describe
from reprise.record.digest import canonical_json
from reprise.record.schema import RunRecord, run_in
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
    original, made : OriginalRun or None
        Both runs with their records, where they were read.
    """

    name: str
    run_id: str
    new_run_id: str | None
    judgement: Judgement
    children: tuple["Replay", ...] = ()
    code_from: str = ""
    original: OriginalRun | None = field(default=None, repr=False, compare=False)
    made: OriginalRun | None = field(default=None, repr=False, compare=False)

    @property
    def entry_point(self) -> str:
        """The original run's entry point, or what its name begins with."""
        if self.original:
            return self.original.record.step.entry_point
        return self.name.partition(" ")[0]

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
    judgement = judge(_measured(old), _measured(new), tolerance=tolerance)
    if old.unknown:
        judgement = judgement.model_copy(update={"unknown": old.unknown, "causes": ()})
    ignored = old.run.data.tags.get(tracking.IGNORED, "")
    if judgement.differences and ignored and tracking.IGNORED not in new.run.data.tags:
        cause = Cause(kind="code", name=ignored, recorded="imported, ignored by git", found="")
        judgement = judgement.model_copy(update={"causes": (*judgement.causes, cause)})
    family = _Family.of(old, new)
    children = tuple(family.replays(tolerance))
    judgement = judgement.model_copy(update={"unknown": (*judgement.unknown, *family.unknown())})
    if not children and family.made_nothing:
        reason = f"all of its {family.taken} runs were made by earlier runs. Reproduce those"
        judgement = not_replayable("", reason)
    elif not children and judgement.compared == 0:
        judgement = not_replayable("", "neither run has anything that could be compared")
    return Replay(old.name, old.run_id, new.run_id, judgement, children, original=old, made=new)


def _measured(run: OriginalRun) -> RunRecord:
    """Return a run's record with the metrics that were logged past it while the run went on."""
    outputs = run.record.outputs
    if outputs is None:
        return run.record
    metrics = {**tracking.metrics_of(run.run), **outputs.metrics}
    return run.record.model_copy(
        update={"outputs": outputs.model_copy(update={"metrics": dict(sorted(metrics.items()))})}
    )


@dataclass(frozen=True)
class _Family:
    """The child runs of an original run, and of its replay.

    Attributes
    ----------
    old, new : list of Run
        Those of the original that a replay has to make, and those that the replay made.
    are_named : bool
        Whether the replay's say which runs they reproduce.
    taken : int
        Of how many runs the replay only read what earlier runs had found.
    """

    old: "list[Run]"
    new: "list[Run]"
    are_named: bool
    taken: int

    @classmethod
    def of(cls, old: OriginalRun, new: OriginalRun) -> "_Family":
        """Read them; a child run whose output its parent has read is not reproduced with it."""
        made = _on_their_own_record(new.run)
        is_replay = new.run.data.tags.get(tracking.REPLAY_OF) == _origin(old.run)
        are_named = any(tracking.REPLAY_OF in run.data.tags for run in made)
        read = {run_in(item.uri) for item in old.record.inputs}
        return cls(
            [child for child in _on_their_own_record(old.run) if child.info.run_id not in read],
            made,
            are_named or (is_replay and not old.unknown),
            _number(new.run.data.tags.get(tracking.MADE_BEFORE, "")),
        )

    @property
    def made_nothing(self) -> bool:
        """Whether the replay has made none of the runs that its results are of."""
        return self.taken > 0 and not self.new

    def replays(self, tolerance: float | None) -> "Iterator[Replay]":
        """Compare each child of the original with the child of the replay that reproduces it."""
        replayed = {_origin(run): run for run in self.new}
        for child in self.old if self.are_named else []:
            origin, name = _origin(child), str(child.info.run_name)
            if origin in replayed:
                pair = (original_run.of(child), original_run.of(replayed[origin]))
                yield compare(*pair, tolerance=tolerance)
            elif origin == child.info.run_id:  # else it was a replay itself, and has its verdict
                missing = not_replayable("", "the replay made no such run")
                yield Replay(name, child.info.run_id, None, missing)

    def unknown(self) -> "Iterator[str]":
        """Say which child runs are not compared."""
        known = {_origin(run) for run in self.old}
        if not self.are_named and self.old:
            yield f"{len(self.old)} child runs"
        added = [run for run in self.new if self.are_named and _origin(run) not in known]
        if added:
            yield f"{len(added)} child runs that only the replay made"
        if self.taken:
            yield f"{self.taken} runs that earlier runs had made"


def _on_their_own_record(parent: "Run") -> "list[Run]":
    """Return the child runs with a record of their own; others are compared with their parent."""
    return list(filter(original_run.has_own_record, tracking.children(parent)))


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


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


def checked(replay: Replay) -> Checked:
    """Return what descriptions say of a verdict: the worst of the family, its own differences."""
    judgement = replay.judgement
    return Checked(
        verdict=str(replay.verdict),
        original=replay.run_id,
        replay=replay.new_run_id,
        compared=judgement.compared,
        differing=tuple(f"{each.kind} {each.name}" for each in judgement.differences),
        causes=tuple(map(str, judgement.causes)),
        reason=judgement.reason,
        basis=judgement.basis,
        not_compared=(*judgement.unknown, *judgement.not_compared),
    )


def _description(replay: Replay, run: OriginalRun | None) -> dict[str, str]:
    """Return the tag that describes one of the two runs by its record and the verdict."""
    if run is None:
        return {}
    data = run.run.data
    metrics = {n: v for n, v in data.metrics.items() if not n.startswith(tracking.SYSTEM_METRICS)}
    facts = Facts(
        run.run_id,
        run.record,
        metrics=metrics,
        error=data.tags.get(tracking.ERROR, ""),
        checked=checked(replay),
        data=data.tags.get(tracking.DATA_NAME, ""),
    )
    return tracking.describing(run.run_id, describe(facts))


def record_verdict(replay: Replay) -> None:
    """Tag both runs with the verdict, and log it to the new one; the same for their children."""
    verdict = str(replay.verdict)
    if replay.new_run_id:
        tags = {tracking.VERDICT: verdict, **_description(replay, replay.made)}
        tracking.log(replay.new_run_id, tags=tags)
        tracking.log_text(replay.new_run_id, FILE_NAME, canonical_json(replay.values()))
    try:
        with tracking.translating_errors():
            tags = {tracking.VERDICT: verdict, **_description(replay, replay.original)}
            tracking.log(replay.run_id, tags=tags)
    except RepriseError as error:
        console.warn(f"run {replay.run_id} was not tagged with its verdict: {error}")
    for child in replay.children:
        record_verdict(child)
