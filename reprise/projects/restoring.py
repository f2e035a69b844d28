"""Brings the code of a run back to stay: as a branch of the current repository, or as a folder.

Nothing of the user's changes: a branch is new, a folder is new, and the working tree, the index,
HEAD and every other reference stay as they are.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from reprise.errors import CheckoutError, CodeError, ParameterError
from reprise.git import contact, git, remote, succeeds
from reprise.projects.checkout import Repository
from reprise.record.schema import Code
from reprise.urls import RepositoryUrl

_HEADS = "refs/heads/"


def refuse_branch(clone: Path, name: str) -> None:
    """Refuse a name that no new branch of a repository can have.

    Raises
    ------
    CheckoutError
        If the folder is in no repository.
    ParameterError
        If the name is no branch's, or a branch has it.
    """
    if not succeeds(clone, "rev-parse", "--git-dir"):
        raise CheckoutError(
            "expected a git repository here, for the branch, found none. Go to a clone of the "
            "run's repository, or restore a folder: --folder PATH"
        )
    if name.startswith("-") or not succeeds(clone, "check-ref-format", _HEADS + name):
        raise ParameterError(f"expected the name of a branch, found {name!r}. Choose another.")
    if succeeds(clone, "show-ref", "--verify", "--quiet", _HEADS + name):
        raise ParameterError(
            f"expected a new branch, found {name!r}, which is there already. Choose another name: "
            "--branch NAME"
        )


def refuse_folder(path: Path) -> None:
    """Refuse a path at which there is something, or that leads nowhere.

    Raises
    ------
    ParameterError
    """
    if os.path.lexists(path):
        raise ParameterError(
            f"expected a new folder, found {path}, which is there already. Choose another path: "
            "--folder PATH"
        )
    if not path.absolute().parent.is_dir():
        raise ParameterError(
            f"expected a folder to restore into, found that {path.absolute().parent} is none. "
            "Make it first."
        )


def as_branch(
    repository: Repository, code: Code, clone: Path, name: str, *, allowed: str | None = None
) -> None:
    """Have the commit of a run in a clone, as a new branch.

    Parameters
    ----------
    repository : Repository
        That has obtained the commit.
    code : Code
    clone : Path
        A folder in the user's repository.
    name : str
        Of the branch.
    allowed : str, optional
        URL of one more repository that may have what the commit builds upon.

    Raises
    ------
    CodeError
        If what the commit builds upon cannot be had from the remote, or somebody else has made
        such a branch in the meantime.
    """
    commit = str(code.commit)
    if not succeeds(clone, "cat-file", "-e", f"{commit}^{{tree}}"):
        for base in _bases(repository.store, clone):
            _fetch(clone, base, allowed)
        if not succeeds(clone, "cat-file", "-e", f"{commit}^{{tree}}"):
            _copy(repository.store, clone, commit)
    nowhere = "0" * len(commit)  # so that git refuses a branch that is there by now
    git(clone, "update-ref", "--no-deref", _HEADS + name, commit, nowhere)


def as_folder(repository: Repository, code: Code, path: Path) -> Path:
    """Write the files of a run's commit into a new folder; return the project's folder in it.

    Raises
    ------
    ParameterError
        If there is something at the path by now.
    """
    project = repository.check_out(code).relative_to(repository.store)
    # Beside its place, so that what is there is whole, whenever it is there.
    with tempfile.TemporaryDirectory(dir=path.absolute().parent, prefix=".restoring-") as beside:
        whole = Path(beside, "whole")
        shutil.copytree(
            repository.store, whole, symlinks=True, ignore=shutil.ignore_patterns(".git")
        )
        refuse_folder(path)
        whole.rename(path)
    return path / project


def _bases(store: Path, clone: Path) -> list[str]:
    """Return the commits before which a store has no history, and which a clone does not have."""
    return [commit for commit in _shallow(store) if not succeeds(clone, "cat-file", "-e", commit)]


def _fetch(clone: Path, commit: str, allowed: str | None) -> None:
    """Fetch a commit with all its history, so that a whole clone stays whole."""
    places = [place for place in (remote(clone), _address(allowed)) if place]
    if not places:
        raise CodeError(
            f"expected the history of commit {commit} at a remote of this clone, found no remote. "
            "Restore a folder instead: --folder PATH"
        )
    for place in places[:-1]:
        with contextlib.suppress(CodeError):
            return _fetch_from(clone, place, commit)
    return _fetch_from(clone, places[-1], commit)


def _address(allowed: str | None) -> str | None:
    return RepositoryUrl.parse(allowed).absolute(Path.cwd()).text if allowed else None


def _fetch_from(clone: Path, place: str, commit: str) -> None:
    words = ("fetch", "--progress", "--no-recurse-submodules", "--no-write-fetch-head", "--no-tags")
    contact(clone, *words, "--no-prune", "--refmap=", "--", place, commit)


def _copy(store: Path, clone: Path, commit: str) -> None:
    """Copy what a commit has and a clone lacks, and check every object; no reference changes."""
    known = git(clone, "for-each-ref", "--format=^%(objectname)").split()
    known += [f"^{base}" for base in _shallow(store)]
    wanted = "\n".join([commit, *known, ""])
    pack = git(store, "pack-objects", "--revs", "--stdout", "--quiet", text=wanted)
    git(clone, "index-pack", "--stdin", "--fix-thin", "--strict", text=pack)


def _shallow(store: Path) -> list[str]:
    file = store / ".git" / "shallow"
    return file.read_text(encoding="ascii").split() if file.is_file() else []
