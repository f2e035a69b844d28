"""The engine that makes runs reproducible. It knows nothing about any particular project.

For scripts and notebooks there is `reprise.Experiment` (`scripts`). A tour of the rooms, from a
command to its record:

`cli` and `backend` are the two doors, `reprise …` and `mlflow run … -b reprise`; what both do is
in `commands`. A step starts in `runtime`: `startup` pins the numerics before NumPy can load,
`launch` attaches to the MLflow run and checks the `parameters`, and the `recorder` writes down
what the run depends on. That is taken from `capture` (code, environment, numerics) and `data`
(sources, tables, stored splits). The step computes. Its metrics, and the digests of its model
(`models`) and of its predictions, complete the `record`, which is stored by the one room that
talks to MLflow tracking (`tracking`).

Of any other project, the process that starts a command records it from outside (`observing`): it
watches what the command reads and which runs it makes, and takes all that these have logged as
content (`digests`).

From a run id back to a run: `replay.original_run` reads the record, or what a plain MLflow run
left; `projects` checks out its code, finds what to run in the MLproject, and finds or builds its
environment; `process` runs it in a warm process; `record.verdict` compares the two records, and
`replay.report` prints what it says. `replay.audit` checks every run of an experiment without
running any; `record.comparison` shows two runs side by side.

`sweeps` makes runs in numbers, in processes forked from a warm one, here or on a cluster. `doctor`
checks from a client that it can work with the team's server.

Below all of them: `signatures` (by `ssh-keygen`, with git's keys), `git`, `trust` (limits and
checks on what comes from elsewhere), `urls` (addresses, and the credentials in them), `console`
(what a person sees), `env` (variables of our own), `extras` (packages that only some features
need), `errors`, which are those that a user can fix, and `backports` (what Python 3.10 lacks).
Imports only go down; tests/test_architecture.py has the list.

Importing this package changes no variable and loads nothing but a few small modules; see
`capture.pins_first` for what a script that imports it first is promised.
"""

from typing import TYPE_CHECKING, Any

from reprise.capture import pins_first
from reprise.process import started as _started  # noqa: F401 - before a script goes elsewhere

if TYPE_CHECKING:
    from reprise.scripts.experiment import Experiment as Experiment

__all__ = ["Experiment"]

pins_first.install()


def __getattr__(name: str) -> Any:
    if name != "Experiment":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reprise.scripts.experiment import Experiment

    return Experiment
