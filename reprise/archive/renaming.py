"""The ids of runs in texts: an imported run has another id than it had where it was made."""

import re
from collections.abc import Mapping

from reprise.record.schema import FILE_NAME

RECORDS = frozenset({FILE_NAME, "verdict.json", "comparison.json"})  # our own, which are read again
_RUN_ID = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{32}(?![0-9a-zA-Z])")


def renamed(text: str, ids: Mapping[str, str]) -> str:
    """Return a text with the ids that runs had replaced by those that they have now."""
    return _RUN_ID.sub(lambda match: ids.get(match[0], match[0]), text)


def renamed_values(values: Mapping[str, str], ids: Mapping[str, str]) -> dict[str, str]:
    """Return names with values in which ids are replaced; see `renamed`."""
    return {name: renamed(value, ids) for name, value in values.items()}
