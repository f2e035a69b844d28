"""The index of a snapshot: a copy of the user's, with the working tree's files, objects beside."""

import functools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from reprise.capture.conversion import Entry
from reprise.capture.working_tree import Changes, WorkingTree
from reprise.git import git, quoted


class Index:
    """An index in a repository beside the user's, which is copied with the first change.

    Parameters
    ----------
    tree : WorkingTree
    store : Path
        A repository that borrows the objects of the working tree's, and takes new ones.
    """

    def __init__(self, tree: WorkingTree, store: Path) -> None:
        self._tree = tree
        self._store = store
        self._file = store / "index"

    def environment(self) -> dict[str, str]:
        """Return the variables with which git uses it; until the first change, the user's."""
        return self._written if self._file.exists() else {"GIT_INDEX_FILE": str(self._users)}

    @functools.cached_property
    def _written(self) -> dict[str, str]:
        """Variables with which git uses the copy, and writes objects beside."""
        root = self._tree.root
        objects = git(root, "rev-parse", "--git-path", "objects").removesuffix("\n")
        return {
            "GIT_INDEX_FILE": str(self._file),
            "GIT_OBJECT_DIRECTORY": str(self._store / ".git" / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(str(root / objects)),
        }

    @functools.cached_property
    def _users(self) -> Path:
        """The user's index, or its copy without flags."""
        root = self._tree.root
        if self._tree.index is not None:
            return self._tree.index
        return root / git(root, "rev-parse", "--git-path", "index").removesuffix("\n")

    def update(self, files: Sequence[str]) -> None:
        """Take files into it as they are in the working tree, or out, where they are gone."""
        if not files:
            return
        self._copy()
        there = {name: _is_there(self._tree.root, name) for name in files}
        for options, is_there in (
            (("--force-remove",), False),
            (("--add", "--remove", "--replace"), True),
        ):
            text = "".join(f"{name}\0" for name in files if there[name] == is_there)
            if text:
                self._git("update-index", *options, "-z", "--stdin", text=text)

    def keep(self, entries: Sequence[Entry]) -> Changes:
        """Take files into it byte by byte, and return these changes."""
        if not entries:
            return Changes()
        self._copy()
        names = "".join(f"{quoted(entry.name)}\n" for entry in entries)
        blobs = self._git("hash-object", "-w", "--no-filters", "--stdin-paths", text=names).split()
        lines = (f"{e.mode} {b}\t{e.name}\0" for e, b in zip(entries, blobs, strict=True))
        self._git("update-index", "-z", "--index-info", text="".join(lines))
        return Changes(
            tuple(entry.name for entry in entries),
            committed={entry.name: entry.blob for entry in entries},
        )

    def tree(self) -> str:
        """Write it as a tree, and return the tree's id."""
        # A partial clone lacks objects that the tree names, and needs none of them for that.
        return self._git("write-tree", "--missing-ok").strip()

    def _copy(self) -> None:
        if not self._file.exists() and self._users.is_file():
            shutil.copy2(self._users, self._file)  # by its time git knows which files to compare

    def _git(self, *words: str, text: str = "") -> str:
        return git(self._tree.root, *words, environment=self._written, text=text)


def _is_there(root: Path, name: str) -> bool:
    """Return whether a file is in the working tree, under its own name and not through a link."""
    path = root / name
    return os.path.lexists(path) and path.parent.resolve() == root.resolve() / Path(name).parent
