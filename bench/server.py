"""Requests per second of the team's server and of stock `mlflow server`; and times of the drill.

Clients are `MlflowClient`s in up to four processes (16 clients: 4 processes of 4 threads), so that
the lock of a single process does not limit the result. They share the machine with the servers, so
only the ratio matters. On the full stack they log in as a user with limited rights, not as the
admin. All servers run from the start; a cell is measured on each in turn, round by round, while
the others idle. Both PostgreSQL databases are in one cluster, which writes to disk.

    make .venv-server/.installed
    .venv-server/bin/python -m bench.server
    .venv-server/bin/python -m bench.server --drill
"""

import argparse
import multiprocessing
import os
import random
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import requests
from mlflow import MlflowClient
from mlflow.entities import Metric

from bench.measure import machine, running
from bench.sweep import HOST, await_health
from deploy.dev.processes import StackError, free_port
from deploy.dev.stack import ROOT, Stack

PYTHON = ROOT / ".venv-server/bin/python"
SQLITE, POSTGRESQL, FULL = "stock, SQLite", "stock, PostgreSQL", "full stack"
CREATE_RUN, LOG_BATCH = OPERATIONS = ("create_run", "log_batch")
PROCESSES = 4  # of clients
METRICS = 10  # a request
BOUND = 0.7
WARM_UP = 1.0  # seconds
RUNS, FILES, THREADS = 200, 3, 8  # of the drill
SMALL, LARGE = 20_000, 12_000_000  # bytes; the second is more than one part of an upload


@dataclass(frozen=True)
class Driven:
    """The requests of one client: the seconds of each, and its ids on the server."""

    latencies: Sequence[float]
    end: float  # of the monotonic clock, which all processes share
    created: Sequence[str]  # ids of runs
    batches: Mapping[str, int]  # requests of `METRICS` metrics by run


@dataclass
class Cell:
    """The results of all rounds for one operation, one server and one number of clients."""

    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def p99(self) -> float:
        """Return the 99th percentile of all rounds' requests, in milliseconds."""
        return quantiles(self.latencies, n=100, method="inclusive")[98] * 1000


class Candidate:
    """A measured server, and the processes of its clients.

    Parameters
    ----------
    name : str
        Its name in the table.
    variables : mapping of str to str
        The clients' environment.
    query : callable
        Executes SQL on the server's database, and returns rows of fields.
    """

    def __init__(
        self, name: str, variables: Mapping[str, str], query: Callable[[str], list[list[str]]]
    ) -> None:
        self.name = name
        self._query = query
        self._processes = [
            ProcessPoolExecutor(
                1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=take,
                # More retries would hide failures. One is for a connection that a stock server
                # closes after 5 idle seconds, just as the client sends on it.
                initargs=({**variables, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"},),
            )
            for _ in range(PROCESSES)
        ]
        self._experiment = self._processes[0].submit(make_experiment).result()
        self._created: set[str] = set()
        self._batches: dict[str, int] = defaultdict(int)

    def measure(self, operation: str, clients: int, seconds: float) -> tuple[float, list[float]]:
        """Let clients send for some seconds; return requests per second, and their seconds."""
        shares = [len(range(i, clients, PROCESSES)) for i in range(min(clients, PROCESSES))]
        # Each client makes a run before the clock starts, so that it is connected and logged in.
        futures: list[Future[Any]] = [
            process.submit(make_runs, self._experiment, share)
            for process, share in zip(self._processes, shares, strict=False)
        ]
        runs = [future.result() for future in futures]
        self._created.update(*runs)
        start = time.monotonic() + 0.1
        futures = [
            process.submit(drive, operation, self._experiment, own, start, seconds)
            for process, own in zip(self._processes, runs, strict=False)
        ]
        driven: list[Driven] = [each for future in futures for each in future.result()]
        for each in driven:
            self._created.update(each.created)
            for run, count in each.batches.items():
                self._batches[run] += count
        latencies = [latency for each in driven for latency in each.latencies]
        return len(latencies) / (max(each.end for each in driven) - start), latencies

    def check(self) -> None:
        """Stop if the server lacks a run or a metric, or has one that no client logged."""
        found = self._processes[0].submit(find_runs, self._experiment).result()
        if found != self._created:
            lacks, unknown = len(self._created - found), len(found - self._created)
            sys.exit(f"{self.name}: {lacks} runs are missing, {unknown} are unknown")
        rows = self._query("SELECT run_uuid, count(*), sum(value) FROM metrics GROUP BY run_uuid")
        logged = {run: (int(count), float(total)) for run, count, total in rows}
        expected = {
            run: (count * METRICS, float(sum(value(i) for i in range(count * METRICS))))
            for run, count in self._batches.items()
        }
        if logged != expected:
            wrong = [run for run in logged | expected if logged.get(run) != expected.get(run)]
            sys.exit(f"{self.name}: {len(wrong)} runs lack metrics or have other ones: {wrong[:3]}")
        count = sum(count for count, _ in logged.values())
        print(f"{self.name}: all {len(found)} runs and {count} metrics are there, none else")

    def close(self) -> None:
        """End the clients' processes."""
        for process in self._processes:
            process.shutdown(cancel_futures=True)


def take(variables: Mapping[str, str]) -> None:
    """Set a client's environment in its process."""
    os.environ.update(variables)


def value(number: int) -> int:
    """Return a metric of a run by its number; the sum shows whether any is missing."""
    return number % 9973


def make_experiment() -> str:
    """Make an experiment for the client."""
    return str(MlflowClient().create_experiment(f"bench-{secrets.token_hex(4)}"))


def make_runs(experiment: str, count: int) -> list[str]:
    """Make one run for each client, all at once, and return their ids."""
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(MlflowClient().create_run, experiment) for _ in range(count)]
        return [future.result().info.run_id for future in futures]


def find_runs(experiment: str) -> set[str]:
    """Return the ids of all runs that a client finds."""
    client, found, token = MlflowClient(), set[str](), None
    while True:
        page = client.search_runs([experiment], max_results=5000, page_token=token)
        found |= {run.info.run_id for run in page}
        if not (token := page.token):
            return found


def drive(
    operation: str, experiment: str, runs: Sequence[str], start: float, seconds: float
) -> list[Driven]:
    """Act as one client for each run, in threads of this process."""
    client = partial(one_client, operation, experiment, start, seconds)
    with ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(client, runs))


def one_client(
    operation: str, experiment: str, start: float, seconds: float, run_id: str
) -> Driven:
    """Send one request after the other until the time is over."""
    client = MlflowClient()
    latencies: list[float] = []
    created: list[str] = []
    time.sleep(max(0.0, start - time.monotonic()))
    while (began := time.monotonic()) < start + seconds:
        step = len(latencies)
        if operation == CREATE_RUN:
            created.append(client.create_run(experiment).info.run_id)
        else:
            client.log_batch(run_id, metrics=batch(step))
        latencies.append(time.monotonic() - began)
    batches = {run_id: len(latencies)} if operation == LOG_BATCH else {}
    return Driven(latencies, time.monotonic(), created, batches)


def batch(step: int) -> list[Metric]:
    """Return the metrics of one request."""
    now = time.time_ns() // 1_000_000
    return [Metric(f"m{i}", value(step * METRICS + i), now, step) for i in range(METRICS)]


@contextmanager
def full_stack(folder: Path) -> Iterator[Stack]:
    """Start the whole server; stop the benchmark if something is missing."""
    if not PYTHON.exists():
        sys.exit("expected .venv-server; run: make .venv-server/.installed")
    install = [ROOT / "deploy/dev/install", "postgresql", "nginx", "ceph"]
    if subprocess.run(install, check=False).returncode != 0:
        sys.exit(1)  # it has printed why
    folder.chmod(0o711)  # PostgreSQL has an account of its own
    try:
        with Stack(folder / "stack", PYTHON) as stack:
            yield stack
    except StackError as error:
        sys.exit(str(error))


@contextmanager
def stock(folder: Path, store: str) -> Iterator[dict[str, str]]:
    """Start `mlflow server` with its defaults; yield its clients' variables."""
    folder.mkdir()
    port = str(free_port())
    command = [str(PYTHON), "-m", "mlflow", "server", "--host", HOST, "--port", port]
    command += ["--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts")]
    # The server's environment has uvloop and httptools, which `pip install mlflow` has not.
    command += ["--uvicorn-opts", "--loop asyncio --http h11"]
    with running(command, folder / "log", cwd=folder) as server:
        await_health(server, f"http://{HOST}:{port}", folder / "log")
        yield {"MLFLOW_TRACKING_URI": f"http://{HOST}:{port}"}


def user_of(stack: Stack) -> dict[str, str]:
    """Return the variables of a new user: MLflow checks its requests, but not the admin's."""
    admin = stack.client()
    user = {"username": "bench", "password": secrets.token_urlsafe(18)}
    answer = requests.post(
        f"{stack.address}/api/2.0/mlflow/users/create",
        json=user,
        auth=(admin["MLFLOW_TRACKING_USERNAME"], admin["MLFLOW_TRACKING_PASSWORD"]),
        verify=str(stack.tls.authority),
        timeout=60,
    )
    answer.raise_for_status()
    own = {f"MLFLOW_TRACKING_{name.upper()}": value for name, value in user.items()}
    return {**admin, **own}


@contextmanager
def candidates(folder: Path) -> Iterator[list[Candidate]]:
    """Start all servers to compare."""

    def in_sqlite(statement: str) -> list[list[str]]:
        with sqlite3.connect(folder / "mlflow.db") as connection:
            return [list(map(str, row)) for row in connection.execute(statement)]

    with ExitStack() as end:
        stack = end.enter_context(full_stack(folder))
        sql = stack.database.execute
        password = secrets.token_urlsafe(18)
        sql(f"CREATE ROLE stock LOGIN PASSWORD '{password}'")
        sql("CREATE DATABASE stock OWNER stock")
        where = f"stock:{password}@{HOST}:{stack.database.port}/stock"

        def in_postgresql(database: str, statement: str) -> list[list[str]]:
            return [line.split("|") for line in sql(statement, database).splitlines()]

        variables = {
            SQLITE: end.enter_context(stock(folder / "1", f"sqlite:///{folder}/mlflow.db")),
            POSTGRESQL: end.enter_context(
                stock(folder / "2", f"postgresql+psycopg2://{where}?sslmode=disable")
            ),
            FULL: user_of(stack),
        }
        queries = {
            SQLITE: in_sqlite,
            POSTGRESQL: partial(in_postgresql, "stock"),
            FULL: partial(in_postgresql, "mlflow"),
        }
        found = []
        for name, own in variables.items():
            found.append(Candidate(name, own, queries[name]))
            end.callback(found[-1].close)
        yield found


def throughput(folder: Path, options: argparse.Namespace) -> None:
    """Measure all cells in turn, and print them and the bounded ratios."""
    cells: dict[tuple[str, int, str], Cell] = defaultdict(Cell)
    with candidates(folder) as servers:
        for server in servers:
            server.measure(CREATE_RUN, max(options.clients), WARM_UP)
        for number in range(options.rounds):
            for clients in options.clients:
                for operation in OPERATIONS:
                    for server in servers:
                        rate, latencies = server.measure(operation, clients, options.seconds)
                        cell = cells[server.name, clients, operation]
                        cell.rates.append(rate)
                        cell.latencies += latencies
                        what = f"{server.name}, {clients} clients, {operation}"
                        print(f"round {number + 1}: {what}: {rate:.1f}/s", file=sys.stderr)
        for server in servers:
            server.check()
        names = [server.name for server in servers]
    show(names, cells, options)


def show(
    names: Sequence[str], cells: Mapping[tuple[str, int, str], Cell], options: argparse.Namespace
) -> None:
    """Print the table and the ratios."""
    print(f"medians of {options.rounds} rounds of {options.seconds:g} s; p99 of all their requests")
    heads = "".join(f"{f'{operation}/s':>14}{'p99 ms':>9}" for operation in OPERATIONS)
    print(f"{'':18}{'clients':>8}{heads}")
    for name in names:
        for clients in options.clients:
            of_row = [cells[name, clients, operation] for operation in OPERATIONS]
            figures = "".join(f"{median(c.rates):14.1f}{c.p99():9.0f}" for c in of_row)
            print(f"{name:18}{clients:8}{figures}")
    most = max(options.clients)
    for operation in OPERATIONS:
        ours, theirs = (cells[name, most, operation].rates for name in (FULL, POSTGRESQL))
        ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
        verdict = "ok    " if ratio >= BOUND else "missed"
        what = f"{FULL} / {POSTGRESQL}, {operation} by {most} clients"
        print(f"{verdict} {what}: {ratio:.3f} (at least {BOUND})")


def drill(folder: Path) -> None:
    """Log runs with artifacts, back up, lose everything, restore, verify; print each time."""
    with full_stack(folder) as stack:
        os.environ.update(stack.client())
        with timed(f"log {RUNS} runs, {RUNS * FILES} artifacts, {THREADS} threads"):
            size = log_all(folder)
        print(f"{size / 1e6:.0f} MB of artifacts")
        with timed("backup"):
            command(stack, "backup", f"{RUNS} runs, {RUNS * FILES} artifacts")
        with timed("backup again, nothing new"):
            command(stack, "backup", f"{RUNS} runs, {RUNS * FILES} artifacts")
        with timed("stop the servers, destroy database and bucket, make empty ones"):
            lose(stack)
        with timed("restore"):
            command(stack, "restore", f"{RUNS} runs, {RUNS * FILES} artifacts")
        with timed("start the servers"):
            stack.start_servers()
        with timed("verify"):
            command(stack, "verify", f"{RUNS * FILES} files read")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long a block took."""
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.1f} s", flush=True)


def command(stack: Stack, name: str, expected: str) -> None:
    """Run a command of the server; stop the benchmark if its output lacks the expected text."""
    done = stack.command(name)
    if done.returncode != 0 or expected not in done.stdout:
        sys.exit(f"mlflow-server {name}: expected {expected}, found:\n{done.stdout}{done.stderr}")


def log_all(folder: Path) -> int:
    """Log the drill's runs, each with files of 0 B, some KB, and 7 B or 12 MB; return all bytes."""
    client = MlflowClient()
    experiment = client.create_experiment("drill")

    def log(number: int) -> int:
        chance = random.Random(number)
        run_id = client.create_run(experiment).info.run_id
        client.log_param(run_id, "number", number)
        for step in range(3):
            client.log_metric(run_id, "loss", chance.random(), step=step)
        sizes = [0, chance.randrange(1, SMALL), 7 if number % 50 else LARGE]
        for place, size in enumerate(sizes):
            path = folder / f"{number}-{place}.bin"
            path.write_bytes(chance.randbytes(size))
            client.log_artifact(run_id, str(path), "files")
            path.unlink()
        client.set_terminated(run_id)
        return sum(sizes)

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(log, range(RUNS)))


def lose(stack: Stack) -> None:
    """Empty the database and the bucket."""
    stack.stop_servers()
    stack.database.execute("DROP DATABASE mlflow")
    s3, bucket = stack.s3.client("owner"), "mlflow"
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for found in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
            s3.delete_object(Bucket=bucket, Key=found["Key"], VersionId=found["VersionId"])
    s3.delete_bucket(Bucket=bucket)
    stack.make_database()
    stack.make_bucket()


def main() -> None:
    """Measure, or run the drill; a result out of its bound is not a failure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=float, default=4.0, help="of each cell")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--drill", action="store_true", help="time the drill instead")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "PG", "AWS_"))]:
        del os.environ[name]  # the developer's variables are for other servers
    os.environ |= dict.fromkeys(("NO_PROXY", "no_proxy"), f"{HOST},localhost")
    os.environ |= dict.fromkeys(
        ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"), "true"
    )
    print(f"{machine()}, load average before {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mlflow-bench-") as name:
        if options.drill:
            drill(Path(name))
        else:
            throughput(Path(name), options)


if __name__ == "__main__":
    main()
