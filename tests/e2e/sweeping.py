"""What the tests of sweeps share: grid files, a gate, what a sweep made, and its processes."""

import contextlib
import math
import re
import threading
from collections import Counter
from pathlib import Path

import pytest
from driving import LIMIT_SECONDS, answer, children_of, until, web_server
from replaying import cloned, edit

EIGHT = """\
data: iris
params:
  max_depth: {from: 1, to: 4, step: 1}
  criterion: [gini, entropy]
"""
POINTS = 4  # of HELD
HELD = """\
data: iris
params:
  max_depth: {from: 3, to: 6}
  cv: 0
metric: train_accuracy
"""


class Gate:
    """A served address at which each training of a sweep waits until it is let through."""

    def __init__(self) -> None:
        self.arrived = 0
        self._passes = 0.0
        self._changed = threading.Condition()

    def handle(self, request, _):
        with self._changed:
            self.arrived += 1
            self._changed.wait_for(lambda: self._passes > 0)
            self._passes -= 1
        answer(request, b"1")

    def let_through(self, trainings: float) -> None:
        with self._changed:
            self._passes += trainings
            self._changed.notify_all()

    def open(self) -> None:
        self.let_through(math.inf)

    def close(self) -> None:
        """Hold who comes from now on."""
        self.arrived, self._passes = 0, 0.0


@contextlib.contextmanager
def gate_of(team, origin, folder):
    """Let every training of a new clone wait at a gate; yield the clone and the gate."""
    gate = Gate()
    with web_server(gate.handle) as url:
        clone = cloned(team, origin, folder)
        waits = f"int(urllib.request.urlopen({url!r}, timeout={LIMIT_SECONDS}).read())"
        value = f'{waits} if "train_dt" in sys.argv[0] else 1'
        edit(clone, "first.py", f"import sys\nimport urllib.request\n\nVALUE = {value}\n")
        clone.git("commit", "--quiet", "--all", "--message", "Wait")
        clone.git("push", "--quiet", "origin", "HEAD")
        try:
            yield clone, gate
        finally:
            gate.open()


@pytest.fixture(scope="module")
def held(served, new_origin, tmp_path_factory, request):
    """A clone of the module's own whose trainings wait at a gate, and that gate."""
    name = request.module.__name__
    with gate_of(served, new_origin(name), tmp_path_factory.mktemp(name) / "project") as held:
        yield held


@pytest.fixture
def gate(held):
    """The gate, shut until the test opens it."""
    _, gate = held
    gate.close()
    yield gate
    gate.open()


@pytest.fixture(scope="module")
def held_grid(tmp_path_factory):
    """File of a grid of `POINTS` trainings that do no more than come to the gate."""
    return write_grid(tmp_path_factory.mktemp("held"), HELD)


def write_grid(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "grid.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def results(project, runs):
    """Return the recorded outputs of finished runs by their keys; none may be there twice."""
    finished = [run for run in runs if run.info.status == "FINISHED"]
    finished = [run for run in finished if "reprise.replay_of" not in run.data.tags]
    keys = Counter(run.data.tags["reprise.key"] for run in finished)
    assert set(keys.values()) <= {1}, keys
    return {
        run.data.tags["reprise.key"]: project.record(run.info.run_id)["outputs"] for run in finished
    }


def trainings(project):
    """Return every training run of the project's experiment."""
    return project.search("tags.`mlflow.project.entryPoint` = 'train_dt'")


def statuses(project):
    return Counter(run.info.status for run in project.search(""))


def host_of(driver: int) -> int:
    """Return the process that makes a sweep's runs, when it has begun to."""
    found: list[int] = []

    def begun() -> bool:
        found[:] = [pid for pid in children_of(driver) if children_of(pid)]
        return bool(found)

    until(begun, what="the first run of the sweep")
    return found[0]


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def descendants(pid):
    below = children_of(pid)
    return [*below, *(each for child in below for each in descendants(child))]


def ended(process):
    stdout, stderr = process.communicate(timeout=LIMIT_SECONDS)
    assert "Traceback" not in stdout + stderr, stderr
    return process.returncode, stdout, stderr


def finished_runs(project):
    return [run for run in trainings(project) if run.info.status == "FINISHED"]


def open_runs(project):
    return [run for run in trainings(project) if run.info.status == "RUNNING"]


def complete(project, grid, **words):
    """Start the sweep again, and check that it leaves each point finished once."""
    before = {run.info.run_id for run in finished_runs(project)}

    done = project.step("sweep", grid=grid, models="none", **words)

    assert done.exit_code == 0, done.stdout + done.stderr
    found = finished_runs(project)
    assert len(results(project, found)) == POINTS  # which checks that none is there twice
    assert before <= {run.info.run_id for run in found}
    assert "RUNNING" not in statuses(project)
    made_before = re.search(r"(\d+) were made before", done.stdout)
    assert made_before is not None
    assert int(made_before[1]) >= len(before)  # one that was being killed may have got there
