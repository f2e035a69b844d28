"""Where Python looks for the project's own modules: in a replay, in the checkout.

An editable install, a `.pth` file or PYTHONPATH leads into the user's clone, which holds the code
of today.
"""

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from reprise.capture.bytecode import is_of_project


def entries(python: Path) -> list[str]:
    """Return the folders in which an interpreter looks for modules.

    Parameters
    ----------
    python : Path
        This process's own, or another, which is asked.
    """
    if python == Path(sys.executable):
        return _of_this_process()
    question = f"{inspect.getsource(_of_this_process)}\nimport json\n"
    words = [str(python), "-c", f"{question}print(json.dumps(_of_this_process()))"]
    asked = subprocess.run(words, capture_output=True, text=True, check=False)
    if asked.returncode != 0:  # a .pth file may fail; then the variable is known
        return list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    return [str(folder) for folder in json.loads(asked.stdout.splitlines()[-1])]


def _of_this_process() -> list[str]:
    """Look in `sys.path`, less a script's own folder, and in the finders of editable installs."""
    import sys

    finders = [m for name, m in list(sys.modules.items()) if name.startswith("__editable__")]
    mapped = [path for m in finders for path in getattr(m, "MAPPING", {}).values()]
    return [*sys.path[1:], *(str(path).rpartition("/")[0] for path in mapped)]


def variables(python: Path, root: Path, checkout: Path, *first: Path) -> dict[str, str]:
    """Return PYTHONPATH such that the project's modules are those of a checkout of it.

    Parameters
    ----------
    python : Path
        The interpreter.
    root : Path
        Of the user's repository.
    checkout : Path
        Root of the checkout; the same: nothing is moved.
    *first : Path
        Folders to look in before.
    """
    folders = [str(folder.absolute()) for folder in first]
    if checkout.resolve() != root.resolve():
        folders += moved(entries(python), root, checkout)
    if not folders:
        return {}
    inherited = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([*folders, *([inherited] if inherited else [])])}


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
