"""Modules of the project that a process has imported, and whether a replay will have them."""

import functools
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from reprise.capture import bytecode
from reprise.errors import CodeError
from reprise.git import git, readable, repository_root

_SOURCES = ("*.py", *(f":(exclude,glob)**/{n}-packages/**" for n in ("site", "dist")))


def sources(root: Path) -> list[Path]:
    """Return the files below a folder that this process has imported modules from."""
    folder = str(root.resolve())
    inner = _environments_in(folder)

    modules = {**sys.modules}
    modules.pop("__mp_main__", None)  # multiprocessing's name for what this process has begun with
    files = (getattr(module, "__file__", None) for module in modules.values())
    named = {file for file in files if isinstance(file, str)}
    return sorted(
        Path(file)
        for file in named
        if bytecode.is_source(_resolved(file), folder) and not _resolved(file).startswith(inner)
    )


@functools.cache  # thousands of modules lie in hundreds of folders, and forks ask again
def _resolved(path: str) -> str:
    parent, name = os.path.split(path)
    if not name or os.path.islink(path):  # noqa: PTH114 - as text, which is fast
        return os.path.realpath(path)
    return os.path.join(_resolved(parent), name)  # noqa: PTH118


def _environments_in(folder: str) -> tuple[str, ...]:
    """Return this process's environments that lie in a folder, whose library is not its source."""
    prefixes = {os.path.realpath(prefix) for prefix in (sys.prefix, sys.base_prefix)}
    return tuple(
        os.path.join(prefix, "")  # noqa: PTH118 - a beginning of texts
        for prefix in prefixes
        if prefix != folder and bytecode.is_source(prefix, folder)
    )


def ignored(project: Path) -> tuple[str, ...]:
    """Return the imported files that no commit has, as git ignores them, by name from the root.

    Parameters
    ----------
    project : Path
        A folder in the repository.
    """
    root = repository_root(project).resolve()
    names = [str(path.resolve().relative_to(root)) for path in sources(root)]
    text = "".join(f"{name}\0" for name in names)
    if not text:
        return ()
    try:
        listed = git(root, "check-ignore", "-z", "--stdin", text=text)
    except CodeError:  # none is, or this is no repository
        return ()
    return tuple(readable(name) for name in listed.split("\0") if name)


def refuse_of_clone(project: Path, clone: Path) -> None:
    """Refuse modules of a replay that are the user's clone's, and not the checkout's.

    Parameters
    ----------
    project : Path
        A folder in the checkout.
    clone : Path
        A folder of the user's clone, which need not exist.

    Raises
    ------
    CodeError
        With their names.
    """
    there = next((folder for folder in (clone, *clone.parents) if folder.is_dir()), clone)
    here, root = (repository_root(folder).resolve() for folder in (project, there))
    if here == root or not root.joinpath(".git").exists():
        return
    found = [path for path in sources(root) if not path.resolve().is_relative_to(here)]
    names = [str(path) for path in found if _is_of(path, root)]
    if names:
        raise CodeError(
            f"expected the project's modules of the run's commit, found that it imported "
            f"{readable(', '.join(names))}, which is today's. Take the path to {root} out of what "
            "the project is imported by, then replay again."
        )


def _is_of(path: Path, root: Path) -> bool:
    """Return whether a file is of a repository, or of a submodule of it."""
    for folder in path.resolve().parents:
        if folder == root or (folder / ".git").is_file():
            return True
        if (folder / ".git").exists():
            return False
    return False


def refuse_stale(project: Path) -> None:
    """Refuse modules that Python has loaded from bytecode of an earlier source.

    Raises
    ------
    CodeError
        With their names.
    """
    _refuse_stale(sources(repository_root(project)))


def refuse_stale_files(project: Path) -> None:
    """Refuse a project of which Python would load bytecode of an earlier source.

    Parameters
    ----------
    project : Path
        A folder in the repository; one that is in none has no code on the record.

    Raises
    ------
    CodeError
        With the names of the sources.
    """
    root = repository_root(project)
    try:
        listed = git(root, "ls-files", "-z", "--cached", "--others", "--", *_SOURCES)
    except CodeError:
        return
    inner = _environments_in(str(root.resolve()))
    files = (root.resolve() / name for name in listed.split("\0") if name)
    _refuse_stale(file for file in files if not str(file).startswith(inner))


def _refuse_stale(files: Iterable[Path]) -> None:
    found = bytecode.stale(path for path in files if path.suffix == ".py")
    if found:
        names = ", ".join(readable(path.name) for path in found)
        raise CodeError(
            f"expected modules made of their sources, found bytecode of an earlier edit: {names}. "
            "Remove the folders __pycache__, then run again."
        )
