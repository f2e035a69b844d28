"""A planned run of a project's entry point; a command or the step itself makes the run."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from reprise.backports import Self


@dataclass(frozen=True)
class ProjectRun:
    """A run before its step begins.

    Attributes
    ----------
    entry_point : str
    raw_parameters : mapping of str to str
        Quoted for the shell, as `mlflow run` logs them.
    source : str
        The project's address, as MLflow records it.
    backend : str
    environment : str or None
        The tool that built its environment; None for the command's own environment.
    name : str or None
        None for a random name of MLflow's.
    folder, commit, repository : str or None
        The project's folder in its repository, its commit, and its remote; None if unknown yet.
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

    def to_json(self) -> str:
        """Return the run as JSON, for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a run that `to_json` wrote."""
        return cls(**json.loads(text))
