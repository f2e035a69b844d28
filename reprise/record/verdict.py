"""Compare the records of an original run and its replay, and find the causes of differences.

identical: metrics, predictions, model and stored content have equal digests. equivalent: all
predicted classes are the same, and every metric is within the tolerance. different: anything else.
not replayable: the run could not be reproduced.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from reprise.backports import StrEnum
from reprise.record.basis import basis, not_compared
from reprise.record.matching import matched
from reprise.record.schema import PERMISSIONS, Environment, Outputs, RunRecord

_THREADS = ".*_NUM_THREADS"
_HASH_SEED = "PYTHONHASHSEED"


class Verdict(StrEnum):
    """The result of a replay, best first."""

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    NOT_REPLAYABLE = "not replayable"


Kind = Literal[
    "metric", "history", "parameter", "model", "predictions", "artifact", "dataset",
    "registered model",
]  # fmt: skip
CauseKind = Literal[
    "code", "parameter", "data", "environment", "package", "Python", "CPU kernel", "threads",
    "seed", "C library", "a step that is not deterministic", "unknown",
]  # fmt: skip


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Difference(_Frozen):
    """One output that differs between the two runs; None if a run does not have it."""

    kind: Kind
    name: str
    recorded: float | str | None
    found: float | str | None


class Cause(_Frozen):
    """An input that differs between the two runs."""

    kind: CauseKind
    name: str
    recorded: str
    found: str

    def __str__(self) -> str:
        """Return the cause as one line."""
        what = f"{self.kind}: {self.name}" if self.name else self.kind
        if not self.recorded and not self.found:
            return what
        return f"{what} was {self.recorded or 'absent'}, is {self.found or 'absent'}"


class Judgement(_Frozen):
    """A verdict and its reasons."""

    verdict: Verdict
    compared: int = 0  # metrics and digests of either run
    differences: tuple[Difference, ...] = ()
    causes: tuple[Cause, ...] = ()
    unknown: tuple[str, ...] = ()  # what could not be compared, because it was not recorded
    reason: str = ""  # why the run could not be reproduced
    basis: str = ""  # what the verdict stands on
    not_compared: tuple[str, ...] = ()  # what it says nothing about


def judge(original: RunRecord, replay: RunRecord, *, tolerance: float | None = None) -> Judgement:
    """Compare the outputs of two finished runs.

    Parameters
    ----------
    original, replay : RunRecord
        The records of the original run and of its replay.
    tolerance : float, optional
        How far metrics may be apart, relatively or absolutely, if the predicted classes agree;
        None for no tolerance.

    Raises
    ------
    ValueError
        If one of them has not finished.
    """
    if original.outputs is None or replay.outputs is None:
        raise ValueError("only finished runs can be compared")
    a, b = matched(original, replay)
    every = differences(a, b)
    differing = tuple(each for each in every if not _opaque(each, {*a.opaque, *b.opaque}))
    unequal = tuple(each.name for each in every if each not in differing)
    if not differing:
        verdict = Verdict.IDENTICAL
    elif tolerance is not None and _equivalent(differing, tolerance):
        verdict = Verdict.EQUIVALENT
    else:
        verdict = Verdict.DIFFERENT
    return Judgement(
        verdict=verdict,
        compared=len(_facts(a) | _facts(b)) - len(unequal),
        differences=differing,
        causes=causes(original, replay) if differing else (),
        basis=basis(_either(a, b, without=unequal), original, replay),
        not_compared=not_compared(unequal, original, replay),
    )


def _opaque(difference: Difference, opaque: set[str]) -> bool:
    """Return whether both runs have an artifact whose bytes alone can be compared."""
    on_both_sides = difference.recorded is not None and difference.found is not None
    return difference.kind == "artifact" and difference.name in opaque and on_both_sides


def _either(a: Outputs, b: Outputs, *, without: Sequence[str]) -> Outputs:
    """Return what was compared of either run."""
    artifacts = {n: d for n, d in {**a.artifacts, **b.artifacts}.items() if n not in without}
    return Outputs(
        metrics=a.metrics | b.metrics,
        parameters=a.parameters | b.parameters,
        predictions=a.predictions | b.predictions,
        model=a.model or b.model,
        artifacts=artifacts,
        datasets=a.datasets | b.datasets,
        registered=a.registered | b.registered,
    )


def differences(original: Outputs, replay: Outputs) -> tuple[Difference, ...]:
    """List the outputs that differ between two runs, or that only one of them has."""
    a, b = _facts(original), _facts(replay)
    return tuple(
        Difference(kind=kind, name=name, recorded=a.get((kind, name)), found=b.get((kind, name)))
        for kind, name in sorted(a.keys() | b.keys())
        if not _equal(a.get((kind, name)), b.get((kind, name)))
    )


def causes(original: RunRecord, replay: RunRecord) -> tuple[Cause, ...]:
    """List the inputs that differ between two runs."""
    return (
        *_code(original, replay),
        *_each("seed", _seeds(original), _seeds(replay)),
        *_each("parameter", _parameters(original), _parameters(replay)),
        *_each(
            "data",
            {data.name: data.sha256 for data in original.inputs},
            {data.name: data.sha256 for data in replay.inputs},
        ),
        *_packages(original, replay),
        *_blas(original, replay),
        *_each("CPU kernel", _kernels(original), _kernels(replay)),
        *_each("threads", _threads(original), _threads(replay)),
        *_each("C library", {"": original.numerics.c_library}, {"": replay.numerics.c_library}),
    )


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of several verdicts; identical if there are none."""
    return max(verdicts, key=list(Verdict).index, default=Verdict.IDENTICAL)


def _facts(outputs: Outputs) -> dict[tuple[Kind, str], float | str]:
    """Return all values that must be equal, keyed by kind and name."""
    facts: dict[tuple[Kind, str], float | str] = {
        ("metric", n): v for n, v in outputs.metrics.items()
    }
    facts |= {("history", name): digest for name, digest in outputs.histories.items()}
    facts |= {("parameter", name): value for name, value in outputs.parameters.items()}
    if outputs.model is not None:
        facts["model", "fitted arrays"] = outputs.model
    facts |= {("predictions", name): digest for name, digest in outputs.predictions.items()}
    facts |= {("dataset", name): digest for name, digest in outputs.datasets.items()}
    facts |= {("registered model", name): origin for name, origin in outputs.registered.items()}
    facts |= {("artifact", name): digest for name, digest in outputs.artifacts.items()}
    return facts


def _equal(a: float | str | None, b: float | str | None) -> bool:
    """Return whether two values have the same bits; NaN equals NaN, and 0.0 is not -0.0."""
    if isinstance(a, float) and isinstance(b, float):
        return repr(a) == repr(b)
    return a == b


def _equivalent(differing: Sequence[Difference], tolerance: float) -> bool:
    """Return whether classes and stored content are equal, and metrics are within the tolerance."""
    return all(is_tolerable(difference, tolerance) for difference in differing)


def is_tolerable(difference: Difference, tolerance: float) -> bool:
    """Return whether a difference is of a metric within the tolerance, or of digests of floats."""
    a, b = difference.recorded, difference.found
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    on_both_sides = a is not None and b is not None
    floats = difference.kind in ("model", "history") or (
        difference.kind == "predictions" and difference.name in ("probabilities", "values")
    )
    return on_both_sides and floats  # digests of floats: the metrics show their differences


def _code(original: RunRecord, replay: RunRecord) -> tuple[Cause, ...]:
    a, b = original.code, replay.code
    if a.tree is not None and a.tree == b.tree:
        return ()
    if a.tree is None and b.tree is None and a.commit == b.commit:
        return ()
    return (Cause(kind="code", name="commit", recorded=a.commit or "", found=b.commit or ""),)


def _parameters(record: RunRecord) -> dict[str, Any]:
    told_elsewhere = {*record.seeds, *record.step.locations, *PERMISSIONS}
    return {n: v for n, v in record.step.parameters.items() if n not in told_elsewhere}


def _packages(original: RunRecord, replay: RunRecord) -> tuple[Cause, ...]:
    a, b = original.environment, replay.environment
    common = a.packages.keys() & b.packages.keys()  # other installed packages are not imported
    return (
        *_each("Python", {"": a.python}, {"": b.python}),
        *_each(
            "package",
            {name: a.packages[name] for name in common},
            {name: b.packages[name] for name in common},
        ),
        *_each("package", _edited(a), _edited(b)),
    )


def _edited(environment: Environment) -> dict[str, str]:
    """Return the imported files of packages that somebody has edited."""
    return {f"{name} (edited)": digest for name, digest in environment.altered.items()}


def _blas(original: RunRecord, replay: RunRecord) -> tuple[Cause, ...]:
    """Compare the BLAS libraries, as sets: one run may have loaded more of them."""
    a, b = set(original.numerics.blas), set(replay.numerics.blas)
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
    """List the differences between two mappings, in both directions."""
    return tuple(
        Cause(kind=kind, name=name, recorded=_text(a.get(name)), found=_text(b.get(name)))
        for name in sorted(a.keys() | b.keys())
        if a.get(name) != b.get(name)
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)
