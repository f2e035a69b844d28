"""What the columns of a prepared table were in the source, kept with each column.

A prepared column is a number or text. The model takes the column as it was, so the split carries
what that was: as metadata of the Parquet file's columns, where there is a difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    import pyarrow as pa

_AS_READ = b"reprise.as_read"  # key of the column's type as pandas reads the source
_TIMES = b"reprise.times"  # key of how pandas parses the column, which holds days since 1970
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
    from pyarrow import types

    as_text = not name.lower().partition("?")[0].endswith(_TYPED_FILES)
    fields = []
    for field in prepared.schema:
        kept: dict[bytes, bytes] = {}
        if field.name != prepared.column_names[-1]:
            kind = source.schema.field(field.name).type
            found = _as_read(source.column(field.name), as_text=as_text)
            if types.is_floating(field.type) and (types.is_date(kind) or types.is_timestamp(kind)):
                kept[_TIMES] = ((formats or {}).get(field.name) or ISO).encode()
            if found not in _SAME or kept:
                kept[_AS_READ] = found.encode()
        fields.append(field.with_metadata(kept) if kept else field)
    return prepared.cast(pa.schema(fields)) if any(f.metadata for f in fields) else prepared


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
    if types.is_time(kind) or types.is_duration(kind):
        return "double"  # the model takes seconds
    is_category = types.is_dictionary(kind) and types.is_string(kind.value_type)
    return _ANY if is_category or types.is_decimal(kind) else "string"


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


def example(features: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return features as pandas reads them from the source.

    Parameters
    ----------
    features : DataFrame of shape (n_samples, n_features)
        As models are fitted on them.
    kinds : mapping of str to str
        As of `as_read`.
    """
    shown = features.copy()
    for name, kind in kinds.items():
        form = features.attrs.get(FORMATS, {}).get(name, ISO)
        shown[name] = _converted(shown[name], kind, _WRITTEN if form == ISO else form)
    return shown


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
