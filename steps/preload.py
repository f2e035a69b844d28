"""Import the libraries of the training steps, once in the process that forks their runs."""

import importlib
from pathlib import Path

import steps.load_data
import steps.training  # noqa: F401
from reprise.capture import imports
from reprise.projects import libraries

for _name in libraries.needed():
    importlib.import_module(_name)

imports.sources(Path.cwd())  # resolves where each lies: a run then looks only at what it adds
