"""The time of a replay against its original run, and against Sumatra's `smt repeat`.

Run with `make bench`. Sumatra is installed in a separate environment; it repeats the same training
as a plain MLflow script (bench/naive/train.py), in its own clean repository.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measure import in_turn, machine, report, row, run, seconds
from bench.pipeline import MLFLOW_RUN, NAIVE, PROJECT, PYTHON, newest, store
from bench.rivals import environment_of

SUMATRA = ("sumatra==0.8.1", "gitpython", "django==4.2")


def main() -> None:
    """Measure all in turn, print a table of the bounds and the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reprise-bench-") as name:
        folder = Path(name)
        environment = store(folder)
        print(machine())
        report(speed(folder, environment, options.rounds))


def speed(folder: Path, environment: dict[str, str], rounds: int) -> list[tuple[str, float, float]]:
    """Time a training, its replay by both commands, and Sumatra's repeat of the same training."""
    run([*PYTHON, "steps.load_data"], cwd=PROJECT, environment=environment)
    data = newest("load_data")
    train = [*MLFLOW_RUN, "-e", "train_dt", "-P", f"data={data}", "-P", "max_depth=5"]
    run(train, cwd=PROJECT, environment=environment)
    run_id = newest("train_dt")
    timings = in_turn(
        {
            "train": (train, PROJECT),
            "replay": ([*MLFLOW_RUN, "-e", "reproduce", "-P", f"run_id={run_id}"], PROJECT),
            "replay's step": ([*PYTHON, "steps.reproduce", "--run_id", run_id], PROJECT),
            "smt repeat": sumatra(folder, environment),
            "naive": (MLFLOW_RUN, NAIVE),
        },
        rounds=rounds,
        environment=environment,
    )
    for name, values in timings.items():
        print(f"{name:14} median {seconds(values):6.2f} s")
    replay, step, repeat = (timings[name] for name in ("replay", "replay's step", "smt repeat"))
    return [
        row("mlflow run -e reproduce / mlflow run -e train_dt", replay, timings["train"], 1.5),
        row("mlflow run -e reproduce / smt repeat", replay, repeat, 1.0),
        row("python -m steps.reproduce / smt repeat", step, repeat, 1.0),
    ]


def sumatra(folder: Path, environment: dict[str, str]) -> tuple[list[str], Path]:
    """Install Sumatra, record one run of the plain script, and return the command to repeat it."""
    project = folder / "script"
    project.mkdir()
    (project / "train.py").write_bytes((NAIVE / "train.py").read_bytes())
    smt = str(environment_of("sumatra", SUMATRA) / "smt")
    person = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for command in (
        ["git", "init", "--quiet"],
        ["git", "add", "train.py"],
        ["git", *person, "commit", "--quiet", "--message", "The script"],
        [smt, "init", "-d", "Data", f"--executable={sys.executable}", "--main=train.py", "bench"],
        [smt, "run", "5"],
    ):
        run(command, cwd=project, environment=environment)
    labels = subprocess.run(
        [smt, "list"], cwd=project, capture_output=True, text=True, check=True
    ).stdout.split()
    return [smt, "repeat", labels[-1]], project


if __name__ == "__main__":
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    main()
