"""Paths that a record names, held inside the folder of a checkout."""

import contextlib
from pathlib import Path

from reprise.errors import CheckoutError
from reprise.git import succeeds

_SHOWN = 60  # characters of a name


def inside(folder: Path, name: str) -> Path:
    """Return what a recorded name means in a checked-out folder; it must be there, and within.

    Raises
    ------
    CheckoutError
        If it is not.
    """
    path = _within(folder, name)
    if path is None or not path.exists():
        raise CheckoutError(
            f"expected {name[:_SHOWN]!a} in the run's commit, found none there. The record was "
            "altered."
        )
    return path


def file_inside(folder: Path, name: str, *, committed: bool = False) -> Path:
    """Return a file by its name in a folder, from which no link leads out.

    Parameters
    ----------
    folder : Path
    name : str
    committed : bool
        Whether git must have it, so that it is neither of git itself nor of the user alone.

    Raises
    ------
    CheckoutError
        If there is no such file.
    """
    path = None if name.startswith("-") else _within(folder, name)
    if path is None or not path.is_file() or (committed and not _is_committed(path)):
        raise CheckoutError(
            f"expected a file {name[:_SHOWN]!a} in the project's commit, found none there. "
            "The record was altered, or it was not committed. Only what is in the commit is run."
        )
    return path


def working_folder(folder: Path, name: str, *, temporary: bool = True) -> Path:
    """Return the folder in which a script was started.

    Parameters
    ----------
    folder : Path
    name : str
    temporary : bool
        Whether it may be made, where the commit has no files in it.

    Raises
    ------
    CheckoutError
        If it is not within the folder, or does not exist.
    """
    path = _within(folder, name)
    if path is not None and temporary:
        with contextlib.suppress(OSError):  # below a file; then it is no folder
            path.mkdir(parents=True, exist_ok=True)
    if path is None or not path.is_dir():
        raise CheckoutError(
            f"expected the name of a folder in the project, found {name[:_SHOWN]!a}. The record "
            "was altered."
        )
    return path


def _within(folder: Path, name: str) -> Path | None:
    """Return what a name means in a folder; None: it leads out of it, or is no file's name."""
    path = folder / name
    try:
        path.lstat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError):  # too long, below a file; a NUL, not UTF-8
        return None
    try:
        there = path.resolve()
    except (OSError, RuntimeError):  # links in a circle
        return None
    return path if there.is_relative_to(folder.resolve()) else None


def _is_committed(path: Path) -> bool:
    """Return whether git tracks a file, and what it is a link to."""
    return all(
        succeeds(each.parent, "ls-files", "--error-unmatch", "--", f":(literal){each.name}")
        for each in (path, path.resolve())
    )
