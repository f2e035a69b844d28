"""What must happen before a step's imports: the numerics pins, and a quick start.

A step's process spends most of its time importing and, at its end, tearing down what it
imported. Python's garbage collector takes a good part of both, searching objects that all stay:
it is off during the imports, and what was imported is exempt from it afterwards.
"""

import gc
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from reprise.capture import bytecode, numerics

_COLLECT_AFTER = 50_000  # objects; Python's own 700 is for programs that do not import ML libraries
_NEEDED = ("mlflow", "pydantic")


def prepare(*, needs: Sequence[str] = (), advice: str = "") -> None:
    """Pin the numerics; where a step is starting, check its Python and quicken its imports.

    Parameters
    ----------
    needs : sequence of str
        Modules that every step of the project imports.
    advice : str
        How one gets the project's environment.
    """
    if sys.argv[:1] != ["-m"]:
        numerics.pin()
        return
    _check_environment([*_NEEDED, *needs], advice)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # gives freed memory back
    numerics.restart_pinned()
    gc.disable()
    bytecode.trust_only_fresh(Path.cwd())


def imported() -> None:
    """Turn the collector on again, for what the step itself makes."""
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    gc.enable()


def ending() -> None:
    """Exempt everything from the collection that Python makes as it ends: a second, for nothing."""
    gc.freeze()


def _check_environment(needed: Sequence[str], advice: str) -> None:
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(
            f"expected the project's environment, found {sys.executable} without "
            f"{', '.join(missing)}. {advice or 'Activate it.'}"
        )
