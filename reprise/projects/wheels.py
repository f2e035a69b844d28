"""Wheels that are kept on this machine, by digest, so that an environment needs no index.

An archive may bring them (`reprise import`). A wheel is used only for a lock that asks for its
digest, and only if all wheels of that lock are here: then no index is asked.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement

from reprise.process import user_cache
from reprise.projects.requirements import Pin
from reprise.record.digest import sha256_file

_SHA256 = "sha256:"
_END = ".whl"


def kept(pins: Iterable[Pin]) -> list[Path]:
    """Return a wheel of each release of a lock; none unless all of them are here, unaltered."""
    found = []
    for pin in pins:
        marker = Requirement(pin.requirement).marker
        if marker is not None and not marker.evaluate():
            continue
        wheels = (_kept_as(digest.removeprefix(_SHA256)) for digest in pin.hashes)
        wheel = next((wheel for wheel in wheels if wheel is not None), None)
        if wheel is None:
            return []
        found.append(wheel)
    return found


def _kept_as(digest: str) -> Path | None:
    """Return the wheel with a digest, if it is here."""
    for path in (folder() / digest).glob(f"*{_END}"):
        if sha256_file(path) == digest:
            return path
    return None


def keep(wheels: Iterable[Path]) -> None:
    """Keep wheels for later."""
    for wheel in wheels:
        place = folder() / sha256_file(wheel)
        if not (place / wheel.name).exists():
            place.mkdir(parents=True, exist_ok=True)
            own = place / f".{os.getpid()}"
            shutil.copyfile(wheel, own)
            own.replace(place / wheel.name)


def folder() -> Path:
    """Return the folder of the wheels that are kept."""
    return user_cache.folder() / "wheels"
