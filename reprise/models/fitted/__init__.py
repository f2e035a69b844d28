"""Check that the fitted parts of an estimator from others are consistent.

scikit-learn's compiled code reads its own arrays without a check: nodes of trees, support vectors,
indices of neighbours, columns of sparse matrices. Each check here is for a kind of such arrays, or
for parts that would make a prediction fail with a long traceback.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reprise.models.fitted import arrays, encoders, linear, neighbors, trees

_DEEPEST = 100  # the depth to which digests are computed
_CHECKS: tuple[Callable[[Any], None], ...] = (
    trees.check_tree,
    trees.check_forest,
    trees.check_boosting,
    trees.check_histogram_boosting,
    linear.check_linear,
    linear.check_support_vectors,
    neighbors.check_search_tree,
    neighbors.check_neighbors,
    neighbors.check_centers,
    encoders.check_one_hot,
    encoders.check_vocabulary,
    arrays.check_sparse,
    arrays.check_random_state,
)


def refuse_inconsistent(model: Any) -> None:
    """Refuse an estimator with inconsistent fitted arrays.

    Raises
    ------
    ValueError
        With the name of the array.
    """
    for value in _objects(model):
        for check in _CHECKS:
            check(value)


def _objects(model: Any) -> Iterator[Any]:
    """Yield an object and all objects in it, each once."""
    import numpy as np

    seen: dict[int, Any] = {}
    waiting: list[tuple[Any, int]] = [(model, 0)]
    while waiting:
        value, depth = waiting.pop()
        if id(value) in seen or isinstance(value, str | bytes | int | float | type | None):
            continue
        if depth > _DEEPEST:
            raise ValueError(f"objects nested more than {_DEEPEST} deep")
        seen[id(value)] = value
        yield value
        if isinstance(value, Mapping):
            held = [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset):
            held = [*value]
        elif isinstance(value, np.ndarray):
            held = value.ravel().tolist() if value.dtype.kind == "O" else []
        else:
            held = [*getattr(value, "__dict__", {}).values()]
        waiting += [(item, depth + 1) for item in held]
