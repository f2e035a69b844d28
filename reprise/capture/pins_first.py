"""Sets the pins as the first library that reads them is about to load.

`import reprise` promises a script that what it imports below has the pins. Set at once, they would
reach every program that has the package somewhere, and the processes that it starts; so nothing is
set before such a library loads, or `reprise.Experiment` is used.
"""

import sys
from collections.abc import Sequence
from types import ModuleType

from reprise.capture import numerics

# Others, such as SciPy and scikit-learn, load NumPy before anything that reads them.
_READ_PINS = frozenset({"numpy", "pyarrow", "torch", "tensorflow", "jaxlib", "mkl"})


class PinsFirst:
    """A finder of modules that finds none, and is asked before those that do."""

    def __init__(self) -> None:
        self._has_pinned = False

    def find_spec(
        self,
        name: str,
        _path: Sequence[str] | None = None,
        _target: ModuleType | None = None,
    ) -> None:
        """Set the pins where a library that reads them is asked for, once."""
        if name in _READ_PINS and not self._has_pinned:
            self._has_pinned = True
            numerics.pin()


def install() -> None:
    """Let the pins be set before the first library that reads them loads."""
    sys.meta_path.insert(0, PinsFirst())
