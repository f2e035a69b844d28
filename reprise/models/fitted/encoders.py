"""Checks of encoders that write sparse matrices with fitted indices."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

from reprise.models.fitted.expect import expect_equal, is_a, refuse_unless

_ONE_HOT = "sklearn.preprocessing._encoders.OneHotEncoder"


def check_one_hot(value: Any) -> None:
    """Check that every category of a one-hot encoder has a column within its output."""
    if not is_a(value, _ONE_HOT) or not hasattr(value, "categories_"):
        return
    expect_equal(value, "categories_", len(value.categories_), value.n_features_in_)
    widths = value._compute_n_features_outs()  # noqa: SLF001 - as when it is fitted
    expect_equal(value, "columns", [*value._n_features_outs], widths)  # noqa: SLF001
    nothing = [None] * len(widths)
    grouped = value._infrequent_enabled  # noqa: SLF001 - rare categories have one column
    infrequent = value._infrequent_indices if grouped else nothing  # noqa: SLF001
    mappings = value._default_to_infrequent_mappings if grouped else nothing  # noqa: SLF001
    dropped = value._drop_idx_after_grouping  # noqa: SLF001
    drops = nothing if dropped is None else dropped
    columns = zip(widths, value.categories_, infrequent, mappings, drops, strict=True)
    for width, categories, rare, mapping, drop in columns:
        count = len(categories) if mapping is None else int(max(mapping, default=-1)) + 1
        refuse_unless((rare is None) == (mapping is None), value, "half of its rare categories")
        refuse_unless(mapping is None or min(mapping, default=0) >= 0, value, "a negative column")
        refuse_unless(drop is None or 0 <= drop < count, value, "no category that it drops")
        refuse_unless(count <= width + (drop is not None), value, "a category beyond its columns")


def check_vocabulary(value: Any) -> None:
    """Check that a vocabulary has each column once, counted from 0."""
    vocabulary = getattr(value, "vocabulary_", None)
    if isinstance(vocabulary, Mapping):
        columns = [*vocabulary.values()]
        are_whole = all(isinstance(column, Integral) for column in columns)
        in_bounds = are_whole and sorted(columns) == [*range(len(columns))]
        refuse_unless(in_bounds, value, "a word beyond its columns")
