"""Compares two records: is the second run the first one again, and if not, why.

identical: metrics, predictions, model and stored content have equal digests. equivalent: the same
class is predicted everywhere, and every metric is within the tolerance. different. not replayable.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from reprise.record.schema import PERMISSIONS, Outputs, RunRecord

_THREADS = ".*_NUM_THREADS"
_HASH_SEED = "PYTHONHASHSEED"


class Verdict(StrEnum):
    """What a replay ends in, best first."""

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    NOT_REPLAYABLE = "not replayable"


Kind = Literal["metric", "model", "predictions", "artifact"]
CauseKind = Literal[
    "code", "parameter", "data", "environment", "package", "Python", "CPU kernel", "threads",
    "seed", "C library", "a step that is not deterministic", "unknown",
]  # fmt: skip


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Difference(_Frozen):
    """One thing that the two runs do not agree on; None where a run does not have it."""

    kind: Kind
    name: str
    recorded: float | str | None
    found: float | str | None


class Cause(_Frozen):
    """Something that the two runs depended on and that was not the same."""

    kind: CauseKind
    name: str
    recorded: str
    found: str

    def __str__(self) -> str:
        """Say it in a line."""
        what = f"{self.kind}: {self.name}" if self.name else self.kind
        if not self.recorded and not self.found:
            return what
        return f"{what} was {self.recorded or 'absent'}, is {self.found or 'absent'}"


class Judgement(_Frozen):
    """A verdict and what it rests on."""

    verdict: Verdict
    compared: int = 0  # metrics and digests that both sides were asked for
    differences: tuple[Difference, ...] = ()
    causes: tuple[Cause, ...] = ()
    unknown: tuple[str, ...] = ()  # what was not recorded, and so could not be compared
    reason: str = ""  # why it could not be replayed


def judge(recorded: RunRecord, found: RunRecord, *, tolerance: float | None = None) -> Judgement:
    """Compare what two finished runs produced.

    Parameters
    ----------
    recorded, found : RunRecord
        The earlier run and its replay.
    tolerance : float, optional
        How far metrics may be apart, relative to the larger or absolutely, where predicted classes
        agree; None: not at all.

    Raises
    ------
    ValueError
        If either has not finished.
    """
    if recorded.outputs is None or found.outputs is None:
        raise ValueError("only finished runs can be compared")
    differing = differences(recorded.outputs, found.outputs)
    if not differing:
        verdict = Verdict.IDENTICAL
    elif tolerance is not None and _equivalent(differing, tolerance):
        verdict = Verdict.EQUIVALENT
    else:
        verdict = Verdict.DIFFERENT
    return Judgement(
        verdict=verdict,
        compared=len(_facts(recorded.outputs) | _facts(found.outputs)),
        differences=differing,
        causes=causes(recorded, found) if differing else (),
    )


def differences(recorded: Outputs, found: Outputs) -> tuple[Difference, ...]:
    """List what two runs produced differently, also what only one of them produced."""
    a, b = _facts(recorded), _facts(found)
    return tuple(
        Difference(kind=kind, name=name, recorded=a.get((kind, name)), found=b.get((kind, name)))
        for kind, name in sorted(a.keys() | b.keys())
        if not _equal(a.get((kind, name)), b.get((kind, name)))
    )


def causes(recorded: RunRecord, found: RunRecord) -> tuple[Cause, ...]:
    """List what two runs depended on that was not the same."""
    return (
        *_code(recorded, found),
        *_each("seed", _seeds(recorded), _seeds(found)),
        *_each("parameter", _parameters(recorded), _parameters(found)),
        *_each(
            "data",
            {data.name: data.sha256 for data in recorded.inputs},
            {data.name: data.sha256 for data in found.inputs},
        ),
        *_packages(recorded, found),
        *_blas(recorded, found),
        *_each("CPU kernel", _kernels(recorded), _kernels(found)),
        *_each("threads", _threads(recorded), _threads(found)),
        *_each("C library", {"": recorded.numerics.c_library}, {"": found.numerics.c_library}),
    )


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of several verdicts; identical for none."""
    return max(verdicts, key=list(Verdict).index, default=Verdict.IDENTICAL)


def _facts(outputs: Outputs) -> dict[tuple[Kind, str], float | str]:
    """Return everything that must be equal, keyed by kind and name."""
    facts: dict[tuple[Kind, str], float | str] = {
        ("metric", n): v for n, v in outputs.metrics.items()
    }
    if outputs.model is not None:
        facts["model", "fitted arrays"] = outputs.model
    facts |= {("predictions", name): digest for name, digest in outputs.predictions.items()}
    facts |= {("artifact", name): digest for name, digest in outputs.artifacts.items()}
    return facts


def _equal(a: float | str | None, b: float | str | None) -> bool:
    """Tell whether two values are the same bits; NaN equals NaN, and 0.0 is not -0.0."""
    if isinstance(a, float) and isinstance(b, float):
        return repr(a) == repr(b)
    return a == b


def _equivalent(differing: Sequence[Difference], tolerance: float) -> bool:
    """Tell whether predicted classes and stored content agree, and metrics are near enough."""
    return all(_tolerable(difference, tolerance) for difference in differing)


def _tolerable(difference: Difference, tolerance: float) -> bool:
    a, b = difference.recorded, difference.found
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    on_both_sides = a is not None and b is not None
    floats = difference.kind == "model" or (difference.kind, difference.name) == (
        "predictions",
        "probabilities",
    )
    return on_both_sides and floats  # digests of floats, of which the metrics tell


def _code(recorded: RunRecord, found: RunRecord) -> tuple[Cause, ...]:
    a, b = recorded.code, found.code
    if a.tree is not None and a.tree == b.tree:
        return ()
    if a.tree is None and b.tree is None and a.commit == b.commit:
        return ()
    return (Cause(kind="code", name="commit", recorded=a.commit or "", found=b.commit or ""),)


def _parameters(record: RunRecord) -> dict[str, Any]:
    told_elsewhere = {*record.seeds, *record.step.locations, *PERMISSIONS}
    return {n: v for n, v in record.step.parameters.items() if n not in told_elsewhere}


def _packages(recorded: RunRecord, found: RunRecord) -> tuple[Cause, ...]:
    a, b = recorded.environment, found.environment
    common = a.packages.keys() & b.packages.keys()  # what else is installed is not imported
    return (
        *_each("Python", {"": a.python}, {"": b.python}),
        *_each(
            "package",
            {name: a.packages[name] for name in common},
            {name: b.packages[name] for name in common},
        ),
    )


def _blas(recorded: RunRecord, found: RunRecord) -> tuple[Cause, ...]:
    """Tell of BLAS libraries that are not the same; one run may have loaded more of them."""
    a, b = set(recorded.numerics.blas), set(found.numerics.blas)
    if a <= b or b <= a:
        return ()
    return _each("CPU kernel", {"BLAS": ", ".join(sorted(a))}, {"BLAS": ", ".join(sorted(b))})


def _seeds(record: RunRecord) -> dict[str, Any]:
    return {**record.seeds, **_variables(record, _HASH_SEED)}


def _threads(record: RunRecord) -> dict[str, Any]:
    return {"": record.numerics.threads, **_variables(record, _THREADS)}


def _kernels(record: RunRecord) -> dict[str, Any]:
    numerics = record.numerics
    return {
        "SIMD": " ".join(numerics.simd),
        "architecture": numerics.architecture,
        "float": f"{numerics.float_bits} bits",
        **_variables(record, f"(?!{_THREADS}|{_HASH_SEED}).*"),
    }


def _variables(record: RunRecord, names: str) -> dict[str, str]:
    return {n: v for n, v in record.numerics.variables.items() if re.fullmatch(names, n)}


def _each(kind: CauseKind, a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Cause, ...]:
    """List what differs between two mappings, in either direction."""
    return tuple(
        Cause(kind=kind, name=name, recorded=_text(a.get(name)), found=_text(b.get(name)))
        for name in sorted(a.keys() | b.keys())
        if a.get(name) != b.get(name)
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)
