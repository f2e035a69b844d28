"""Read documents from others: regular files with limited size, depth and number of values.

YAML may have no anchors, aliases and repeated keys; JSON may have no repeated keys.
"""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from reprise.trust import limits

if TYPE_CHECKING:
    from pydantic import ValidationError

# Escapes a hundred at a time: without a limit each would be remembered, to go back to.
_QUOTES_AND_BRACKETS = re.compile(r'(?:\\.){1,100}|["\[{\]}]', re.DOTALL)
_NUMBER = re.compile(r"[-+.]*[0-9]")
_KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DocumentError(ValueError):
    """A document is no file, or exceeds a limit of its kind; the text says what was found."""


class NoFileError(DocumentError):
    """A document is a folder, a device, a pipe or a socket."""


def read_bytes(path: Path, *, largest: int) -> bytes:
    """Read a regular file; never wait for a pipe or a device.

    Raises
    ------
    OSError
        If the file cannot be opened.
    DocumentError
        If it is a folder, a device, a pipe or a socket, or larger than `largest` bytes.
    """
    refuse_irregular(path.stat().st_mode)  # opening some devices has effects
    # A pipe may have replaced the file since then; opening it must not wait.
    with open(path, "rb", opener=open_without_waiting) as file:
        refuse_irregular(os.fstat(file.fileno()).st_mode)
        content = file.read(largest + 1)
    if len(content) > largest:
        raise DocumentError(f"more than {size_text(largest)}")
    return content


def read_text(path: Path, *, largest: int) -> str:
    """Read a regular file of UTF-8 text; see `read_bytes`."""
    return read_bytes(path, largest=largest).decode("utf-8")


def open_without_waiting(path: str, flags: int) -> int:
    """Open a file for `open`, without waiting for the writer of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)


def refuse_irregular(mode: int) -> None:
    """Refuse the mode of anything but a regular file."""
    for is_kind, name in _KINDS.items():
        if is_kind(mode):
            raise NoFileError(f"{name}, not a file")


def size_text(size: int) -> str:
    """Return a number of bytes as text with a unit."""
    for unit, name in ((limits.GIB, "GiB"), (limits.MIB, "MiB"), (limits.KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} bytes"


def parse_yaml(text: str) -> Any:
    """Read YAML of plain values; count its events before any value is built.

    Raises
    ------
    DocumentError
        If the text has an anchor, an alias or a repeated key, or is too large or too deep.
    yaml.YAMLError, ValueError
        If the text is not YAML.
    """
    if len(text) > limits.YAML_BYTES:
        raise DocumentError(f"more than {size_text(limits.YAML_BYTES)}")
    _count_events(yaml.parse(text, Loader=_LOADER))
    _refuse_repeated_keys(yaml.compose(text, Loader=_LOADER))
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader


def _count_events(events: Iterator[yaml.Event]) -> None:
    depth = count = 0
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else 0
        if getattr(event, "anchor", None) is not None:
            kind = "an alias (*)" if isinstance(event, yaml.AliasEvent) else "an anchor (&)"
            raise DocumentError(f"{kind} in line {line}, which is not read here")
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
            _refuse_long_number(event.value, line)
        count += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > limits.YAML_DEPTH:
            raise DocumentError(f"more than {limits.YAML_DEPTH} levels of nesting in line {line}")
        if count > limits.YAML_NODES:
            raise DocumentError(f"more than {limits.YAML_NODES} values")


def _refuse_long_number(value: str, line: int) -> None:
    """Refuse a number that would take seconds to convert, or that cannot be printed."""
    if len(value) > limits.NUMBER_CHARACTERS and _NUMBER.match(value):
        raise DocumentError(f"a number of {len(value)} characters in line {line}")


def _refuse_repeated_keys(node: yaml.Node | None) -> None:
    """Refuse a repeated key: YAML would silently drop all its values but the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[tuple[str, str]] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    line = key.start_mark.line + 1
                    raise DocumentError(f"the key {key.value!r} a second time in line {line}")
                seen.add((key.tag, key.value))
            _refuse_repeated_keys(key)
            _refuse_repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item)


def parse_json(
    text: str, *, largest: int = limits.JSON_BYTES, deepest: int = limits.JSON_DEPTH
) -> Any:
    """Read JSON.

    Raises
    ------
    DocumentError
        If the text has a repeated key, or is too large or too deep.
    ValueError
        If the text is not JSON.
    """
    if len(text) > largest:
        raise DocumentError(f"more than {size_text(largest)}")
    _refuse_deep(text, deepest)
    return json.loads(text, object_pairs_hook=_without_repeated_keys)


def bad_field(error: "ValidationError") -> str:
    """Return, in words, the first field of a document that is none of its kind's."""
    first = error.errors()[0]
    return f"a bad field {'.'.join(map(str, first['loc']))}: {first['msg']}"


def _refuse_deep(text: str, deepest: int) -> None:
    """Refuse JSON with more levels of nesting than this; brackets in strings do not count."""
    depth, is_string = 0, False
    for match in _QUOTES_AND_BRACKETS.finditer(text):
        part = match[0]
        if part == '"':
            is_string = not is_string
        elif not is_string:
            depth += (part in "[{") - (part in "]}")
            if depth > deepest:
                raise DocumentError(f"more than {deepest} levels of nesting")


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise DocumentError("a key that stands twice in one object")
    return values
