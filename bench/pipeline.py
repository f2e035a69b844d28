"""The pipeline's speed and memory against a naive MLflow Project and an untracked script.

Run with `make bench`. Every figure is a ratio of commands that ran in turn on the same machine.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import mlflow

from bench.measure import Timing, in_turn, machine, report, row, run, seconds

PROJECT = Path(__file__).resolve().parent.parent
NAIVE = PROJECT / "bench" / "naive"
MLFLOW_RUN = ["mlflow", "run", ".", "--env-manager", "local"]
PYTHON = [sys.executable, "-m"]


def main() -> None:
    """Measure all, print a table of the bounds and the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the large table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reprise-bench-") as name:
        folder = Path(name)
        environment = store(folder)
        print(machine())
        report(speed(folder, environment, options.rounds))
        report(size(folder, environment, options.rows))


def store(folder: Path) -> dict[str, str]:
    """Make a new SQLite store and return the variables that name it."""
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    mlflow.create_experiment("bench", artifact_location=(folder / "artifacts").as_uri())
    return {"MLFLOW_TRACKING_URI": uri, "MLFLOW_EXPERIMENT_NAME": "bench"}


def newest(entry_point: str) -> str:
    """Return the id of the newest run of an entry point."""
    runs = mlflow.search_runs(
        experiment_names=["bench"],
        filter_string=f"tags.`mlflow.project.entryPoint` = '{entry_point}'",
        max_results=1,
        output_format="list",
    )
    return str(runs[0].info.run_id)


def speed(folder: Path, environment: dict[str, str], rounds: int) -> list[tuple[str, float, float]]:
    """Time one training, main, and the step's own process."""
    run([*PYTHON, "steps.load_data"], cwd=PROJECT, environment=environment)
    data = newest("load_data")
    train = [*MLFLOW_RUN, "-e", "train_dt", "-P", f"data={data}", "-P", "max_depth=5"]
    step = [*PYTHON, "steps.train_dt", "--data", data, "--max_depth", "5"]
    commands = {
        "naive": (MLFLOW_RUN, NAIVE),
        "train_dt": (train, PROJECT),
        "main": (MLFLOW_RUN, PROJECT),
        "step": (step, PROJECT),
        "untracked": (
            [sys.executable, str(PROJECT / "bench/untracked.py"), str(folder / "model.joblib")],
            PROJECT,
        ),
    }
    timings = in_turn(commands, rounds=rounds, environment=environment)
    for name, values in timings.items():
        print(f"{name:10} median {seconds(values):6.2f} s")
    return [
        row(
            "mlflow run -e train_dt / naive mlflow run", timings["train_dt"], timings["naive"], 0.55
        ),
        row("mlflow run (main: 7 runs) / naive mlflow run", timings["main"], timings["naive"], 1.5),
        row(
            "python -m steps.train_dt / untracked script",
            timings["step"],
            timings["untracked"],
            3.0,
        ),
    ]


def size(folder: Path, environment: dict[str, str], rows: int) -> list[tuple[str, float, float]]:
    """Load and train on a large table and on a tenth of it; compare memory and time."""
    found: dict[int, dict[str, Timing]] = {}
    for count in (rows // 10, rows):
        path = folder / f"made_{count}.parquet"
        in_memory = count * 50 * 8 / 2**20
        made = [*PYTHON, "bench.made_table", str(path), str(count)]
        run(made, cwd=PROJECT, environment=environment)
        load = [*PYTHON, "steps.load_data", "--source", str(path)]
        timings = {"load_data": run(load, cwd=PROJECT, environment=environment)}
        train = [*PYTHON, "steps.train_lr", "--data", newest("load_data")]
        timings["train_lr"] = run(train, cwd=PROJECT, environment=environment)
        found[count] = timings
        for name, timing in timings.items():
            print(
                f"{count:>9} rows x 50: {name:10} {timing.seconds:6.2f} s, "
                f"peak {timing.peak_mib:.0f} MiB = {timing.peak_mib / in_memory:.2f} times the "
                f"table's {in_memory:.0f} MiB"
            )
    peak = max(t.peak_mib for t in found[rows].values()) / in_memory
    totals = {count: sum(t.seconds for t in found[count].values()) for count in found}
    return [
        (f"peak memory / table of {rows} x 50", peak, 3.0),
        (
            f"time of {rows} rows / 10 x time of {rows // 10}",
            totals[rows] / (10 * totals[rows // 10]),
            1.0,
        ),
    ]


if __name__ == "__main__":
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    main()
