"""One of the two MLflow servers is killed during a sweep: nothing is lost, and nothing is twice."""

from collections import Counter
from dataclasses import replace

import pytest
from driving import until
from stacks import new_account
from sweeping import gate_of

pytestmark = pytest.mark.drill(
    "deploy/server", "deploy/dev", "reprise/sweeps", "reprise/tracking", "tests/e2e/stacks.py"
)

GRID = """\
data: iris
params: {max_depth: [1, 2, 3, 4], min_samples_leaf: [1, 2]}
metric: cv_accuracy_mean
"""
POINTS = 8


@pytest.fixture(scope="module")
def held(stack, project, new_origin, tmp_path_factory):
    account = new_account(stack, "barbara")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.variables.items():
            patch.setenv(name, value)
        user = replace(project.with_variables(account.variables), store=stack.address)
        folder = tmp_path_factory.mktemp("lost") / "project"
        with gate_of(user.within("lost server"), new_origin("lost-server"), folder) as held:
            yield held


@pytest.fixture(scope="module")
def team(held):
    team, _ = held
    return team


def made(team):
    return team.search("tags.`mlflow.project.entryPoint` = 'train_dt'")


def finished(team):
    return [run for run in made(team) if run.info.status == "FINISHED"]


@pytest.fixture(scope="module")
def swept(stack, held, tmp_path_factory):
    """Sweep, and kill a server when some of the runs are made, and some are not."""
    team, gate = held
    grid = tmp_path_factory.mktemp("grid") / "grid.yaml"
    grid.write_text(GRID)
    command, call = team.step_command("sweep", step="train_dt", grid=grid, models="all")
    with team.started(command, environment=call) as process:
        gate.let_through(3)
        until(lambda: process.poll() is not None or len(finished(team)) == 3, what="the first runs")
        stack.servers[1].kill()
        before = len(finished(team))
        gate.open()
        _, said = process.communicate(timeout=300)
    yield process.returncode, said, before
    stack.start_server(1)
    stack.await_server(1)


def test_the_sweep_was_not_over_when_the_server_died(swept):
    _, _, before = swept

    assert before == 3


def test_the_server_was_in_use_when_it_died(stack, swept):
    log = (stack.folder / "log/mlflow-1.log").read_text()

    assert "/api/2.0/mlflow/runs/" in log


def test_the_sweep_ends_well(swept):
    code, said, _ = swept

    assert code == 0, said


def test_every_point_has_one_run(team, swept):
    points = Counter(
        (run.data.params["max_depth"], run.data.params["min_samples_leaf"]) for run in made(team)
    )

    assert len(points) == POINTS
    assert set(points.values()) == {1}


def test_every_run_is_complete(team, swept):
    for run in made(team):
        assert run.info.status == "FINISHED"
        assert "cv_accuracy_mean" in run.data.metrics
        assert len(run.outputs.model_outputs) == 1
        assert "provenance.json" in team.artifacts(run.info.run_id)


def test_a_run_from_that_sweep_is_reproduced(team, swept):
    last = max(made(team), key=lambda run: run.info.end_time)

    done = team.step("reproduce", run_id=last.info.run_id)

    assert done.exit_code == 0, done.stderr
    assert team.tags(done.run_id)["reprise.verdict"] == "identical"
