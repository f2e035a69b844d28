"""Checks of decision trees, and of ensembles of them."""

from typing import TYPE_CHECKING, Any

from reprise.models.fitted.expect import expect, expect_equal, is_a, is_fitted, refuse_unless, shape

if TYPE_CHECKING:
    import numpy as np

_TREE = "sklearn.tree._classes.BaseDecisionTree"
_FOREST = "sklearn.ensemble._forest.BaseForest"
_BOOSTING = "sklearn.ensemble._gb.BaseGradientBoosting"
_HISTOGRAMS = "sklearn.ensemble._hist_gradient_boosting"
_HISTOGRAM_BOOSTING = f"{_HISTOGRAMS}.gradient_boosting.BaseHistGradientBoosting"
_PREDICTOR = f"{_HISTOGRAMS}.predictor.TreePredictor"
_TWO = 2  # two classes need only one tree per round; also dimensions
_BITSET_WORDS = 8  # for 256 categories


def check_tree(value: Any) -> None:
    """Check a tree against the features, outputs and classes of its estimator."""
    tree = getattr(value, "tree_", None)
    if tree is None:
        if is_a(value, _TREE) and is_fitted(value):
            raise ValueError(f"a fitted {type(value).__name__} without a tree")
        return
    expect(value, "n_features_in_", tree.n_features)
    expect(value, "n_outputs_", tree.n_outputs)
    if hasattr(value, "classes_"):
        classes = value.classes_ if tree.n_outputs > 1 else [value.classes_]
        expect_equal(value, "classes_", [len(each) for each in classes], tree.n_classes.tolist())


def check_forest(value: Any) -> None:
    """Check that all trees of a forest were fitted to its features and classes."""
    if not is_a(value, _FOREST) or not is_fitted(value):
        return
    trees = _trees(value, getattr(value, "estimators_", []))
    if not trees:
        raise ValueError(f"a fitted {type(value).__name__} without trees")
    for tree in trees:
        expect_equal(value, "trees", tree.n_outputs, getattr(value, "n_outputs_", 1))
        if hasattr(value, "classes_"):
            own = value.classes_ if tree.n_outputs > 1 else [value.classes_]
            expect_equal(value, "classes_", tree.n_classes.tolist(), [len(c) for c in own])


def check_boosting(value: Any) -> None:
    """Check that boosting has one tree, with one value per leaf, for each round and class."""
    if not is_a(value, _BOOSTING) or not is_fitted(value):
        return
    estimators = getattr(value, "estimators_", None)
    for tree in _trees(value, getattr(estimators, "flat", [])):
        expect_equal(value, "trees", tree.value.shape[1:], (1, 1))
    classes = len(getattr(value, "classes_", ()))
    per_round = classes if classes > _TWO else 1
    expect(value, "n_trees_per_iteration_", per_round)
    expect_equal(value, "estimators_", shape(estimators)[1:], (per_round,))


def _trees(value: Any, estimators: Any) -> list[Any]:
    """Return the trees of an ensemble, after a check that all were fitted to its features."""
    trees = [*estimators]
    if not all(is_a(tree, _TREE) and hasattr(tree, "tree_") for tree in trees):
        raise ValueError(f"a {type(value).__name__} of something else than fitted trees")
    for tree in trees:
        expect_equal(value, "trees", tree.tree_.n_features, value.n_features_in_)
    return [tree.tree_ for tree in trees]


def check_histogram_boosting(value: Any) -> None:
    """Check the nodes of every tree of boosting on histograms; a prediction follows them."""
    if not is_a(value, _HISTOGRAM_BOOSTING) or not is_fitted(value):
        return
    expect(value, "_preprocessor", None)  # it would decide the number of columns that a tree reads
    categorical = value._bin_mapper.is_categorical_  # noqa: SLF001 - the trees follow it
    expect_equal(value, "_bin_mapper", shape(categorical), (value.n_features_in_,))
    for trees in value._predictors:  # noqa: SLF001 - there is no public name
        expect_equal(value, "trees a round", len(trees), value.n_trees_per_iteration_)
        for tree in trees:
            refuse_unless(is_a(tree, _PREDICTOR), value, "something else than trees")
            _check_predictor(tree, categorical)


def _check_predictor(tree: Any, categorical: "np.ndarray[Any, Any]") -> None:
    """Check that a tree's children follow their parents, and its indices are within bounds."""
    import numpy as np

    nodes = tree.nodes
    inner = nodes["is_leaf"] == 0
    refuse_unless(nodes.ndim == 1 and nodes.size, tree, "no nodes")
    parents, (split,) = np.arange(len(nodes)), np.nonzero(inner)
    for child in ("left", "right"):
        children = nodes[child][split].astype(np.int64)
        is_later = (children > parents[split]) & (children < len(nodes))
        refuse_unless(is_later.all(), tree, f"a {child} child that is no later node")
    features = nodes["feature_idx"][split]
    in_bounds = (features >= 0) & (features < len(categorical))
    refuse_unless(in_bounds.all(), tree, "a split by a column that it does not have")
    by_category = nodes["is_categorical"][split] != 0
    refuse_unless(
        categorical[features[by_category]].all(), tree, "categories of a column without any"
    )
    for name in ("raw_left_cat_bitsets", "binned_left_cat_bitsets"):
        sets = getattr(tree, name)
        fits = sets.ndim == _TWO and sets.shape[1] == _BITSET_WORDS
        wanted = nodes["bitset_idx"][split][by_category]
        refuse_unless(fits and (wanted < len(sets)).all(), tree, f"indices out of {name}")
