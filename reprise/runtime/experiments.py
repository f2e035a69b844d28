"""The experiment of a run: as its step is told, else as MLflow is, else the project's own.

Without a word of the user's, MLflow logs to `Default`. A project with steps of this engine logs to
an experiment of its name. `mlflow run` makes a run before its step starts and sets
MLFLOW_EXPERIMENT_ID, whoever has chosen: such a run stays where it is unless the step is told.
"""

import os
from pathlib import Path

from reprise import tracking
from reprise.errors import TrackingError
from reprise.projects import project_file, settings

DEFAULT = "0"  # MLflow's id of `Default`
_NAME, _ID = "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"


def choose(wanted: str | None, *, project: Path | None = None) -> None:
    """Let MLflow log the runs of this process to an experiment, which is made where it is missing.

    Parameters
    ----------
    wanted : str or None
        Its name, of a user; None: as MLflow's variables say, else the project's name.
    project : Path, optional
        The project's folder; by default the current one.
    """
    experiment_id = ensured(wanted, project=project)
    if experiment_id:
        # By id alone: a replay may set another id, which a name would contradict.
        os.environ.pop(_NAME, None)
        os.environ[_ID] = experiment_id


def ensured(wanted: str | None, *, project: Path | None = None) -> str | None:
    """Return the id of the experiment of a new run, made where it is missing; None: MLflow's own.

    See `choose`.
    """
    name = _named(wanted, project)
    return tracking.ensure_experiment(name) if name else None


def of_step(wanted: str | None, *, given: str | None, project: Path) -> str:
    """Return the id of the experiment of a run that is made for a step, as it is not by `launch`.

    Parameters
    ----------
    wanted : str or None
        Its name, of the step's parameter.
    given : str or None
        An id of MLflow's, which is that of `Default` also where nobody has chosen.
    project : Path
    """
    if given and given != DEFAULT and not wanted:
        return given
    return ensured(wanted, project=project) or given or tracking.current_experiment_id()


def looked_in(wanted: str | None = None, *, project: Path | None = None) -> str:
    """Return the id of the experiment in which runs are looked for; none is made.

    Raises
    ------
    TrackingError
        If there is none of the name that a user gives.
    """
    name = _named(wanted, project)
    if not name:
        return tracking.current_experiment_id()
    try:
        return tracking.experiment_id(name)
    except TrackingError:
        if wanted or os.environ.get(_NAME):
            raise
        return tracking.current_experiment_id()  # no run has been made here yet


def places(experiment_id: str) -> list[str]:
    """Return the experiments in which a run looks for others: its own, then perhaps the project's.

    A run that `mlflow run` has put into `Default`, as nobody has said where, belongs to the project
    as those do that `reprise run` makes.
    """
    own = own_name(Path.cwd())
    if experiment_id != DEFAULT or os.environ.get(_NAME) or not own:
        return [experiment_id]
    try:
        return [experiment_id, tracking.experiment_id(own)]
    except TrackingError:  # it has no run yet
        return [experiment_id]


def own_name(project: Path) -> str:
    """Return the name of a project with steps of this engine, which is that of its experiment."""
    if not settings.of(project).steps:
        return ""
    return str(project_file.read(project).get("name", "")).strip()


def _named(wanted: str | None, project: Path | None) -> str:
    """Return the name of the experiment; "": as MLflow decides."""
    if wanted:
        return wanted
    if os.environ.get(_NAME):
        return os.environ[_NAME]
    return "" if os.environ.get(_ID) else own_name(project or Path.cwd())
