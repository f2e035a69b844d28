"""Whatever is killed: no finished run is lost or made twice, and nothing stays open or lingers."""

import os
import signal
from collections import Counter

import pytest
from driving import LIMIT_SECONDS, children_of, until
from sweeping import (
    POINTS,
    SLOW,
    alive,
    complete,
    descendants,
    ended,
    finished_runs,
    host_of,
    open_runs,
    statuses,
    trainings,
    write_grid,
)

WORKERS = 2


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    return write_grid(tmp_path_factory.mktemp("slow"), SLOW)


@pytest.fixture
def mine(served, request):
    return served.within(request.node.name.replace("[", "-").strip("]"))


@pytest.fixture
def start(mine, grid):
    def start(*words):
        command, _ = mine.step_command("sweep", grid=grid, models="none")
        return mine.started([*command, "--workers", str(WORKERS), *words])

    return start


def test_a_killed_run_is_one_failed_run(mine, start, grid):
    with start() as sweep:
        host = host_of(sweep.pid)
        until(lambda: len(open_runs(mine)) >= WORKERS, what="runs in the making")
        os.kill(children_of(host)[0], signal.SIGKILL)
        exit_code, _, stderr = ended(sweep)

    assert exit_code == 1
    assert f"1 of {POINTS} runs failed" in stderr
    left = Counter(run.info.status for run in trainings(mine))
    assert left.pop("FINISHED") == POINTS - 1
    assert list(left) in (["FAILED"], ["KILLED"])  # KILLED: before it could tell its id
    complete(mine, grid)


def test_a_killed_warm_process_costs_the_runs_that_it_was_making(mine, start, grid):
    with start() as sweep:
        host = host_of(sweep.pid)
        runs = children_of(host)
        os.kill(host, signal.SIGKILL)
        exit_code, _, _ = ended(sweep)

    assert exit_code == 1
    assert not any(map(alive, runs))
    assert "RUNNING" not in statuses(mine)
    complete(mine, grid)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_sweep_that_is_ended_is_taken_up_again(mine, start, grid, how):
    with start() as sweep:
        host_of(sweep.pid)
        until(lambda: finished_runs(mine), what="the first run to finish")
        processes = descendants(sweep.pid)
        os.kill(sweep.pid, how)
        sweep.wait(LIMIT_SECONDS)
        until(lambda: not any(map(alive, processes)), what="its processes to end")

    complete(mine, grid)
