"""A PostgreSQL server in a folder that can be recovered to any point in time."""

import datetime as dt
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.dev.certificates import Certificates
from deploy.dev.processes import HOST, Process, StackError, as_account, free_port, give
from deploy.server.database import newest

ACCOUNT = "postgres"  # the server's account if this process is root: PostgreSQL refuses root
SUPERUSER = "postgres"


class Postgresql:
    """A database cluster in a folder, created if it does not exist, and its server.

    Parameters
    ----------
    folder : Path
        Data, write-ahead log and base backups; its parents must be open to the account `postgres`.
    log : Path
        File of the server's log.
    password : str
        Password of the superuser.
    tls : Certificates
        The server's certificate; every connection is encrypted.
    durable : bool
        Whether committed data survives a power cut; tests do not need it.
    """

    def __init__(
        self, folder: Path, log: Path, password: str, tls: Certificates, *, durable: bool = True
    ) -> None:
        self._folder = folder
        self._log = log
        self._password = password
        self._durable = durable
        self.port = free_port()
        initdb = newest("initdb")
        if initdb is None:
            raise StackError("expected PostgreSQL; install it: sudo deploy/dev/install postgresql")
        self._programs = initdb.parent
        for path in (folder, folder / "log"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            give(path, ACCOUNT)
        self._refuse_closed_folder()
        if not (folder / "data").exists():
            self._make_cluster()
        self._bring(tls)
        self._process = self._start(folder / "data")

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy URL of a database, with its password."""
        return f"postgresql+psycopg2://{SUPERUSER}:{self._password}@{HOST}:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Execute SQL as the superuser, and return its output."""
        words = ["--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        return self._run("psql", [*words, f"--dbname={database}", f"--command={statement}"])

    def base_backup(self) -> Path:
        """Copy the cluster while it runs; a recovery needs the copy and the log since then."""
        to = self._folder / "base"
        self._run("pg_basebackup", [f"--pgdata={to}", "--checkpoint=fast", "--wal-method=none"])
        return to

    def recover(self, base: Path, time: dt.datetime) -> None:
        """Recover the cluster to a point in time, and start it again.

        Parameters
        ----------
        base : Path
            An earlier `base_backup`; it becomes the data.
        time : datetime
            A time with a zone, after the base backup.
        """
        self.execute("SELECT pg_switch_wal()")
        self.stop()
        settings = [
            f"restore_command = 'cp {self._folder}/log/%f %p'",
            f"recovery_target_time = '{time.isoformat()}'",
            "recovery_target_action = 'promote'",
        ]
        with (base / "postgresql.auto.conf").open("a") as file:
            file.write("\n".join(settings) + "\n")
        (base / "recovery.signal").touch()
        give(base / "recovery.signal", ACCOUNT)
        shutil.rmtree(self._folder / "data")
        base.rename(self._folder / "data")
        self._process = self._start(self._folder / "data")
        self._process.until(
            lambda: self.execute("SELECT pg_is_in_recovery()") == "f", "PostgreSQL's recovery"
        )

    def stop(self) -> None:
        """Stop the server, without waiting for its clients to leave."""
        self._process.stop()

    def _refuse_closed_folder(self) -> None:
        if os.geteuid() != 0:
            return
        words = [*as_account(ACCOUNT), "test", "-x", str(self._folder)]
        if subprocess.run(words, check=False).returncode != 0:
            raise StackError(
                f"expected a folder that the account {ACCOUNT} may enter, found {self._folder} "
                "below one that is closed to others. Choose another: make server SERVER_FOLDER=…"
            )

    def _make_cluster(self) -> None:
        file = self._folder / "password"
        file.touch(mode=0o600)
        file.write_text(self._password)
        give(file, ACCOUNT)
        words = [f"--pgdata={self._folder}/data", f"--username={SUPERUSER}", f"--pwfile={file}"]
        words += ["--auth=scram-sha-256", "--no-locale", "--encoding=UTF8", "--no-sync"]
        self._run("initdb", words)
        file.unlink()

    def _bring(self, tls: Certificates) -> None:
        """Copy the certificate to a place that the account may read."""
        for source, name in ((tls.certificate, "server.crt"), (tls.key, "server.key")):
            path = self._folder / name
            path.unlink(missing_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(source.read_bytes())
            give(path, ACCOUNT)

    def _start(self, data: Path) -> Process:
        settings = {
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "max_connections": "200",
            "archive_mode": "on",
            "archive_command": f"cp %p {self._folder}/log/%f",
            "ssl": "on",
            "ssl_cert_file": f"{self._folder}/server.crt",
            "ssl_key_file": f"{self._folder}/server.key",
            "fsync": "on" if self._durable else "off",
        }
        words = [word for item in settings.items() for word in ("-c", "=".join(item))]
        process = Process(
            [str(self._programs / "postgres"), "-D", str(data), "-p", str(self.port), *words],
            self._log,
            account=ACCOUNT,
            end=signal.SIGINT,  # SIGTERM would wait for its clients to leave
        )
        process.until(self._answers, "PostgreSQL")
        return process

    def _answers(self) -> bool:
        words = ["--quiet", f"--host={HOST}", f"--port={self.port}"]
        asked = [str(self._programs / "pg_isready"), *words]
        return subprocess.run(asked, cwd="/", check=False).returncode == 0

    def _run(self, program: str, words: Sequence[str]) -> str:
        # A developer's PGHOST, PGOPTIONS, … are for other servers.
        variables = {n: v for n, v in os.environ.items() if not n.startswith("PG")}
        variables |= {"PGHOST": HOST, "PGPORT": str(self.port), "PGUSER": SUPERUSER}
        done = subprocess.run(
            [*as_account(ACCOUNT), str(self._programs / program), *words],
            cwd="/",
            env=variables | {"PGPASSWORD": self._password},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"{program} failed: {done.stderr.strip()}")
        return done.stdout.strip()
