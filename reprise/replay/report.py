"""What a replay reports: a table on the terminal, artifacts, tags, and how the command ends."""

from pathlib import Path
from typing import TYPE_CHECKING

from reprise import console, tracking
from reprise.errors import DifferentError, NotReplayableError
from reprise.projects import settings
from reprise.record import naming
from reprise.record.basis import NOTHING
from reprise.record.digest import canonical_json
from reprise.record.patch import CodeDifference
from reprise.record.verdict import Difference, Verdict
from reprise.record.verdict_page import PAGE_NAME
from reprise.replay import verdict_page
from reprise.replay.prepare import Request
from reprise.replay.verdicts import FILE_NAME, Replay, checked
from reprise.runtime import door
from reprise.tracking import short
from reprise.visible import word

if TYPE_CHECKING:
    from rich.table import Table

    from reprise.runtime.recorder import RunRecorder

_DIGITS = 12  # of a digest, shown
_CHARACTERS = 40  # of a parameter


def log(
    run: "RunRecorder", replay: Replay, request: Request, *, changed: CodeDifference | None = None
) -> None:
    """Put the outcome on the run that asked for it; `changed` is how the replay's code differs."""
    about = naming.of_run(replay.entry_point, replay.run_id)
    if request.is_exact:
        run.set_tags({tracking.VERDICT: str(replay.verdict)})
        run.checked = checked(replay)
        run.rename(f"{about}: {replay.verdict}")
    else:
        run.rename(f"{about} {_how(request)}")
    run.log_text(
        FILE_NAME if request.is_exact else "comparison.json", canonical_json(replay.values())
    )
    run.log_text(PAGE_NAME, verdict_page.page(replay, request, changed).to_html())


def show(replay: Replay, request: Request) -> None:
    """Print the outcome, and what to run next."""
    new = replay.new_run_id
    how = "reproduced" if request.is_exact else f"run {_how(request)}"
    console.say(f"{replay.name}: run {replay.run_id}" + (f", {how} as run {new}" if new else ""))
    if replay.code_from:
        console.say(f"  code from {replay.code_from}")
    for each in replay.family():
        _show_one(each, is_first=each is replay)
    console.say(_conclusion(replay, request))
    if new and replay.verdict is not Verdict.NOT_REPLAYABLE:
        commands = {settings.of(Path.cwd()).ui: "both runs in a browser"}
        if replay.verdict is not Verdict.IDENTICAL or not request.is_exact:
            compare = door.used().about("compare", replay.run_id, new)
            commands = {compare: "all that the two runs depended on, side by side", **commands}
        else:
            tweak = f"reprise reproduce {word(short(replay.run_id))} --set name=value"
            commands = {tweak: "the same run with another parameter", **commands}
        console.next_commands(commands)


def _show_one(each: Replay, *, is_first: bool) -> None:
    """Print what was compared of one run, what differs and why."""
    if not is_first:
        verdict = each.judgement.verdict
        console.say(f"{each.name}: {each.run_id} -> {each.new_run_id}: {verdict}")
    if each.judgement.differences:
        console.print_table(_table(each))
    for cause in each.judgement.causes:
        console.say(f"  cause: {cause}")
    if each.judgement.reason and not is_first:  # its own is how the command ends
        console.say(f"  reason: {each.judgement.reason}")
    left_out = [", ".join(each.judgement.unknown)] if each.judgement.unknown else []
    left_out += each.judgement.not_compared
    if each.judgement.basis:
        console.say(f"  basis: {each.judgement.basis}")
    if left_out or each.judgement.basis:
        console.say(f"  not compared: {'; '.join(left_out) or NOTHING}")


def raise_unless_good(replay: Replay, request: Request) -> None:
    """End the command as the verdict says.

    Raises
    ------
    DifferentError, NotReplayableError
        One line with the first reasons.
    """
    verdict = replay.verdict
    if verdict is Verdict.NOT_REPLAYABLE:
        lost = [r for r in replay.family() if r.judgement.verdict is Verdict.NOT_REPLAYABLE]
        failed = f": replay {replay.new_run_id} failed" if replay.new_run_id else ""
        raise NotReplayableError(
            f"run {replay.run_id} could not be reproduced{failed}: {lost[0].judgement.reason}"
        )
    if request.is_exact and verdict is Verdict.DIFFERENT:
        differing = [r for r in replay.family() if r.judgement.differences]
        causes = dict.fromkeys(str(cause) for r in differing for cause in r.judgement.causes)
        causes |= dict.fromkeys(r.judgement.reason for r in replay.family() if r.judgement.reason)
        raise DifferentError(
            f"expected the results of run {replay.run_id}, found others in "
            f"{sum(len(r.judgement.differences) for r in differing)} places. "
            f"Causes: {'; '.join(causes)}."
        )


def _how(request: Request) -> str:
    """Say what was changed about a run that was not to be reproduced exactly."""
    changes = [f"with {name}={value}" for name, value in request.changes.items()]
    return " and ".join(changes + ["with the current code"] * request.current_code)


def _conclusion(replay: Replay, request: Request) -> str:
    compared = sum(r.judgement.compared for r in replay.family())
    differing = [d for r in replay.family() for d in r.judgement.differences]
    if request.is_exact or replay.verdict is Verdict.NOT_REPLAYABLE:
        return f"Verdict: {replay.verdict} ({compared - len(differing)} of {compared} equal)"
    return f"{len(differing)} of {compared} metrics and digests changed"


def _table(replay: Replay) -> "Table":
    table = console.make_table(["differs", "recorded", "found"], right=["recorded", "found"])
    for difference in replay.judgement.differences:
        console.add_row(
            table,
            f"{difference.kind} {difference.name}",
            _shown(difference, difference.recorded),
            _shown(difference, difference.found),
        )
    return table


def _shown(difference: Difference, value: float | str | None) -> str:
    if value is None:
        return "absent"
    if difference.kind == "metric":
        return repr(value)
    return str(value)[: _CHARACTERS if difference.kind == "parameter" else _DIGITS]
