"""Makes a run of the past again, from its id, and says whether it is the same run.

The recorded commit is checked out in a folder of its own, the recorded environment is found or
built, and the same entry point runs there with the recorded raw parameters, as an ordinary run
below the one that asked. Its inputs must have the recorded digests before it computes. Then the
two records are compared; where nothing that is recorded explains a difference, the step runs once
more, to tell a step that is not deterministic from something that is not recorded.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.capture import numerics
from reprise.errors import RepriseError
from reprise.process.launcher import Ended, Launcher
from reprise.projects import checkout, containment, environments
from reprise.record.verdict import Cause, CauseKind, Judgement, Verdict
from reprise.replay import original_run
from reprise.replay.original_run import OriginalRun
from reprise.replay.prepare import PINNED, Request, Workspace, _raw_parameters, prepare, variables
from reprise.replay.verdicts import Replay, compare, not_replayable, record_verdict
from reprise.urls import without_credentials

if TYPE_CHECKING:
    from reprise.runtime.recorder import RunRecorder


def reproduce(
    parent: "RunRecorder",
    run: OriginalRun,
    request: Request,
    *,
    warm: Launcher | None = None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Replay:
    """Make a run again below another run.

    Parameters
    ----------
    parent : RunRecorder
        The run that asks.
    run : OriginalRun
        The run to make again.
    request : Request
    warm : Launcher, optional
        A process of this environment that has imported libraries.
    on_stage : callable
        Called with what is done next, for progress.

    Returns
    -------
    Replay
        With the verdict *not replayable*, and why, where it could not be made.
    """
    try:
        original_run.refuse_lost(run)
        original_run.refuse_interactive(run)
        numerics.recorded(run.record.numerics.variables)
        if request.replays:
            original_run.refuse_unfinished(run)
        if request.current_code:
            attempt = prepare(parent, run, request, Path.cwd(), Path(sys.executable))
            return _attempt(attempt, warm)
        with checkout.repository(Path.cwd(), allowed=request.allowed) as repository:
            code = run.record.code
            on_stage(f"looking for commit {code.commit}")
            open_bundle = partial(tracking.artifact_at, allow_large=request.allow_large)
            found = repository.obtain(code, open_bundle)
            folder = repository.check_out(code)
            on_stage("looking for its environment")
            python = environments.interpreter(
                run.record.environment, folder, allow_build=request.allow_build
            )
            attempt = prepare(parent, run, request, folder, python)
            on_stage(f"making {run.name} again")
            replay = replace(_attempt(attempt, warm), code_from=found)
            if request.replays and _unexplained(replay):
                on_stage(
                    f"making {run.name} once more, as nothing recorded explains the difference"
                )
                replay = _explained(replay, _second(attempt))
    except RepriseError as error:
        replay = Replay(
            run.name, run.run_id, None, not_replayable(type(error).__name__, str(error))
        )
    if request.replays:
        record_verdict(replay)
    return replay


def _attempt(attempt: Workspace, warm: Launcher | None) -> Replay:
    """Make the run once and compare."""
    run, request = attempt.run, attempt.request
    new_run_id = _create(attempt)
    try:
        ended = _launch(attempt, new_run_id, warm)
    except BaseException:
        tracking.close(new_run_id, "KILLED", "interrupted")
        raise
    if ended.exit_code == 0 and run.unknown:  # a plain step leaves the end to its launcher
        tracking.close(new_run_id, "FINISHED", "")
    tracking.close(new_run_id, "FAILED", _exit_reason(ended))
    new = original_run.read(new_run_id)
    if new.run.info.status != "FINISHED":
        tags = new.run.data.tags
        kind = tags.get(tracking.ERROR_KIND, "")
        reason = tags.get(tracking.ERROR) or _exit_reason(ended)
        failure = not_replayable(kind, reason)
        return Replay(run.name, run.run_id, new_run_id, failure)
    if run.record.outputs is None:
        reason = "the earlier run has no results to compare with"
        return Replay(
            run.name, run.run_id, new_run_id, Judgement(verdict=Verdict.DIFFERENT, reason=reason)
        )
    return compare(run, new, tolerance=request.tolerance)


def _second(attempt: Workspace) -> Replay:
    """Make the run once more; what keeps it from being made must not hide the first comparison."""
    try:
        return _attempt(attempt, None)
    except RepriseError as error:
        failure = not_replayable(type(error).__name__, str(error))
        return Replay(attempt.run.name, attempt.run.run_id, None, failure)


def _create(attempt: Workspace) -> str:
    run, request = attempt.run, attempt.request
    step = run.record.step
    tag = tracking.REPLAY_OF if request.replays else tracking.TWEAK_OF
    changes = " ".join(f"{name}={value}" for name, value in request.changes.items())
    what = "replay" if request.replays else f"with {changes or 'the present code'}"
    tags = {tag: run.run_id}
    if not request.current_code:
        source = (tracking.SOURCE_NAME, tracking.GIT_COMMIT, tracking.GIT_REPOSITORY)
        told = {n: run.run.data.tags[n] for n in source if n in run.run.data.tags}
        tags |= {name: without_credentials(value) for name, value in told.items()}
    if attempt.python != Path(sys.executable):
        tags[tracking.PROJECT_ENVIRONMENT] = "uv"
    return attempt.parent.create_run(
        step.entry_point,
        _raw_parameters(step, request),
        name=f"{run.name} ({what})",
        tags=tags,
    )


def _launch(attempt: Workspace, new_run_id: str, warm: Launcher | None) -> Ended:
    step = attempt.run.record.step
    temporary = not attempt.request.current_code
    folder = containment.working_folder(attempt.folder, step.folder, temporary=temporary)
    usable = not attempt.run.unknown and not step.command and attempt.python == Path(sys.executable)
    # A step that is killed leaves its temporary files: they go with this folder.
    with tempfile.TemporaryDirectory(prefix="reprise-", ignore_cleanup_errors=True) as scratch:
        environment = {**variables(attempt, new_run_id), "TMPDIR": scratch}
        pinned = all(environment.get(n) == os.environ.get(n) for n in PINNED)
        if warm and warm.is_ready and usable and pinned:
            return warm.run(attempt.words, folder=folder, environment=environment)
        with Launcher(attempt.python, (), environment) as cold:
            return cold.run(attempt.words, folder=folder, environment=environment)


def _exit_reason(ended: Ended) -> str:
    if ended.exit_code < 0:
        return f"its process was ended by signal {-ended.exit_code}"
    if ended.exit_code == 0:
        return "its process ended without making it"
    return ended.last_lines or f"exit code {ended.exit_code}"


def _unexplained(replay: Replay) -> bool:
    """Tell whether something differs although everything that is recorded is the same."""
    return any(r.judgement.differences and not r.judgement.causes for r in replay.family())


def _explained(first: Replay, second: Replay | None) -> Replay:
    """Say of each unexplained difference whether two replays agree on it."""
    again = {child.run_id: child for child in second.children} if second else {}
    children = tuple(_explained(child, again.get(child.run_id)) for child in first.children)
    judgement = first.judgement
    if judgement.differences and not judgement.causes:
        cause = _told_by(judgement, second.judgement if second else None)
        judgement = judgement.model_copy(update={"causes": (cause,)})
    return replace(first, judgement=judgement, children=children)


def _told_by(first: Judgement, second: Judgement | None) -> Cause:
    """Return the cause of a difference that nothing recorded explains, by a second replay."""
    kind: CauseKind = "unknown"
    if second is None:
        name = "the second replay made no such run; nothing that is recorded differs"
    elif second.verdict is Verdict.NOT_REPLAYABLE or second.reason:
        reason = " ".join(second.reason.split())
        name = f"nothing that is recorded differs, and a second replay failed: {reason}"
    elif _found(first) == _found(second):
        name = "two replays agree with each other; nothing that is recorded differs"
    else:
        kind, name = "a step that is not deterministic", ""
    return Cause(kind=kind, name=name, recorded="", found="")


def _found(judgement: Judgement) -> dict[tuple[str, str], str]:
    return {(d.kind, d.name): repr(d.found) for d in judgement.differences}
