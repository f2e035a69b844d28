"""Texts, JSON, YAML and notebooks: equal where a reader finds equal values."""

import json
from collections.abc import Mapping
from typing import Any

from reprise.record.digest import canonical_json
from reprise.trust.documents import parse_json, parse_yaml

_OF_A_CELL = ("cell_type", "source")
_OF_AN_OUTPUT = ("output_type", "name", "text", "data", "ename", "evalue")


def replaced(data: bytes, replacing: Mapping[str, str]) -> bytes:
    """Return bytes with other texts in the place of some."""
    for old, new in replacing.items():
        data = data.replace(old.encode("utf-8", "surrogateescape"), new.encode())
    return data


def text(data: bytes) -> bytes:
    """Return a text without its kind of line ends.

    Raises
    ------
    ValueError
        If it is not UTF-8.
    """
    return data.decode("utf-8").replace("\r\n", "\n").encode()


def json_document(data: bytes) -> bytes:
    """Return JSON in one way to write it."""
    return canonical_json(parse_json(data.decode("utf-8"))).encode()


def yaml_document(data: bytes) -> bytes:
    """Return what a YAML file says, as JSON."""
    return canonical_json(_plain(parse_yaml(data.decode("utf-8")))).encode()


def notebook(data: bytes) -> bytes:
    """Return the cells of a notebook with their outputs, without ids, times and counters."""
    cells = json.loads(data)["cells"]
    kept = [
        {
            **{name: _joined(cell.get(name)) for name in _OF_A_CELL},
            "outputs": [
                {name: _joined(output.get(name)) for name in _OF_AN_OUTPUT}
                for output in cell.get("outputs", ())
            ],
        }
        for cell in cells
    ]
    return canonical_json(kept).encode()


def _joined(value: Any) -> Any:
    """Return a text that may be written as a list of lines, also within a mapping of types."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    if isinstance(value, dict):
        return {str(name): _joined(each) for name, each in value.items()}
    return value


def _plain(value: Any) -> Any:
    """Return a value of YAML, which may have dates and keys of other types, as one of JSON."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
