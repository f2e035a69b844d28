"""What differs between a working tree and HEAD, whatever the index has been made to believe.

A user's index may hide edits: by a flag on a file (assume-unchanged, skip-worktree), by a monitor
or cache that is wrong, or by an object that another replaces (git replace). git is asked with a
copy of the index that has no such flag, and compares the files of replaced objects.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from reprise.git import git
from reprise.process import scratch

# An entry of `ls-files -v`: a tag, which is in lower case for assume-unchanged, and S for
# skip-worktree; the stage; the name.
_FLAGGED = re.compile(r"(?:^|(?<=\0))([a-zS]) [^\0\t]*\t([^\0]*)\0")
_LINKED = re.compile(r"(?:^|(?<=\0))[A-Za-z] 160000 [^\0\t]*\t([^\0]*)\0")
_CLOSED = re.compile(r"warning: could not open directory '(.+)': Permission denied")
_REPLACED = "refs/replace"
# Where MLflow keeps runs if nobody says otherwise: it grows with every run, and is no source.
_STORE = r"(?:.*/)?(?:(?:mlruns|mlartifacts)/.*|mlflow\.db(?:-\w+)?)"


@dataclass(frozen=True)
class Changes:
    """Files that differ from HEAD, by their names from the repository's root.

    Attributes
    ----------
    files : tuple of str
        All of them.
    untracked : tuple of str
        Those that the index does not have either.
    edited_submodules : tuple of str
        Submodules with edits or untracked files of their own.
    unreadable : tuple of str
        Untracked folders that cannot be read.
    committed : mapping of str to str
        Ids of what HEAD has under these names.
    """

    files: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    edited_submodules: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    committed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkingTree:
    """The working tree of a repository, and the index to look at it with.

    Attributes
    ----------
    root : Path
        Root of the repository.
    listing : str
        What `git ls-files -v --stage -z` prints.
    index : Path or None
        A copy of the index without flags; None: the user's own has none.
    """

    root: Path
    listing: str
    index: Path | None

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables with which git uses the index."""
        return {"GIT_INDEX_FILE": str(self.index)} if self.index else {}

    def submodules(self) -> "Iterator[tuple[str, WorkingTree | None]]":
        """Yield the submodules, by name, each with its working tree; None: not checked out."""
        for name in (match[1] for match in _LINKED.finditer(self.listing)):
            folder = self.root / name
            is_there = os.path.lexists(folder / ".git")
            yield name, WorkingTree(folder, _listed(folder), None) if is_there else None

    def absent(self) -> tuple[str, ...]:
        """Return the names of the submodules, and of theirs, that are not checked out."""
        found = []
        for name, inner in self.submodules():
            found += [f"{name}/{each}" for each in inner.absent()] if inner else [name]
        return tuple(found)

    def changes(self) -> Changes:
        """List files that differ from HEAD, untracked ones included, ignored ones left out."""
        options = ("--untracked-files=all", "--no-renames", "--ignore-submodules=none")
        words = ("status", "--porcelain=v2", "-z", *options)
        warned: list[str] = []
        status = git(self.root, *words, environment=self.environment, warned=warned)
        closed = tuple(match[1] for match in map(_CLOSED.match, warned) if match)
        no_source = _no_source(self.root.resolve(), self.listing)
        files, untracked, submodules, committed = set(), [], [], {}
        for entry in filter(None, status.split("\0")):
            kind = entry[0]
            if kind == "#":  # a header that a setting has asked for: "# stash 1"
                continue
            # "1 XY sub mH mI mW hH hI path", "u XY sub m1 m2 m3 mW h1 h2 h3 path", "? path"
            *fields, name = entry.split(" ", {"1": 8, "u": 10, "?": 1}[kind])
            if kind == "?" and no_source.fullmatch(name):
                continue
            files.add(name)
            if kind == "?":
                untracked.append(name)
                continue
            blob = fields[6 if kind == "1" else 8]
            if blob.strip("0"):
                committed[name] = blob
            if entry[5] == "S" and entry[7:9] != "..":
                submodules.append(name)
        return Changes(tuple(sorted(files)), tuple(untracked), tuple(submodules), closed, committed)


@contextmanager
def opened(project: Path) -> Iterator[WorkingTree]:
    """Look at the working tree that a folder is in.

    Parameters
    ----------
    project : Path
        A folder in a repository that has a commit.
    """
    root = Path(git(project, "rev-parse", "--show-toplevel").removesuffix("\n"))
    listing = _listed(root)
    flagged = [match.groups() for match in _FLAGGED.finditer(listing)]
    replaced = _replaced(root)
    if not flagged and not replaced:
        yield WorkingTree(root, listing, None)
        return
    present = root / git(root, "rev-parse", "--git-path", "index").removesuffix("\n")
    with scratch.folder() as folder:
        copy = Path(folder, "index")
        shutil.copy2(present, copy)  # by its time git knows which files to compare
        _without_flags(root, copy, flagged)
        _without_times(root, copy, replaced)
        yield WorkingTree(root, listing, copy)


def _listed(root: Path) -> str:
    return git(root, "ls-files", "-v", "--stage", "-z")


def _without_flags(root: Path, index: Path, flagged: list[tuple[str, ...]]) -> None:
    """Take the flags off an index; what a sparse checkout leaves out stays left out."""
    assumed = [name for tag, name in flagged if tag.islower()]
    skipped = [name for tag, name in flagged if tag in "Ss" and os.path.lexists(root / name)]
    for option, names in (
        ("--no-assume-unchanged", assumed),
        ("--no-skip-worktree", skipped),
    ):
        if names:
            text = "".join(f"{name}\0" for name in names)
            words = ("update-index", option, "-z", "--stdin")
            git(root, *words, environment={"GIT_INDEX_FILE": str(index)}, text=text)


def _replaced(root: Path) -> frozenset[str]:
    """Return the ids of the objects in whose place the user's git reads others."""
    packed = root / ".git" / "packed-refs"
    names = packed.read_bytes() if packed.is_file() else b""
    may_be_some = (root / ".git" / _REPLACED).is_dir() or _REPLACED.encode() in names
    if not may_be_some and (root / ".git").is_dir():  # a process less, nearly always
        return frozenset()
    return frozenset(git(root, "for-each-ref", "--format=%(refname:lstrip=2)", _REPLACED).split())


def _without_times(root: Path, index: Path, blobs: frozenset[str]) -> None:
    """Take the times of files off an index: git then compares their content."""
    if not blobs:
        return
    environment = {"GIT_INDEX_FILE": str(index)}
    entries = git(root, "ls-files", "--stage", "-z", environment=environment).split("\0")
    text = "".join(f"{entry}\0" for entry in entries if entry[7:].partition(" ")[0] in blobs)
    git(root, "update-index", "-z", "--index-info", environment=environment, text=text)


def _no_source(root: Path, listing: str) -> re.Pattern[str]:
    """Return a pattern of untracked files that are no source: runs, and temporary files.

    A folder for temporary files in which git has files may have new sources, too.
    """
    patterns = [_STORE]
    temporary = Path(tempfile.gettempdir()).resolve()
    if temporary.is_relative_to(root):
        folder = "" if temporary == root else f"{temporary.relative_to(root).as_posix()}/"
        has_sources = f"\t{folder}" in listing or temporary == root
        patterns.append(re.escape(folder) + ("reprise-.*" if has_sources else ".*"))
    address = re.sub("^(?:sqlite:///|file://)", "", os.environ.get("MLFLOW_TRACKING_URI", ""))
    store = Path(address).resolve()
    if address and "://" not in address and store != root and store.is_relative_to(root):
        patterns.append(re.escape(store.relative_to(root).as_posix()) + "(?:-[a-z]+|/.*)?")
    return re.compile("|".join(patterns), re.DOTALL)
