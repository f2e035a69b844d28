"""What the training steps import: preloaded once by the process that makes their runs."""

import importlib

import steps.load_data
import steps.training  # noqa: F401
from reprise.projects import libraries

for _name in libraries.needed():
    importlib.import_module(_name)
