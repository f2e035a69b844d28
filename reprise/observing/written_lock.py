"""The lock that a run has where its project has none: the list of what was installed, by digest.

uv asks the user's index for the digests, while the run's process works, and once for each list. It
gives none of what no index has, and nothing without a network: then the record's list is all.
"""

import contextlib
import threading

from reprise import tracking
from reprise.errors import EnvironmentMismatchError, TrackingError
from reprise.process import user_cache
from reprise.projects import locks, uv
from reprise.projects.requirements import Pin
from reprise.record.digest import sha256_text
from reprise.record.schema import Environment
from reprise.trust import documents, limits

NAME = "environment/pylock.toml"  # artifact of the run


class WrittenLock:
    """A lock that is being written in the background.

    Parameters
    ----------
    environment : Environment
        What the run has; of one with a lock, nothing is written.
    """

    def __init__(self, environment: Environment) -> None:
        self._text = ""
        self._thread = threading.Thread(target=self._write, args=(environment,), daemon=True)
        if environment.lock_sha256 is None:
            self._thread.start()

    def text(self) -> str:
        """Return the lock, when it is there; "" if there is none."""
        if self._thread.ident is not None:
            self._thread.join()
        return self._text

    def _write(self, environment: Environment) -> None:
        with contextlib.suppress(EnvironmentMismatchError, OSError):  # the record has the list
            self._text = _written(environment)


def _written(environment: Environment) -> str:
    pins = [
        Pin(name, f"{name}=={version}", ())
        for name, version in environment.packages.items()
        if name not in environment.origins
    ]
    key = sha256_text("".join(f"{pin.line()}\n" for pin in pins) + environment.python)
    kept = user_cache.folder() / "locks" / f"{key}.toml"
    with contextlib.suppress(FileNotFoundError):
        return kept.read_text(encoding="utf-8")
    text = uv.listed(pins, environment.python)
    if text:
        user_cache.write(kept, text)
    return text


def pins(run_id: str, environment: Environment) -> tuple[Pin, ...]:
    """Return the pins of the lock that was written for a run; none if none was.

    Parameters
    ----------
    run_id : str
    environment : Environment
        Of the run.

    Raises
    ------
    EnvironmentMismatchError
        If it is no lock.
    """
    if environment.lock_sha256 is not None:
        return ()
    try:
        with tracking.artifact(run_id, NAME) as path:
            text = documents.read_text(path, largest=limits.DOCUMENT_ARTIFACT_BYTES)
    except TrackingError:  # uv could not give it, or an earlier engine did not ask
        return ()
    with locks.explaining(f"{NAME} of run {run_id}"):
        return tuple(locks.hashed(text, environment.python))
