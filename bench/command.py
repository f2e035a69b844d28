"""The command `reprise` against `mlflow run`: help, training, replay, sweep.

Run with `make bench`. Every figure is a ratio of commands that ran in turn on the same machine.

    python -m bench.command --rounds 1 --points 6 --naive 1
"""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from statistics import median

import mlflow

from bench.measure import in_turn, machine, report, row, run, seconds
from bench.pipeline import MLFLOW_RUN, NAIVE, PROJECT, PYTHON, newest, store
from bench.rivals import GRID
from bench.sweep import (
    HOST,
    Swept,
    check,
    grid_file,
    loop,
    new_experiment,
    own_loop,
    report_least,
    timed,
    tracking_server,
)

REPRISE = [str(Path(sys.executable).with_name("reprise"))]


def main() -> None:
    """Measure all in turn, print a table of the bounds and the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--points", type=int, default=len(GRID))
    parser.add_argument("--naive", type=int, default=3, help="points of the naive loop")
    parser.add_argument("--sweeps", type=int, default=1, help="rounds of sweeps")
    options = parser.parse_args()
    print(f"{machine()}, load average before {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="reprise-bench-") as name:
        environment = store(Path(name))
        report(single(environment, options.rounds))
    with tempfile.TemporaryDirectory(prefix="reprise-sweep-") as name:
        folder = Path(name)
        with tracking_server(folder) as url:
            os.environ["MLFLOW_TRACKING_URI"] = url
            mlflow.set_tracking_uri(url)  # `store` has set its own
            report_least([sweeps(folder, options)])


def single(environment: dict[str, str], rounds: int) -> list[tuple[str, float, float]]:
    """Time one training and one replay by either command, and their help."""
    run([*PYTHON, "steps.load_data"], cwd=PROJECT, environment=environment)
    train = ["-e", "train_dt", "-P", f"data={newest('load_data')}", "-P", "max_depth=5"]
    run([*REPRISE, "run", *train], cwd=PROJECT, environment=environment)
    timings = in_turn(
        {
            "naive": (MLFLOW_RUN, NAIVE),
            "mlflow run": ([*MLFLOW_RUN, *train], PROJECT),
            "reprise run": ([*REPRISE, "run", *train], PROJECT),
            "reprise reproduce": ([*REPRISE, "reproduce", newest("train_dt")], PROJECT),
            "mlflow --help": (["mlflow", "--help"], PROJECT),
            "reprise --help": ([*REPRISE, "--help"], PROJECT),
        },
        rounds=rounds,
        environment=environment,
    )
    for name, values in timings.items():
        print(f"{name:18} median {seconds(values):6.2f} s")
    ours, replay, helped = (
        timings[name] for name in ("reprise run", "reprise reproduce", "reprise --help")
    )
    return [
        row("reprise run -e train_dt / naive mlflow run", ours, timings["naive"], 0.40),
        row("reprise reproduce / mlflow run -e train_dt", replay, timings["mlflow run"], 0.8),
        row("reprise --help / mlflow --help", helped, timings["mlflow --help"], 0.6),
    ]


def sweeps(folder: Path, options: argparse.Namespace) -> tuple[str, float, float]:
    """Time whole sweeps that keep every model, against the naive loop, extrapolated."""
    points = GRID[: options.points]
    grid = grid_file(folder, points)
    few = points[: options.naive]
    print("uncounted: a naive run, a sweep", file=sys.stderr)
    loop(folder, "naive", GRID[:1])
    _swept(grid)
    _, own = own_loop(few[:1])
    times = []
    for number in range(options.sweeps):
        within = folder / str(number)
        within.mkdir()
        naive = loop(within, "naive", few) / len(few) * len(points)
        sweep = _swept(grid)
        check(sweep, points, own, "all")
        print(f"naive loop {naive:.1f} s, reprise sweep {sweep.seconds:.1f} s")
        times.append(naive / sweep.seconds)
    return f"naive loop / reprise sweep, {len(points)} runs, models=all", median(times), 35.0


def _swept(grid: Path) -> Swept:
    new_experiment("command")
    return timed([*REPRISE, "sweep", "--grid", str(grid), "--models", "all"])


if __name__ == "__main__":
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "NO_PROXY": HOST, "no_proxy": HOST}
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server ends with this process
    main()
