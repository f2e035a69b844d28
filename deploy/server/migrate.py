"""Migrate the database's tables to the installed version of MLflow; make a backup first."""

import os
import subprocess
import sys

from deploy.server import database
from deploy.server.errors import ServerError
from deploy.server.serve import environment
from deploy.server.settings import Settings

_COMMANDS = (
    ("mlflow", "db", "upgrade", database.URI),
    ("mlflow.server.auth", "db", "upgrade", "--url", database.URI),  # accounts have their own
)


def run(settings: Settings) -> None:
    """Migrate, with a lock against other machines; a schema cannot be downgraded."""
    # Wait for a running backup: the migration would change the data that it reads.
    with (
        database.alone(settings, database.Lock.BACKUPS),
        database.alone(settings, database.Lock.TABLES),
    ):
        for command in _COMMANDS:
            done = subprocess.run(
                [sys.executable, "-m", *command],
                env=os.environ | environment(settings),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
                raise ServerError(
                    f"python -m {' '.join(command[:-1])} failed: {last[0]}. Restore the backup "
                    "into a new database before you start an older server."
                )
    print(
        "the tables are those of the installed MLflow; start the servers: deploy/server/bootstrap"
    )
