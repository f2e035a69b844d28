"""Bytecode of the project is used only if it was made of the source that is there.

Python takes a `.pyc` for its source's by size and time alone, which an edit may keep (rsync -t,
clamped times). When the source's inode last changed cannot be set by anybody: bytecode that is not
younger is compiled again.
"""

import marshal
import os
import sys
from collections.abc import Iterable
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

_HEADER = 16  # bytes: magic number, flags, the source's time and size
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def trust_only_fresh(root: Path) -> None:
    """Have what this process imports from below a folder made of the sources that are there."""
    folder = str(root.resolve())

    def find(path: str) -> FileFinder:
        if not is_source(path, folder):
            raise ImportError(path)  # of another finder
        return FileFinder(path, *_LOADERS)

    sys.path_hooks.insert(0, find)
    for path in [path for path in sys.path_importer_cache if is_source(path, folder)]:
        del sys.path_importer_cache[path]


def is_of_project(path: Path, root: Path) -> bool:
    """Return whether a path is of a project, and not of a package that is installed within it."""
    return is_source(str(path.resolve()), str(root))


def is_source(path: str, folder: str) -> bool:
    """Return whether a path is below a folder, or it; both without links, as imports ask often."""
    below = os.path.join(folder, "")  # noqa: PTH118 - as text, which is fast
    if path != folder and not path.startswith(below):
        return False
    return _INSTALLED.isdisjoint(path[len(below) :].split(os.sep))  # noqa: PTH206


def stale(sources: Iterable[Path]) -> list[Path]:
    """Return the source files whose bytecode Python would use although it is not theirs."""
    return [source for source in sources if _is_stale(source)]


class _Loader(SourceFileLoader):
    """Loads a module of its bytecode only where that is younger than its source."""

    def get_data(self, path: str) -> bytes:
        """Return the content of a file; none of bytecode that may be of another source.

        Python then compiles the source, and writes the bytecode anew, as for any other edit.
        """
        is_bytecode = path.endswith(tuple(BYTECODE_SUFFIXES))
        if is_bytecode and _may_be_stale(Path(self.path), Path(path)):
            raise OSError(path)
        return super().get_data(path)


_LOADERS: tuple[Any, ...] = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (_Loader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


def _may_be_stale(source: Path, bytecode: Path) -> bool:
    try:
        return bytecode.stat().st_mtime_ns <= source.stat().st_ctime_ns
    except OSError:  # there is none
        return False


def _is_stale(source: Path) -> bool:
    bytecode = Path(cache_from_source(source))
    if not _may_be_stale(source, bytecode):
        return False
    content, stats = bytecode.read_bytes(), source.stat()
    fields = [int.from_bytes(content[n : n + 4], "little") for n in (4, 8, 12)]
    if fields != [0, int(stats.st_mtime) & 0xFFFFFFFF, stats.st_size & 0xFFFFFFFF]:
        return False  # Python sees that itself
    try:
        made = marshal.loads(content[_HEADER:])  # noqa: S302 - Python would run it
        return bool(made != compile(source.read_bytes(), str(source), "exec", dont_inherit=True))
    except (EOFError, ValueError, TypeError, SyntaxError):
        return True
