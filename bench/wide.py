"""Time to load as many cells in 20,000 columns as in 2,000: what a column costs.

Run with `make bench`. Every figure is a ratio of commands that ran in turn on the same machine.

    python -m bench.wide --rounds 1
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from bench.measure import in_turn, machine, report, row, seconds
from bench.pipeline import PROJECT, PYTHON, store

SHAPES = {"wide": (60, 20_000), "long": (600, 2_000)}
BOUND = 3.0


def write(path: Path, rows: int, columns: int) -> None:
    """Write numbers and two classes as CSV or as Parquet."""
    numbers = np.random.default_rng(0).random((rows, columns)).round(4)
    frame = pd.DataFrame(numbers, columns=[f"x{i}" for i in range(columns)])
    frame = pd.concat([frame, pd.Series(["yes", "no"] * (rows // 2), name="y")], axis=1)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)


def main() -> None:
    """Load each table in turn, and print the ratio and its bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(machine())
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = store(folder)
        for suffix in (".csv", ".parquet"):
            commands = {}
            for shape, (n_rows, n_columns) in SHAPES.items():
                path = folder / f"{shape}{suffix}"
                write(path, n_rows, n_columns)
                command = [*PYTHON, "steps.load_data", "--source", str(path)]
                commands[shape] = ([*command, "--target", "y", "--allow_large", "true"], PROJECT)
            timings = in_turn(commands, rounds=rounds, environment=environment)
            print(f"{suffix}: {seconds(timings['wide']):.1f} s, {seconds(timings['long']):.1f} s")
            rows.append(
                row(f"20,000 columns x 60 rows{suffix}", timings["wide"], timings["long"], BOUND)
            )
    report(rows)


if __name__ == "__main__":
    main()
