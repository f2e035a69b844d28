"""The project's steps: one module per entry point, plus the modelling code they share.

Importing the package pins what decides the bits of a result, before NumPy can be imported.
"""

from reprise.runtime import startup

startup.prepare()
