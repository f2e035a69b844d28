"""Reads the runs of an archive into the tracking server."""

from dataclasses import dataclass
from pathlib import Path

from reprise import console, signatures, tracking
from reprise.archive import importing, reader
from reprise.archive.reader import Unpacked
from reprise.errors import ArchiveError

_SHOWN = 5  # runs


@dataclass(frozen=True)
class Asked:
    """Which archive to read, and what must be true of it.

    Attributes
    ----------
    path : str
    experiment : str
        Name of the experiment for its runs; "" for those that they were in.
    signers : str
        Path of a file of allowed signers; "" for git's.
    require_signature, allow_large : bool
    """

    path: str
    experiment: str
    signers: str
    require_signature: bool
    allow_large: bool


def start(asked: Asked) -> None:
    """Check an archive, make its runs, and report."""
    signers = signatures.allowed_signers(Path.cwd(), asked.signers)
    path = Path(asked.path)
    tracking.limit_waiting()
    with reader.unpacked(path, signers=signers, allow_large=asked.allow_large) as archive:
        console.say(f"{path}: {len(archive.runs)} runs, every file as its manifest says")
        console.say(f"  {archive.signature}")
        if asked.require_signature and not archive.signature.is_trusted:
            raise ArchiveError(
                f"expected an archive that somebody whom you trust has signed, found that it is "
                f"{archive.signature}. Nothing was imported. See docs/moving.md."
            )
        with tracking.translating_errors():
            imported = importing.import_runs(archive, experiment=asked.experiment)
        _report(archive, imported)


def _report(archive: Unpacked, imported: importing.Imported) -> None:
    made, there = len(imported.made), len(imported.there)
    experiments = ", ".join(map(repr, imported.experiments))
    console.say(
        f"imported {made} run{'s' * (made != 1)} into {experiments}"
        + (f"; {there} {'was' if there == 1 else 'were'} there" if there else "")
    )
    for run_id in archive.contents.asked[:_SHOWN]:
        console.say(f"  {run_id} is {imported.ids[run_id]}")
    if len(archive.contents.asked) > _SHOWN:
        more = len(archive.contents.asked) - _SHOWN
        console.say(f"  … and {more} more, by the tag {tracking.IMPORTED_FROM}")
    asked = archive.contents.asked or archive.contents.runs
    console.next_commands(
        {
            f"reprise reproduce {imported.ids[asked[-1]]}": "reproduce the last of them, in its "
            "repository"
        }
    )
