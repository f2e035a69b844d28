"""The code of runs as one git bundle, which `git clone` can read."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from reprise import tracking
from reprise.archive.closure import Chosen
from reprise.capture.environment import LOCK
from reprise.errors import CheckoutError
from reprise.projects import checkout

_MLPROJECT = "MLproject"
_SHORT = 12  # digits of a commit in the name of its branch


@dataclass
class Commits:
    """The commits of a bundle.

    Attributes
    ----------
    branches : dict of str to str
        Name of the branch, by commit.
    missing : dict of str to str
        Why it is not there, by commit.
    locks : dict of str to str
        Text of requirements.txt in the project's folder, by commit.
    mlproject : str
        Text of the last run's MLproject; "" if it has none.
    """

    branches: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    locks: dict[str, str] = field(default_factory=dict)
    mlproject: str = ""


def write_bundle(path: Path, chosen: Iterable[Chosen], at_hand: Path) -> Commits:
    """Write the commits of runs, with their history, as a git bundle; none if there is no commit.

    Its HEAD is the commit of the last run.

    Parameters
    ----------
    path : Path
    chosen : iterable of Chosen
        In the order of their start.
    at_hand : Path
        A folder in the repository whose runs they are; it is only read.
    """
    codes = {each.record.code.commit: each.record.code for each in chosen if each.record}
    found = Commits()
    with checkout.repository(at_hand) as repository:
        for commit, code in codes.items():
            if commit is None:
                continue
            try:
                repository.obtain(code, tracking.artifact_at)
            except CheckoutError as error:
                found.missing[commit] = str(error)
            else:
                found.branches[commit] = f"runs/{commit[:_SHORT]}"
                lock = repository.read(commit, str(PurePosixPath(code.project, LOCK)))
                if lock is not None:
                    found.locks[commit] = lock
                place = str(PurePosixPath(code.project, _MLPROJECT))
                found.mlproject = repository.read(commit, place) or ""
        try:
            if found.branches:
                repository.write_bundle(path, found.branches)
        except CheckoutError as error:
            found.missing |= dict.fromkeys(found.branches, str(error))
            found.branches.clear()
    return found
