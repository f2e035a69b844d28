"""The time to export a history of runs, and to import it elsewhere, against making the runs.

Each run has parameters, tags, metrics with a history, and an artifact, in a SQLite store. Run with
`python -m bench.archive --runs 1000`.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import mlflow

from bench.measure import machine
from reprise import tracking
from reprise.archive import exporting, importing, reader
from reprise.signatures import Signers

_METRICS, _STEPS = 10, 5


def main() -> None:
    """Make the runs, export and import them, import them again, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    count = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="reprise-bench-") as name:
        folder = Path(name)
        path = folder / "runs.zip"
        print(machine())
        _use(folder / "here")
        made = _timed("make", count, lambda: _make(count))
        _timed("export", count, lambda: _export(path), made)
        print(f"{'':12}{path.stat().st_size / count / 1024:8.1f} KiB a run")
        _use(folder / "there")
        _timed("import", count, lambda: _import(path), made)
        _timed("import again", count, lambda: _import(path), made)


def _use(folder: Path) -> None:
    folder.mkdir()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    tracking.client().create_experiment("history", artifact_location=str(folder / "artifacts"))


def _make(count: int) -> None:
    experiment_id = tracking.experiment_id("history")
    for number in range(count):
        run = tracking.client().create_run(experiment_id)
        run_id = run.info.run_id
        tracking.log(run_id, params={"number": str(number)}, tags={"reprise.dirty": "false"})
        points = [
            (f"m{i}", step, i / (step + 1)) for i in range(_METRICS) for step in range(_STEPS)
        ]
        tracking.log_points(run_id, points)
        tracking.log_text(run_id, "notes.txt", "text " * 1000)
        tracking.end(run_id, "FINISHED")


def _export(path: Path) -> None:
    run_ids = [run.info.run_id for run in tracking.all_runs(tracking.experiment_id("history"))]
    exporting.export(run_ids, path, parts=("data", "models"), at_hand=path.parent)


def _import(path: Path) -> None:
    with reader.unpacked(path, signers=Signers()) as archive:
        importing.import_runs(archive)


def _timed(what: str, count: int, call: Callable[[], None], base: float = 0.0) -> float:
    start = time.perf_counter()
    call()
    took = time.perf_counter() - start
    ratio = f", {took / base:.2f} of making them" if base else ""
    print(f"{what:12}{took:8.1f} s, {took / count * 1000:6.1f} ms a run{ratio}")
    return took


if __name__ == "__main__":
    main()
