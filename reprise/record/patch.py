"""Read a patch of git for display: its files, the lines that each gains and loses."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from reprise.backports import Self

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_FILE = "diff --git "
_RENAMED = "rename to "
_NOTES = {
    "new file mode": "new",
    "deleted file mode": "deleted",
    "rename from": "renamed",
    "old mode": "other mode",
    "Binary files": "binary",
}

Kind = Literal["head", "hunk", "added", "removed", "kept"]
Line = tuple[Kind, str]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChangedFile(_Frozen):
    """A file of a patch, with the numbers of lines that it gains and loses."""

    name: str
    added: int
    removed: int
    notes: tuple[str, ...] = ()  # new, deleted, renamed, other mode, binary

    def __str__(self) -> str:
        """Return the file and its numbers as one line."""
        lines = f"+{self.added} -{self.removed}" if self.added or self.removed else ""
        return "  ".join(filter(None, (self.name, lines, ", ".join(self.notes))))


class CodeDifference(_Frozen):
    """The change from one run's code to another's."""

    patch: str | None  # None if the code of a run cannot be found
    files: tuple[ChangedFile, ...] = ()
    missing: tuple[str, ...] = ()  # the reasons why

    @classmethod
    def of(cls, patch: str) -> Self:
        """Return the difference in a patch that git wrote."""
        return cls(patch=patch, files=tuple(file for file, _ in split_patch(patch)))


def split_patch(patch: str) -> list[tuple[ChangedFile, list[Line]]]:
    """Split a patch of git into its files, and each file into lines with their kinds.

    The line counts of a hunk decide where it ends: an added line may itself look like a patch.
    """
    files: list[list[Line]] = []
    old = new = 0  # lines of the hunk that follow
    for line in patch.removesuffix("\n").split("\n"):
        kind: Kind = "head"  # lines of git about the file
        if (old > 0 or new > 0) and not line.startswith("\\"):
            kind = _kind(line)
            old -= kind != "added"
            new -= kind != "removed"
        elif hunk := _HUNK.match(line):
            kind = "hunk"
            old, new = (int(count or 1) for count in hunk.groups())
        elif line.startswith(_FILE):
            files.append([])
        if files:
            files[-1].append((kind, line))
    return [(_changed_file(lines), lines) for lines in files]


def first_lines(
    files: Iterable[tuple[ChangedFile, list[Line]]], most: int
) -> tuple[list[tuple[ChangedFile, list[Line]]], int]:
    """Return the first lines of a split patch, and the number of lines after them."""
    kept, hidden = [], 0
    for file, lines in files:
        first = lines[:most]
        kept.append((file, first))
        hidden += len(lines) - len(first)
        most -= len(first)
    return kept, hidden


def _kind(line: str) -> Kind:
    if line.startswith("+"):
        return "added"
    return "removed" if line.startswith("-") else "kept"


def _changed_file(lines: Sequence[Line]) -> ChangedFile:
    kinds = [kind for kind, _ in lines]
    heads = [line for kind, line in lines if kind == "head"]
    both = heads[0].removeprefix(_FILE)  # "a/x b/x", two halves of one length if it is no rename
    name = both[: len(both) // 2].strip('"').removeprefix("a/")
    renamed = [head.removeprefix(_RENAMED) for head in heads if head.startswith(_RENAMED)]
    return ChangedFile(
        name=renamed[0].strip('"') if renamed else name,
        added=kinds.count("added"),
        removed=kinds.count("removed"),
        notes=tuple(
            note for start, note in _NOTES.items() if any(h.startswith(start) for h in heads)
        ),
    )
