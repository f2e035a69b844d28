"""Import the libraries of the training steps, once in the process that forks their runs."""

import importlib

import steps.load_data
import steps.training  # noqa: F401
from reprise.projects import libraries

for _name in libraries.needed():
    importlib.import_module(_name)
