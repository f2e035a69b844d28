"""How models read a table: numbers, times and text, each as a matrix of numbers.

The conversions are a part of the logged model, so that it predicts from the table as it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils.validation import check_array

from steps.source_types import FORMATS, ISO

if TYPE_CHECKING:
    from collections.abc import Iterable

Steps = list[tuple[str, Any]]

MISSING = "missing"  # the category of a missing text
_NO_TIME = float(np.iinfo(np.int64).min)  # a missing time as a number
_UNKNOWN = -1  # the number of a category that the training part does not have
_MOST_READABLE = 20  # categories of a column that a tree reads one by one


def linear_columns(
    features: pd.DataFrame, *, scale: bool, max_categories: int | None
) -> Pipeline | ColumnTransformer:
    """Encode columns for a linear model: text as sparse indicators.

    Numbers are standardised (optional), and their missing values imputed by the mean.

    Parameters
    ----------
    features : DataFrame of shape (n_samples, n_features)
    scale : bool
    max_categories : int or None
        Indicators of a column of text at most. The rarest categories share the last one.
    """
    _, times, text = kinds(features)
    return _columns(
        features,
        scale=scale,
        text=[("text", _text(_one_hot(max_categories)), text)],
        times=_times(features[times], scale=scale),
    )


def tree_columns(
    features: pd.DataFrame, *, max_categories: int | None
) -> Pipeline | ColumnTransformer:
    """Encode columns for trees: text of at most 20 categories as sparse indicators.

    Other text becomes the place of its category in the alphabet: a tree needs as many splits to
    tell thousands of indicators apart, and each split would search all of them.

    Parameters
    ----------
    features : DataFrame of shape (n_samples, n_features)
    max_categories : int or None
        Categories of a column of text at most. The rarest ones are treated as one.
    """
    _, times, text = kinds(features)
    few = [name for name in text if features[name].nunique() <= _MOST_READABLE]
    many = [name for name in text if name not in set(few)]
    return _columns(
        features,
        scale=False,
        text=[
            ("text", _text(_one_hot(max_categories)), few),
            ("places", _text(_ordinal(max_categories)), many),
        ],
        times=_times(features[times], scale=False),
    )


def dense_columns(
    features: pd.DataFrame, *, max_categories: int | None
) -> Pipeline | ColumnTransformer:
    """Encode columns for estimators that take dense matrices only: each is one column.

    Parameters
    ----------
    features : DataFrame of shape (n_samples, n_features)
    max_categories : int or None
        As of `tree_columns`.
    """
    _, times, text = kinds(features)
    return _columns(
        features,
        scale=False,
        text=[("places", _text(_ordinal(max_categories)), text)],
        times=_times(features[times], scale=False),
    )


def kinds(features: pd.DataFrame) -> tuple[list[str], list[str], list[str]]:
    """Return the names of the columns of numbers, of times and of text."""
    numbers = list(features.select_dtypes(["number", "bool"]).columns)
    times = list(features.select_dtypes(["datetime", "datetimetz"]).columns)
    others = {*numbers, *times}
    return numbers, times, [name for name in features.columns if name not in others]


def feature_names(columns: Pipeline | ColumnTransformer) -> list[str]:
    """Return the names of the columns of the matrix that fitted `columns` make."""
    if not isinstance(columns, ColumnTransformer):
        return [str(name) for name in columns.get_feature_names_out()]
    names = []
    for group, transformer, of in columns.transformers_:
        if isinstance(of, str):  # a time, which is one column
            names.append((group, of))
        elif isinstance(transformer, Pipeline):
            names += [(group, str(name)) for name in transformer.get_feature_names_out(of)]
    plain = [name for _, name in names]
    if len(set(plain)) == len(plain):
        return plain
    return [f"{group}__{name}" for group, name in names]


def time_columns(columns: Pipeline | ColumnTransformer) -> frozenset[str]:
    """Return the names of the columns that hold microseconds since 1970, or these scaled."""
    groups = columns.transformers if isinstance(columns, ColumnTransformer) else ()
    return frozenset(of for _, _, of in groups if isinstance(of, str))


def _columns(
    features: pd.DataFrame, *, scale: bool, text: Iterable[Any], times: Iterable[Any]
) -> Pipeline | ColumnTransformer:
    """Put the groups of columns together; a table of numbers alone needs no copy of them."""
    numbers, _, _ = kinds(features)
    steps = _numbers(features[numbers], scale=scale) if numbers else []
    others = [*(group for group in text if group[2]), *times]
    if not others:
        return Pipeline(steps)  # a ColumnTransformer would make another copy of the table
    own = [("numbers", Pipeline(steps), numbers)] if numbers else []
    return ColumnTransformer([*own, *others])


def _numbers(numbers: pd.DataFrame, *, scale: bool) -> Steps:
    """Standardise and impute numbers; a column without a value in a fold becomes 0.

    Such a column has values in one fold only, so most are missing.

    StandardScaler keeps missing values, so the imputer can change its output in place. It must not
    change the frame itself.
    """
    has_gaps = bool(numbers.min(skipna=False).isna().any())
    may_be_empty = has_gaps and bool(2 * numbers.count().min() <= len(numbers))
    steps: Steps = [("scale", StandardScaler())] if scale else []
    imputer = SimpleImputer(strategy="mean", copy=not scale, keep_empty_features=may_be_empty)
    return [*steps, ("impute", imputer)]


def _text(encoder: OneHotEncoder | OrdinalEncoder) -> Pipeline:
    """Encode text, of which the missing ones are a category."""
    imputer = SimpleImputer(strategy="constant", fill_value=MISSING, keep_empty_features=True)
    return Pipeline([("impute", imputer), ("encode", encoder)])


def _one_hot(max_categories: int | None) -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=max_categories)


def _ordinal(max_categories: int | None) -> OrdinalEncoder:
    return OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=_UNKNOWN,
        max_categories=max_categories,
    )


def _times(times: pd.DataFrame, *, scale: bool) -> list[tuple[str, Pipeline, str]]:
    """Encode each column of times on its own: pandas parses one at a time."""
    formats = times.attrs.get(FORMATS, {})
    return [
        (f"time {place}", _time(formats.get(name, ISO), scale=scale), name)
        for place, name in enumerate(times.columns)
    ]


def _time(form: str, *, scale: bool) -> Pipeline:
    """Turn a column of times, or of text in a format, into microseconds since 1970 in UTC."""
    as_times = {"dtype": "datetime64[us]", "ensure_2d": False, "ensure_all_finite": False}
    as_numbers = {"dtype": "float64", "ensure_all_finite": False}
    steps: Steps = [
        ("parse", FunctionTransformer(pd.to_datetime, kw_args={"utc": True, "format": form})),
        ("times", FunctionTransformer(check_array, kw_args=as_times)),
        ("column", FunctionTransformer(np.reshape, kw_args={"shape": (-1, 1)})),
        ("numbers", FunctionTransformer(check_array, kw_args=as_numbers)),
        (
            "impute",
            SimpleImputer(missing_values=_NO_TIME, strategy="mean", keep_empty_features=True),
        ),
    ]
    return Pipeline([*steps, *([("scale", StandardScaler())] if scale else [])])
