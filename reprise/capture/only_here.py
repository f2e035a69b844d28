"""What a commit needs that no server has: commits of submodules, and the content of large files.

A snapshot carries neither. A run is not refused for that: it can be reproduced in this clone.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from reprise.capture.conversion import Entry
from reprise.capture.working_tree import WorkingTree
from reprise.console import warn
from reprise.git import git, readable

_POINTER = "version https://git-lfs"  # a commit has it in the place of a large file's content
_LONGEST_POINTER = 1024  # bytes, as git-LFS defines it


def warn_of(
    tree: WorkingTree, commit: str, large: Sequence[Entry], environment: Mapping[str, str]
) -> None:
    """Name, in one line, what a replay in another clone would lack.

    Parameters
    ----------
    tree : WorkingTree
    commit : str
        What ran.
    large : sequence of Entry
        Its files of git-LFS.
    environment : mapping of str to str
        The variables with which git finds the commit.
    """
    lacking = [f"{commit} of the submodule {readable(name)}" for name, commit in _unpushed(tree)]
    if large:
        lacking += [
            f"the content of {readable(entry.name)} (git-LFS)"
            for entry in _new(tree.root, commit, large, environment)
        ]
    if lacking:
        warn(
            "expected submodules and large files that a server has too, found in this clone alone: "
            f"{', '.join(lacking)}. Push them (in the submodule: git push; git lfs push), or the "
            "run can be reproduced only here."
        )


def _unpushed(tree: WorkingTree) -> Iterator[tuple[str, str]]:
    """Yield the submodules, and theirs, whose commit no remote is known to have, with it."""
    for name, inner in tree.submodules():
        if inner is None:
            continue
        commit = git(inner.root, "rev-parse", "HEAD").strip()
        words = ("for-each-ref", "--count=1", "--format=x", "--contains", commit, "refs/remotes")
        if commit not in _received(inner.root) and not git(inner.root, *words):
            yield name, commit
        for deeper, another in _unpushed(inner):
            yield f"{name}/{deeper}", another


def _received(root: Path) -> list[str]:
    """Return the outermost commits of a shallow clone, which a server has given."""
    shallow = root / git(root, "rev-parse", "--git-path", "shallow").removesuffix("\n")
    return shallow.read_text(encoding="ascii").split() if shallow.is_file() else []


def _new(
    root: Path, commit: str, large: Sequence[Entry], environment: Mapping[str, str]
) -> Iterator[Entry]:
    """Yield the large files that are in no commit that a remote is known to have."""
    words = ("rev-list", "--objects", "--no-object-names", "--missing=allow-any", commit)
    new = set(git(root, *words, "--not", "--remotes", environment=environment).split())
    for entry in large:
        if entry.blob in new and _is_pointer(root, entry.blob, environment):
            yield entry


def _is_pointer(root: Path, blob: str, environment: Mapping[str, str]) -> bool:
    if int(git(root, "cat-file", "-s", blob, environment=environment)) > _LONGEST_POINTER:
        return False
    return git(root, "cat-file", "blob", blob, environment=environment).startswith(_POINTER)
