"""Git bundles that runs carry: somebody else's files, of which only the objects are taken.

The header is read here, and git gets the pack alone: the names in a bundle never become references,
and every object is checked as it is taken in, which `git bundle unbundle` does not do.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from reprise.errors import CheckoutError, CodeError
from reprise.git import OLD_FORMATS, git

_SIGNATURE = re.compile(rb"# v[23] git bundle\n")
_CAPABILITY = re.compile(rb"@object-format=sha(1|256)\n")
_PREREQUISITE = re.compile(rb"-([0-9a-f]{40}|[0-9a-f]{64})( [^\0]*)?\n")
_REFERENCE = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) [^\0]+\n")
_LONGEST_LINE = 10_000  # of a prerequisite, which has the first line of a commit's message
_MOST_LINES = 100_000


@dataclass(frozen=True)
class Bundle:
    """A git bundle.

    Attributes
    ----------
    path : Path
    prerequisites : tuple of str
        Commits that it builds upon.
    """

    path: Path
    prerequisites: tuple[str, ...]
    header_bytes: int

    @classmethod
    def read(cls, path: Path) -> "Bundle":
        """Read the header of a bundle.

        Raises
        ------
        CheckoutError
            If it is none, or none of a kind that runs carry.
        """
        with path.open("rb") as file:
            prerequisites = _header(file)
            return cls(path, prerequisites, file.tell())

    def unpack(self, store: Path) -> None:
        """Check the objects, and take them into a repository that has what they build upon.

        Raises
        ------
        CheckoutError
            If they are damaged, or of a kind that git has no use for.
        """
        taken = ",".join(f"{name}=ignore" for name in OLD_FORMATS)
        pack = self.path.read_bytes()[self.header_bytes :]
        try:
            git(store, "index-pack", "--stdin", "--fix-thin", f"--strict={taken}", text=pack)
        except CodeError as error:
            raise _damaged(error.said) from None


def _header(file: BinaryIO) -> tuple[str, ...]:
    """Read a header to its end; return the commits that the bundle builds upon."""
    if not _SIGNATURE.fullmatch(file.readline(_LONGEST_LINE)):
        raise _damaged("it does not begin as a bundle does")
    prerequisites: list[str] = []
    for _ in range(_MOST_LINES):
        line = file.readline(_LONGEST_LINE)
        if line == b"\n":
            return tuple(dict.fromkeys(prerequisites))
        required = _PREREQUISITE.fullmatch(line)
        if required:
            prerequisites.append(required[1].decode("ascii"))
        elif not _REFERENCE.fullmatch(line) and not _CAPABILITY.fullmatch(line):
            raise _damaged("a line of its header is none of a bundle's")
    raise _damaged(f"its header has more than {_MOST_LINES} lines")


def _damaged(reason: str) -> CheckoutError:
    return CheckoutError(
        f"expected a git bundle with the run's code, found a damaged one: {reason}. "
        "Restore the run's artifact, or name a repository that has the commit: "
        "-P allow_repository=<url>."
    )
