"""Checks of linear models and support vector machines."""

from typing import Any

from reprise.models.fitted.expect import expect_equal, is_a, is_fitted, refuse_unless, shape

_LINEAR = "sklearn.linear_model._base.LinearClassifierMixin"
_LIBSVM = "sklearn.svm._base.BaseLibSVM"
_TWO = 2  # two classes need only one row of coefficients


def check_linear(value: Any) -> None:
    """Check coefficients against features and classes."""
    if not is_a(value, _LINEAR) or not hasattr(value, "coef_"):
        return
    count = len(value.classes_)
    rows = 1 if count == _TWO else count
    expect_equal(value, "coef_", shape(value.coef_), (rows, value.n_features_in_))
    if shape(value.intercept_) not in ((), (rows,), (1,)):
        raise ValueError(f"a {type(value).__name__} whose intercept_ has another shape than coef_")


def check_support_vectors(value: Any) -> None:
    """Check what libsvm assumes."""
    import numpy as np

    if not is_a(value, _LIBSVM) or not is_fitted(value):
        return
    classes = len(value.classes_) if hasattr(value, "classes_") else _TWO
    vectors, pairs = len(value.support_), classes * (classes - 1) // 2
    counts = np.asarray(value._n_support)  # noqa: SLF001 - libsvm reads it
    if hasattr(value, "classes_"):
        expect_equal(value, "_n_support", (counts.shape, int(counts.sum())), ((classes,), vectors))
    if counts.size < 1 or not (counts >= 0).all():
        raise ValueError(f"a {type(value).__name__} with other numbers of support vectors")
    if value.kernel != "precomputed":
        expected = (vectors, value.n_features_in_)
        expect_equal(value, "support_vectors_", shape(value.support_vectors_), expected)
    for name in ("dual_coef_", "_dual_coef_"):
        expect_equal(value, name, shape(getattr(value, name)), (max(classes - 1, 1), vectors))
    for name in ("intercept_", "_intercept_"):
        expect_equal(value, name, shape(getattr(value, name)), (pairs,))
    for name in ("_probA", "_probB"):
        if len(getattr(value, name)) not in (0, pairs):
            raise ValueError(f"a {type(value).__name__} whose {name} has another length")
    from scipy import sparse

    is_sparse = sparse.issparse(value.support_vectors_)
    refuse_unless(value._sparse == is_sparse, value, "another form of support vectors")  # noqa: SLF001
    support = np.asarray(value.support_)
    if (support < 0).any() or (support >= value.shape_fit_[0]).any():
        raise ValueError(f"a {type(value).__name__} with support vectors that do not exist")
