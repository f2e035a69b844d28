"""What the name of a file says of its format and of its packing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from reprise.data.notices import Notice
from reprise.data.packing import PACKINGS
from reprise.data.read_options import DEFAULTS, ReadOptions
from reprise.errors import DataError

# Files of lines of values, and the separator that goes with the extension; None: any.
TEXT: dict[str, str | None] = {
    ".csv": ",",
    ".tsv": "\t",
    ".tab": "\t",
    ".txt": None,
    ".data": None,
}
LINES_OF_JSON = (".jsonl", ".ndjson")
ARROW = (".feather", ".arrow")
WORKBOOKS = (".xlsx",)
FORMATS = (*TEXT, ".parquet", *ARROW, *LINES_OF_JSON, *WORKBOOKS)


@dataclass(frozen=True)
class Format:
    """How to read a file.

    Attributes
    ----------
    suffix : str
        One of `FORMATS`, or "" if the member of a zip archive decides.
    packing : str
        One of `PACKINGS`, or "".
    """

    suffix: str
    packing: str = ""


# Options that have no effect on a format, because the file itself says it.
_FOR_WORKBOOKS_ONLY = ("sheet",)
_FOR_TEXT_ONLY = ("separator", "encoding")
_FOR_CELLS_ONLY = ("header", "names", "comment")


def unused(suffix: str, options: ReadOptions) -> list[Notice]:
    """Return a notice for each option that does not apply to a format."""
    idle: tuple[str, ...] = _FOR_WORKBOOKS_ONLY
    if suffix in WORKBOOKS:
        idle = _FOR_TEXT_ONLY
    elif suffix not in TEXT:
        idle = (*_FOR_WORKBOOKS_ONLY, *_FOR_TEXT_ONLY, *_FOR_CELLS_ONLY)
    return [
        Notice(None, f"`{name}` has no effect on a file of {suffix}", "Leave it out.")
        for name in idle
        if getattr(options, name) != getattr(DEFAULTS, name)
    ]


def of(name: str, *, within: str = "") -> Format:
    """Return the format of a path or an address, or of a member of the archive `within`.

    Raises
    ------
    DataError
        If it has no extension of a table.
    """
    file = (urlsplit(name).path if "://" in name else name).lower()
    packing = next((known for known in PACKINGS if file.endswith(known)), "")
    file = file.removesuffix(packing)
    suffix = next((known for known in FORMATS if file.endswith(known)), "")
    if suffix or packing == ".zip":
        return Format(suffix, packing)
    found = PurePosixPath(file).suffix or "no extension"
    raise DataError(
        f"Expected a table in {', '.join(FORMATS)} (packed: {', '.join(PACKINGS)}), found "
        f"{found}: {within or name}. Convert it, or give it the extension of what it is."
    )
