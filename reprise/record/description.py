"""The description of a run in the MLflow UI, as Markdown: a pure function of its record.

What it is, its data and code, what it measured, its verdict, and the command that reproduces it.
A description ends in a mark with its own digest: one that a person has edited has another, and
is left alone.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reprise.record import naming
from reprise.record.digest import sha256_text
from reprise.record.markdown import block, code, plain, table
from reprise.record.schema import Code, InputData, RunRecord, as_text
from reprise.urls import without_logins_within
from reprise.visible import word

_DIGITS = 12  # of a digest, shown
_MOST = 12  # metrics, inputs and parameters that are shown
_LONGEST_ERROR = 4000
_LONGEST_REASON = 500
_LONGEST_ID = 64  # characters of what stands in the place of an id
_MARK = re.compile(r"\n\n<!-- reprise ([0-9a-f]{16}) -->\s*\Z")
_DETAILS = re.compile(r".*(_std|_low|_high)|(test_)?(precision|recall)_.*")


@dataclass(frozen=True)
class Checked:
    """A verdict on a run, and the runs that it is about: ids of the original and its replay."""

    verdict: str
    original: str
    replay: str | None
    compared: int = 0
    differing: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    reason: str = ""
    basis: str = ""
    not_compared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What is known of a run.

    Attributes
    ----------
    run_id : str
    record : RunRecord
    metrics : mapping of str to float
    error : str
        Why it failed; "": it did not.
    checked : Checked or None
        The last verdict on it.
    data : str
        The name of its data.
    is_bookkeeping : bool
        Whether it is about other runs, and so there is nothing to reproduce.
    """

    run_id: str
    record: RunRecord
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    checked: Checked | None = None
    data: str = ""
    is_bookkeeping: bool = False


def describe(facts: Facts) -> str:
    """Return the description of a run, marked as this engine's."""
    return marked("\n\n".join(_paragraphs(facts)))


def of_lost(entry_point: str, error: str) -> str:
    """Return the description of a run whose process could not describe it itself."""
    return marked("\n\n".join([f"**{plain(entry_point or 'run')}**", *_failure(error)]))


def of_model(entry_point: str, run_id: str, parameters: Mapping[str, str]) -> str:
    """Return the description of the model that a run has logged."""
    words = code(naming.of_step(entry_point, parameters))
    command = block(f"reprise reproduce {word(run_id)}", language="sh")
    return marked(f"The model of run {code(run_id)}, {words}. The same model again:\n\n{command}")


def of_version(trained: str, *, metric: str, score: float, test_digest: str, verdict: str) -> str:
    """Return the description of a registered version of a model."""
    rows = [
        [plain(metric), code(f"{score:.6g}")],
        ["test data", code(test_digest[:_DIGITS])],
        ["trained by run", code(trained)],
        ["verdict", plain(verdict or "none: it was not reproduced yet")],
    ]
    command = block(f"reprise reproduce {word(trained)}", language="sh")
    return marked(f"{table(['', ''], rows)}\n\nThe same model again:\n\n{command}")


def marked(text: str) -> str:
    """Mark a text as this engine's."""
    return f"{text}\n\n<!-- reprise {_digest(text)} -->"


def is_replaceable(text: str | None) -> bool:
    """Return whether a description is none, or this engine's and edited by nobody."""
    if not text or not text.strip():
        return True
    found = _MARK.search(text)
    return found is not None and found[1] == _digest(text[: found.start()])


def _digest(text: str) -> str:
    return sha256_text(text.strip())[:16]


def _paragraphs(facts: Facts) -> Iterator[str]:
    yield _headline(facts)
    if facts.record.replays:
        yield f"A replay of run {code(facts.record.replays)}."
    yield from _failure(facts.error) if facts.error else ()
    yield from _verdict(facts) if facts.checked else ()
    shown = list(_shown(facts.metrics))
    if shown:
        rows = [[plain(name), code(f"{facts.metrics[name]:.6g}")] for name in shown]
        yield table(["metric", "value"], rows)
        more = len(facts.metrics) - len(shown)
        if more:
            yield f"and {more} more metrics."
    yield table(["", ""], _facts(facts.record))
    if facts.checked or not facts.is_bookkeeping:
        yield from _command(facts)


def _headline(facts: Facts) -> str:
    step = facts.record.step
    typed = ("python", *step.command) if step.command else step.words
    what = f"**{plain(step.entry_point or 'an interactive session')}**"
    if typed:
        return f"{what}: {code(' '.join(typed), longest=400)}"
    return f"{what} on **{plain(facts.data)}**" if facts.data else what


def _failure(error: str) -> Iterator[str]:
    yield "**It failed:**"
    yield block(without_logins_within(error)[:_LONGEST_ERROR])


def _verdict(facts: Facts) -> Iterator[str]:
    checked = facts.checked
    if checked is None:
        return
    equal = checked.compared - len(checked.differing)
    about = f" ({equal} of {checked.compared} equal)" if checked.compared else ""
    is_replay = facts.run_id == checked.replay
    where = f"replay {code(checked.replay)}" if checked.replay else "no replay could be started"
    where = f"original run {code(checked.original)}" if is_replay else where
    yield f"**Verdict: {plain(checked.verdict)}**{about}, {where}."
    lines = [
        *(f"differs: {plain(name)}" for name in checked.differing[:_MOST]),
        *(f"cause: {plain(cause, longest=_LONGEST_REASON)}" for cause in checked.causes[:_MOST]),
    ]
    lines += [f"reason: {plain(checked.reason, longest=_LONGEST_REASON)}"] * bool(checked.reason)
    lines += [f"basis: {plain(checked.basis)}"] * bool(checked.basis)
    if checked.not_compared:
        left_out = "; ".join(checked.not_compared)
        lines.append(f"not compared: {plain(left_out, longest=_LONGEST_REASON)}")
    if lines:
        yield "\n".join(f"* {line}" for line in lines)


def _shown(metrics: Mapping[str, float]) -> list[str]:
    """Return the names of the metrics that are shown: all, or the ones that are no details."""
    if len(metrics) <= _MOST:
        return list(metrics)
    return [name for name in metrics if not _DETAILS.fullmatch(name)][:_MOST]


def _facts(record: RunRecord) -> Iterator[list[str]]:
    """Yield rows: parameters, data, code, environment."""
    raw = record.step.raw_parameters or record.step.parameters
    given = [f"{plain(n)} = {code(as_text(v) or 'empty')}" for n, v in raw.items()]
    if given:
        more = f", and {len(given) - _MOST} more" if len(given) > _MOST else ""
        yield ["parameters", ", ".join(given[:_MOST]) + more]
    for item in record.inputs[:_MOST]:
        yield [f"data: {plain(item.name)}", _input(item)]
    if len(record.inputs) > _MOST:
        yield ["data", f"and {len(record.inputs) - _MOST} more inputs"]
    yield ["code", _code(record.code)]
    packages = len(record.environment.packages)
    lock = record.environment.lock_sha256
    locked = f"lock {code(lock[:_DIGITS])}" if lock else "no lock"
    yield [
        "environment",
        f"Python {plain(record.environment.python)}, {packages} packages, {locked}",
    ]


def _input(item: InputData) -> str:
    size = f", {item.rows} x {item.columns}" if item.rows and item.columns else ""
    size = size or (f", {item.rows} rows" if item.rows else "")
    return f"{code(item.uri)}, SHA-256 {code(item.sha256[:_DIGITS])}{size}"


def _code(of: Code) -> str:
    if of.commit is None:
        return "outside git"
    edits = f", with edits in {len(of.changed_files)} files" if of.changed_files else ""
    edits = edits or (", with uncommitted edits" if of.dirty else "")
    where = f" of {plain(of.repository)}" if of.repository else ""
    return f"commit {code(of.commit[:_DIGITS])}{where}{edits}"


def _command(facts: Facts) -> Iterator[str]:
    """Yield the command that reproduces the run, or, of a failed one, that tries it again."""
    checked = facts.checked.original if facts.checked else None
    run_id = word(checked or facts.record.replays or facts.run_id)[:_LONGEST_ID]
    if facts.error and not checked:
        yield "The same parameters with the current code:"
        yield block(f"reprise reproduce {run_id} --code current", language="sh")
    else:
        yield "To reproduce it:"
        yield block(f"reprise reproduce {run_id}", language="sh")
