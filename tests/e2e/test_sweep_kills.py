"""Whatever is killed: no finished run is lost or made twice, and nothing stays open or lingers."""

import os
import signal
from collections import Counter

import pytest
from driving import LIMIT_SECONDS, children_of, until
from sweeping import (
    POINTS,
    alive,
    complete,
    descendants,
    ended,
    finished_runs,
    host_of,
    statuses,
    trainings,
)

WORKERS = 2
drill = pytest.mark.drill("reprise/sweeps", "reprise/process", "steps/sweep.py")


@pytest.fixture
def mine(held, request):
    project, _ = held
    return project.within(request.node.name.replace("[", "-").strip("]"))


@pytest.fixture
def start(mine, held_grid, gate):
    def start(*words):
        command, _ = mine.step_command("sweep", grid=held_grid, models="none")
        return mine.started([*command, "--workers", str(WORKERS), *words])

    return start


def trainings_wait(gate, sweep):
    """Wait until as many runs are in the making as there may be."""
    until(lambda: gate.arrived >= WORKERS or sweep.poll() is not None, what="runs in the making")


@drill
def test_a_killed_run_is_one_failed_run(mine, start, gate, held_grid):
    with start() as sweep:
        trainings_wait(gate, sweep)
        os.kill(children_of(host_of(sweep.pid))[0], signal.SIGKILL)
        gate.open()
        exit_code, _, stderr = ended(sweep)

    assert exit_code == 1
    assert f"1 of {POINTS} runs failed" in stderr
    left = Counter(run.info.status for run in trainings(mine))
    assert left == {"FINISHED": POINTS - 1, "FAILED": 1}
    complete(mine, held_grid)


@drill
def test_a_killed_warm_process_costs_the_runs_that_it_was_making(mine, start, gate, held_grid):
    with start() as sweep:
        trainings_wait(gate, sweep)
        host = host_of(sweep.pid)
        runs = children_of(host)
        os.kill(host, signal.SIGKILL)
        exit_code, _, _ = ended(sweep)

    assert exit_code == 1
    assert not any(map(alive, runs))
    assert "RUNNING" not in statuses(mine)
    gate.open()
    complete(mine, held_grid)


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=drill)])
def test_a_sweep_that_is_ended_is_taken_up_again(mine, start, gate, held_grid, how):
    with start() as sweep:
        gate.let_through(1)
        until(lambda: finished_runs(mine), what="the first run to finish")
        processes = descendants(sweep.pid)
        os.kill(sweep.pid, how)
        sweep.wait(LIMIT_SECONDS)
        until(lambda: not any(map(alive, processes)), what="its processes to end")

    gate.open()
    complete(mine, held_grid)
