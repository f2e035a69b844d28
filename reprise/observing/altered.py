"""Files of installed distributions that are not what their installer has written there.

The list of a wheel, its RECORD, has the digest of each file. Only what a process has imported is
compared: the rest decides nothing. What was found as installed is not read again until the system
says that it was touched.
"""

import base64
import contextlib
import csv
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from reprise.process import user_cache
from reprise.record.digest import sha256_file, sha256_text

_FOLDERS = frozenset({"site-packages", "dist-packages"})
_SHA256 = "sha256="
_Stamp = list[int]


def altered(imported: Iterable[Path]) -> dict[str, str]:
    """Return the digests of imported files that are not as installed, by their names.

    Parameters
    ----------
    imported : iterable of Path
        Files of modules, and shared libraries.
    """
    by_folder: dict[Path, dict[str, Path]] = {}
    for path in imported:
        folder = next((each for each in path.parents if each.name in _FOLDERS), None)
        if folder is not None and path.is_file():
            by_folder.setdefault(folder, {})[path.relative_to(folder).as_posix()] = path
    found: dict[str, str] = {}
    for folder, files in by_folder.items():
        found |= _altered_in(folder, files)
    return dict(sorted(found.items()))


def _altered_in(folder: Path, files: dict[str, Path]) -> dict[str, str]:
    known = _Known(folder)
    left = {name: path for name, path in files.items() if not known.has(name, path)}
    listed: dict[str, set[str]] = {}  # two distributions may have a file of one name
    for name, digest in _listed(folder) if left else ():
        if name in left:
            listed.setdefault(name, set()).add(digest)
    found = {}
    for name, digests in listed.items():
        sha256 = sha256_file(left[name])
        if _as_listed(sha256) not in digests:
            found[name] = sha256
    for name in left.keys() - found.keys():  # or nobody lists it
        known.add(name, left[name])
    known.keep()
    return found


def _listed(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name and digest of each file that a distribution lists with one."""
    for record in sorted(folder.glob("*.dist-info/RECORD")):
        with record.open(encoding="utf-8", errors="replace", newline="") as file:
            for row in csv.reader(file):
                if len(row) > 1 and row[1].startswith(_SHA256):
                    yield row[0], row[1].removeprefix(_SHA256)


def _as_listed(sha256: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()


class _Known:
    """The files of a folder that were found as installed, with the system's stamps of them."""

    def __init__(self, folder: Path) -> None:
        name = f"{sha256_text(os.path.realpath(folder))[:16]}.json"
        self._path = user_cache.folder() / "as-installed" / name
        self._stamps: dict[str, _Stamp] = {}
        with contextlib.suppress(OSError, ValueError, TypeError):
            self._stamps = dict(json.loads(self._path.read_text(encoding="utf-8")))
        self._has_more = False

    def has(self, name: str, path: Path) -> bool:
        return self._stamps.get(name) == _stamp(path)

    def add(self, name: str, path: Path) -> None:
        self._stamps[name] = _stamp(path)
        self._has_more = True

    def keep(self) -> None:
        """Write them for the next process, where something was added."""
        if self._has_more:
            with contextlib.suppress(OSError):  # a cache that cannot be written is none
                user_cache.write(self._path, json.dumps(self._stamps))


def _stamp(path: Path) -> _Stamp:
    """Return what changes with a file's content: the system sets the last, and nobody else."""
    status = path.stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
