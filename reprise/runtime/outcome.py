"""What a step reports to the process that started it: the run it makes, and its metrics."""

import json
from pathlib import Path
from typing import Any


class Reporter:
    """Reports to the process that asked for it, in a file; None: nobody asks."""

    def __init__(self, path: str | None) -> None:
        self._path = path

    def report(self, **facts: Any) -> None:
        """Report the facts so far, in place of those before."""
        if self._path:
            partial = Path(f"{self._path}.part")
            partial.write_text(json.dumps(facts), encoding="utf-8")
            partial.replace(self._path)
