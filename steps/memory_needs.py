"""Refuse a fit that needs more memory than the machine has free, before it starts.

The estimate is of the largest arrays: the encoded columns and their copy, the probabilities of the
classes, and the weights of a linear model.
"""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.errors import DataError
from reprise.trust.documents import size_text
from steps import tasks

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline

_NUMBER = 8  # bytes
_INDICATOR = 12  # bytes in a sparse matrix: a value and the number of its column
_COPIES = 2  # the columns as encoded, and once more as the estimator wants them
_SOLVER_VECTORS = 25  # of the size of the weights: L-BFGS keeps ten steps and ten gradients
_TWO = 2  # classes share one vector of weights
_LIMITS = (  # of a container: memory that may be used, and that is
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


def refuse_excess(model: Pipeline, X: pd.DataFrame, y: np.ndarray[Any, Any]) -> None:
    """Refuse to fit a pipeline that needs more memory than is free.

    Parameters
    ----------
    model : Pipeline
        Not fitted.
    X : DataFrame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)

    Raises
    ------
    DataError
        With the need, what is free, and the column of text that causes most of it.
    """
    if "columns" not in model.named_steps:
        return
    available = free()
    needed, why = estimated(model, X, y)
    if available is not None and needed > available:
        raise DataError(
            f"Expected {size_text(needed)} of free memory to fit {why}, found "
            f"{size_text(available)}. Lower -P max_categories, use fewer columns or rows, or train "
            "on a larger machine."
        )


def estimated(model: Pipeline, X: pd.DataFrame, y: np.ndarray[Any, Any]) -> tuple[int, str]:
    """Return the bytes that a fit needs, and what of.

    Parameters
    ----------
    model, X, y
        As of `refuse_excess`.
    """
    estimator, is_regression = model.steps[-1][1], tasks.of_labels(y) == tasks.REGRESSION
    rows, widths = len(X), indicators(model, X)
    dense = X.shape[1] - len(widths)
    width = dense + sum(widths.values())
    classes = 1 if is_regression else len(set(y.tolist()))
    needed = _COPIES * rows * (dense * _NUMBER + len(widths) * _INDICATOR)
    if not is_regression:
        needed += _COPIES * rows * classes * _NUMBER
    if hasattr(estimator, "fit_intercept"):
        needed += _SOLVER_VECTORS * width * (classes if classes > _TWO else 1) * _NUMBER
    why = f"{rows} rows x {width} encoded columns"
    if widths:
        widest = max(widths, key=lambda name: widths[name])
        why += f" ({widths[widest]} of them from {widest!r})"
    return needed, why + ("" if is_regression else f" to {classes} classes")


def indicators(model: Pipeline, X: pd.DataFrame) -> dict[str, int]:
    """Return the number of indicators of each column of text that has any."""
    groups = getattr(model.named_steps["columns"], "transformers", ())
    one_hot = [(of, part.named_steps["encode"]) for name, part, of in groups if name == "text"]
    return {
        name: min(X[name].nunique(dropna=False), encoder.max_categories or len(X))
        for of, encoder in one_hot
        for name in of
    }


def free() -> int | None:
    """Return the bytes of memory that this process can still get, or None if unknown."""
    return min([*_of_machine(), *_of_containers(), *_of_process()], default=None)


def _of_machine() -> list[int]:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    return [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]


def _of_process() -> list[int]:
    """Return what is left of the limits of this process, as `ulimit` sets them."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()
    used = {resource.RLIMIT_AS: pages[0], resource.RLIMIT_DATA: pages[5]}
    limits = {kind: resource.getrlimit(kind)[0] for kind in used}
    return [
        most - int(used[kind]) * resource.getpagesize()
        for kind, most in limits.items()
        if most != resource.RLIM_INFINITY
    ]


def _of_containers() -> list[int]:
    found = []
    for limit, usage in _LIMITS:
        try:
            most, used = (Path(name).read_text(encoding="ascii").strip() for name in (limit, usage))
        except OSError:
            continue
        if most.isdigit() and used.isdigit():
            found.append(int(most) - int(used))
    return found
