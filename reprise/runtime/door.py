"""How the user has started this process, to suggest commands that start the same way.

Who types `mlflow run` with an environment manager reads commands with that one, in the same
experiment.
"""

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.record.project_run import ProjectRun
from reprise.runtime import experiments
from reprise.visible import option, word

if TYPE_CHECKING:
    from mlflow.entities import Run

_REPRISE = "reprise run"
_MLFLOW = "mlflow run ."
_BACKEND = "reprise"
_LOCAL = "local"  # what MLflow does not say of a run


@dataclass(frozen=True)
class Door:
    """How commands begin.

    Attributes
    ----------
    start : str
        What runs an entry point: `reprise run`, or `mlflow run` with its options.
    experiment : str
        Name of the experiment that has to be named; "": the one that is used without a word.
    """

    start: str = _REPRISE
    experiment: str = ""

    def run(self, entry_point: str, parameters: Mapping[str, str] | None = None) -> str:
        """Write the command that runs an entry point."""
        words = [self.start, "-e", entry_point]
        words += [f"--experiment-name {word(self.experiment)}"] if self.experiment else []
        words += [option(name, value) for name, value in (parameters or {}).items()]
        return " ".join(words)

    def about(self, verb: str, *run_ids: str) -> str:
        """Write the command that does something about one run, or about two."""
        short = [tracking.short(run_id) for run_id in run_ids]
        if self.start.startswith(_REPRISE):
            place = [f"--experiment {word(self.experiment)}"] if self.experiment else []
            return " ".join(["reprise", verb, *map(word, short), *place])
        return self.run(verb, dict(zip(("run_id", "other"), short, strict=False)))


_USED: ContextVar[Door | None] = ContextVar("door", default=None)


def used() -> Door:
    """Return how this process was started, and where its run is."""
    return _USED.get() or Door()


@contextlib.contextmanager
def through(run: "Run", *, ordered: ProjectRun | None, is_given: bool) -> Iterator[None]:
    """Know inside a block how this process was started.

    The server is asked for the experiment's name now: at the end, when a step has computed and its
    results are safe, it may be away.

    Parameters
    ----------
    run : Run
        The run of this process.
    ordered : ProjectRun or None
        What `reprise run` has ordered.
    is_given : bool
        Whether another process has made the run.
    """
    start = _start(run, ordered, is_given=is_given)
    token = _USED.set(Door(start, _experiment(str(run.info.experiment_id))))
    try:
        yield
    finally:
        _USED.reset(token)


def _start(run: "Run", ordered: ProjectRun | None, *, is_given: bool) -> str:
    tags = run.data.tags
    manager = tags.get(tracking.PROJECT_ENVIRONMENT)
    if ordered:
        return f"{_REPRISE} --env-manager uv" if ordered.environment == "uv" else _REPRISE
    if not is_given:
        return _REPRISE
    if tags.get(tracking.BACKEND) == _BACKEND:
        return f"{_MLFLOW} -b {_BACKEND}"
    if tracking.PROCESS in tags:  # `reprise run` has made it
        return _REPRISE
    if manager == "conda":  # MLflow's own choice
        return _MLFLOW
    return f"{_MLFLOW} --env-manager {word(manager or _LOCAL)}"


def _experiment(experiment_id: str) -> str:
    """Return the name of an experiment, unless it is where runs go by themselves."""
    if experiment_id == experiments.DEFAULT:
        return ""
    name = tracking.experiment_name(experiment_id)
    return "" if name == experiments.own_name(Path.cwd()) else name
