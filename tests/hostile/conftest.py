"""Where an attack is tried: a clone, a store that the attacker writes to, and watched places.

Every attack ends in the same check (`Range.check`): nothing of the attacker's was executed, written
outside temporary folders, or sent; the command ended with one line; no process is left.
"""

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from attackers import GIT, NO_ATTACKS, run_git
from forking import Finished, WarmProcess
from stores import copy_store

ROOT = Path(__file__).parents[2]

HOSTILE = Path(__file__).parent.name
_ENDED = {"passed": "stopped", "failed": "GOT THROUGH", "error": "NOT TRIED"}


class Listener:
    """A port of the attacker's that counts connections and never answers."""

    def __init__(self):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.connections = 0
        self._kept = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.connections += 1
                self._kept.append(connection)

    def close(self):
        for connection in self._kept:
            connection.close()
        self._server.close()


@dataclass
class Range:
    """A user's machine, and checks that an attack has not harmed it.

    Attributes
    ----------
    clone : Path
        The user's clone of a project, in which commands run; it must not change.
    home, secrets : Path
        The user's home, and a folder of private files.
    canary : Path
        File that the attacker's code makes; it must never exist.
    temporary : Path
        TMPDIR: the only place that may be written to; it must be empty afterwards.
    listener : Listener
        The attacker's port; no connection is allowed, unless the user named the port.
    """

    warm: WarmProcess
    folder: Path
    store_uri: str
    listener: Listener
    before: dict[str, object] = field(default_factory=dict)

    @property
    def clone(self):
        return self.folder / "clone"

    @property
    def home(self):
        return self.folder / "home"

    @property
    def secrets(self):
        return self.folder / "secrets"

    @property
    def canary(self):
        return self.folder / "canary"

    @property
    def temporary(self):
        return self.folder / "temporary"

    @property
    def environment(self):
        kept = {
            n: v
            for n, v in os.environ.items()
            if not n.startswith(("MLFLOW_", "GIT_", "REPRISE_", "PYTHON", "PYTEST"))
        }
        return {
            **kept,
            **GIT,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "TMPDIR": str(self.temporary),
            "MLFLOW_TRACKING_URI": self.store_uri,
            "MLFLOW_EXPERIMENT_NAME": "attacks",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "200",
        }

    def run(self, *words, timeout=300, **environment) -> Finished:
        """Run `python -m …` in the clone, as the user does."""
        return self.warm.run(
            ["python", "-m", *words],
            folder=self.clone,
            environment={**self.environment, **environment},
            timeout=timeout,
        )

    def look(self):
        """Remember the state of the watched places before the attack."""
        self.before = self._places()

    def _places(self):
        """Return what tells whether a file was written, by its name; reading them all takes long.

        Whoever writes a file cannot set the time of its last change.
        """
        cache = str(self.home / ".cache")  # our own folder, as is the spool, where nothing may stay
        spool = str(self.home / ".local/state/reprise/spool")
        states = {}
        waiting = [str(place) for place in (self.clone, self.home, self.secrets)]
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.path != cache:
                            waiting.append(entry.path)
                            is_own = f"{spool}/".startswith(f"{entry.path}/")
                            states[entry.path] = None if is_own else "a folder"
                    else:
                        found = entry.stat(follow_symlinks=False)
                        states[entry.path] = (found.st_ino, found.st_size, found.st_ctime_ns)
        return states

    def check(self, done=None, *, exit_codes=(1, 2), connections=0, says=""):
        """Check that an attack has failed, and that the command printed one line about it.

        Parameters
        ----------
        done : Finished, optional
            The command that met the attack.
        exit_codes : tuple of int
            Allowed exit codes.
        connections : int
            Number of connections to the attacker's port that the user allowed.
        says : str
            Text that the line must contain.
        """
        assert not self.canary.exists(), "the attacker's code was executed"
        assert self.listener.connections <= connections, "the attacker was contacted"
        after = self._places()
        changed = {
            n for n in after.keys() | self.before.keys() if after.get(n) != self.before.get(n)
        }
        assert not changed, f"written outside temporary folders: {sorted(changed)}"
        assert list(self.temporary.iterdir()) == [], "left behind"
        assert not self.left_running(), "processes are left"
        if done is not None:
            assert done.left_processes == []
            output = done.stdout + done.stderr
            assert done.exit_code in exit_codes, (done.exit_code, output)
            assert "Traceback" not in output, output
            assert says in output, output

    def left_running(self):
        """Return processes that have the variables of this range."""
        mark = f"TMPDIR={self.temporary}".encode()
        found = []
        for _ in range(20):
            found = [
                pid for pid in Path("/proc").iterdir() if pid.name.isdigit() and _has(pid, mark)
            ]
            if not found:
                return []
            time.sleep(0.1)
        return found


def _has(pid, mark):
    try:
        return mark in (pid / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


@pytest.fixture(scope="session")
def origin(tmp_path_factory):
    """A bare repository with this project's files, in one commit."""
    folder = tmp_path_factory.mktemp("origin")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    work = folder / "work"
    for name in filter(None, listed.split("\0")):
        if name.startswith(("tests/", "deploy/", "bench/")) or not (ROOT / name).is_file():
            continue
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, work / name)
    run_git(work, "init", "--quiet", "--initial-branch=main")
    run_git(work, "add", "--all")
    run_git(work, "commit", "--quiet", "--message", "The project")
    run_git(folder, "clone", "--quiet", "--bare", str(work), str(folder / "origin.git"))
    return folder / "origin.git"


@pytest.fixture
def firing_range(tmp_path, migrated, origin, warm_process):
    """A user's machine with a new clone and a new store, before any attack."""
    import mlflow

    for name in ("home", "secrets", "temporary", "artifacts"):
        (tmp_path / name).mkdir()
    (tmp_path / "secrets" / "key.csv").write_text("a,b,label\n1,2,x\n3,4,y\n", encoding="utf-8")
    uri = copy_store(migrated, tmp_path)
    run_git(tmp_path, "clone", "--quiet", str(origin), "clone")
    mlflow.MlflowClient(tracking_uri=uri).create_experiment(
        "attacks", artifact_location=str(tmp_path / "artifacts")
    )
    listener = Listener()
    place = Range(warm_process, tmp_path, uri, listener)
    yield place
    listener.close()


@pytest.fixture
def trained(firing_range) -> Callable[[], str]:
    """Make an honest training run, which an attacker may then change; return its id."""

    def train(*arguments):
        done = firing_range.run("steps.train_dt", "--max_depth", "2", "--cv", "0", *arguments)
        assert done.exit_code == 0, done.stderr
        return done.stdout.split("train_dt: run ")[1].split()[0]

    return train


@pytest.fixture
def place(firing_range, monkeypatch):
    """The user's machine as this process's own, with a program `git-remote-evil` on PATH."""
    programs = firing_range.folder / "bin"
    programs.mkdir()
    helper = programs / "git-remote-evil"
    helper.write_text(f"#!/bin/sh\ntouch {firing_range.canary}\n", encoding="utf-8")
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in firing_range.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("tempfile.tempdir", str(firing_range.temporary))
    monkeypatch.setattr("reprise.process.transfer.IDLE_SECONDS", 5)
    monkeypatch.chdir(firing_range.clone)
    firing_range.look()
    return firing_range


def pytest_terminal_summary(terminalreporter):
    """Print, for each file of attacks, how many were tried and how they ended."""
    ended = {}
    for outcome in ("passed", "failed", "error", "skipped", "xfailed"):
        for report in terminalreporter.stats.get(outcome, []):
            path, _, _ = report.nodeid.partition("::")
            if Path(path).parent.name == HOSTILE and Path(path).name not in NO_ATTACKS:
                counts = ended.setdefault(Path(path).name, Counter())
                counts[_ENDED.get(outcome, outcome)] += 1
    if not ended:
        return
    terminalreporter.section("attacks")
    for name, counts in sorted(ended.items()):
        words = ", ".join(f"{count} {how}" for how, count in counts.items())
        terminalreporter.line(f"{name:28}{sum(counts.values()):5} tried: {words}")
