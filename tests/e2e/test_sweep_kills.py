"""Whatever is killed: no finished run is lost or made twice, and nothing stays open or lingers."""

import os
import re
import signal
from collections import Counter
from pathlib import Path

import pytest
from clusters import cluster, make_certificates
from driving import LIMIT_SECONDS, Variables, children_of, until
from sweeping import SLOW, host_of, results, statuses, trainings, write_grid

POINTS = 6


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    return write_grid(tmp_path_factory.mktemp("slow"), SLOW)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("tls"))


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


def complete(project, grid, **words):
    """Start the sweep again, and check that it leaves each point finished once."""
    before = {run.info.run_id for run in finished_runs(project)}

    done = project.step("sweep", grid=grid, models="none", **words)

    assert done.exit_code == 0, done.stdout + done.stderr
    found = finished_runs(project)
    assert len(results(project, found)) == POINTS  # which checks that none is there twice
    assert before <= {run.info.run_id for run in found}
    assert "RUNNING" not in statuses(project)
    assert f"{len(before)} were made before" in done.stdout


@pytest.fixture
def project(served, request):
    return served.within(request.node.name.replace("[", "-").strip("]"))


@pytest.fixture
def start(project, grid):
    def start(*words):
        command, _ = project.step_command("sweep", grid=grid, models="none")
        return project.started([*command, *words])

    return start


def test_a_killed_run_is_one_failed_run(project, start, grid):
    with start() as sweep:
        victim = children_of(host_of(sweep.pid))[0]
        os.kill(victim, signal.SIGKILL)
        exit_code, _, stderr = ended(sweep)

    assert exit_code == 1
    assert f"1 of {POINTS} runs failed" in stderr
    assert Counter(run.info.status for run in trainings(project)) == {
        "FINISHED": POINTS - 1,
        "FAILED": 1,
    }
    complete(project, grid)


def test_a_killed_warm_process_costs_the_runs_that_it_was_making(project, start, grid):
    with start() as sweep:
        host = host_of(sweep.pid)
        runs = children_of(host)
        os.kill(host, signal.SIGKILL)
        exit_code, _, _ = ended(sweep)

    assert exit_code == 1
    assert not any(map(alive, runs))
    assert "RUNNING" not in statuses(project)
    complete(project, grid)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_sweep_that_is_ended_is_taken_up_again(project, start, grid, how):
    with start() as sweep:
        host_of(sweep.pid)
        until(lambda: finished_runs(project), what="the first run to finish")
        processes = descendants(sweep.pid)
        os.kill(sweep.pid, how)
        sweep.wait(LIMIT_SECONDS)
        until(lambda: not any(map(alive, processes)), what="its processes to end")

    complete(project, grid)


@pytest.fixture
def user(project, tls):
    return project.with_variables(tls.variables())


@pytest.fixture
def running(environment, tls, tmp_path):
    variables = Variables({**environment, **tls.variables()})
    with cluster(tmp_path / "cluster", variables) as started:
        yield started


def a_run_of(running, worker):
    """A run's process below a worker of a cluster."""
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


def test_what_a_killed_worker_was_doing_is_done_by_another(user, running, grid):
    command, _ = user.step_command("sweep", grid=grid, models="none", scheduler=running.address)
    with user.started(command) as sweep:
        run = a_run_of(running, 0)
        os.killpg(running.workers[0].pid, signal.SIGKILL)
        exit_code, stdout, stderr = ended(sweep)
        until(lambda: not alive(run), what="the orphan to end")

    assert exit_code == 0, stdout + stderr
    assert len(results(user, finished_runs(user))) == POINTS
    assert "RUNNING" not in statuses(user)


def test_a_killed_scheduler_ends_the_sweep_in_one_line_and_it_is_taken_up_here(user, running, grid):
    command, _ = user.step_command("sweep", grid=grid, models="none", scheduler=running.address)
    with user.started(command) as sweep:
        run = a_run_of(running, 0)
        os.killpg(running.scheduler.pid, signal.SIGKILL)
        exit_code, _, stderr = ended(sweep)
        until(lambda: not alive(run), what="the orphan to end")

    assert exit_code == 1
    assert re.search(r"^sweep: .*runs failed", stderr, re.MULTILINE)
    complete(user, grid)


def test_a_killed_driver_of_a_cluster_is_taken_up_again(user, running, grid):
    command, _ = user.step_command("sweep", grid=grid, models="none", scheduler=running.address)
    with user.started(command) as sweep:
        run = a_run_of(running, 0)
        os.kill(sweep.pid, signal.SIGKILL)
        sweep.wait(LIMIT_SECONDS)
        until(lambda: not alive(run), what="the run to end")

    complete(user, grid, scheduler=running.address)
