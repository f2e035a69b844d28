"""The whole server on loopback, from the files in `deploy/server`."""

import contextlib
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.aws import policy, template
from deploy.dev import certificates
from deploy.dev.ceph import Ceph
from deploy.dev.postgresql import Postgresql
from deploy.dev.processes import HOST, Process, StackError, free_port, listens
from deploy.server.nginx import SERVERS, render
from deploy.server.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
NAME = "localhost"
BUCKET = "mlflow"

_NGINX = """\
user {account};
worker_processes 1;
pid {folder}/nginx/pid;
error_log {folder}/log/nginx.log warn;
events {{}}
http {{
    access_log {folder}/log/requests.log;
    client_body_temp_path {folder}/nginx/body;
    proxy_temp_path {folder}/nginx/proxy;
    fastcgi_temp_path {folder}/nginx/fastcgi;
    uwsgi_temp_path {folder}/nginx/uwsgi;
    scgi_temp_path {folder}/nginx/scgi;
    include {folder}/nginx/mlflow.conf;
}}
"""


class Stack:
    """PostgreSQL, Ceph's S3, two MLflow servers and nginx, on loopback.

    All data is in a folder; the next start of the stack uses it again.

    Parameters
    ----------
    folder : Path
        Data, logs, secrets; the account `postgres` must be able to enter it if this is root.
    python : Path
        Python of an environment with the packages of `deploy/server/requirements.txt`.
    port : int
        Port of https; 0 for any.
    durable : bool
        Whether committed data survives a power cut.
    """

    def __init__(self, folder: Path, python: Path, *, port: int = 0, durable: bool = True) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.servers: dict[int, Process] = {}
        self._python = python
        self._durable = durable
        self._end = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Start everything; if a part cannot start, end the others."""
        with contextlib.ExitStack() as end:
            self._start(end)
            self._end = end.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop everything, in the opposite order."""
        self._end.close()

    @property
    def address(self) -> str:
        """URL for clients."""
        return f"https://{NAME}:{self.port}"

    def client(self) -> dict[str, str]:
        """Return the variables of a client of the admin."""
        return {
            "MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_TRACKING_SERVER_CERT_PATH": str(self.tls.authority),
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": self._secret("admin"),
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        }

    def settings(self) -> dict[str, str]:
        """Return the settings of a machine of the server."""
        keys = {name.upper(): value for name, value in self.s3.user("mlflow").items()}
        return keys | {
            "SERVER_NAME": NAME,
            "LISTEN": HOST,
            "PORT": str(self.port),
            "ALLOWED_NETWORKS": "127.0.0.0/8",
            "TLS_CERTIFICATE": str(self.tls.certificate),
            "TLS_KEY": str(self.tls.key),
            "PGHOST": HOST,
            "PGPORT": str(self.database.port),
            "PGSSLROOTCERT": str(self.tls.authority),
            "PGPASSWORD": self._secret("database"),
            "ARTIFACTS": f"s3://{BUCKET}/artifacts",
            "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": self.s3.endpoint,
            "MLFLOW_AUTH_ADMIN_PASSWORD": self._secret("admin"),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": self._secret("flask"),
            "RUN_FOLDER": str(self.folder / "run"),
            "BACKUP_TO": str(self.folder / "backups"),
        }

    def command(
        self, *words: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `mlflow-server <words>` to its end."""
        return subprocess.run(
            self._command(words),
            cwd=ROOT,
            env={**self._environment(), **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )

    def start_server(self, number: int) -> None:
        """Start one MLflow server, and wait until it answers."""
        self.servers[number] = Process(
            self._command(["serve", str(number)]),
            self.folder / "log" / f"mlflow-{number}.log",
            environment=self._environment(),
        )

    def await_server(self, number: int) -> None:
        """Wait until an MLflow server answers on its socket."""
        path = self.folder / "run" / str(number) / "socket"
        self.servers[number].until(partial(_answers, path), f"MLflow server {number}")

    def start_servers(self) -> None:
        """Start all MLflow servers at once, as machines do."""
        for number in SERVERS:
            self.start_server(number)
        for number in SERVERS:
            self.await_server(number)

    def stop_servers(self) -> None:
        """Stop all MLflow servers."""
        for process in self.servers.values():
            process.stop()

    def make_database(self) -> None:
        """Make an empty database owned by the server's account, if there is none."""
        password = self._secret("database")
        sql = self.database.execute
        if not sql("SELECT 1 FROM pg_roles WHERE rolname = 'mlflow'"):
            sql(f"CREATE ROLE mlflow LOGIN PASSWORD '{password}'")
        if not sql("SELECT 1 FROM pg_database WHERE datname = 'mlflow'"):
            sql("CREATE DATABASE mlflow OWNER mlflow")

    def make_bucket(self) -> None:
        """Make an empty bucket that keeps versions, if there is none.

        The server's user has the rights of the machines' role in the AWS template.
        """
        s3 = self.s3.client("owner")
        if BUCKET in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
            return
        self.s3.user("mlflow")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        arn = f"arn:aws:s3:::{BUCKET}"
        statements = [
            statement | {"Principal": {"AWS": ["arn:aws:iam:::user/mlflow"]}}
            for statement in policy.artifact_statements(template.read(), arn)
        ]
        # To delete several objects, Ceph checks this right first, and then each object as AWS does.
        several = statements[0] | {"Sid": "", "Action": "s3:DeleteObject", "Resource": arn}
        # On AWS the bucket's owner owns objects of others; here it needs a right to read them.
        owner = {"Principal": {"AWS": ["arn:aws:iam:::user/owner"]}, "Resource": [arn, f"{arn}/*"]}
        statements += [several, {"Effect": "Allow", "Action": "s3:*", **owner}]
        document: dict[str, Any] = {"Version": "2012-10-17", "Statement": statements}
        s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(document))

    def _start(self, end: contextlib.ExitStack) -> None:
        for name in ("log", "nginx", "run"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.tls = certificates.make(self.folder / "tls", NAME)
        self.s3 = Ceph(self.folder / "ceph")
        end.callback(self.s3.stop)
        self.database = Postgresql(
            self.folder / "postgresql",
            self.folder / "log" / "postgresql.log",
            self._secret("superuser"),
            self.tls,
            durable=self._durable,
        )
        end.callback(self.database.stop)
        self.make_database()
        self.make_bucket()
        end.callback(self.stop_servers)
        self.start_servers()
        self._start_nginx(end)

    def _start_nginx(self, end: contextlib.ExitStack) -> None:
        if listens(self.port):
            raise StackError(
                f"expected port {self.port} to be free; choose another: make server SERVER_PORT=…"
            )
        settings = Settings.read(self._environment())
        (self.folder / "nginx" / "mlflow.conf").write_text(render(settings))
        main = self.folder / "nginx" / "nginx.conf"
        account = pwd.getpwuid(os.geteuid()).pw_name
        main.write_text(_NGINX.format(folder=self.folder, account=account))
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            raise StackError("expected nginx; install it: sudo deploy/dev/install nginx")
        process = Process(
            [program, "-c", str(main), "-g", "daemon off;"], self.folder / "log" / "nginx.out"
        )
        end.callback(process.stop)
        process.until(lambda: listens(self.port), "nginx")

    def _command(self, words: Sequence[str]) -> list[str]:
        return [str(self._python), "-m", "deploy.server", *words]

    def _environment(self) -> dict[str, str]:
        """Return a server's environment, without variables of a developer's shell."""
        cleared = ("PG", "AWS_", "MLFLOW_", "PYTHON")
        kept = {n: v for n, v in os.environ.items() if not n.startswith(cleared)}
        others = {"MLFLOW_SERVER_SETTINGS": os.devnull, "PYTHONPATH": str(ROOT)}
        return kept | others | self.settings()

    def _secret(self, name: str) -> str:
        """Return a secret of this stack; the first call makes it."""
        file = self.folder / "secrets.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        if name not in known:
            known[name] = secrets.token_urlsafe(24)
            file.touch(mode=0o600)
            file.write_text(json.dumps(known))
        return str(known[name])


def _answers(path: Path) -> bool:
    """Return whether an MLflow server answers on a Unix socket."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        return b" 200 " in connection.recv(64)
    return False
