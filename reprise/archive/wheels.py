"""The wheels of the locks of runs, so that their environments can be built without an index."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from reprise.archive.closure import Chosen
from reprise.console import warn
from reprise.errors import EnvironmentMismatchError, RepriseError
from reprise.observing import written_lock
from reprise.projects import requirements, uv
from reprise.projects.requirements import Pin


def download(chosen: Sequence[Chosen], locks: Mapping[str, str], to: Path) -> None:
    """Fetch the wheels of the environments of runs into a folder.

    What cannot be had is left out, with a warning.

    Parameters
    ----------
    chosen : sequence of Chosen
    locks : mapping of str to str
        Text of requirements.txt, by commit.
    to : Path
    """
    fetched: set[tuple[tuple[Pin, ...], str]] = set()
    for run_id, pins, python in _environments(chosen, locks):
        if not pins or (pins, python) in fetched:
            continue
        fetched.add((pins, python))
        try:
            uv.download(pins, python, to)
        except EnvironmentMismatchError as error:
            warn(f"the wheels of run {run_id} are not in it: {error}")


def _environments(
    chosen: Sequence[Chosen], locks: Mapping[str, str]
) -> Iterator[tuple[str, tuple[Pin, ...], str]]:
    """Yield the id of each run with a lock, the pins of the lock, and its release of Python."""
    for each in chosen:
        run_id, record = each.run.info.run_id, each.record
        if record is None:
            continue
        installed = record.environment
        try:
            if installed.lock_sha256 is None:
                pins = written_lock.pins(run_id, installed)
            else:
                text = locks.get(record.code.commit or "", "")
                pins = tuple(requirements.pins(text, indexes=uv.indexes()))
        except RepriseError as error:
            warn(f"the wheels of run {run_id} are not in it: {error}")
            continue
        yield run_id, tuple(pin for pin in pins if pin.hashes), installed.python
