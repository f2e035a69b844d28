"""Inputs that a run keeps by content, so that who has not its files can reproduce it.

Only files of the project are kept, up to the size that the user has named, and none that looks like
a secret. The same content is kept once in an experiment. A replay takes what its record says only
if the content has the recorded digest, and puts it only into its checkout.
"""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from reprise import tracking
from reprise.capture import untracked
from reprise.errors import DigestMismatchError, ParameterError, TrackingError
from reprise.git import repository_root
from reprise.observing import named
from reprise.process import scratch
from reprise.record.digest import sha256_file
from reprise.record.schema import InputData

FOLDER = "inputs"  # of a run's artifacts
_END = ".input"
_SIZE = re.compile(r"([1-9][0-9]{0,11})\s*(|B|KiB|MiB|GiB|KB|MB|GB)", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_UNITS |= {"kb": 10**3, "mb": 10**6, "gb": 10**9}
_NAME = re.compile(rf"runs:/[0-9a-f]{{32}}/{FOLDER}/[0-9a-f]{{64}}\{_END}")
_MOST_HOLDERS = 1000
_CODE = (".py", ".pyc", ".pyi", ".pyx", ".so", ".pyd", ".dll", ".pth", ".sh", ".r", ".jar")


@dataclass(frozen=True)
class Keeping:
    """What may be kept.

    Attributes
    ----------
    largest : int
        Bytes of a file; 0: nothing is kept.
    allowed : tuple of str
        Names or patterns of files that may be kept although they look like secrets.
    """

    largest: int = 0
    allowed: tuple[str, ...] = ()


NOTHING = Keeping()


def size(text: str) -> int:
    """Read a number of bytes, such as `100MiB`.

    Raises
    ------
    ParameterError
        If it is none.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ParameterError(
            f"expected the size of the largest file to keep, such as 100MiB, found {text[:60]!a}. "
            "Correct it."
        )
    return int(match[1]) * _UNITS[match[2].lower()]


def is_own(name: str) -> bool:
    """Return whether an artifact's name is that of an input that was kept."""
    return name.startswith(f"{FOLDER}/") and name.endswith(_END)


def keep(
    run_id: str, inputs: Sequence[InputData], project: Path, keeping: Keeping
) -> tuple[tuple[InputData, ...], list[str]]:
    """Keep the inputs of a run; return them with their places, and what was not kept, and why.

    Parameters
    ----------
    run_id : str
    inputs : sequence of InputData
    project : Path
        Its folder.
    keeping : Keeping
    """
    if not keeping.largest:
        return tuple(inputs), []
    holders = _holders(run_id)
    found, unkept, new = [], [], {}
    for item in inputs:
        path = project / item.uri
        objection = _objection(item, path, project, keeping)
        if objection:
            unkept.append(f"{item.name}, which is not kept: it {objection}")
            found.append(item)
            continue
        if item.sha256 not in holders:
            new[item.sha256] = path
        place = holders.get(item.sha256, run_id)
        uri = f"runs:/{place}/{FOLDER}/{item.sha256}{_END}"
        found.append(item.model_copy(update={"kept": uri}))
    if new:
        _store(run_id, new)
    return tuple(found), [f"the content of {each}" for each in unkept]


def is_kept(item: InputData) -> bool:
    """Return whether the store lists the content of an input."""
    if not _NAME.fullmatch(item.kept):
        return False
    _, holder, _, name = item.kept.split("/")
    return name in tracking.artifact_sizes(holder, FOLDER)


def fetch(item: InputData, place: Path) -> None:
    """Put the kept content of an input into a file.

    Raises
    ------
    TrackingError, DigestMismatchError
        If it is not there, or is another.
    """
    if not _NAME.fullmatch(item.kept) or _is_of_a_commit(item.uri):
        raise TrackingError(
            f"expected data that a run has kept, found {item.uri[:100]!a} at {item.kept[:100]!a}. "
            "The record was altered."
        )
    with tracking.artifact_at(item.kept) as path:
        found = sha256_file(path)
        if found != item.sha256:
            raise DigestMismatchError(
                f"the kept input {item.uri}", recorded=item.sha256, found=found
            )
        shutil.copyfile(path, place)


def _is_of_a_commit(name: str) -> bool:
    """Return whether a file decides what is run or installed, so that no record may bring it."""
    lower = name.lower()
    last = Path(lower).name
    is_list = any(fnmatchcase(lower if "/" in each else last, f"*{each}") for each in named.LISTS)
    return is_list or last.endswith(_CODE) or last == "mlproject"


def _objection(item: InputData, path: Path, project: Path, keeping: Keeping) -> str:
    """Say what speaks against keeping an input; "" if nothing does."""
    root = repository_root(project).resolve()
    if Path(item.uri).is_absolute() or not path.resolve().is_relative_to(root):
        return "is outside the project"
    if _is_of_a_commit(item.uri):
        return "is code, or a list of packages, which only a commit brings"
    if (item.bytes or 0) > keeping.largest:
        return f"is larger than {keeping.largest} bytes"
    name = Path(os.path.normpath(project.resolve() / item.uri)).relative_to(root).as_posix()
    return untracked.secret(path, name, keeping.allowed)


def _holders(run_id: str) -> dict[str, str]:
    """Return the runs of an experiment that hold content, by its digest."""
    experiment = tracking.get_run(run_id).info.experiment_id
    runs = tracking.find_runs(
        experiment, tags={tracking.KEEPS: "true"}, limit=_MOST_HOLDERS, finished=False
    )
    holders: dict[str, str] = {}
    for run in runs:
        for name in tracking.artifact_sizes(run.info.run_id, FOLDER):
            holders.setdefault(Path(name).stem, run.info.run_id)
    return holders


def _store(run_id: str, files: dict[str, Path]) -> None:
    with scratch.folder() as name:
        for sha256, path in files.items():
            shutil.copyfile(path, Path(name, f"{sha256}{_END}"))
        tracking.log_folder(run_id, Path(name), FOLDER)
    tracking.log(run_id, tags={tracking.KEEPS: "true"})
