"""How this process was started, as far as a program changes it: read when `reprise` is imported.

A script may go to another folder, or take its arguments apart, before it begins a run.
"""

import sys
from pathlib import Path

FOLDER = Path.cwd()
PROGRAM = sys.argv[0] if sys.argv else ""
ARGUMENTS = tuple(sys.argv[1:])
