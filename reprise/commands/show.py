"""Shows on one screen what a run depended on and what it gave, read from its record."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from reprise import console, tracking
from reprise.backports import UTC
from reprise.commands.parameters import ShowParameters
from reprise.record.schema import (
    Code,
    Environment,
    InputData,
    Numerics,
    Observation,
    Outputs,
)
from reprise.record.verdict import Verdict
from reprise.replay import original_run
from reprise.runtime import named_runs
from reprise.visible import visible

if TYPE_CHECKING:
    from mlflow.entities import Run

WIDTH = 80
_LABEL = 13  # columns
_LINES = 3  # of one row, at most
_DIGITS = 12  # of a digest
_MOST_INPUTS = 3
_MOST_REPLAYS = 3


def start(parameters: ShowParameters) -> None:
    """Print a run, and the command to run next; see `lines`."""
    with tracking.translating_errors():
        named = named_runs.settled(ShowParameters, parameters.raw())
        original = original_run.read(named["run_id"])
        replays = tracking.replays_of(original.run_id)
    for line in lines(original, replays):
        console.say(line)
    console.next_commands(next_command(original, replays))


def lines(original: original_run.OriginalRun, replays: "list[Run]") -> Iterator[str]:
    """Return the lines that describe a run, none longer than a screen is wide.

    Parameters
    ----------
    original : OriginalRun
    replays : list of Run
        The runs that reproduce it.
    """
    record, tags = original.record, original.run.data.tags
    recorded = not original.unknown
    yield from _row("run", *_identity(original))
    if not recorded:
        yield from _row("record", f"none: {', '.join(original.unknown)} are not recorded")
    if tracking.ERROR in tags:
        yield from _row("error", tags[tracking.ERROR])
    yield from _row("code", code(record.code, recorded=recorded))
    step = record.step
    typed = ("python", *step.command) if step.command else step.words
    command = " ".join(typed) or step.entry_point
    yield from _row("step", command or "an interactive session")
    yield from _row("parameters", pairs(step.raw_parameters) or "none")
    yield from _inputs(record.inputs)
    if recorded:
        yield from _row("environment", environment(record.environment))
        yield from _row("numerics", numerics(record.numerics))
        yield from _row("seeds", pairs(record.seeds) or "none")
    yield from _outputs(record.outputs)
    yield from _observation(record.observed)
    yield from _replays(original, replays)


def next_command(original: original_run.OriginalRun, replays: "list[Run]") -> dict[str, str]:
    """Return the command that makes sense next, with what it is for."""
    run_id = tracking.short(original.run_id)
    good = (Verdict.IDENTICAL, Verdict.EQUIVALENT, None)
    other = [r for r in replays if r.data.tags.get(tracking.VERDICT) not in good]
    if other and other[-1].info.status == "FINISHED":
        command = f"reprise why {run_id} {tracking.short(other[-1].info.run_id)}"
        return {command: "what differs between the run and its last replay"}
    if original.run.info.status != "FINISHED":
        command = f"reprise reproduce {run_id} --code current"
        return {command: "the same parameters with the current code"}
    return {f"reprise reproduce {run_id}": "the same run once more, and a verdict"}


def code(of: Code, *, recorded: bool) -> str:
    """Say which commit ran, whether it had edits, and where it can be had."""
    if of.commit is None:
        return "outside git: it cannot be had"
    where = f"at {of.repository}" if of.repository else "in the clone where it ran"
    if of.bundle:
        where = f"carried by the run ({of.bundle})"
    folder = f", folder {of.project}" if of.project else ""
    edits = ""
    if not recorded:
        edits = ", edits not known"
    elif of.dirty:
        edits = (
            f", dirty: {str(of.base_commit)[:_DIGITS]} with {', '.join(of.changed_files)} edited"
        )
    return f"{of.commit}{folder}, {where}{edits}"


def input_data(data: InputData) -> str:
    """Say what a run read, by its digest, and where."""
    size = f", {data.rows} x {data.columns}" if data.rows is not None else ""
    return f"{data.name} {data.sha256[:_DIGITS]}{size}, {data.uri}"


def environment(of: Environment) -> str:
    """Say what was installed, and whether it was what the lock says."""
    lock = f"{of.lock or 'lock'} {of.lock_sha256[:_DIGITS]}" if of.lock_sha256 else "no lock"
    as_locked = f"not as locked: {'; '.join(of.deviations)}" if of.deviations else "as locked"
    said = f", {as_locked}" if of.lock_sha256 else ""
    said += f", edited: {', '.join(of.altered)}" if of.altered else ""
    return f"Python {of.python}, {len(of.packages)} packages, {of.manager}, {lock}{said}"


def numerics(of: Numerics) -> str:
    """Say what decided the last bits."""
    baseline = "the baseline" if of.baseline else "not the baseline"
    blas = ", ".join(of.blas) or "no BLAS"
    return f"{baseline}: threads {of.threads}, {blas}, {of.cpu}"


def pairs(values: Mapping[str, object]) -> str:
    """Write values as `name=value`, separated by spaces."""
    return " ".join(f"{name}={value}" for name, value in values.items())


def _identity(original: original_run.OriginalRun) -> tuple[str, str]:
    info = original.run.info
    started = f"{datetime.fromtimestamp(info.start_time / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    took = f", {(info.end_time - info.start_time) / 1000:.1f} s" if info.end_time else ""
    return f"{original.run_id} {original.name}", f"{info.status}, {started}{took}"


def _inputs(inputs: Sequence[InputData]) -> Iterator[str]:
    for data in inputs[:_MOST_INPUTS]:
        yield from _row("input", input_data(data))
    if len(inputs) > _MOST_INPUTS:
        yield from _row("", f"and {len(inputs) - _MOST_INPUTS} more inputs")


def _outputs(of: Outputs | None) -> Iterator[str]:
    if of is None:
        yield from _row("outputs", "none: the run has not finished")
        return
    yield from _row("metrics", pairs({n: f"{v:.6g}" for n, v in of.metrics.items()}) or "none")
    if of.model:
        yield from _row("model", of.model[:_DIGITS])
    for label, digests in (("predictions", of.predictions), ("artifacts", of.artifacts)):
        if digests:
            short = {name: digest[:_DIGITS] for name, digest in digests.items()}
            yield from _row(label, pairs(short))


def _observation(of: Observation | None) -> Iterator[str]:
    """Say what is known, and not, of a process that has not recorded itself."""
    if of is None:
        return
    for run in of.runs:
        metrics = pairs({n: f"{v:.6g}" for n, v in run.outputs.metrics.items()})
        yield from _row("its run", f"{run.run_id} {run.name} {metrics}".rstrip())
    if of.edited:
        yield from _row("edited", f"while it ran: {', '.join(of.edited)}")
    if of.hosts:
        yield from _row("connected to", ", ".join(of.hosts))
    yield from _row("not known", *of.not_known)


def _replays(original: original_run.OriginalRun, replays: "list[Run]") -> Iterator[str]:
    tags = original.run.data.tags
    if tracking.VERDICT in tags:
        yield from _row("verdict", tags[tracking.VERDICT])
    if original.record.replays:
        yield from _row("replay of", original.record.replays)
    if len(replays) > _MOST_REPLAYS:
        yield from _row("replays", f"{len(replays)}, the last of them:")
    for replay in replays[-_MOST_REPLAYS:]:
        verdict = replay.data.tags.get(tracking.VERDICT, "no verdict")
        yield from _row("replay", f"{replay.info.run_id} {replay.info.status}, {verdict}")
    if not replays:
        yield from _row("replays", "none")


def _row(label: str, *paragraphs: str) -> Iterator[str]:
    """Write a labelled text in as many lines as it may have; what is cut off ends in a mark."""
    lines = [
        line
        for paragraph in paragraphs
        for line in textwrap.wrap(visible(paragraph), WIDTH - _LABEL, break_on_hyphens=False)
    ]
    if len(lines) > _LINES:
        last = textwrap.shorten(" ".join(lines[_LINES - 1 :]), WIDTH - _LABEL - 2, placeholder="")
        lines = [*lines[: _LINES - 1], f"{last} …"]
    for number, line in enumerate(lines):
        yield f"{'' if number else label:{_LABEL}}{line}"
