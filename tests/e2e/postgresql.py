"""A real PostgreSQL, which lives as long as the tests that use it."""

import fcntl
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from driving import HOST, LIMIT_SECONDS, ROOT, Variables, free_port, group, until

INSTALL = ROOT / "deploy/dev/install-postgresql"
REFUSED = 2  # the exit code of INSTALL where it can do nothing

_PROGRAMS = Path("/usr/lib/postgresql")
_ACCOUNT = "postgres"  # whom the server runs as, where the tests run as root: it refuses root
_USER = "mlflow"


@contextmanager
def postgresql(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Start a PostgreSQL that logs to a folder, and yield the SQLAlchemy URL of its database."""
    # A developer's PGHOST, PGOPTIONS, … are for other servers.
    variables = Variables((n, v) for n, v in environment.items() if not n.startswith("PG"))
    programs = _installed(variables)
    # Not in the folder: pytest's are closed to the server's account.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        options = {"cwd": name, "env": variables}
        password = secrets.token_urlsafe(24)
        _make_cluster(programs, Path(name), password, options)
        port = free_port()
        url = f"postgresql+psycopg2://{_USER}:{password}@{HOST}:{port}/postgres"
        with _started(programs, Path(name), port, folder / "postgresql.log", options):
            yield url


def _installed(variables):
    """Return the folder of the newest version's programs, installed if they were missing."""
    with INSTALL.open() as script:
        fcntl.flock(script, fcntl.LOCK_EX)  # test files run two at a time
        done = subprocess.run(
            [INSTALL], env=variables, stderr=subprocess.PIPE, text=True, check=False
        )
    if done.returncode == REFUSED:
        reason = f"NOT TESTED with PostgreSQL: {done.stderr.strip()}"
        warnings.warn(reason, stacklevel=2)  # pytest -q says of a skip only that there is one
        pytest.skip(reason)
    assert done.returncode == 0, done.stderr
    found = {path.parent for path in _PROGRAMS.glob("*/bin/initdb")}
    return max(found, key=lambda path: [int(n) for n in re.findall(r"\d+", path.parent.name)])


def _make_cluster(programs, folder, password, options):
    """Make a database cluster in an empty folder, with a superuser who has a password."""
    file = folder / "password"
    file.write_text(password)
    if os.geteuid() == 0:
        for path in (folder, file):
            shutil.chown(path, _ACCOUNT, _ACCOUNT)
    command = [programs / "initdb", f"--pgdata={folder}/data", f"--username={_USER}"]
    command += ["--auth=scram-sha-256", f"--pwfile={file}", "--no-locale", "--encoding=UTF8"]
    done = subprocess.run(
        [*_as_account(), *command, "--no-sync"],
        **options,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def _started(programs, folder, port, log, options):
    """Start the server of a cluster, wait until it answers, and stop it with the block."""
    command = [*_as_account(), programs / "postgres", "-D", folder / "data", "-p", str(port)]
    for setting in (f"listen_addresses={HOST}", "unix_socket_directories=", "fsync=off"):
        command += ["-c", setting]

    def ready():
        asked = [programs / "pg_isready", "--quiet", f"--host={HOST}", f"--port={port}"]
        return subprocess.run(asked, **options, check=False).returncode == 0

    with (
        log.open("wb") as output,
        group(command, **options, stdout=output, stderr=output) as process,
    ):
        try:
            until(lambda: process.poll() is not None or ready(), what="PostgreSQL to answer")
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.send_signal(signal.SIGINT)  # SIGTERM would wait for its clients to leave
            process.wait(LIMIT_SECONDS)


def _as_account():
    """Return what a command starts with, to run as the server's account and end with the tests."""
    command = ["setpriv", "--pdeathsig=INT"]  # even where the tests are killed
    if os.geteuid() == 0:
        command += [f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--init-groups"]
    return [*command, "--"]
