"""Which distributions a commit itself names, in whichever file its project lists them."""

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

LISTS = (
    *("requirements*.txt", "requirements*.in", "constraints*.txt", "pylock*.toml", "*.lock"),
    *("*.yaml", "*.yml", "pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "requirements/*"),
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LARGEST = 8 * 2**20  # bytes: a lock of hundreds of packages has one of them


def distributions(project: Path, root: Path) -> frozenset[str]:
    """Return every word that may name one, in the lists of a project and of its repository."""
    return frozenset(
        canonicalize_name(word)
        for path in _lists(project, root)
        for word in _WORD.findall(path.read_text(encoding="utf-8", errors="replace"))
    )


def _lists(*folders: Path) -> Iterator[Path]:
    for folder in dict.fromkeys(folders):
        for pattern in LISTS:
            for path in sorted(folder.glob(pattern)):
                if path.is_file() and path.stat().st_size <= _LARGEST:
                    yield path
