"""A run whose process is stopped or killed never stays RUNNING."""

import os
import signal
from pathlib import Path

import pytest
from driving import LIMIT_SECONDS, children_of, until

drill = pytest.mark.drill("reprise/process", "reprise/runtime", "reprise/sweeps", "steps/main.py")


@pytest.fixture
def slow_experiment(slow, tmp_path):
    path = tmp_path / "slow.yaml"
    path.write_text(f"data: {{source: '{slow.url}'}}\nsteps: [{{step: train_dt}}]\n")
    return path


def asked(slow):
    assert slow.asked.wait(LIMIT_SECONDS)


def loading_process(main_pid):
    """Id of the process in which `main` has its only run of the moment: a fork server's child."""
    (found,) = [grandchild for c in children_of(main_pid) for grandchild in children_of(c)]
    return found


def ended(process):
    stdout, stderr = process.communicate(timeout=LIMIT_SECONDS)
    assert "Traceback" not in stdout + stderr, stderr
    return process.returncode, stderr


def gone(pid):
    """Whether a process has ended, be it that nobody has waited for it yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def test_a_step_that_is_told_to_stop_marks_its_run_killed(experiment, slow):
    command, call = experiment.step_command("train_dt", data=slow.url)

    with experiment.started(command, environment=call) as process:
        asked(slow)
        process.send_signal(signal.SIGTERM)
        exit_code, stderr = ended(process)

    run_id = experiment.run_of(call)
    assert exit_code == 130
    assert stderr.splitlines() == ["train_dt: interrupted"]
    assert experiment.status(run_id) == "KILLED"
    assert experiment.record(run_id)["outputs"] is None


def test_mlflow_run_interrupted_from_the_keyboard_marks_the_run_killed(experiment, slow):
    command = ["mlflow", "run", ".", "--env-manager", "local", "-e", "train_dt"]

    with experiment.started([*command, "-P", f"data={slow.url}"]) as process:
        asked(slow)
        os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does: the whole foreground group
        process.communicate(timeout=LIMIT_SECONDS)

    assert process.returncode != 0
    (run,) = [
        run
        for run in experiment.search("tags.`mlflow.project.entryPoint` = 'train_dt'")
        if slow.url in run.data.params["data"]
    ]
    assert run.info.status in ("KILLED", "FAILED")
    assert experiment.record(run.info.run_id)["outputs"] is None


@drill
def test_main_fails_when_a_run_of_its_is_killed(experiment, slow, slow_experiment):
    command, call = experiment.step_command("main", params=slow_experiment)

    with experiment.started(command, environment=call) as process:
        asked(slow)
        os.kill(loading_process(process.pid), signal.SIGKILL)
        exit_code, stderr = ended(process)

    run_id = experiment.run_of(call)
    (child,) = experiment.children(run_id)
    assert exit_code == 1
    assert [line.partition(":")[0] for line in stderr.splitlines()] == ["main"]
    assert child.info.run_id in stderr
    assert experiment.status(run_id) == "FAILED"
    assert child.info.status == "FAILED"
    assert child.data.tags["reprise.error"]
    assert experiment.record(run_id)["outputs"] is None


def test_main_told_to_stop_stops_its_runs_too(experiment, slow, slow_experiment):
    command, call = experiment.step_command("main", params=slow_experiment)

    with experiment.started(command, environment=call) as process:
        asked(slow)
        loading = loading_process(process.pid)
        process.send_signal(signal.SIGTERM)
        exit_code, stderr = ended(process)
        until(lambda: gone(loading), what="the run's process to end")

    run_id = experiment.run_of(call)
    assert exit_code == 130
    assert stderr.splitlines() == ["main: interrupted"]
    assert experiment.status(run_id) == "KILLED"
    assert [child.info.status for child in experiment.children(run_id)] == ["KILLED"]


@drill
def test_the_runs_of_a_main_that_is_killed_end_with_it(experiment, slow, slow_experiment):
    command, call = experiment.step_command("main", params=slow_experiment)

    with experiment.started(command, environment=call) as process:
        asked(slow)
        server = children_of(process.pid)
        loading = loading_process(process.pid)
        process.kill()
        for pid in [loading, *server]:
            until(lambda pid=pid: gone(pid), what="what main started to end")

    (child,) = experiment.children(experiment.run_of(call))
    assert child.info.status == "KILLED"
