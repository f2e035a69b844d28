"""The page that a replay's command logs: the verdict, as people read it."""

from reprise import tracking
from reprise.record.patch import CodeDifference
from reprise.record.verdict_page import ComparedRun, VerdictPage
from reprise.replay.prepare import Request
from reprise.replay.verdicts import Replay
from reprise.visible import word

EDITS = "Uncommitted edits of the original run"
CHANGED = "From the code of the original run to the current code"


def page(replay: Replay, request: Request, changed: CodeDifference | None = None) -> VerdictPage:
    """Return what the page of a replay shows.

    Parameters
    ----------
    replay : Replay
    request : Request
    changed : CodeDifference, optional
        What the replay's code has otherwise; None: nothing.
    """
    title, patch, missing = _patch(replay, changed)
    return VerdictPage(
        replay.name,
        replay.run_id,
        replay.new_run_id,
        str(replay.verdict),
        replay.judgement,
        asked=_asked(replay, request),
        command=command(replay.run_id, request),
        children=[_compared(each) for each in list(replay.family())[1:]],
        patch_title=title,
        patch=patch,
        missing=missing,
        is_exact=request.is_exact,
    )


def command(run_id: str, request: Request) -> str:
    """Return the command that asks for the same."""
    words = [f"reprise reproduce {word(run_id)}"]
    words += [f"--set {word(f'{name}={value}')}" for name, value in request.changes.items()]
    words += ["--code current"] * request.current_code
    if request.tolerance is not None:
        words.append(f"--tolerance {request.tolerance!r}")
    return " ".join(words)


def _asked(replay: Replay, request: Request) -> list[tuple[str, str]]:
    """Return what was asked for, and what was allowed for it."""
    asked = [("parameter", f"{name} = {value}") for name, value in request.changes.items()]
    if request.current_code:
        asked.append(("code", "the current code of the folder, not the recorded one"))
    if not asked:
        asked.append(("replay", "exact: the recorded code, data, parameters and environment"))
    if replay.code_from:
        asked.append(("code from", replay.code_from))
    if request.tolerance is not None:
        asked.append(("tolerance", repr(request.tolerance)))
    allowed = {
        "repository allowed": request.allowed or "",
        "builds allowed": ", ".join(request.allow_build),
        "packages allowed": ", ".join(request.allow_packages),
        "paths allowed": ", ".join(request.paths),
        "size": "larger than the limits" if request.allow_large else "",
    }
    return [*asked, *((name, what) for name, what in allowed.items() if what)]


def _compared(replay: Replay) -> ComparedRun:
    verdict = str(replay.judgement.verdict)
    return ComparedRun(replay.name, replay.run_id, replay.new_run_id, verdict, replay.judgement)


def _patch(replay: Replay, changed: CodeDifference | None) -> tuple[str, str, tuple[str, ...]]:
    """Return a title, a patch of the change or of the run's own edits, and why there is none."""
    if changed is not None:
        return CHANGED, changed.patch or "", changed.missing
    edits = replay.original.run.data.tags.get(tracking.PATCH, "") if replay.original else ""
    return (EDITS, edits, ()) if edits else ("", "", ())
