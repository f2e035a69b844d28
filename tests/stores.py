"""Empty tracking stores in a moment: MLflow takes seconds to make one, and is slow to open one."""

import contextlib
import functools
import shutil
import sqlite3
from pathlib import Path


def open_stores_quickly() -> None:
    """Let this process, and its forks, do once what MLflow does for each store that it opens.

    It reads its migrations, to know the latest one, and compiles every statement of SQL.
    """
    from mlflow.store.db import utils

    utils._get_latest_schema_revision = functools.cache(utils._get_latest_schema_revision)
    create, first = utils.create_sqlalchemy_engine, []

    def create_sqlalchemy_engine(uri):
        engine = create(uri)
        if engine.dialect.name == "sqlite":
            first.append(engine)
            engine.dialect = first[0].dialect
            engine._compiled_cache = first[0]._compiled_cache
            del first[1:]
        return engine

    utils.create_sqlalchemy_engine = create_sqlalchemy_engine


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
