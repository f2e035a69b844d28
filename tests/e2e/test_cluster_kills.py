"""Sweeps on a cluster of which a part is killed: nothing is lost, made twice, or left behind."""

import os
import re
import signal

import pytest
from clusters import certified, cluster
from driving import LIMIT_SECONDS, Variables, children_of, until
from sweeping import (
    POINTS,
    alive,
    complete,
    ended,
    finished_runs,
    results,
    statuses,
)

pytestmark = pytest.mark.drill("reprise/sweeps", "steps/sweep.py", "tests/e2e/clusters.py")


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return certified(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def user(held, tls, request):
    project, _ = held
    return project.within(request.node.name).with_variables(tls)


@pytest.fixture
def running(environment, tls, tmp_path):
    variables = Variables({**environment, **tls})
    with cluster(tmp_path / "cluster", variables) as started:
        yield started


def a_run_of(running, worker, gate):
    """A training's process below a worker of a cluster, when each worker has one."""
    until(lambda: gate.arrived >= len(running.workers), what="a run on each worker")
    found = []

    def begun():
        # worker -> nanny's worker -> the warm process -> a run
        found[:] = [
            run
            for child in children_of(running.workers[worker].pid)
            for host in children_of(child)
            for run in children_of(host)
        ]
        return bool(found)

    until(begun, what="a run on the cluster")
    return found[0]


def test_what_a_killed_worker_was_doing_is_done_by_another(user, running, gate, held_grid):
    command, _ = user.step_command(
        "sweep", grid=held_grid, models="none", scheduler=running.address
    )
    with user.started(command) as sweep:
        run = a_run_of(running, 0, gate)
        os.killpg(running.workers[0].pid, signal.SIGKILL)
        gate.open()
        exit_code, stdout, stderr = ended(sweep)
        until(lambda: not alive(run), what="the orphan to end")

    assert exit_code == 0, stdout + stderr
    assert len(results(user, finished_runs(user))) == POINTS
    assert "RUNNING" not in statuses(user)


def test_a_killed_scheduler_ends_the_sweep_in_one_line_and_it_is_taken_up_here(
    user, running, gate, held_grid
):
    command, _ = user.step_command(
        "sweep", grid=held_grid, models="none", scheduler=running.address
    )
    with user.started(command) as sweep:
        run = a_run_of(running, 0, gate)
        os.killpg(running.scheduler.pid, signal.SIGKILL)
        gate.open()
        exit_code, _, stderr = ended(sweep)
        until(lambda: not alive(run), what="the orphan to end")

    assert exit_code == 1
    assert re.search(r"^sweep: .*runs failed", stderr, re.MULTILINE)
    complete(user, held_grid)


def test_a_killed_driver_of_a_cluster_is_taken_up_again(user, running, gate, held_grid):
    command, _ = user.step_command(
        "sweep", grid=held_grid, models="none", scheduler=running.address
    )
    with user.started(command) as sweep:
        run = a_run_of(running, 0, gate)
        os.kill(sweep.pid, signal.SIGKILL)
        sweep.wait(LIMIT_SECONDS)
        until(lambda: not alive(run), what="the run to end")
    gate.open()

    complete(user, held_grid, scheduler=running.address)
