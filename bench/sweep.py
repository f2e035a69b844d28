"""A sweep against a loop of `mlflow run` over the same points, and against other tools.

All tools with MLflow log to a real tracking server on the same machine, each to its own experiment.
A loop is timed on its first points and extrapolated.

    python -m bench.sweep --points 6 --naive 1 --own 1 --long 20 --skip-rivals
"""

import argparse
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import mlflow
import yaml
from mlflow.entities import Run

from bench.measure import machine, report, run, running
from bench.pipeline import MLFLOW_RUN, PROJECT, PYTHON
from bench.rivals import GRID, RIVALS, Point, naive_loop
from reprise.tracking import ENTRY_POINT, REPLAY_OF

HOST = "127.0.0.1"
PATIENCE = 60  # seconds for the server to start
NAIVE, OWN = "loop of mlflow run, naive", "loop of mlflow run, own"
AGAIN = "sweep, started again"
MODELS = ("all", "best", "none")
SHORT_SWEEPS = 3  # against the long one: their median
CPU_POINTS = 12
# Trees on digits with so many folds: fitting and scoring take about 0.5 s of CPU, one thread.
CPU_WORK: Mapping[str, Any] = {"data": "digits", "params": {"cv": 12}}


@dataclass(frozen=True)
class Swept:
    """One sweep: wall seconds of its command, and its runs on the server."""

    seconds: float
    before: float  # seconds from the command's start to the first training's
    runs: Sequence[Run]  # in the order they ended

    @property
    def a_run(self) -> float:
        """Seconds between runs, from the first one's start to the last one's end."""
        start = min(each.info.start_time for each in self.runs)
        return float(self.runs[-1].info.end_time - start) / 1000 / (len(self.runs) - 1)

    def between(self, first: int, last: int) -> float:
        """Return the mean seconds between the ends of runs, from one position to another."""
        ends = [each.info.end_time for each in self.runs]
        first, last = range(len(ends))[first], range(len(ends))[last]
        return float(ends[last] - ends[first]) / 1000 / (last - first)

    @property
    def duration(self) -> float:
        """Mean seconds from a run's start to its end."""
        return mean(float(r.info.end_time - r.info.start_time) for r in self.runs) / 1000


@dataclass
class Found:
    """The results of all rounds: seconds for all points, by way and round."""

    whole: dict[str, list[float]]
    sweeps: dict[str, list[Swept]]
    driver: list[float]

    def times(self, way: str, base: str = NAIVE) -> float:
        """Return how many times faster one way is than another: the median of the rounds."""
        return median(b / w for b, w in zip(self.whole[base], self.whole[way], strict=True))


def main() -> None:
    """Measure all, and print a table of the results, then the bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=len(GRID))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--naive", type=int, default=3, help="points of the naive loop")
    parser.add_argument("--own", type=int, default=3, help="points of the project's own loop")
    parser.add_argument("--long", type=int, default=1000, help="points of the long sweep")
    parser.add_argument("--skip-rivals", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reprise-sweep-") as name:
        folder = Path(name)
        with tracking_server(folder) as url:
            os.environ["MLFLOW_TRACKING_URI"] = url
            # Other programs slow every measurement, so the load is printed too.
            print(f"{machine()}, load average before {os.getloadavg()[0]:.1f}", flush=True)
            found = rounds(folder, options)
            show(found, options)
            least, most = bounds(found)
            least.append(("two workers / one, runs a second", workers(folder, options.rounds), 1.8))
            most.append(
                (
                    f"a run of {options.long} / of {options.points}",
                    growth(folder, options.points, options.long),
                    1.2,
                )
            )
    report_least(least)
    report(most)


@contextmanager
def tracking_server(folder: Path) -> Iterator[str]:
    """Start a server with a SQLite store that serves artifacts; yield its URL."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = str(free.getsockname()[1])
    url = f"http://{HOST}:{port}"
    command = ["mlflow", "server", "--host", HOST, "--port", port, "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = folder / "server.log"
    with running(command, log, cwd=folder, environment=environment) as server:
        await_health(server, url, log)
        yield url


def await_health(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until the server answers; stop the benchmark with its log if it does not."""
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        with (
            suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(f"{url}/health", timeout=5),
        ):
            return
        time.sleep(0.1)
    sys.exit(f"the server does not answer:\n{log.read_text(encoding='utf-8')}")


def rounds(folder: Path, options: argparse.Namespace) -> Found:
    """Time all ways in turn, after some runs without timing, and compare their metrics."""
    points = GRID[: options.points]
    naive, own_points = points[: options.naive], points[: options.own]
    grid = grid_file(folder, points)
    print("uncounted: a naive run, a sweep", file=sys.stderr)
    loop(folder, "naive", GRID[:1])
    swept("uncounted", grid)
    found = Found({}, {}, [])
    for number in range(options.rounds):
        within = folder / str(number)
        within.mkdir()
        add(found, NAIVE, loop(within, "naive", naive) / len(naive) * len(points))
        seconds, own = own_loop(own_points)
        add(found, OWN, seconds / len(own) * len(points))
        for models in MODELS:
            sweep = swept(models, grid, f"models={models}")
            check(sweep, points, own, models)
            found.sweeps.setdefault(way := f"sweep models={models}", []).append(sweep)
            add(found, way, sweep.seconds)
            if models == "all":
                add(found, AGAIN, second(grid, sweep))
        found.driver.append(swept_directly(grid).before)
        if not options.skip_rivals:
            rivals(within, points, found)
    return found


def add(found: Found, way: str, seconds: float) -> None:
    """Store a time, and print it."""
    found.whole.setdefault(way, []).append(seconds)
    print(f"{way}: {seconds:.2f} s", file=sys.stderr)


def grid_file(folder: Path, points: Sequence[Point]) -> Path:
    """Return a grid file with these points; the project's own file for all of them."""
    if len(points) == len(GRID):
        return PROJECT / "params/sweep_dt.yaml"
    values = {name: list(dict.fromkeys(point[name] for point in points)) for name in points[0]}
    if math.prod(map(len, values.values())) != len(points):
        sys.exit(f"expected a number of points that make a full grid (1 to 10, 20, {len(GRID)})")
    return written(folder / "grid.yaml", {"params": values})


def written(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a grid file."""
    path.write_text(yaml.safe_dump({"data": "iris", **content}), encoding="utf-8")
    return path


def new_experiment(name: str) -> None:
    """Let child processes log to a new experiment."""
    os.environ["MLFLOW_EXPERIMENT_NAME"] = f"{name}-{uuid.uuid4().hex[:8]}"
    mlflow.create_experiment(os.environ["MLFLOW_EXPERIMENT_NAME"])


def runs_of(entry_point: str) -> list[Run]:
    """Return the experiment's runs of an entry point, without replays, by their ends."""
    runs = mlflow.search_runs(
        filter_string=f"tags.`{ENTRY_POINT}` = '{entry_point}'", output_format="list"
    )
    firsts = [each for each in runs if REPLAY_OF not in each.data.tags]
    assert all(each.info.status == "FINISHED" for each in firsts), entry_point
    return sorted(firsts, key=lambda each: each.info.end_time)


def loop(folder: Path, name: str, points: Sequence[Point]) -> float:
    """Time the naive loop."""
    new_experiment(name)
    return naive_loop(folder, points)


def own_loop(points: Sequence[Point]) -> tuple[float, list[Run]]:
    """Time a loop of this project's `mlflow run`, with data that is already loaded."""
    new_experiment("own")
    run([*PYTHON, "steps.load_data"], cwd=PROJECT, environment={})
    data = f"data=runs:/{runs_of('load_data')[0].info.run_id}"
    command = [*MLFLOW_RUN, "-e", "train_dt", "-P", data]
    seconds = 0.0
    for point in points:
        values = [word for item in point.items() for word in ("-P", "=".join(item))]
        seconds += run([*command, *values], cwd=PROJECT, environment={}).seconds
    return seconds, runs_of("train_dt")


def swept(name: str, grid: Path, *values: str) -> Swept:
    """Run a sweep in a new experiment, without finished runs to skip."""
    new_experiment(name)
    words = [word for value in (f"grid={grid}", *values) for word in ("-P", value)]
    return timed([*MLFLOW_RUN, "-e", "sweep", *words])


def swept_directly(grid: Path) -> Swept:
    """Run a sweep directly in its own process, without `mlflow run`."""
    new_experiment("driver")
    return timed([*PYTHON, "steps.sweep", "--grid", str(grid), "--models", "none"])


def timed(command: Sequence[str]) -> Swept:
    """Run a sweep's command, and get its runs from the server."""
    started = time.time()
    seconds = run(command, cwd=PROJECT, environment={}).seconds
    runs = runs_of("train_dt")
    before = min(each.info.start_time for each in runs) / 1000 - started
    return Swept(seconds, before, runs)


def second(grid: Path, first: Swept) -> float:
    """Time the same sweep again in the same experiment, with all runs finished."""
    command = [*MLFLOW_RUN, "-e", "sweep", "-P", f"grid={grid}", "-P", "models=all"]
    seconds = run(command, cwd=PROJECT, environment={}).seconds
    assert len(runs_of("train_dt")) == len(first.runs), "the second sweep made runs again"
    return seconds


def check(sweep: Swept, points: Sequence[Point], own: Sequence[Run], models: str) -> None:
    """Stop if a sweep's points, metrics or models are not the expected ones."""
    names = list(points[0])

    def by_point(runs: Sequence[Run]) -> dict[tuple[str, ...], dict[str, float]]:
        return {tuple(r.data.params[name] for name in names): r.data.metrics for r in runs}

    metrics, expected = by_point(sweep.runs), by_point(own)
    assert len(sweep.runs) == len(points)
    assert metrics.keys() == {tuple(point[name] for name in names) for point in points}
    assert expected.items() <= metrics.items(), (expected, metrics)
    assert all(expected.values())
    experiment = sweep.runs[0].info.experiment_id
    logged = mlflow.search_logged_models(experiment_ids=[experiment], output_format="list")
    assert len(logged) == {"all": len(points), "best": 1, "none": 0}[models], len(logged)


def rivals(folder: Path, points: Sequence[Point], found: Found) -> None:
    """Time the other tools; stop if their metrics differ from the naive loop's."""
    expected = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    for name, rival in RIVALS.items():
        if rival is naive_loop:
            continue
        within = folder / name
        within.mkdir()
        add(found, name, rival(within, points))
        results = json.loads((within / "results.json").read_text(encoding="utf-8"))
        assert results[: len(expected)] == expected, name


def show(found: Found, options: argparse.Namespace) -> None:
    """Print every way's time."""
    print(
        f"{options.points} points, medians of {options.rounds} rounds; the loops extrapolated "
        f"linearly from {options.naive} naive and {options.own} own runs"
    )
    for way, values in found.whole.items():
        seconds = median(values)
        print(
            f"{way:26} {seconds:8.2f} s, {seconds / options.points:7.3f} s a run, "
            f"{found.times(way):7.1f} times faster than the naive loop"
        )
    for way, sweeps in found.sweeps.items():
        print(
            f"{way:26} {median(s.before for s in sweeps):8.2f} s before the first run, "
            f"then {median(s.a_run for s in sweeps):7.3f} s a run"
        )


def bounds(found: Found) -> tuple[list[tuple[str, float, float]], list[tuple[str, float, float]]]:
    """Return the results with a lower bound, and those with an upper bound."""
    models_all, none = "sweep models=all", "sweep models=none"
    naive = [seconds / len(found.sweeps[none][0].runs) for seconds in found.whole[NAIVE]]
    steady = median(n / s.a_run for n, s in zip(naive, found.sweeps[none], strict=True))
    least = [
        ("naive loop / sweep models=all", found.times(models_all), 25.0),
        ("own loop / sweep models=all", found.times(models_all, OWN), 15.0),
        ("naive loop / sweep models=none", found.times(none), 60.0),
        ("naive loop / sweep models=none, a run of the steady rate", steady, 60.0),
    ]
    most = [("seconds of python -m steps.sweep before the first run", median(found.driver), 4.0)]
    return least, most


def pruned(folder: Path, count: int, work: Mapping[str, Any]) -> Path:
    """Write a grid of a number of trees that take the same time, with little pruning."""
    alphas = {"from": 0.0, "to": (count - 1) / 1e6, "step": 1e-6}
    params = {**work.get("params", {}), "ccp_alpha": alphas}
    return written(folder / f"grid_{count}.yaml", {**work, "params": params})


def workers(folder: Path, rounds: int) -> float:
    """Compare the rates of two workers and one worker, with runs that need time to compute."""
    grid = pruned(folder, CPU_POINTS, CPU_WORK)
    ratios = []
    for _ in range(rounds):
        one, two = (swept(f"workers-{n}", grid, "models=none", f"workers={n}") for n in (1, 2))
        for number, sweep in ((1, one), (2, two)):
            rate = 1 / sweep.a_run
            print(f"workers={number}: runs of {sweep.duration:.2f} s, {rate:.2f} a second")
        ratios.append(one.a_run / two.a_run)
    return median(ratios)


def growth(folder: Path, few: int, many: int) -> float:
    """Compare the time of a run in a long sweep and in a short one."""
    grid = pruned(folder, few, {})
    short = median(swept("short", grid, "models=none").a_run for _ in range(SHORT_SWEEPS))
    long = swept("long", pruned(folder, many, {}), "models=none")
    print(f"{few} points: {short:.3f} s a run, {many} points: {long.a_run:.3f} s a run")
    first, last = long.between(0, few - 1), long.between(-few, -1)
    print(f"of {many} the first {few}: {first:.3f} s a run, the last {few}: {last:.3f} s a run")
    return long.a_run / short


def report_least(rows: Sequence[tuple[str, float, float]]) -> None:
    """Print each result and its lower bound."""
    for name, found, bound in rows:
        print(f"{'ok  ' if found >= bound else 'LESS'} {name}: {found:.3f} (at least {bound})")


if __name__ == "__main__":
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "NO_PROXY": HOST, "no_proxy": HOST}
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server ends with this process
    main()
