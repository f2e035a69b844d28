"""What a project's steps import, by name: to be loaded ahead of them, in processes that run one."""

import os
from pathlib import Path

from reprise.projects import settings

_SERVER = (
    "mlflow.store.tracking.rest_store",
    "mlflow.store.artifact.mlflow_artifacts_repo",
    "mlflow.tracking.request_header.registry",
)
_DATABASE = ("mlflow.store.tracking.sqlalchemy_store",)


def needed(project: Path | None = None) -> tuple[str, ...]:
    """Return what the steps of a project import, and what talks to its kind of tracking store.

    Parameters
    ----------
    project : Path, optional
        Its folder, with the settings; None is the current folder.
    """
    served = os.environ.get("MLFLOW_TRACKING_URI", "").startswith("http")
    return (*settings.of(project or Path.cwd()).preload, *(_SERVER if served else _DATABASE))
