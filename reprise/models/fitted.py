"""Checks that the fitted parts of an estimator from elsewhere belong together.

What scikit-learn's compiled code reads without a check of its own: trees, support vectors, labels
of neighbours, sparse matrices. And what makes a prediction fail in many lines.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_TWO = 2  # classes, told apart by one row of coefficients
_DEEPEST = 100  # as far as a digest walks
_MERSENNE_WORDS = 624


def refuse_inconsistent(model: Any) -> None:
    """Refuse an estimator whose fitted arrays do not fit each other.

    Raises
    ------
    ValueError
        That says which.
    """
    for value in _objects(model):
        for check in _CHECKS:
            check(value)


def _objects(model: Any) -> Iterator[Any]:
    """Return an object and all that it holds, each once."""
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


def _check_tree(value: Any) -> None:
    from sklearn.tree import BaseDecisionTree

    tree = getattr(value, "tree_", None)
    if tree is None:
        if isinstance(value, BaseDecisionTree) and _is_fitted(value):
            raise ValueError(f"a fitted {type(value).__name__} without a tree")
        return
    _expect(value, "n_features_in_", tree.n_features)
    _expect(value, "n_outputs_", tree.n_outputs)
    if hasattr(value, "classes_"):
        classes = value.classes_ if tree.n_outputs > 1 else [value.classes_]
        _expect_equal(value, "classes_", [len(each) for each in classes], tree.n_classes.tolist())


def _check_forest(value: Any) -> None:
    """Check that all trees of a forest were fitted to its features and classes."""
    from sklearn.ensemble._forest import BaseForest

    if not isinstance(value, BaseForest) or not _is_fitted(value):
        return
    trees = _trees(value, getattr(value, "estimators_", []))
    if not trees:
        raise ValueError(f"a fitted {type(value).__name__} without trees")
    for tree in trees:
        _expect_equal(value, "trees", tree.n_outputs, getattr(value, "n_outputs_", 1))
        if hasattr(value, "classes_"):
            own = value.classes_ if tree.n_outputs > 1 else [value.classes_]
            _expect_equal(value, "classes_", tree.n_classes.tolist(), [len(c) for c in own])


def _check_boosting(value: Any) -> None:
    """Check that boosting has a tree of one value a round and class."""
    from sklearn.ensemble._gb import BaseGradientBoosting

    if not isinstance(value, BaseGradientBoosting) or not _is_fitted(value):
        return
    estimators = getattr(value, "estimators_", None)
    for tree in _trees(value, getattr(estimators, "flat", [])):
        _expect_equal(value, "trees", tree.value.shape[1:], (1, 1))
    classes = len(getattr(value, "classes_", ()))
    per_round = classes if classes > _TWO else 1
    _expect(value, "n_trees_per_iteration_", per_round)
    _expect_equal(value, "estimators_", _shape(estimators)[1:], (per_round,))


def _trees(value: Any, estimators: Any) -> list[Any]:
    """Return what the trees of an ensemble hold, all fitted to its features."""
    from sklearn.tree import BaseDecisionTree

    trees = [*estimators]
    if not all(isinstance(tree, BaseDecisionTree) and hasattr(tree, "tree_") for tree in trees):
        raise ValueError(f"a {type(value).__name__} of something else than fitted trees")
    for tree in trees:
        _expect_equal(value, "trees", tree.tree_.n_features, value.n_features_in_)
    return [tree.tree_ for tree in trees]


def _check_linear(value: Any) -> None:
    """Check coefficients against features and classes."""
    from sklearn.linear_model._base import LinearClassifierMixin

    if not isinstance(value, LinearClassifierMixin) or not hasattr(value, "coef_"):
        return
    count = len(value.classes_)
    rows = 1 if count == _TWO else count
    _expect_equal(value, "coef_", _shape(value.coef_), (rows, value.n_features_in_))
    if _shape(value.intercept_) not in ((), (rows,), (1,)):
        raise ValueError(f"a {type(value).__name__} whose intercept_ has another shape than coef_")


def _check_support_vectors(value: Any) -> None:
    """Check what libsvm takes for granted."""
    import numpy as np
    from sklearn.svm._base import BaseLibSVM

    if not isinstance(value, BaseLibSVM) or not _is_fitted(value):
        return
    classes = len(value.classes_) if hasattr(value, "classes_") else _TWO
    vectors, pairs = len(value.support_), classes * (classes - 1) // 2
    counts = np.asarray(value._n_support)  # noqa: SLF001 - libsvm reads it
    if hasattr(value, "classes_"):
        _expect_equal(value, "_n_support", (counts.shape, int(counts.sum())), ((classes,), vectors))
    if counts.size < 1 or not (counts >= 0).all():
        raise ValueError(f"a {type(value).__name__} with other numbers of support vectors")
    if value.kernel != "precomputed":
        expected = (vectors, value.n_features_in_)
        _expect_equal(value, "support_vectors_", _shape(value.support_vectors_), expected)
    for name in ("dual_coef_", "_dual_coef_"):
        _expect_equal(value, name, _shape(getattr(value, name)), (max(classes - 1, 1), vectors))
    for name in ("intercept_", "_intercept_"):
        _expect_equal(value, name, _shape(getattr(value, name)), (pairs,))
    for name in ("_probA", "_probB"):
        if len(getattr(value, name)) not in (0, pairs):
            raise ValueError(f"a {type(value).__name__} whose {name} has another length")
    support = np.asarray(value.support_)
    if (support < 0).any() or (support >= value.shape_fit_[0]).any():
        raise ValueError(f"a {type(value).__name__} with support vectors that there are not")


def _check_neighbors(value: Any) -> None:
    """Check that the label of every neighbour is one of the classes."""
    import numpy as np

    labels, fitted = getattr(value, "_y", None), getattr(value, "_fit_X", None)
    if not isinstance(labels, np.ndarray) or fitted is None:
        return
    if len(labels) != fitted.shape[0]:
        raise ValueError(f"a {type(value).__name__} with more or fewer labels than rows")
    if not hasattr(value, "classes_") or not labels.size:
        return
    classes = value.classes_ if labels.ndim > 1 else [value.classes_]
    for own, each in zip(labels.reshape(len(labels), -1).T, classes, strict=True):
        if own.dtype.kind not in "iu" or own.min() < 0 or own.max() >= len(each):
            raise ValueError(f"a {type(value).__name__} with a label that is none of its classes")


def _check_sparse(value: Any) -> None:
    from scipy import sparse

    if sparse.issparse(value) and hasattr(value, "check_format"):
        value.check_format(full_check=True)
    elif sparse.issparse(value) and value.format == "coo":
        value._check()  # noqa: SLF001 - it has no public one


def _check_random_state(value: Any) -> None:
    from numpy.random import RandomState

    if isinstance(value, RandomState):
        state = value.get_state(legacy=False)
        position = state["state"].get("pos", 0)
        if not 0 <= position <= _MERSENNE_WORDS:
            raise ValueError("a random state that leads out of its numbers")


_CHECKS: tuple[Callable[[Any], None], ...] = (
    _check_tree,
    _check_forest,
    _check_boosting,
    _check_linear,
    _check_support_vectors,
    _check_neighbors,
    _check_sparse,
    _check_random_state,
)


def _is_fitted(value: Any) -> bool:
    return hasattr(value, "n_features_in_")


def _shape(array: "np.ndarray[Any, Any] | None") -> tuple[int, ...]:
    return tuple(getattr(array, "shape", ("no array",)))


def _expect(value: Any, name: str, expected: Any) -> None:
    _expect_equal(value, name, getattr(value, name, None), expected)


def _expect_equal(value: Any, name: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise ValueError(
            f"a {type(value).__name__} whose {name} do not fit ({found} for {expected})"
        )
