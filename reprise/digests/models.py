"""Models: MLflow's description of one, and the files of skops, without ids, addresses and times."""

import io
import json
import re
import zipfile
from typing import Any

from reprise.digests.archives import Member
from reprise.digests.documents import yaml_document
from reprise.record.digest import canonical_json

# Of a model's description: which run made it, when, under which id, and how its files are packed.
_OF_ONE_MODEL = frozenset(
    {"run_id", "model_id", "model_uuid", "utc_time_created", "model_size_bytes", "artifact_path"}
)
_ID = re.compile(r"\bm-[0-9a-f]{32}\b")
_SCHEMA = "schema.json"
_DEPTH = 200  # levels of a skops schema; each level of an estimator needs three


def mlmodel(data: bytes) -> bytes:
    """Return what an `MLmodel` file says of the model itself."""
    values = json.loads(yaml_document(data))
    kept = {name: value for name, value in values.items() if name not in _OF_ONE_MODEL}
    return _ID.sub("m-", canonical_json(kept)).encode()


def skops(data: bytes, member: Member) -> bytes:
    """Return what a skops file says: its objects in their order, its arrays by content.

    skops names objects, and the files of their arrays, by the addresses that they had in memory.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = set(archive.namelist()) - {_SCHEMA}
            schema = json.loads(archive.read(_SCHEMA))
            digests = {name: member(archive.read(name), name).decode() for name in files}
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from None
    return canonical_json(_numbered(schema, digests, {}, 0)).encode()


def _numbered(value: Any, digests: dict[str, str], numbers: dict[Any, int], depth: int) -> Any:
    """Return a part of a schema with numbers for addresses, and digests for files."""
    if depth > _DEPTH:
        raise ValueError("a schema with too many levels")
    if isinstance(value, dict):
        return {
            name: numbers.setdefault(each, len(numbers))
            if name == "__id__" and isinstance(each, int)
            else _numbered(each, digests, numbers, depth + 1)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_numbered(each, digests, numbers, depth + 1) for each in value]
    return digests.get(value, value) if isinstance(value, str) else value
