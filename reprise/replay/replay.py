"""Reproduces a run from its id and compares the replay with the original.

The recorded commit is checked out in a folder of its own, the recorded environment is found or
built, and the same entry point runs there with the recorded raw parameters, as an ordinary child
run of the run that asked. Its inputs must have the recorded digests before it computes. Then the
two records are compared; where nothing that is recorded explains a difference, the step runs once
more, to distinguish a step that is not deterministic from something that is not recorded.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.capture import numerics
from reprise.errors import RepriseError
from reprise.observing import environment as recorded
from reprise.observing import written_lock
from reprise.process import interrupts, scratch
from reprise.process.launcher import Ended, Launcher
from reprise.projects import checkout, environments
from reprise.record.verdict import Cause, CauseKind, Judgement, Verdict
from reprise.replay import observed, original_run
from reprise.replay.original_run import OriginalRun
from reprise.replay.prepare import Request, Workspace, prepare
from reprise.replay.verdicts import Replay, compare, not_replayable, record_verdict
from reprise.urls import without_credentials

if TYPE_CHECKING:
    from reprise.runtime.recorder import RunRecorder


@dataclass(frozen=True)
class _Attempt:
    """A run that asks for a replay, what it asks for, and where the replay runs."""

    parent: "RunRecorder"
    original: OriginalRun
    request: Request
    workspace: Workspace


def reproduce(
    parent: "RunRecorder",
    original: OriginalRun,
    request: Request,
    *,
    warm: Launcher | None = None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Replay:
    """Reproduce a run as a child run of another.

    Parameters
    ----------
    parent : RunRecorder
        The run that asks.
    original : OriginalRun
    request : Request
    warm : Launcher, optional
        A process of this environment that has imported libraries.
    on_stage : callable
        Called with what is done next, for progress.

    Returns
    -------
    Replay
        With the verdict *not replayable*, and why, where there could be none.
    """
    attempt = partial(_Attempt, parent, original, request)
    ready = partial(prepare, original, request, parent=parent)
    try:
        original_run.refuse_lost(original)
        original_run.refuse_cut(original)
        original_run.refuse_interactive(original)
        numerics.recorded(original.record.numerics.variables)
        if request.is_exact:
            original_run.refuse_unfinished(original)
        if request.current_code:
            workspace = ready(folder=Path.cwd(), python=Path(sys.executable))
            return _run(attempt(workspace), warm)
        with checkout.repository(Path.cwd(), allowed=request.allowed) as repository:
            code = original.record.code
            on_stage(f"looking for commit {code.commit}")
            open_bundle = partial(tracking.artifact_at, allow_large=request.allow_large)
            source = repository.obtain(code, open_bundle)
            folder = repository.check_out(code)
            observed.provide_inputs(original, request, folder)
            on_stage("looking for its environment")
            python = _interpreter(original, request, folder)
            workspace = ready(folder=folder, python=python)
            on_stage(f"reproducing {original.name}")
            replay = replace(_run(attempt(workspace), warm), code_from=source)
            if request.is_exact and request.is_explained and _unexplained(replay):
                on_stage(
                    f"reproducing {original.name} once more, as nothing recorded explains the "
                    "difference"
                )
                replay = _explained(replay, _second(attempt(workspace)))
    except RepriseError as error:
        replay = _failed(original, None, error)
    if request.is_exact:
        record_verdict(replay)
    return replay


def _interpreter(original: OriginalRun, request: Request, folder: Path) -> Path:
    """Return the Python to reproduce a run with; the list of a record from outside is its lock."""
    environment, build = original.record.environment, request.allow_build
    if original.record.observed:
        return recorded.interpreter(
            environment,
            folder,
            written=written_lock.pins(original.run_id, environment),
            allow_build=build,
            allow_packages=request.allow_packages,
        )
    return environments.interpreter(environment, folder, allow_build=build)


def _run(attempt: _Attempt, warm: Launcher | None) -> Replay:
    """Make one replay, and compare it with the original."""
    original = attempt.original
    with interrupts.deferred() as admit:
        new_run_id = _create(attempt)
        try:
            admit()
            ended = _launch(attempt, new_run_id, warm)
        except BaseException:
            with interrupts.deferred():
                tracking.close(new_run_id, "KILLED", "interrupted")
            raise
    records_itself = not original.unknown and not original.record.observed
    if ended.exit_code == 0 and not records_itself:  # it leaves the end to its launcher
        tracking.close(new_run_id, "FINISHED", "")
    tracking.close(new_run_id, "FAILED", _exit_reason(ended))
    new = original_run.read(new_run_id)
    if new.run.info.status != "FINISHED":
        tags = new.run.data.tags
        kind = tags.get(tracking.ERROR_KIND, "")
        reason = tags.get(tracking.ERROR) or _exit_reason(ended)
        judgement = not_replayable(kind, reason)
        return Replay(
            original.name, original.run_id, new_run_id, judgement, original=original, made=new
        )
    if original.record.outputs is None:
        reason = "the original run has no results to compare with"
        different = Judgement(verdict=Verdict.DIFFERENT, reason=reason)
        return Replay(
            original.name, original.run_id, new_run_id, different, original=original, made=new
        )
    return compare(original, new, tolerance=attempt.request.tolerance)


def _second(attempt: _Attempt) -> Replay:
    """Make a second replay, whose failure must not hide the comparison with the first."""
    try:
        return _run(attempt, None)
    except RepriseError as error:
        return _failed(attempt.original, None, error)


def _failed(original: OriginalRun, new_run_id: str | None, error: RepriseError) -> Replay:
    judgement = not_replayable(type(error).__name__, str(error))
    return Replay(original.name, original.run_id, new_run_id, judgement, original=original)


def _create(attempt: _Attempt) -> str:
    original, request = attempt.original, attempt.request
    step = original.record.step
    tag = tracking.REPLAY_OF if request.is_exact else tracking.TWEAK_OF
    changes = " ".join(f"{name}={value}" for name, value in request.changes.items())
    what = "replay" if request.is_exact else f"with {changes or 'the current code'}"
    tags = {tag: original.run_id}
    if not request.current_code:
        names = (tracking.SOURCE_NAME, tracking.GIT_COMMIT, tracking.GIT_REPOSITORY)
        recorded = original.run.data.tags
        tags |= {n: without_credentials(recorded[n]) for n in names if n in recorded}
    if attempt.workspace.python != Path(sys.executable):
        tags[tracking.PROJECT_ENVIRONMENT] = "uv"
    return attempt.parent.create_run(
        step.entry_point,
        observed.declared(original.record, request) or request.raw_parameters(step),
        name=f"{original.name} ({what})",
        tags=tags,
        # MLflow refuses a script that sets another experiment than its run's.
        experiment_id=original.run.info.experiment_id if original.record.observed else None,
    )


def _launch(attempt: _Attempt, new_run_id: str, warm: Launcher | None) -> Ended:
    """Run the command to its end, in the warm process where that has what the command needs."""
    workspace = attempt.workspace
    is_step = not attempt.original.unknown and not attempt.original.record.step.command
    # A step that is killed leaves its temporary files: they go with this folder.
    with scratch.folder(ignore_cleanup_errors=True) as temporary:
        environment = {**workspace.environment, tracking.GIVEN: new_run_id, "TMPDIR": temporary}
        if attempt.original.record.observed:
            return observed.run(attempt.original, attempt.request, workspace, environment)
        if warm and warm.is_ready and is_step and workspace.is_like_this_process:
            return warm.run(workspace.words, folder=workspace.cwd, environment=environment)
        with Launcher(workspace.python, (), environment) as cold:
            return cold.run(workspace.words, folder=workspace.cwd, environment=environment)


def _exit_reason(ended: Ended) -> str:
    if ended.exit_code < 0:
        return f"its process was ended by signal {-ended.exit_code}"
    if ended.exit_code == 0:
        return "its process ended without an end of the run"
    return ended.last_lines or f"exit code {ended.exit_code}"


def _unexplained(replay: Replay) -> bool:
    """Return whether something differs although everything that is recorded is the same."""
    return any(r.judgement.differences and not r.judgement.causes for r in replay.family())


def _explained(first: Replay, second: Replay | None) -> Replay:
    """Say of each unexplained difference whether two replays agree on it."""
    again = {child.run_id: child for child in second.children} if second else {}
    children = tuple(_explained(child, again.get(child.run_id)) for child in first.children)
    judgement = first.judgement
    if judgement.differences and not judgement.causes:
        cause = _cause(judgement, second.judgement if second else None)
        judgement = judgement.model_copy(update={"causes": (cause,)})
    return replace(first, judgement=judgement, children=children)


def _cause(first: Judgement, second: Judgement | None) -> Cause:
    """Return the cause of a difference that nothing recorded explains, by a second replay."""
    kind: CauseKind = "unknown"
    if second is None:
        name = "the second replay made no such run; nothing that is recorded differs"
    elif second.verdict is Verdict.NOT_REPLAYABLE or second.reason:
        reason = " ".join(second.reason.split())
        name = f"nothing that is recorded differs, and a second replay failed: {reason}"
    elif _values(first) == _values(second):
        name = (
            "two replays agree with each other, and nothing that is recorded differs: something "
            "else does, such as an environment variable or a file that git ignores"
        )
    else:
        kind, name = "a step that is not deterministic", ""
    return Cause(kind=kind, name=name, recorded="", found="")


def _values(judgement: Judgement) -> dict[tuple[str, str], str]:
    return {(d.kind, d.name): repr(d.found) for d in judgement.differences}
