"""Says of every run of an experiment whether it can be reproduced, and reproduces some.

Nothing is run for that: a run's code is obtained and checked out as a replay would, its lock is
compared with the recorded one, and what it read is read again and compared by digest.
"""

import random
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reprise import tracking
from reprise.backports import StrEnum
from reprise.errors import RepriseError
from reprise.process.launcher import Launcher
from reprise.projects import checkout, environments
from reprise.record.schema import Code, run_in
from reprise.replay import original_run, prepare, replay
from reprise.replay.input_checks import Inputs
from reprise.replay.original_run import OriginalRun
from reprise.replay.prepare import Request
from reprise.replay.verdicts import Replay

if TYPE_CHECKING:
    from mlflow.entities import Run

    from reprise.runtime.recorder import RunRecorder

OnStage = Callable[[str], None]


class Answer(StrEnum):
    """Whether a run can be reproduced."""

    YES = "yes"
    BEST_EFFORT = "best effort"  # it has no record, but its commit and entry point are known
    NO = "no"
    UNFINISHED = "did not finish"  # so it has no result to reproduce
    RUNNING = "still running"


REPLAYABLE = frozenset({Answer.YES, Answer.BEST_EFFORT})
_UNFINISHED = {
    "RUNNING": Answer.RUNNING,
    "SCHEDULED": Answer.RUNNING,
    "FAILED": Answer.UNFINISHED,
    "KILLED": Answer.UNFINISHED,
}


@dataclass(frozen=True)
class Reason:
    """What stands in the way of a replay, or is worth knowing about it."""

    kind: Literal["record", "code", "environment", "data", "child runs", "note"]
    text: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True)
class Finding:
    """What an audit found out about a run.

    Attributes
    ----------
    run : Run
        As the server has it.
    answer : Answer
    reasons : tuple of Reason
    original : OriginalRun or None
        The run with its record; None where that was not read, or cannot be.
    replay : Replay or None
        None: the run was not reproduced.
    """

    run: "Run"
    answer: Answer
    reasons: tuple[Reason, ...] = ()
    original: OriginalRun | None = None
    replay: Replay | None = None

    @property
    def run_id(self) -> str:
        """Return the run's id."""
        return str(self.run.info.run_id)

    @property
    def entry_point(self) -> str:
        """Return the run's entry point; "" where it is not known, or the run is a script's."""
        tag = self.run.data.tags.get(tracking.ENTRY_POINT)
        return str(tag or (self.original.record.step.entry_point if self.original else ""))

    @property
    def commit(self) -> str:
        """Return the commit that ran; "" where it is not known."""
        tags = self.run.data.tags
        recorded = self.original.record.code.commit if self.original else None
        return str(recorded or tags.get(tracking.COMMIT) or tags.get(tracking.GIT_COMMIT, ""))


def check(
    runs: Sequence["Run"],
    *,
    without: Collection[str] = (),
    allowed: str | None = None,
    paths: tuple[str, ...] = (),
    on_stage: OnStage = lambda _: None,
) -> list[Finding]:
    """Say of runs whether they can be reproduced.

    Parameters
    ----------
    runs : sequence of Run
        All runs of an experiment, in the order of their start.
    without : collection of str
        Entry points whose runs have no results of their own; they are left out.
    allowed : str, optional
        URL of one more repository whose code may be run.
    paths : tuple of str
        Places outside the project that may be read although only a record says so.
    on_stage : callable
        Called with what is done next, for progress.
    """
    findings: dict[str, Finding] = {}
    by_code: dict[Code, list[Finding]] = {}
    for number, run in enumerate(runs, 1):
        on_stage(f"reading the record of run {number} of {len(runs)}")
        is_left_out = run.data.tags.get(tracking.ENTRY_POINT) in without
        if is_left_out or not original_run.has_own_record(run):
            continue
        finding = _first_look(run)
        if finding.entry_point in without:
            continue
        findings[finding.run_id] = finding
        if finding.original and finding.answer in REPLAYABLE:
            by_code.setdefault(finding.original.record.code, []).append(finding)
    inputs = Inputs(paths)
    for number, (code, members) in enumerate(by_code.items(), 1):
        on_stage(f"checking {len(members)} runs of code {number} of {len(by_code)}")
        findings |= {f.run_id: f for f in _of_one_code(code, members, inputs, allowed)}
    _look_at_children(findings)
    return list(findings.values())


def make_again(
    parent: "RunRecorder",
    findings: Sequence[Finding],
    *,
    count: int,
    seed: int,
    request: Request = Request(),  # noqa: B008 - frozen
    warm: Launcher | None = None,
    on_stage: OnStage = lambda _: None,
) -> list[Finding]:
    """Reproduce some of the runs that can be, as child runs of another.

    Parameters
    ----------
    parent : RunRecorder
    findings : sequence of Finding
    count : int
        How many; all, where there are not so many.
    seed : int
        Decides which.
    request : Request
        What they may read and run.
    warm : Launcher, optional
        A reused process of this environment that has imported libraries.
    on_stage : callable
        Called with what is done next, for progress.

    Returns
    -------
    list of Finding
        In the given order; with the replays.
    """
    able = sorted(f.run_id for f in findings if f.answer in REPLAYABLE)
    chosen = set(random.Random(seed).sample(able, min(count, len(able))))  # noqa: S311 - no secret
    reproduce = partial(replay.reproduce, parent, request=request, warm=warm, on_stage=on_stage)
    return [
        replace(f, replay=reproduce(f.original)) if f.original and f.run_id in chosen else f
        for f in findings
    ]


def _first_look(run: "Run") -> Finding:
    """Return what a run's status and record say; YES and BEST_EFFORT are still to be checked."""
    unfinished = _UNFINISHED.get(run.info.status)
    try:
        with tracking.translating_errors():
            original = original_run.of(run)
        if unfinished:
            return Finding(run, unfinished, _why_unfinished(run), original)
        if original.unknown and tracking.TREE in run.data.tags:
            gone = Reason("record", "expected the run's provenance.json, found that it is gone.")
            return Finding(run, Answer.NO, (gone,))
        original_run.refuse_unfinished(original)
        original_run.refuse_cut(original)
        original_run.refuse_interactive(original)
    except RepriseError as error:
        if unfinished:
            return Finding(run, unfinished, _why_unfinished(run))
        return Finding(run, Answer.NO, (Reason("record", str(error)),))
    if original.unknown:
        unknown = f"no record, only what MLflow logs; not known: {', '.join(original.unknown)}."
        return Finding(run, Answer.BEST_EFFORT, (Reason("note", unknown),), original)
    return Finding(run, Answer.YES, (), original)


def _why_unfinished(run: "Run") -> tuple[Reason, ...]:
    error = run.data.tags.get(tracking.ERROR)
    return (Reason("note", error),) if error else ()


def _of_one_code(
    code: Code, findings: Iterable[Finding], inputs: Inputs, allowed: str | None
) -> list[Finding]:
    """Check runs of the same code, which is obtained once, in a repository of its own.

    What one run's bundle brings must not stand in for another's that is gone.
    """
    with checkout.repository(Path.cwd(), allowed=allowed) as repository:
        folder, fault = None, ""
        missing: list[Reason] = []
        try:
            with tracking.translating_errors():
                repository.obtain(code, tracking.artifact_at)
                folder = repository.check_out(code, may_contact=False)
                missing = [_not_looked_for(name) for name in repository.missing_submodules]
        except RepriseError as error:
            fault = str(error)
        if folder is None:
            return [
                _checked(finding, inputs, None, [Reason("code", fault)]) for finding in findings
            ]
        refusals: dict[Hashable, str] = {}
        return [
            _checked(
                replace(finding, reasons=(*finding.reasons, *missing)),
                inputs,
                folder,
                _refused(finding, folder, refusals),
            )
            for finding in findings
        ]


def _not_looked_for(submodule: str) -> Reason:
    return Reason(
        "note",
        f"its submodule {submodule} is not in this clone, and was not looked for: an audit asks "
        "no server but that of the repository.",
    )


def _refused(finding: Finding, folder: Path, refusals: dict[Hashable, str]) -> list[Reason]:
    """Say what of a run its code does not have: the lock, or what to run."""
    past_run = _original_of(finding)
    reasons = []
    try:
        environments.refuse_another_lock(past_run.record.environment, folder)
    except RepriseError as error:
        reasons.append(Reason("environment", str(error)))
    if refused := _command_fault(past_run, folder, refusals):
        reasons.append(Reason("code", refused))
    return reasons


def _checked(
    finding: Finding, inputs: Inputs, folder: Path | None, reasons: Sequence[Reason]
) -> Finding:
    """Look at what a run had read, and conclude."""
    record = _original_of(finding).record
    faults = (inputs.fault(item, record, folder) for item in record.inputs)
    reasons = [*reasons, *(Reason("data", fault) for fault in faults if fault)]
    notes = tuple(Reason("note", note) for note in inputs.notes(record))
    return replace(
        finding,
        answer=Answer.NO if reasons else finding.answer,
        reasons=(*finding.reasons, *reasons, *notes),
    )


def _original_of(finding: Finding) -> OriginalRun:
    if finding.original is None:
        raise AssertionError("only runs with a record, or tags in its place, are checked")
    return finding.original


def _command_fault(run: OriginalRun, folder: Path, refusals: dict[Hashable, str]) -> str:
    """Say why code cannot run what a run had run; the same is asked once."""
    step = run.record.step
    key = (
        step.entry_point,
        step.command,
        step.words,
        step.folder,
        *sorted(step.raw_parameters.items()),
    )
    if key not in refusals:
        try:
            prepare.command(folder, run, Request())
            refusals[key] = ""
        except RepriseError as error:
            refusals[key] = str(error)
    return refusals[key]


def _look_at_children(findings: dict[str, Finding]) -> None:
    """Add to each parent run whether its child runs can be reproduced.

    A child run whose output its parent has read is not reproduced with the parent.
    """
    children: dict[str, list[Finding]] = {}
    for child in reversed(findings.values()):  # children start later than their parents
        finding = _with_its_children(child, children.get(child.run_id, []))
        findings[child.run_id] = finding
        children.setdefault(child.run.data.tags.get(tracking.PARENT, ""), []).append(finding)


def _with_its_children(finding: Finding, children: Sequence[Finding]) -> Finding:
    if finding.answer is not Answer.YES or finding.original is None:
        return finding
    read = {run_in(item.uri) for item in finding.original.record.inputs}
    lost = sorted(f.run_id for f in children if f.answer is Answer.NO and f.run_id not in read)
    if not lost:
        return finding
    reason = Reason(
        "child runs", f"it has child runs that cannot be reproduced: {', '.join(lost)}."
    )
    return replace(finding, answer=Answer.NO, reasons=(*finding.reasons, reason))
