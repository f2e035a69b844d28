"""What the columns of a prepared table were in the source, kept with each column.

A prepared column is a number or text. The model takes the column as it was, so the split carries
what that was: as metadata of the Parquet file's columns, where there is a difference.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from reprise.data.written import Written

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    import pyarrow as pa

_AS_READ = b"reprise.as_read"  # key of the column's type as pandas reads the source
_TIMES = b"reprise.times"  # key of how pandas parses the column, which holds days since 1970
_DESCRIBED = {"as_read": _AS_READ, "format": _TIMES}
_TYPED_FILES = (".parquet", ".feather", ".arrow", ".xlsx")  # their dates are no text
_ANY = "any"
_SAME = ("double", "float", "string")  # types of MLflow that prepared columns have themselves
ISO = "ISO8601"
_WRITTEN = "%Y-%m-%dT%H:%M:%S.%f"  # how it is written
FORMATS = "time_formats"  # attribute of a frame: how to parse its columns of times
_MICROSECONDS = 86_400_000_000  # a day


def remember(
    prepared: pa.Table,
    source: pa.Table,
    *,
    name: str,
    formats: Mapping[str, str | None] | None = None,
) -> pa.Table:
    """Return a prepared table that carries what its features were in the source.

    Parameters
    ----------
    prepared, source : pyarrow.Table
    name : str
        Path or address of the source: pandas reads the dates of some formats as text.
    formats : mapping of str to str or None, optional
        Formats of dates in text, as of `strptime`, by column; None, and of others: ISO 8601.
    """
    import pyarrow as pa

    as_text = not name.lower().partition("?")[0].endswith(_TYPED_FILES)
    # by name, as each look-up of a column in a table takes as long as the table is wide
    origins = {f.name: (f, c) for f, c in zip(source.schema, source.columns, strict=True)}
    *features, label = prepared.schema
    fields = [
        _remembered(field, *origins[field.name], as_text=as_text, formats=formats or {})
        for field in features
    ]
    fields.append(label)
    return prepared.cast(pa.schema(fields)) if any(f.metadata for f in fields) else prepared


def _remembered(
    field: pa.Field,
    origin: pa.Field,
    column: pa.ChunkedArray,
    *,
    as_text: bool,
    formats: Mapping[str, str | None],
) -> pa.Field:
    """Return the field of a prepared column that says what it was in the source."""
    from pyarrow import types

    kept: dict[bytes, bytes] = {}
    found = _as_read(column, as_text=as_text)
    is_date = types.is_date(origin.type) or types.is_timestamp(origin.type)
    if types.is_floating(field.type) and is_date:
        kept[_TIMES] = (formats.get(field.name) or ISO).encode()
    written = _written(origin, as_text=as_text)
    if written is not None:
        found = _type_of(written, found, as_text=as_text)
    if found not in _SAME or kept or written is not None:
        kept[_AS_READ] = found.encode()
    described = field.with_metadata(kept) if kept else field
    return described if written is None else written.marked(described)


def _as_read(column: pa.ChunkedArray, *, as_text: bool) -> str:
    """Return MLflow's name for the type that pandas gives to a column of a source."""
    from pyarrow import types

    kind = column.type
    if types.is_boolean(kind):
        return "boolean"
    if types.is_integer(kind):
        return "double" if column.null_count else _ANY if types.is_uint64(kind) else "long"
    if types.is_floating(kind):
        return "float" if types.is_float32(kind) else "double"
    if types.is_date(kind) or types.is_timestamp(kind):
        zoned = types.is_timestamp(kind) and kind.tz is not None  # MLflow refuses those
        return "string" if as_text else _ANY if zoned else "datetime"
    is_category = types.is_dictionary(kind) and types.is_string(kind.value_type)
    return _ANY if is_category or types.is_decimal(kind) else "string"


def _written(field: pa.Field, *, as_text: bool) -> Written | None:
    """Return how a column of a source is written, if pandas reads something else than is stored."""
    from pyarrow import types

    written = Written.of(field)
    if types.is_time(field.type) or types.is_duration(field.type):
        is_span = types.is_duration(field.type) and not as_text
        return replace(written or Written(), kind="duration" if is_span else "clock")
    return written


def _type_of(written: Written, found: str, *, as_text: bool) -> str:
    """Return MLflow's name for the type that pandas gives to a column that is written otherwise.

    It may be text or a number, depending on the options of pandas and on the other rows.
    """
    if written.kind == "text":
        return found
    if written.kind in ("clock", "duration"):
        return "string" if as_text else _ANY
    style = written.style
    return "string" if style.percent or style.currency else _ANY


def written(table: pa.Table) -> dict[str, Written]:
    """Return how the columns are written that pandas reads otherwise, by name.

    Raises
    ------
    DataError
        If the metadata of a column are damaged.
    """
    described = ((field.name, Written.of(field)) for field in table.schema)
    return {name: each for name, each in described if each is not None}


def times(table: pa.Table) -> dict[str, str]:
    """Return the formats of the columns that were dates or times in the source, by name."""
    described = ((field.name, (field.metadata or {}).get(_TIMES)) for field in table.schema)
    return {name: format_.decode() for name, format_ in described if format_ is not None}


def as_times(days: pd.Series[Any]) -> pd.Series[Any]:
    """Convert days since 1970 to times, rounded to microseconds."""
    import numpy as np
    import pandas as pd

    values = days.to_numpy(dtype=float)
    missing = np.isnan(values)
    units = np.rint(np.where(missing, 0.0, values) * _MICROSECONDS).astype("int64")
    converted = units.astype("datetime64[us]")
    converted[missing] = np.datetime64("NaT")
    return pd.Series(converted, index=days.index, name=days.name)


def as_read(table: pa.Table) -> dict[str, str]:
    """Return MLflow's names of the types of columns that a prepared table holds differently."""
    described = ((field.name, (field.metadata or {}).get(_AS_READ)) for field in table.schema)
    return {name: kind.decode() for name, kind in described if kind is not None}


def signature_types(features: pd.DataFrame, kinds: Mapping[str, str]) -> dict[str, str]:
    """Return MLflow's types of columns for a signature.

    A boolean with missing values is of any type: MLflow would make False of a null in a request.

    Parameters
    ----------
    features : DataFrame of shape (n_samples, n_features)
    kinds : mapping of str to str
        As of `as_read`.
    """
    return {
        name: _ANY if kind == "boolean" and features[name].isna().any() else kind
        for name, kind in kinds.items()
    }


def differences(field: pa.Field) -> dict[str, Any]:
    """Return what pandas reads instead of a stored column, ready for JSON; empty: the same.

    Two tables of equal values may differ in it, and then models of one do not read the other.
    """
    kept = {name: (field.metadata or {}).get(key) for name, key in _DESCRIBED.items()}
    found: dict[str, Any] = {name: text.decode() for name, text in kept.items() if text is not None}
    if found.get("format") == ISO:
        del found["format"]
    written = Written.of(field)
    return found if written is None else {**found, "written": asdict(written)}


def example(
    features: pd.DataFrame, kinds: Mapping[str, str], written: Mapping[str, Written]
) -> pd.DataFrame:
    """Return features as pandas reads them from the source.

    Parameters
    ----------
    features : DataFrame of shape (n_samples, n_features)
        As models are fitted on them.
    kinds : mapping of str to str
        As of `as_read`.
    written : mapping of str to Written
        As of the function of that name.
    """
    shown = features.copy()
    for name in written.keys() & set(shown.columns):
        if written[name].kind != "text":
            shown[name] = _as_written(shown[name], written[name])
    for name, kind in kinds.items():
        form = features.attrs.get(FORMATS, {}).get(name, ISO)
        shown[name] = _converted(shown[name], kind, _WRITTEN if form == ISO else form)
    return shown


def _as_written(numbers: pd.Series[Any], written: Written) -> pd.Series[Any]:
    """Return numbers as the source may have them: in text, with its decimal sign."""
    import pandas as pd

    if written.kind == "number":
        sign = written.style.decimal
        texts = [None if pd.isna(n) else repr(n).replace(".", sign) for n in numbers.tolist()]
    else:
        spans = pd.to_timedelta(numbers, unit="s")
        texts = [None if pd.isna(span) else str(span) for span in spans]
    return pd.Series(texts, index=numbers.index, name=numbers.name, dtype=object)


def _converted(column: pd.Series[Any], kind: str, form: str) -> pd.Series[Any]:
    missing = column.isna()
    if kind == "string" and column.dtype.kind == "M":
        texts: pd.Series[Any] = column.dt.strftime(form).astype(object)
        return texts.where(~missing, None)
    if kind == "long" and not missing.any():
        return column.astype("int64")
    if kind == "boolean":
        flags: pd.Series[Any] = column.eq(1)
        return flags.astype(object).where(~missing, None) if missing.any() else flags
    return column
