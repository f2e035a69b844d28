"""Modules of the project that a process has imported, and whether a replay will have them."""

import functools
import os
import sys
from pathlib import Path

from reprise.capture import bytecode
from reprise.errors import CodeError
from reprise.git import git, readable, repository_root


def sources(root: Path) -> list[Path]:
    """Return the files below a folder that this process has imported modules from."""
    folder = str(root.resolve())

    @functools.cache  # thousands of modules lie in hundreds of folders
    def resolved(path: str) -> str:
        parent, name = os.path.split(path)
        if not name or os.path.islink(path):  # noqa: PTH114 - as text, which is fast
            return os.path.realpath(path)
        return os.path.join(resolved(parent), name)  # noqa: PTH118

    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    named = {file for file in files if isinstance(file, str)}
    return sorted(Path(file) for file in named if bytecode.is_source(resolved(file), folder))


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


def refuse_stale(project: Path) -> None:
    """Refuse modules that Python has loaded from bytecode of an earlier source.

    Raises
    ------
    CodeError
        With their names.
    """
    root = repository_root(project)
    python = (path for path in sources(root) if path.suffix == ".py")
    found = bytecode.stale(python)
    if found:
        names = ", ".join(readable(path.name) for path in found)
        raise CodeError(
            f"expected modules made of their sources, found bytecode of an earlier edit: {names}. "
            "Remove the folders __pycache__, then run again."
        )
