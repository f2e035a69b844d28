"""SHA-256 of the outputs that a replay must reproduce: tables, models, predictions, metrics.

A digest is of content, not of a file: a Parquet file can be encoded in many ways, and a .skops file
differs at every save. Equal values always have equal digests; a change of any bit, name, type or
order gives another digest.
"""

import hashlib
import json
import math
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.backports import file_digest

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_MAX_DEPTH = 100


def canonical_json(value: Any) -> str:
    """Return a value as JSON with sorted keys, in UTF-8; NaN and infinities become text."""
    return json.dumps(_finite(value), sort_keys=True, ensure_ascii=False, indent=1) + "\n"


def sha256_text(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, as 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_bytes(data: bytes) -> str:
    """Return the SHA-256 of bytes, as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_json(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON."""
    return sha256_text(canonical_json(value))


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, which are read in pieces."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def sha256_table(table: "pa.Table") -> str:
    """Return the digest of a table's names, types and values; chunks and encoding do not matter.

    The bytes that a buffer holds for a missing value do not count.

    Raises
    ------
    TypeError
        If a column is of a type that stored splits never have.
    """
    hasher = _Hasher()
    hasher.text(f"table {table.num_rows} {table.num_columns}")
    for name, column in zip(table.column_names, table.columns, strict=True):
        hasher.text(name)
        # combine_chunks copies even a single chunk
        _hash_column(hasher, column.chunk(0) if column.num_chunks == 1 else column.combine_chunks())
    return hasher.hexdigest()


def sha256_array(array: "np.ndarray[Any, Any]") -> str:
    """Return the digest of an array's type, shape and values."""
    hasher = _Hasher()
    _hash_object(hasher, array, 0)
    return hasher.hexdigest()


def sha256_model(model: Any) -> str:
    """Return the digest of a fitted scikit-learn estimator, field by field.

    Parameters
    ----------
    model : estimator
        The digest covers its class, its parameters and everything that fitting stored in it:
        arrays by type, shape and values (a tree's nodes field by field, without their padding).

    Raises
    ------
    TypeError
        If it holds an object without a comparable value, such as an open file or a lambda.
    """
    hasher = _Hasher()
    _hash_object(hasher, model, 0)
    return hasher.hexdigest()


class _Hasher:
    """SHA-256 of values with their lengths, so that two sequences of values cannot look alike."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def text(self, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        self._sha256.update(b"%d:" % len(data))
        self._sha256.update(data)

    def raw(self, array: "np.ndarray[Any, Any]") -> None:
        import numpy as np

        self._sha256.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()


def _hash_column(hasher: _Hasher, column: "pa.Array") -> None:
    """Add a column's type, the positions of missing values, and the values."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    hasher.text("string" if pa.types.is_large_string(column.type) else str(column.type))
    missing = column.null_count  # most columns have none, and tables may have many columns
    is_valid = column.is_valid().to_numpy(zero_copy_only=False) if missing else None
    hasher.raw(np.packbits(np.ones(len(column), bool) if is_valid is None else is_valid))
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        text = pc.fill_null(column, "").cast(pa.large_string())
        _, offsets_buffer, data = text.buffers()
        offsets = np.frombuffer(offsets_buffer, np.int64)[text.offset : text.offset + len(text) + 1]
        hasher.raw(np.diff(offsets))
        if data is not None:
            hasher.raw(np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]])
    elif pa.types.is_boolean(column.type):
        hasher.raw(pc.fill_null(column, False).cast(pa.uint8()).to_numpy())
    elif pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        hasher.raw((pc.fill_null(column, 0) if missing else column).to_numpy())
    else:
        raise TypeError(f"cannot digest a column of type {column.type}")


def _hash_object(  # noqa: C901, PLR0912 - a branch per kind of value
    hasher: _Hasher, value: Any, depth: int
) -> None:
    """Add any value that scikit-learn stores in a fitted estimator."""
    import numpy as np

    if depth > _MAX_DEPTH:
        raise TypeError(f"cannot digest {type(value)}: nested more than {_MAX_DEPTH} deep")
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if value is None or isinstance(value, bool | int | str | bytes):
        hasher.text(f"{name} {value!r}")
    elif isinstance(value, float):
        hasher.text(f"float {float(value)!r}")
    elif isinstance(value, np.generic):
        hasher.text(f"scalar {value.dtype}")
        _hash_array(hasher, np.asarray(value), depth)
    elif isinstance(value, np.ndarray):
        _hash_array(hasher, value, depth)
    elif isinstance(value, Mapping):
        hasher.text(f"mapping {len(value)}")
        for key in sorted(value, key=repr):
            _hash_object(hasher, key, depth + 1)
            _hash_object(hasher, value[key], depth + 1)
    elif isinstance(value, list | tuple):
        _hash_sequence(hasher, f"sequence {len(value)}", value, depth)
    elif isinstance(value, set | frozenset):
        _hash_sequence(hasher, f"set {len(value)}", sorted(value, key=repr), depth)
    elif isinstance(value, slice):
        hasher.text(repr(value))
    elif isinstance(value, np.random.RandomState):  # its state; the seed is lost
        hasher.text(name)
        _hash_object(hasher, value.get_state(legacy=False), depth + 1)
    elif isinstance(value, type | np.dtype | np.ufunc):
        hasher.text(f"{name} {value!r}")
    elif isinstance(value, types.FunctionType | types.BuiltinFunctionType):
        if "<" in value.__qualname__:
            raise TypeError(f"cannot digest {value.__qualname__}: a function without a name")
        hasher.text(f"function {value.__module__}.{value.__qualname__}")
    else:
        hasher.text(f"object {name}")
        _hash_object(hasher, _state(value), depth + 1)


def _hash_sequence(hasher: _Hasher, header: str, values: Iterable[Any], depth: int) -> None:
    hasher.text(header)
    for value in values:
        _hash_object(hasher, value, depth + 1)


def _hash_array(hasher: _Hasher, array: "np.ndarray[Any, Any]", depth: int) -> None:
    """Add an array's type, shape and values in C order; a structured one field by field."""
    hasher.text(f"array {array.shape}")
    if array.dtype.names:
        for field in array.dtype.names:
            hasher.text(field)
            _hash_array(hasher, array[field], depth + 1)
    elif array.dtype.kind in "OTU":
        _hash_sequence(hasher, "values", array.ravel().tolist(), depth)
    else:
        hasher.text(array.dtype.str)
        hasher.raw(array)


def _state(value: Any) -> Any:
    """Return the content of an object: its attributes, or the state that pickle would use."""
    state = value.__reduce_ex__(2)  # raises TypeError for more than attributes
    if isinstance(state, str):  # a global object; this is its name
        return f"{getattr(value, '__module__', '')}.{state}"
    return dict(vars(value)) if getattr(value, "__dict__", None) else state[1:3]


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
