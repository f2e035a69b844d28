"""Drives the project as its users do: the real command line, real servers, a real git daemon."""

import contextlib
import functools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from forking import WarmProcess
from plain_git import settings

from deploy.dev.processes import HOST

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
AT_A_TIME = 2
LIMIT_SECONDS = 300  # of anything; only something that hangs takes that long

_CALL = "e2e.call"
# What a developer's shell, or a test in this process, may have set.
_CLEARED = re.compile(
    r"MLFLOW_.*|GIT_.*|AWS_.*|.*_NUM_THREADS|OPENBLAS_.*|NPY_.*|PYTHON.*|COLUMNS"
    r"|GLIBC_TUNABLES|SCIPY_ARRAY_API"
)


@dataclass(frozen=True)
class Ended:
    """A command that has ended, and the run it made ("" where it made none)."""

    exit_code: int
    stdout: str
    stderr: str
    run_id: str = ""


class Variables(dict[str, str]):
    """Environment variables; a failing test does not print them, as they may hold secrets."""

    def __repr__(self):
        return f"<{len(self)} variables>"


@dataclass(frozen=True)
class Project:
    """A copy of the project in a folder, and the tracking store that its runs go to."""

    folder: Path
    environment: Variables
    store: str
    experiment_id: str = "0"
    prefix: tuple[str, ...] = ()  # of every command, to run it somewhere else
    warm: WarmProcess | None = field(default=None, repr=False, compare=False)

    @functools.cached_property
    def client(self):
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.store, registry_uri=self.store)

    def within(self, experiment: str) -> "Project":
        """Return this project with its runs in an experiment of their own."""
        name = f"{experiment}-{uuid.uuid4().hex[:8]}"
        local = str(self.folder / "mlruns" / name) if self.store.startswith("sqlite") else None
        experiment_id = self.client.create_experiment(name, artifact_location=local)
        added = {"MLFLOW_EXPERIMENT_ID": experiment_id}
        return replace(self.with_variables(added), experiment_id=experiment_id)

    def in_true_processes(self) -> "Project":
        """Return this project with a process of its own for each command."""
        return replace(self, warm=None)

    def with_variables(self, variables: Mapping[str, str]) -> "Project":
        """Return this project with more environment variables."""
        return replace(self, environment=Variables(self.environment | variables))

    def execute(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Ended:
        """Run a command to its end, in a fork of the warm process where that does the same.

        What a process reads as it starts (pins of numerics, say) is given to a true one.
        """
        variables = self.environment | (environment or {})
        warm = self.warm
        if warm and warm.prefix == self.prefix and warm.can_run(command, variables):
            done = warm.run(
                command,
                folder=cwd or self.folder,
                environment=variables,
                timeout=LIMIT_SECONDS,
            )
            return Ended(done.exit_code, done.stdout, done.stderr)
        with self.started(command, environment=environment, cwd=cwd) as process:
            stdout, stderr = process.communicate(timeout=LIMIT_SECONDS)
        return Ended(process.returncode, stdout, stderr)

    def started(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
        """Start a command; nothing of it outlives the block."""
        return group(
            [*self.prefix, *command],
            cwd=cwd or self.folder,
            env=Variables(self.environment | (environment or {})),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def mlflow_run(
        self,
        *arguments: str,
        uri: str = ".",
        manager: str = "local",
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Ended:
        """Run `mlflow run <uri> --env-manager <manager> <arguments>`."""
        command = ["mlflow", "run", uri, "--env-manager", manager, *arguments]
        return with_run_id(self.execute(command, environment=environment, cwd=cwd))

    def shell(self, script: str) -> Ended:
        """Run a line of shell in the project's folder."""
        return with_run_id(self.execute(["bash", "-c", script]))

    def step(
        self, entry_point: str, *, environment: Mapping[str, str] | None = None, **parameters: Any
    ) -> Ended:
        """Run `python -m steps.<entry_point> --name value …`."""
        command, call = self.step_command(entry_point, **parameters)
        done = self.execute(command, environment={**(environment or {}), **call})
        return replace(done, run_id=self.run_of(call))

    def step_command(self, entry_point: str, **parameters: Any) -> tuple[list[str], dict[str, str]]:
        """Return a step's command, and variables by which `run_of` knows its run."""
        words = [word for name, value in parameters.items() for word in (f"--{name}", str(value))]
        call = {"MLFLOW_RUN_CONTEXT": json.dumps({_CALL: uuid.uuid4().hex})}
        return ["python", "-m", f"steps.{entry_point}", *words], call

    def run_of(self, call: Mapping[str, str]) -> str:
        """Return the id of the run that a step's command made."""
        token = json.loads(call["MLFLOW_RUN_CONTEXT"])[_CALL]
        runs = self.search(f"tags.`{_CALL}` = '{token}'")
        return runs[0].info.run_id if runs else ""

    def search(self, wanted: str) -> list[Any]:
        return list(self.client.search_runs([self.experiment_id], wanted))

    def children(self, run_id: str) -> list[Any]:
        """Return the runs below a run, in the order they started."""
        found = self.search(f"tags.`mlflow.parentRunId` = '{run_id}'")
        return sorted(found, key=lambda run: run.info.start_time)

    def status(self, run_id: str) -> str:
        return self.client.get_run(run_id).info.status

    def tags(self, run_id: str) -> dict[str, str]:
        return self.client.get_run(run_id).data.tags

    def metrics(self, run_id: str) -> dict[str, float]:
        return self.client.get_run(run_id).data.metrics

    def record(self, run_id: str) -> dict[str, Any]:
        """Return a run's provenance.json."""
        return json.loads(self.artifact(run_id, "provenance.json"))

    def artifact(self, run_id: str, name: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            return Path(self.client.download_artifacts(run_id, name, folder)).read_bytes()

    def artifacts(self, run_id: str, path: str = "") -> list[str]:
        """Return the names of a run's artifacts, those in folders too."""
        names = []
        for item in self.client.list_artifacts(run_id, path):
            names += self.artifacts(run_id, item.path) if item.is_dir else [item.path]
        return sorted(names)

    def git(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        done = self.execute(["git", *arguments], environment=environment)
        assert done.exit_code == 0, done.stderr
        return done.stdout.strip()


def with_run_id(done: Ended) -> Ended:
    """Read the (last) run's id from what `mlflow run` says."""
    ids = re.findall(r"in run with ID '([0-9a-f]{32})'", done.stderr)
    return replace(done, run_id=ids[-1] if ids else "")


def refusal(done: Ended, entry_point: str) -> str:
    """Return the one line by which a step refused, without the step's name."""
    assert done.exit_code in (1, 2), done.stdout + done.stderr  # MLflow makes 1 of any
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith(f"{entry_point}: ")]
    assert len(lines) == 1, done.stderr
    return lines[0].removeprefix(f"{entry_point}: ")


def unquoted(parameters: Mapping[str, str]) -> dict[str, str]:
    """Take off the shell's quotes with which `mlflow run` logs a parameter."""
    return {name: "".join(shlex.split(value)) for name, value in parameters.items()}


def without_ids(tags: Mapping[str, str], run_id: str) -> dict[str, str]:
    """Return tags in which a description names no run by its first digits, and has no mark."""
    found = dict(tags)
    if "mlflow.note.content" in found:
        note = re.sub(r"<!--.*?-->", "", found["mlflow.note.content"], flags=re.DOTALL)
        note = note.replace(run_id, "<id>")
        found["mlflow.note.content"] = re.sub(r"\b[0-9a-f]{8}\b", "<id>", note)
    return found


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make calls two at a time, and return what they return, in order."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def base_environment(temporary: Path) -> Variables:
    """Return a user's environment, free of what this process or its shell has set."""
    kept = {name: value for name, value in os.environ.items() if not _CLEARED.fullmatch(name)}
    added = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(temporary),
        "REPRISE_SPOOL": str(temporary / "spool"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_EXPERIMENT_ID": "0",
        "NO_PROXY": HOST,
        "no_proxy": HOST,
    }
    return Variables(kept | settings("Ada", "ada@localhost") | added)


@contextlib.contextmanager
def group(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a process in a group of its own, and end the whole group with the block."""
    # As from a terminal: what starts the tests in the background ignores Ctrl-C, and so would this.
    heeding = ["env", "--default-signal=INT", *command]
    with subprocess.Popen(heeding, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def server(
    command: Sequence[str],
    answers: Callable[[], bool],
    *,
    log: Path,
    environment: Mapping[str, str],
    cwd: Path | None = None,
) -> Iterator[None]:
    """Start a server, wait until it answers, and end it with the block."""
    with (
        log.open("wb") as output,
        group(command, cwd=cwd, env=environment, stdout=output, stderr=output) as process,
    ):
        until(lambda: process.poll() is not None or answers(), what=f"{command[:2]} to answer")
        assert process.poll() is None, log.read_text()
        yield


def until(condition: Callable[[], bool], *, what: str) -> None:
    """Wait for a condition, without end only if it never comes true."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


@contextlib.contextmanager
def web_server(handle: Callable[[BaseHTTPRequestHandler, bytes], None]) -> Iterator[str]:
    """Answer every request, given with its body, by a function; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            with contextlib.suppress(ConnectionError):
                handle(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def log_message(self, *_: object) -> None:
            pass

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.handle_any)
    with ThreadingHTTPServer((HOST, 0), Handler) as web:
        threading.Thread(target=web.serve_forever, args=(0.05,)).start()
        try:
            yield f"http://{HOST}:{web.server_address[1]}"
        finally:
            web.shutdown()


@dataclass
class TableSource:
    """A web server of a table; where it has none, it keeps who asks waiting."""

    table: bytes | None
    url: str = ""
    asked: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def handle(self, request: BaseHTTPRequestHandler, _: bytes) -> None:
        if self.table is None:
            self.asked.set()
            self.released.wait(LIMIT_SECONDS)
            answer(request, b"", status=404)
        else:
            answer(request, self.table)


@contextlib.contextmanager
def table_source(table: bytes | None = None) -> Iterator[TableSource]:
    """Serve a table until the block ends."""
    source = TableSource(table)
    with web_server(source.handle) as url:
        source.url = f"{url}/table.csv"
        try:
            yield source
        finally:
            source.released.set()


def answer(
    request: BaseHTTPRequestHandler,
    body: bytes,
    *,
    status: int = 200,
    headers: Sequence[tuple[str, str]] = (),
) -> None:
    request.send_response(status)
    for name, value in headers:
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def children_of(pid: int) -> list[int]:
    """Ids of the processes that a process has started."""
    with contextlib.suppress(FileNotFoundError):
        threads = Path(f"/proc/{pid}/task").iterdir()
        return [int(p) for t in threads for p in (t / "children").read_text().split()]
    return []


def fetch(url: str, *, body: Any = None) -> bytes:
    """GET a URL, or POST JSON to it, past any proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with opener.open(request, timeout=60) as response:
        return response.read()


def healthy(url: str) -> bool:
    try:
        fetch(url)
    except OSError:  # URLError is one
        return False
    return True
