"""Empty tracking stores in a moment: MLflow takes seconds to make one, and reads its migrations
each time that it opens one.
"""

import contextlib
import functools
import shutil
import sqlite3
from pathlib import Path


def read_migrations_once() -> None:
    """Let this process, and its forks, look only once which migration is the latest."""
    from mlflow.store.db import utils

    utils._get_latest_schema_revision = functools.cache(utils._get_latest_schema_revision)


def copy_store(empty: Path, folder: Path, *, artifacts: str = "") -> str:
    """Make a store in a folder, as a first run in that folder would; return its URI.

    Parameters
    ----------
    empty : Path
        An empty store (the fixture `migrated`).
    folder : Path
        Where `mlflow.db` is.
    artifacts : str
        Where artifacts of the default experiment go; "" for `mlruns` in the folder.
    """
    path = folder / "mlflow.db"
    shutil.copy(empty, path)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        place = (artifacts or str(folder / "mlruns" / "0"),)
        database.execute("UPDATE experiments SET artifact_location = ?", place)
    return f"sqlite:///{path}"
