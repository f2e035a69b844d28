"""Start one MLflow server on a Unix socket; nginx speaks to it there."""

import os
import shutil
import sys
from importlib.resources import files
from pathlib import Path

from deploy.server import database
from deploy.server.settings import Settings

# Where a version of a model may be. MLflow also takes any address in the bucket, and then gives its
# files to whoever registered it; of these it checks that they may be read. The words are prompts'.
_SOURCES = r"^((mlflow-artifacts|models|runs):/|(prompt-template|dummy-source)\Z)"
_VERSIONS = {"alembic_version", "alembic_version_auth"}  # of MLflow's tables, and of the accounts'


def command(settings: Settings, number: int) -> list[str]:
    """Return the command of a server; no secret is in it."""
    return [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        *("--backend-store-uri", database.URI),
        *("--artifacts-destination", settings.artifacts),
        *("--app-name", "basic-auth"),
        *("--allowed-hosts", settings.host),
        *("--cors-allowed-origins", settings.address),
        *("--uvicorn-opts", f"--uds {socket(settings, number)}"),
    ]


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables of a server."""
    return {
        **settings.environment(),
        "MLFLOW_AUTH_CONFIG_PATH": str(files("deploy.server") / "auth.ini"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # a way to run code on the server
        "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": _SOURCES,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def socket(settings: Settings, number: int) -> Path:
    """Return the socket of a server; each is in a folder of its own, which systemd makes."""
    return settings.run_folder / str(number) / "socket"


def prepare(settings: Settings) -> None:
    """Make the tables of an empty database, once however many servers start on it.

    MLflow makes them too, but two machines that do so at once stop each other. Older tables are
    not touched: the server refuses them, and says what to do.
    """
    with database.alone(settings), database.connected(settings) as connection:
        if set(database.tables(connection)) >= _VERSIONS:
            return
        os.environ |= environment(settings)
        from mlflow.server.auth.db.utils import migrate
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
        from sqlalchemy import create_engine

        SqlAlchemyStore(database.URI, "mlflow-artifacts:/")  # where the first experiment's go
        engine = create_engine(database.URI)
        migrate(engine, "head")
        engine.dispose()


def run(settings: Settings, number: int) -> None:
    """Become the server."""
    prepare(settings)
    path = socket(settings, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # of a server that was killed
    words = command(settings, number)
    os.execve(shutil.which(words[0]) or words[0], words, os.environ | environment(settings))
