"""What must happen before a step's imports: the numerics pins, and a quick start.

A step's process spends most of its time importing. Python's garbage collector takes a sixth of
that, searching objects that all stay; it is off until `launch` turns it on.
"""

import gc
import importlib.util
import sys

from reprise import numerics

_NEEDED = ("mlflow", "sklearn", "pydantic")


def prepare() -> None:
    """Pin the numerics; where a step is starting, check its Python and quicken its imports."""
    starting = sys.argv[:1] == ["-m"]
    if starting:
        _check_environment()
    numerics.pin()
    if starting:
        gc.disable()


def _check_environment() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(
            f"expected the project's environment, found {sys.executable} without "
            f"{', '.join(missing)}. Run `make`, then `source .venv/bin/activate`, "
            "or give mlflow run --env-manager uv."
        )
