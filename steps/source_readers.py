"""How a logged model reads numbers that the source holds as text, or as times.

Models are fitted on the numbers of a stored split. Before a model is logged, it gets a first stage
that makes the same numbers of what pandas reads from the source. The stage learns nothing.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pyarrow import compute as pc
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reprise.data.written import Written

_READ = "read"  # the name of the stage
_NUMBERS, _TEXTS = "numbers", ("text", "places")  # groups of columns: see `encoding`
_NAMES = "feature_names_in_"
_MISSING_TIME = "-9223372036854775808"  # of NumPy, as an integer
_NANOSECONDS = [  # to seconds: a point before the last nine digits
    (f"^{_MISSING_TIME}$", "nan"),
    (r"^(-?)([0-9]+)$", r"\1000000000\2"),
    (r"^(-?[0-9]+)([0-9]{9})$", r"\1.\2"),
]


def add_to(model: Pipeline, features: pd.DataFrame, written: Mapping[str, Written]) -> None:
    """Let a fitted model take columns as pandas reads them from the source, or as stored.

    Parameters
    ----------
    model : Pipeline
        Changed in place.
    features : DataFrame of shape (n_samples, n_features)
        Some rows that it can predict from.
    written : mapping of str to Written
        The columns that the source has in another form.
    """
    for group, encoder, names in _groups(model, list(features.columns)):
        described = [written.get(name) for name in names]
        if group == _NUMBERS and any(described):
            reader = ColumnTransformer(list(_segments(names, described)))
            reader.fit(features[names].head(1))
            _, first = encoder.steps[0]
            delattr(first, _NAMES)  # it gets an array from now on
            encoder.steps.insert(0, (_READ, reader))
        markers = sorted({text for each in described if each for text in each.na_values})
        if group in _TEXTS and markers:
            encoder.steps.insert(1, (_READ, _without(markers, len(names))))


def remove_from(model: Pipeline) -> None:
    """Undo `add_to`, for predictions from a stored split without the cost of reading text."""
    for group, encoder, _ in _groups(model, []):
        reader = encoder.named_steps.get(_READ)
        if reader is not None:
            encoder.steps.remove((_READ, reader))
            if group == _NUMBERS:
                setattr(encoder.steps[0][1], _NAMES, getattr(reader, _NAMES))


def _groups(model: Pipeline, names: list[str]) -> Iterator[tuple[str, Pipeline, list[str]]]:
    """Yield the fitted pipeline of each group of columns, and their names."""
    columns = model.named_steps.get("columns")
    if isinstance(columns, Pipeline):  # of a table of numbers alone
        yield _NUMBERS, columns, names
    elif columns is not None:
        for group, encoder, of in columns.transformers_:
            if isinstance(encoder, Pipeline) and not isinstance(of, str):
                yield group, encoder, list(of)


def _segments(
    names: Sequence[str], described: Sequence[Written | None]
) -> Iterator[tuple[str, Any, list[str]]]:
    """Yield a reader for each run of columns that are written alike; the order remains."""
    pairs = zip(names, described, strict=True)
    for place, (each, run) in enumerate(groupby(pairs, key=lambda pair: pair[1])):
        columns = [name for name, _ in run]
        yield f"{place}", "passthrough" if each is None else _reader(each, len(columns)), columns


def _reader(written: Written, columns: int) -> Pipeline:
    """Return what makes numbers of some columns that are written alike."""
    if written.kind == "duration":
        steps = [_step(np.reshape, shape=-1), *_seconds()]
    else:
        steps = [_step(np.asarray, dtype="U"), _step(np.reshape, shape=-1)]
        steps += [_replace(*each) for each in written.substitutions]
        if written.kind == "clock":
            steps += _seconds()
    steps += [
        _step(check_array, dtype="float64", ensure_2d=False, ensure_all_finite=False),
        _step(np.reshape, shape=(-1, columns)),
    ]
    return Pipeline([(f"{place}", step) for place, step in enumerate(steps)])


def _seconds() -> list[FunctionTransformer]:
    """Return what makes texts of seconds of times: a division by 1e9, correctly rounded."""
    return [
        _step(np.asarray, dtype="O"),
        _step(pd.to_timedelta),
        _step(np.asarray, dtype="timedelta64[ns]"),
        _step(np.asarray, dtype="int64"),
        _step(np.asarray, dtype="U"),
        *(_replace(*each) for each in _NANOSECONDS),
    ]


def _replace(pattern: str, replacement: str) -> FunctionTransformer:
    return _step(pc.replace_substring_regex, pattern=pattern, replacement=replacement)


def _step(function: Any, **named: Any) -> FunctionTransformer:
    return FunctionTransformer(function, kw_args=named)


def _without(markers: Sequence[str], columns: int) -> Pipeline:
    """Return what takes markers in text as missing; it comes after the imputer, as they do."""
    from steps.encoding import MISSING

    steps = [
        SimpleImputer(missing_values=marker, strategy="constant", fill_value=MISSING)
        for marker in markers
    ]
    pipeline = Pipeline([(f"{place}", step) for place, step in enumerate(steps)])
    return pipeline.fit(np.full((1, columns), MISSING, dtype=object))
