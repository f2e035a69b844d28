"""The engine that makes runs repeatable. It knows nothing about any particular model.

For scripts and notebooks there is `reprise.Experiment` (`scripts`). Importing the package pins the
numerics for the libraries that are loaded afterwards; the steps' own package does so for them.

A tour, from a command to its record. `startup` pins the numerics (`numerics`) before NumPy can
load. `run.launch` attaches to the MLflow run, checks the parameters (`parameters`), and writes
down what the run depends on: its code (`code`), its environment (`environment`), what decides the
last bits (`numerics`), its inputs (`sources`, `tables`, `data`). The step computes. Its metrics
and the digests (`digest`) of model and predictions complete the record (`record`), through the
one module that talks to MLflow tracking (`tracking`; `models` and `registry` for models).

From a run id back to a run. `past` reads the record, or what a plain MLflow run left; `checkout`
brings its code back (`git`; `guards` says what may not travel in the first place); `projects` finds
what to run, and the environment to run it in; `launcher` runs it; `verdict` compares the records
and `replay` does all of it; `report` tells. `audit` (`inputs`, `audit_report`) asks all of that of
every run without running, `comparison` (`patch`) shows two runs side by side.
`backend` (`address`) is `mlflow run … -b reprise`; `session`, `lifetime` and `configuration` are
parts of `scripts`.

`cli` is the command `reprise`, whose verbs are in `commands`; `settings` is what a project says
of itself.

`doctor` checks from a client that it can work with the team's server (`deploy/`).

`sweeps` plans runs in numbers and makes them in processes forked from a warm one, here or on a
cluster; `outcome` is how each reports its run. `process.interrupts` has the signals that end a
process, `trusted_types` what a model file may hold, and `errors` are what the user can fix.
"""

import sys
from typing import TYPE_CHECKING, Any

from reprise.capture import numerics

if TYPE_CHECKING:
    from reprise.scripts.experiment import Experiment as Experiment

__all__ = ["Experiment"]

if sys.argv[:1] != ["-m"]:  # a step, whose package may start its process again
    numerics.pin()


def __getattr__(name: str) -> Any:
    if name != "Experiment":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reprise.scripts.experiment import Experiment

    return Experiment
