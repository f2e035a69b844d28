"""A run of a project's entry point, before it is made: by a command, or by the step itself."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ProjectRun:
    """What is known of a run before its step begins.

    Attributes
    ----------
    entry_point : str
    raw_parameters : mapping of str to str
        As `mlflow run` logs them, shell-quoted.
    source : str
        The project's address, as MLflow names it.
    backend : str
    environment : str or None
        What built its environment; None: the command's own.
    name : str or None
        None: MLflow makes one up.
    folder, commit, repository : str or None
        The project's folder in its repository, its commit, and its remote; None: not known yet.
    """

    entry_point: str
    raw_parameters: Mapping[str, str]
    source: str
    backend: str
    environment: str | None = None
    name: str | None = None
    folder: str | None = None
    commit: str | None = None
    repository: str | None = None
