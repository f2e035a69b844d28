"""Checks of estimators that predict by distances: neighbours, their search trees, and centres."""

from typing import Any

from reprise.models.fitted.expect import expect_equal, is_a, is_fitted, refuse_unless, shape

_KD_TREES = ("sklearn.neighbors._kd_tree.BinaryTree32", "sklearn.neighbors._kd_tree.BinaryTree64")
_BALL_TREES = tuple(name.replace("_kd_", "_ball_") for name in _KD_TREES)
_METRIC = "sklearn.metrics._dist_metrics.DistanceMetric"
_KMEANS = "sklearn.cluster._kmeans._BaseKMeans"
_MOST_LEVELS = 48  # of a search tree: two to this power exceeds any memory


def check_search_tree(value: Any) -> None:
    """Check that the nodes of a k-d tree or ball tree hold existing samples."""
    import numpy as np

    if not is_a(value, *_BALL_TREES, *_KD_TREES):
        return
    state = value.__getstate__()
    data, indices, nodes, bounds = (np.asarray(array) for array in state[:4])
    levels, count, metric = state[5], state[6], state[11]
    samples, features = data.shape
    each_once = np.array_equal(np.sort(indices), np.arange(samples))
    refuse_unless(each_once, value, "other samples than its data")
    refuse_unless(0 < levels < _MOST_LEVELS, value, "no levels, or too many")
    expect_equal(value, "nodes", (count, nodes.shape), (2**levels - 1, (2**levels - 1,)))
    sides = 2 if is_a(value, *_KD_TREES) else 1
    expect_equal(value, "bounds", bounds.shape, (sides, count, features))
    start, end = nodes["idx_start"], nodes["idx_end"]
    in_bounds = (start >= 0) & (start <= end) & (end <= samples)
    refuse_unless(in_bounds.all(), value, "a node of samples that there are not")
    has_children = 2 * np.arange(count) + 2 < count
    refuse_unless((has_children | (nodes["is_leaf"] != 0)).all(), value, "a node without children")
    refuse_unless(is_a(metric, _METRIC), value, "no metric")
    metric._validate_data(data)  # noqa: SLF001 - as the tree does when it is built


def check_neighbors(value: Any) -> None:
    """Check that the label of every neighbour is one of the classes."""
    import numpy as np

    labels, fitted = getattr(value, "_y", None), getattr(value, "_fit_X", None)
    if fitted is not None and is_fitted(value):
        expect_equal(value, "_fit_X", shape(fitted)[1:], (value.n_features_in_,))
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


def check_centers(value: Any) -> None:
    """Check that the centres of clusters have as many columns as the data."""
    if is_a(value, _KMEANS) and is_fitted(value):
        expect_equal(
            value, "cluster_centers_", shape(value.cluster_centers_)[1:], (value.n_features_in_,)
        )
        refuse_unless(len(value.cluster_centers_), value, "no centres")
