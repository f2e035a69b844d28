"""The project's steps: one module per entry point, plus the modelling code they share.

Importing the package pins the numerics (threads, kernels, hash seed) before NumPy can be imported.
"""

from reprise.runtime import startup

startup.prepare(
    needs=["sklearn"],
    advice="Run `make`, then `source .venv/bin/activate`, or give mlflow run --env-manager uv.",
)
