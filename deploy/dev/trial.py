"""Run `deploy/server/bootstrap` on a Debian 12 with systemd, in a container, and check the result.

    sudo .venv/bin/python -m deploy.dev.trial [--folder DIR] [--keep]

The container shares this machine's network and ends with this process. PostgreSQL and Ceph run
beside it. One line per check; exit code 1 if one failed.
"""

import argparse
import contextlib
import hashlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

from deploy.dev.machine import Machine, fill, install, last, make_root
from deploy.dev.processes import StackError, free_port
from deploy.dev.stack import NAME, Stack
from deploy.server.errors import ServerError
from deploy.server.nginx import SERVERS

SIZE = 60_000_000  # bytes of an artifact
UNITS = [*(f"mlflow@{number}" for number in SERVERS), "nginx"]

_MARK = ".made-by-deploy.dev.trial"
_SECRET = re.compile("PASSWORD|SECRET")


class CheckError(Exception):
    """A check found something else than it expected."""


class Storage(Stack):
    """PostgreSQL and Ceph; the MLflow servers are the machine's, on an empty database."""

    def start_servers(self) -> None:
        """Start none."""


class Trial:
    """The settings for bootstrap, and the checks of its results; each returns what it found."""

    def __init__(self, machine: Machine, storage: Stack) -> None:
        from mlflow import MlflowClient

        self.machine = machine
        self.etc = machine.root / "etc" / "mlflow"
        self.certificate = self.etc / "tls" / "server.crt"
        self._authority = storage.tls.authority
        port = str(free_port())
        own = {"RUN_FOLDER", "TLS_CERTIFICATE", "TLS_KEY"}  # left at their defaults
        self.settings = {n: v for n, v in storage.settings().items() if n not in own} | {
            "PORT": port,
            "PGSSLROOTCERT": "/etc/mlflow/database-ca.pem",
            "BACKUP_TO": "/srv/backups of mlflow",
        }
        self.address = f"https://{NAME}:{port}"
        self.secrets = {value for name, value in self.settings.items() if _SECRET.search(name)}
        self.seen: set[str] = set()  # command lines
        os.environ |= storage.client() | {
            "MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_TRACKING_SERVER_CERT_PATH": str(self.certificate),
        }
        self.client: Any = MlflowClient()
        self.run_id = ""
        self.checks = (
            *(self.without_settings, self.weak_secret, self.without_start, self.bootstrap),
            *(self.accounts, self.closed, self.artifact, self.account, self.backup, self.verify),
            *(self.killed, self.again, self.ending, self.leaks, self.scores),
        )

    def without_settings(self) -> str:
        """Bootstrap without settings: it writes them and stops."""
        ended = self.machine.bootstrap()
        good = ended.returncode == 1 and (self.etc / "env").exists() and not self._active()
        return _expect(self._said(ended), good=good)

    def weak_secret(self) -> str:
        """Bootstrap with a weak secret: it prints one line and starts nothing."""
        weak = "changeme-changeme"
        self._write(MLFLOW_AUTH_ADMIN_PASSWORD=weak)
        ended = self.machine.bootstrap()
        named = ended.stderr.count("MLFLOW_AUTH_ADMIN_PASSWORD") == 1 and weak not in ended.stderr
        good = ended.returncode == 1 and named and not self._active()
        return _expect(self._said(ended), good=good)

    def without_start(self) -> str:
        """Bootstrap before a restore: it starts nothing, and installs the command."""
        self._write()
        ended = self.machine.bootstrap("--no-start")
        found = self.machine.run("mlflow-server", "check")
        good = ended.returncode == found.returncode == 0 and not self._active()
        return _expect(self._said(ended), good=good)

    def bootstrap(self) -> str:
        """Bootstrap with complete settings: it starts everything."""
        ended = self.machine.bootstrap()
        good = ended.returncode == 0 and len(self._active()) == len(UNITS)
        return _expect(self._said(ended), good=good)

    def accounts(self) -> str:
        """Check the accounts of the units, and that a reboot starts them."""
        units = [*UNITS, "mlflow-backup.timer"]
        enabled = self.machine.run("systemctl", "is-enabled", *units).stdout.split()
        pids = (f"/proc/{self.machine.show(unit, 'MainPID')}" for unit in UNITS)
        users = self.machine.run("stat", "--format=%U", *pids).stdout.split()
        found = ", ".join(f"{unit} as {user}" for unit, user in zip(UNITS, users, strict=True))
        good = set(enabled) == {"enabled"} and users == ["mlflow"] * len(SERVERS) + ["root"]
        return _expect(f"{found}; {len(enabled)} enabled", good=good)

    def closed(self) -> str:
        """Try sockets, settings and key as other accounts."""
        reach = [user for user in ("www-data", "nobody") if self.machine.answers(1, user)]
        files = ("/etc/mlflow/env", "/etc/mlflow/tls/server.key")
        cats = [self.machine.run("runuser", "-u", "nobody", "--", "cat", file) for file in files]
        read = [cat.stdout for cat in cats if cat.returncode == 0]
        found = f"answered: {', '.join(reach)}; files that others could read: {len(read)}"
        return _expect(found, good=reach == ["www-data"] and not read)

    def artifact(self) -> str:
        """Send and fetch an artifact of a run through https."""
        self.run_id = self.client.create_run("0").info.run_id
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "artifact.bin")
            file.write_bytes(secrets.token_bytes(SIZE))
            sent = hashlib.sha256(file.read_bytes()).hexdigest()
            self.client.log_artifact(self.run_id, str(file))
            back = self.client.download_artifacts(
                self.run_id, file.name, tempfile.mkdtemp("", "", folder)
            )
            good = hashlib.sha256(Path(back).read_bytes()).hexdigest() == sent
        return _expect(f"{SIZE // 10**6} MB, SHA-256 {sent[:12]}…", good=good)

    def account(self) -> str:
        """Check that an account sees others' runs with a grant only."""
        made = self.machine.run("mlflow-server", "account", "ada").stdout
        password = made.splitlines()[-1].rpartition(" ")[2]
        self.secrets.add(password)
        before = self._status("ada", password)
        self.machine.run("mlflow-server", "grant", "ada", "READ")
        found = (before, self._status("ada", password), self._status("ada", "another"))
        expected = (HTTPStatus.FORBIDDEN, HTTPStatus.OK, HTTPStatus.UNAUTHORIZED)
        words = "before: {}, granted: {}, other password: {}".format(*map(int, found))
        return _expect(words, good=found == expected)

    def backup(self) -> str:
        """Start the unit that makes a backup."""
        ended = self.machine.run("systemctl", "start", "mlflow-backup.service")
        output = self.machine.run("journalctl", "-u", "mlflow-backup", "-t", "python", "-o", "cat")
        return _expect(last(output.stdout) or last(ended.stderr), good=ended.returncode == 0)

    def verify(self) -> str:
        """Verify the server against the backup."""
        ended = self.machine.run("mlflow-server", "verify")
        found = last(ended.stdout) if ended.returncode == 0 else ended.stdout + ended.stderr
        return _expect(found, good=ended.returncode == 0)

    def killed(self) -> str:
        """Kill one server after the other: each comes back, and no request is lost."""
        with self._asking("killed") as seconds:
            for number in SERVERS:
                self._kill(number)
        return f"{len(seconds)} requests during that time, the longest {max(seconds):.1f} s"

    def again(self) -> str:
        """Bootstrap again: nothing changes, and no request is lost."""
        before, pids = self._made(), [self.machine.show(unit, "MainPID") for unit in UNITS]
        with self._asking("again") as seconds:
            ended = self.machine.bootstrap()
        moved = [self.machine.show(unit, "MainPID") for unit in UNITS]
        restarted = sum(new != old for new, old in zip(moved, pids, strict=True))
        same = self._made() == before
        good = ended.returncode == 0 and same and restarted == len(SERVERS)
        found = f"same venv, certificate, settings: {same}; restarted: {restarted}; {len(seconds)}"
        return _expect(f"{found} requests, the longest {max(seconds):.1f} s", good=good)

    def ending(self) -> str:
        """Let certificates end soon: a user's own stays, and that of bootstrap is renewed."""
        found = []
        for maker in ("somebody", "made by mlflow-server bootstrap"):
            self.machine.run(
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10"),
                *("-subj", f"/O={maker}", "-addext", f"subjectAltName=DNS:{NAME}"),
                *("-keyout", "/etc/mlflow/tls/server.key", "-out", "/etc/mlflow/tls/server.crt"),
            )
            before = self.certificate.read_bytes()
            ended = self.machine.bootstrap()
            found.append((ended.returncode, self.certificate.read_bytes() != before))
            self.client.get_experiment("0")  # through nginx, whose key is this certificate's
        return _expect(f"exit code and renewed: {found}", good=found == [(0, False), (0, True)])

    def leaks(self) -> str:
        """Look for the secrets in the journal and on command lines."""
        journal = self.machine.run("journalctl", "--no-pager", "--quiet").stdout
        places = {"the journal": journal, "a command line": "\n".join(self.seen)}
        found = [place for place, text in places.items() if any(s in text for s in self.secrets)]
        measured = f"{len(journal.splitlines())} lines, {len(self.seen)} command lines"
        what = f"found in {' and '.join(found)}" if found else f"{len(self.secrets)} secrets"
        return _expect(f"{what}; {measured}", good=not found)

    def scores(self) -> str:
        """Check systemd's exposure score of each unit; nginx has Debian's unit."""
        found = []
        for unit in ("mlflow@1.service", "mlflow-backup.service", "nginx.service"):
            output = self.machine.run("systemd-analyze", "security", "--no-pager", unit).stdout
            found.append(f"{unit} {last(output).rpartition(': ')[2].rpartition(' ')[0]}")
        return ", ".join(found)

    def _write(self, **changed: str) -> None:
        """Write the settings, and the authority of the database's certificate."""
        shutil.copy(self._authority, self.etc / "database-ca.pem")
        (self.etc / "database-ca.pem").chmod(0o644)
        lines = (f"{name}={value}\n" for name, value in (self.settings | changed).items())
        (self.etc / "env").write_text("".join(lines))

    def _active(self) -> list[str]:
        states = self.machine.run("systemctl", "is-active", *UNITS).stdout.split()
        return [unit for unit, state in zip(UNITS, states, strict=True) if state == "active"]

    def _said(self, ended: subprocess.CompletedProcess[str]) -> str:
        """Return bootstrap's exit code and last line, and the active units."""
        errors = re.sub(r"debconf: .*\n", "", ended.stderr).strip().replace("\n", " / ")
        output = errors if ended.returncode else last(ended.stdout)
        return f"exit {ended.returncode}: {output}; active: {', '.join(self._active()) or 'none'}"

    def _made(self) -> tuple[object, ...]:
        """Return the state that another bootstrap must not change."""
        files = (self.certificate, self.certificate.with_suffix(".key"), self.etc / "env")
        venv = self.machine.root / "opt" / "mlflow" / "venv"
        return venv.stat().st_ino, venv.stat().st_mtime_ns, *(file.read_bytes() for file in files)

    def _kill(self, number: int) -> None:
        """Kill a server, and wait until systemd has restarted it and it answers."""
        unit = f"mlflow@{number}"
        before = self.machine.show(unit, "NRestarts")
        self.machine.run("systemctl", "kill", "--signal=SIGKILL", unit)
        self.machine.until(lambda: self.machine.show(unit, "NRestarts") > before, unit)
        self.machine.until(lambda: self.machine.answers(number), unit)

    @contextlib.contextmanager
    def _asking(self, metric: str) -> Iterator[list[float]]:
        """Log metrics during a block, with the client's own retries; check that none is lost."""
        over, seconds = threading.Event(), list[float]()

        def ask() -> None:
            while not over.is_set():
                started = time.monotonic()
                self.client.log_metric(self.run_id, metric, len(seconds), step=len(seconds))
                seconds.append(time.monotonic() - started)

        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask)
            try:
                yield seconds
            finally:
                over.set()
            asked.result()
        stored = {point.step for point in self.client.get_metric_history(self.run_id, metric)}
        _expect(
            f"{len(seconds)} requests, {len(stored)} stored", good=stored == {*range(len(seconds))}
        )

    def _status(self, user: str, password: str) -> int:
        """Return the status of the answer to an account that requests the run."""
        import requests

        where = f"{self.address}/api/2.0/mlflow/runs/get?run_id={self.run_id}"
        authority = str(self.certificate)
        return requests.get(where, auth=(user, password), verify=authority, timeout=30).status_code


def check(trial: Trial) -> int:
    """Run every check, print a line for each, and return how many failed.

    The later checks need a running server.
    """
    over, failed = threading.Event(), 0

    def watch() -> None:
        while not over.wait(0.1):
            with contextlib.suppress(OSError):
                trial.seen.update(trial.machine.command_lines())

    with ThreadPoolExecutor(1) as pool:
        pool.submit(watch)
        try:
            for each in trial.checks:
                passed = _passes(each, trial.machine)
                failed += not passed
                if not passed and each == trial.bootstrap:
                    break
        finally:
            over.set()
    return failed


def main() -> int:
    """Make the machine, check it, and remove it; an error of the user is one line."""
    words = _parser().parse_args()
    folder: Path = words.folder.resolve()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, _end)
    try:
        _own(folder)
        install()
        if not (folder / "root").exists():
            print(f"making a Debian in {folder}", flush=True)
            make_root(folder / "root")
        fill(folder / "root")
        storage = Storage(folder / "stack", Path(sys.executable), durable=False)
        with storage, Machine(folder / "root", folder / "machine.log") as machine:
            failed = check(Trial(machine, storage))
    except (CheckError, ServerError, StackError, OSError, subprocess.SubprocessError) as error:
        print(f"trial: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder / "stack", ignore_errors=True)
        if not words.keep and (folder / _MARK).exists():
            shutil.rmtree(folder)
    print(f"{failed} checks failed" if failed else "all checks passed")
    return 1 if failed else 0


def _end(*_: object) -> None:
    """Stop everything in order; a second signal must not interrupt that."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    sys.exit("trial: stopped")


def _own(folder: Path) -> None:
    """Make the folder, or refuse a folder that another program made."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise CheckError("expected root on Debian; run: sudo .venv/bin/python -m deploy.dev.trial")
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise CheckError(f"expected {folder} to be new or of this command; choose another --folder")
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    (folder / _MARK).touch()


def _passes(function: Callable[[], str], machine: Machine) -> bool:
    """Run a check, print its line, and the end of the journal if it failed."""
    from mlflow.exceptions import MlflowException

    started = time.monotonic()
    try:
        found, good = function(), True
    except (CheckError, StackError, MlflowException, OSError, subprocess.SubprocessError) as error:
        found, good = str(error), False
    what = str(function.__doc__).rstrip(".")
    seconds = time.monotonic() - started
    print(f"{'ok' if good else 'FAILED':8}{what} ({seconds:.0f} s): {found}", flush=True)
    if not good:
        journal = machine.run("journalctl", "--no-pager", "--lines=20").stdout
        print("".join(f"        {line}\n" for line in journal.splitlines()), end="", flush=True)
    return good


def _expect(found: str, *, good: bool) -> str:
    if not good:
        raise CheckError(found)
    return found


def _parser() -> argparse.ArgumentParser:
    about = str(__doc__).partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m deploy.dev.trial", description=about)
    folder = Path(tempfile.gettempdir(), "mlflow-machine")
    parser.add_argument("--folder", type=Path, default=folder, help="where the machine is made")
    parser.add_argument("--keep", action="store_true", help="keep it, for a faster next time")
    return parser


if __name__ == "__main__":
    sys.exit(main())
