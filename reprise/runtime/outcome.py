"""What a step reports to the process that started it: the run it makes, and its metrics."""

import json
import os
from pathlib import Path
from typing import Any

from reprise import env


class Reporter:
    """Reports to the process that asked for it, once; processes below this one report nothing."""

    def __init__(self) -> None:
        self._path = os.environ.pop(env.REPORT, None)

    def report(self, **facts: Any) -> None:
        """Report facts so far, in place of those before; nothing where nobody asks."""
        if self._path:
            partial = Path(f"{self._path}.part")
            partial.write_text(json.dumps(facts), encoding="utf-8")
            partial.replace(self._path)
