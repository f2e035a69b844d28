"""Start one MLflow server on a Unix socket, which nginx connects to."""

import os
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.server import database
from deploy.server.errors import ServerError
from deploy.server.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

# Allowed sources of a model version: MLflow checks the right to read them. It also accepts any
# address in the bucket, and then gives its files to the user who registered it. MLflow
# registers prompts with the last two sources.
_SOURCES = r"^((mlflow-artifacts|models|runs):/|(prompt-template|dummy-source)\Z)"
_ARTIFACTS = "mlflow-artifacts:/"  # as clients see them
_ACCOUNTS = "alembic_version_auth"  # table with the revision of the accounts' tables


def command(settings: Settings, number: int) -> list[str]:
    """Return the command of a server; no secret is in it."""
    return [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        *("--backend-store-uri", database.URI),
        *("--artifacts-destination", settings.artifacts),
        *("--app-name", "basic-auth"),
        *("--allowed-hosts", settings.host),
        *("--cors-allowed-origins", settings.address),
        # A connection must not be closed here while nginx (60 s) still sends requests on it.
        *("--uvicorn-opts", f"--uds {socket(settings, number)} --timeout-keep-alive 75"),
    ]


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables of a server."""
    return {
        **settings.environment(),
        "MLFLOW_AUTH_CONFIG_PATH": str(files("deploy.server") / "auth.ini"),
        # Ways to run code on the server, and to have it ask any address.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": _SOURCES,
        # Of each of a server's three engines; all servers together must stay below PostgreSQL's.
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "10",
        "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "5",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def socket(settings: Settings, number: int) -> Path:
    """Return the socket of a server; each is in a folder of its own, which systemd makes."""
    return settings.run_folder / str(number) / "socket"


def prepare(settings: Settings) -> None:
    """Make the tables of an empty database, once however many servers start on it.

    MLflow makes them too, but two machines that do so at once stop each other.

    Raises
    ------
    ServerError
        If the tables are of another version of MLflow: the server would start and then fail.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import create_engine

    with database.alone(settings, database.Lock.TABLES):
        try:
            SqlAlchemyStore(database.URI, _ARTIFACTS)
        except MlflowException as error:
            found = str(error).partition(". ")[0]
            raise ServerError(f"{found}. Back up, then: mlflow-server migrate") from None
        engine = create_engine(database.URI)
        try:
            _prepare_accounts(engine)
        finally:
            engine.dispose()


def _prepare_accounts(engine: "Engine") -> None:
    """Make the accounts' tables; MLflow would also migrate older ones, without a backup."""
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from mlflow.server.auth.db import utils
    from sqlalchemy import inspect

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": _ACCOUNTS})
        found = context.get_current_revision()
        empty = not inspect(connection).has_table("users")
    if empty:
        utils.migrate_if_needed(engine, "head")
        return
    config = utils._get_alembic_config(database.URI)  # noqa: SLF001
    expected = ScriptDirectory.from_config(config).get_current_head()
    if found != expected:
        raise ServerError(
            f"expected the accounts' tables of revision {expected}, found {found}. Back up, then: "
            "mlflow-server migrate"
        )


def run(settings: Settings, number: int) -> None:
    """Become the server."""
    os.environ |= environment(settings)
    prepare(settings)
    path = socket(settings, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # of a server that was killed
    words = command(settings, number)
    os.execv(words[0], words)
