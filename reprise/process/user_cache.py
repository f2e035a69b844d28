"""The folder of what the engine keeps for later runs of a user, and locks in it or elsewhere."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def folder() -> Path:
    """Return the folder of what the engine keeps for later runs of this user."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given:
        return Path(given, "reprise")
    try:
        return Path.home() / ".cache" / "reprise"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir(), f"reprise-cache-{os.getuid()}")


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file, which is made where there is none; wait while another process does.

    It is free again when this process ends, however it does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write(path: Path, text: str) -> None:
    """Write a file whole, so that another process reads all of it or what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_suffix(f".{os.getpid()}")
    own.write_text(text, encoding="utf-8")
    own.replace(path)
