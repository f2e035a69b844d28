"""Where Python looks for the project's own modules: in a replay, in the checkout.

An editable install, a `.pth` file or PYTHONPATH leads into the user's clone, which holds the code
of today.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from reprise.capture.bytecode import is_of_project


def entries(python: Path) -> list[str]:
    """Return the folders in which an interpreter looks for modules, as far as they are known here.

    Parameters
    ----------
    python : Path
        This process's own, of which all are known, or another, of which PYTHONPATH is.
    """
    if python != Path(sys.executable):
        return list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    finders = (m for name, m in list(sys.modules.items()) if name.startswith("__editable__"))
    mapped = (path for m in finders for path in getattr(m, "MAPPING", {}).values())
    return [*sys.path[1:], *(str(Path(path).parent) for path in mapped)]  # [0] is a script's own


def moved(folders: Iterable[str], root: Path, checkout: Path) -> Iterator[str]:
    """Yield the folders of a project's as they are in a checkout of it.

    Parameters
    ----------
    folders : iterable of str
    root : Path
        Of the user's repository.
    checkout : Path
        Root of the checkout.
    """
    root = root.resolve()
    for folder in dict.fromkeys(folders):
        if Path(folder).is_absolute() and is_of_project(Path(folder), root):
            there = checkout / Path(folder).resolve().relative_to(root)
            if there.is_dir():
                yield str(there)
