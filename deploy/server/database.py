"""The server's PostgreSQL: its programs, a lock among all servers, and digests of its content."""

import contextlib
import enum
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql

from deploy.server.errors import ServerError

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from deploy.server.settings import Settings

URI = "postgresql+psycopg2://"  # libpq takes the rest from PGHOST, PGPASSWORD, …

_PROGRAMS = Path("/usr/lib/postgresql")
# The columns that name the owner of a row, most preferred first; a row without them has no owner.
_OWNERS = (
    *("run_uuid", "run_id", "destination_id", "model_id", "trace_id", "request_id"),
    *("experiment_id", "name", "username"),
)
# The text form of rows must not depend on the session.
_TEXT = ("TimeZone=UTC", "DateStyle=ISO,YMD", "extra_float_digits=1", "bytea_output=hex")

_ROW = sql.SQL("encode(sha256(convert_to(t::text, 'UTF8')), 'hex')")


class Lock(enum.IntEnum):
    """Actions for one machine at a time; the numbers are arbitrary, but nothing else uses them."""

    TABLES = 7358123
    BACKUPS = 7358124


Digests = dict[str, dict[str, str]]  # table -> owner -> SHA-256 of its rows


@contextlib.contextmanager
def connected(settings: "Settings") -> "Iterator[Connection]":
    """Connect to the database; commit the changes if the block ends without an error."""
    variables = settings.environment()
    words = {
        name.removeprefix("PG").lower(): value
        for name, value in variables.items()
        if name.startswith("PG")
    }
    words["dbname"] = words.pop("database")
    options = " ".join(f"-c {setting}" for setting in _TEXT)
    try:
        connection = psycopg2.connect(
            **words, options=options, connect_timeout=10, keepalives_idle=60
        )
    except psycopg2.OperationalError as error:
        reason = " ".join(str(error).split())
        raise ServerError(
            f"expected the database at {settings.pghost}:{settings.pgport}: {reason}"
        ) from None
    try:
        with connection:
            yield connection
    except psycopg2.Error as error:
        reason = " ".join(str(error).split())
        raise ServerError(f"the database at {settings.pghost} refused: {reason}") from error
    finally:
        connection.close()


@contextlib.contextmanager
def alone(settings: "Settings", what: Lock) -> Iterator[None]:
    """Let only one machine at a time run the block."""
    with connected(settings) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (what,))
        connection.commit()  # no transaction stays open during the block; the lock is held
        yield


def tables(connection: "Connection") -> list[str]:
    """Return the names of all tables, in order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]


def export_snapshot(connection: "Connection") -> str:
    """Freeze this connection's view of the data; return the snapshot's name for `pg_dump`."""
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        (name,) = cursor.fetchone() or ("",)
    return str(name)


def digests(connection: "Connection") -> Digests:
    """Return the SHA-256 of all rows, per table and per owner (run, model, …).

    The digest is of the sorted text of the rows, so that a dump and a restore do not change it.
    """
    return {name: _digests_of(connection, name) for name in tables(connection)}


def _digests_of(connection: "Connection", table: str) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND table_name = %s",
            (table,),
        )
        columns = {name for (name,) in cursor.fetchall()}
        owner = next((name for name in _OWNERS if name in columns), None)
        group = sql.SQL("coalesce({}::text, '')").format(sql.Identifier(owner)) if owner else _ROW
        cursor.execute(
            sql.SQL(
                "SELECT {group}, encode(sha256(convert_to("
                """string_agg({row}, '' ORDER BY {row} COLLATE "C"), 'UTF8')), 'hex') """
                "FROM {table} t GROUP BY 1"
            ).format(group=group, row=_ROW, table=sql.Identifier(table))
        )
        return {str(name): str(digest) for name, digest in cursor.fetchall()}


def dump(settings: "Settings", snapshot: str, file: Path) -> None:
    """Dump a snapshot to a file, in PostgreSQL's custom format."""
    words = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
    _run(settings, "pg_dump", [*words, f"--file={file}"])


def load(settings: "Settings", file: Path) -> None:
    """Restore a dump into an empty database, completely or not at all."""
    words = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
    _run(settings, "pg_restore", [*words, f"--dbname={settings.pgdatabase}", str(file)])


def _run(settings: "Settings", program: str, words: Sequence[str]) -> None:
    done = subprocess.run(
        [_program(program), *words],
        env=os.environ | settings.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ServerError(f"{program} failed: {' '.join(done.stderr.split())}")


def _program(name: str) -> str:
    path = newest(name) or shutil.which(name)
    if not path:
        raise ServerError(f"expected {name} on this machine; install PostgreSQL's client")
    return str(path)


def newest(program: str) -> Path | None:
    """Return the newest version of a program: an older one cannot dump a newer server."""
    return max(
        _PROGRAMS.glob(f"*/bin/{program}"),
        key=lambda path: [int(number) for number in re.findall(r"\d+", path.parts[-3])],
        default=None,
    )
