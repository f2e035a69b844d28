"""The same sweep with other tools: a shell loop, DVC, Metaflow, and joblib without tracking.

A rival gets an empty folder and the points. It returns the wall seconds from the start of its first
command to the end of its last; its installation and its files are prepared before. Then it writes
its metrics, in the order of the points, to results.json, and stops if a point is missing.

    python -m bench.rivals --points 6
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path

import mlflow

from bench.measure import machine, run
from bench.pipeline import MLFLOW_RUN, NAIVE, PROJECT, store

DVC = ("dvc==3.67.1",)
DVC_FILES = [f"dvc_project/{name}" for name in ("dvc.yaml", "params.yaml", "train.py")]
METAFLOW = ("metaflow==2.19.39",)
METAFLOW_FILES = [f"metaflow_project/{name}" for name in ("flow.py", "results.py")]
SHARED = ("scikit-learn", "numpy", "scipy", "joblib")  # every rival uses the project's versions
PATIENCE = 60  # seconds a point
EXPERIMENT = re.compile("refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/[^/]+")  # the queue uses other names

Point = Mapping[str, str]
GRID: list[Point] = [
    {"max_depth": str(depth), "min_samples_leaf": leaf, "criterion": criterion}
    for criterion, leaf, depth in product(("gini", "entropy"), ("1", "2"), range(1, 11))
]


def environment_of(name: str, requirements: Sequence[str]) -> Path:
    """Make or complete a virtual environment in the user's cache; return its bin folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    venv = cache / "reprise-bench" / name
    venv.parent.mkdir(parents=True, exist_ok=True)
    make = ["uv", "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(venv)]
    install = ["uv", "pip", "install", "--quiet", "--python", str(venv / "bin/python")]
    run(make, cwd=PROJECT, environment={})
    run([*install, "--compile-bytecode", *requirements], cwd=PROJECT, environment={})
    return venv / "bin"


def locked(names: Sequence[str]) -> list[str]:
    """Return requirements with the versions of requirements.txt."""
    lines = (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line.partition("==")[0] in names]


def laid_out(folder: Path, points: Sequence[Point], tool: Path, *files: str) -> Path:
    """Copy a rival's files, the work and the points into a new project.

    One import of the work reads its libraries from disk, as an earlier run would.
    """
    project = folder / "project"
    project.mkdir()
    for file in ("tree.py", *files):
        shutil.copy(PROJECT / "bench" / file, project)
    (project / "points.json").write_text(json.dumps(list(points)), encoding="utf-8")
    run([str(tool / "python"), "-B", "-c", "import tree"], cwd=project, environment={})
    return project


def naive_loop(folder: Path, points: Sequence[Point]) -> float:
    """Call `mlflow run` on the plain project once per point, with MLFLOW_TRACKING_URI.

    40 points take 10 minutes, and all points take the same time, so the caller may pass a few of
    them and extrapolate.
    """
    started = time.monotonic()
    for point in points:
        values = [word for item in point.items() for word in ("-P", "=".join(item))]
        run([*MLFLOW_RUN, *values], cwd=NAIVE, environment={})
    seconds = time.monotonic() - started
    runs = mlflow.search_runs(max_results=len(points), output_format="list")
    keep(folder, points, [(found.data.params, found.data.metrics) for found in runs])
    return seconds


def dvc_queue(folder: Path, points: Sequence[Point]) -> float:
    """Queue each point with one command, then run the queue with two workers."""
    return dvc(folder, points, points)


def dvc_grid(folder: Path, points: Sequence[Point]) -> float:
    """Queue all points with one command, which needs a full grid; then do the same."""
    values = {name: list(dict.fromkeys(point[name] for point in points)) for name in points[0]}
    if len(points) != len(list(product(*values.values()))):
        sys.exit(f"{len(points)} points are not the grid of {values}")
    return dvc(folder, points, [{name: ",".join(choices) for name, choices in values.items()}])


def dvc(folder: Path, points: Sequence[Point], queued: Sequence[Point]) -> float:
    """Time the queueing and the running; the workers' idle seconds at the end are not counted."""
    tool = environment_of("dvc", [*DVC, *locked(SHARED)])
    project = laid_out(folder, points, tool, *DVC_FILES)
    variables = {
        "PATH": f"{tool}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        **{
            f"DVC_{name}_DIR": str(folder)
            for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")
        },
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    for command in (
        "git init --quiet",
        "git config user.name bench",
        "git config user.email bench@localhost",
        "dvc init --quiet",
        "dvc config core.check_update false",
        "git add --all",
        "git commit --quiet --message Project",
    ):
        run(command.split(), cwd=project, environment=variables)
    with workers_stopped(project):
        started = time.monotonic()
        for point in queued:
            values = [word for item in point.items() for word in ("-S", "=".join(item))]
            run(["dvc", "exp", "run", "--queue", *values], cwd=project, environment=variables)
        start_workers(project, variables)
        await_experiments(project, len(points))
        seconds = time.monotonic() - started
        shown = output(["dvc", "exp", "show", "--json"], project, variables)
    experiments = [each["revs"][0]["data"] for each in json.loads(shown)[1]["experiments"]]
    found = [
        (data["params"]["params.yaml"]["data"], data["metrics"]["metrics.json"]["data"])
        for data in experiments
        if data["outs"]["model.joblib"]["hash"]
    ]
    keep(folder, points, found)
    return seconds


def start_workers(project: Path, variables: Mapping[str, str]) -> None:
    """Start two workers, which keep their output files open until they have idled out.

    With a pipe, the command would seem to last as long as the workers.
    """
    subprocess.run(
        ["dvc", "queue", "start", "-j", "2"],
        cwd=project,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )


def await_experiments(project: Path, count: int) -> None:
    """Wait until a number of experiments is collected; stop the benchmark if one failed.

    A call of git takes 5 ms; `dvc queue status` takes 2.5 s of a processor that the workers need.
    """
    deadline = time.monotonic() + PATIENCE * count
    finished: list[str] = []
    while len(finished) < count:
        names = output(["git", "for-each-ref", "--format=%(refname)", "refs/exps"], project, {})
        if "refs/exps/celery/failed" in names or time.monotonic() > deadline:
            sys.exit(f"{len(finished)} of {count} experiments finished, then one failed or hung")
        finished = [name for name in names.split() if EXPERIMENT.fullmatch(name)]
        time.sleep(0.1)


@contextmanager
def workers_stopped(project: Path) -> Iterator[None]:
    """End all workers: an idle worker stays for ten seconds or more, and slows the next rival.

    `dvc queue stop` is not enough: a worker may miss its message.
    """
    try:
        yield
    finally:
        deadline = time.monotonic() + PATIENCE
        for record in (project / ".dvc/tmp/exps/celery").glob("*-worker-*.json"):
            worker = json.loads(record.read_text(encoding="utf-8"))
            if worker["returncode"] is None:
                with suppress(ProcessLookupError):
                    os.kill(worker["pid"], signal.SIGTERM)
            while '"returncode": null' in record.read_text(encoding="utf-8"):
                if time.monotonic() > deadline:
                    sys.exit(f"a DVC worker does not end: {record}")
                time.sleep(0.1)


def metaflow_foreach(folder: Path, points: Sequence[Point]) -> float:
    """Run a flow with one task per point, two at a time, with its store in the folder."""
    tool = environment_of("metaflow", [*METAFLOW, *locked(SHARED)])
    project = laid_out(folder, points, tool, *METAFLOW_FILES)
    variables = {
        "METAFLOW_HOME": str(folder),
        "METAFLOW_USER": "bench",
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
    }
    python = str(tool / "python")
    command = [python, "flow.py", "run", "--max-workers", "2"]
    timing = run(command, cwd=project, environment=variables)
    run([python, "results.py"], cwd=project, environment=variables)
    results = json.loads((project / "results.json").read_text(encoding="utf-8"))
    keep(folder, points, list(zip(points, results, strict=True)))
    return timing.seconds


def joblib_floor(folder: Path, points: Sequence[Point]) -> float:
    """Train all points in one process with two workers and no tracking."""
    project = laid_out(folder, points, Path(sys.executable).parent)
    command = [sys.executable, "tree.py", "points.json", "results.json"]
    timing = run(command, cwd=project, environment={})
    results = json.loads((project / "results.json").read_text(encoding="utf-8"))
    keep(folder, points, list(zip(points, results, strict=True)))
    return timing.seconds


def output(command: Sequence[str], cwd: Path, variables: Mapping[str, str]) -> str:
    """Run a command and return its output."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def keep(
    folder: Path,
    points: Sequence[Point],
    found: Sequence[tuple[Mapping[str, object], Mapping[str, float]]],
) -> None:
    """Write each point's metrics to results.json; a point without a result stops the benchmark."""
    names = list(points[0])
    by_point = {tuple(str(values[name]) for name in names): metrics for values, metrics in found}
    results = [by_point[tuple(point[name] for name in names)] for point in points]
    assert len(found) == len(points)
    (folder / "results.json").write_text(json.dumps(results, sort_keys=True), encoding="utf-8")


RIVALS: dict[str, Callable[[Path, Sequence[Point]], float]] = {
    rival.__name__: rival
    for rival in (joblib_floor, metaflow_foreach, dvc_grid, dvc_queue, naive_loop)
}


def main() -> None:
    """Time every rival once on the first points of the grid, and compare their metrics."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--points", type=int, default=6)
    parser.add_argument("--rivals", nargs="+", choices=RIVALS, default=list(RIVALS))
    options = parser.parse_args()
    points = GRID[: options.points]
    print(machine())
    seconds: dict[str, float] = {}
    results: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="reprise-rivals-") as name:
        os.environ.update(store(Path(name)))
        for rival in options.rivals:
            folder = Path(name) / rival
            folder.mkdir()
            seconds[rival] = RIVALS[rival](folder, points)
            results[rival] = (folder / "results.json").read_text(encoding="utf-8")
            each = seconds[rival] / len(points)
            print(f"{rival:17}{seconds[rival]:7.1f} s, {each:6.2f} s a point", flush=True)
    assert len(set(results.values())) == 1, results
    print(f"equal metrics; the first point's: {results[options.rivals[0]].partition('}')[0][1:]}}}")


if __name__ == "__main__":
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    main()
