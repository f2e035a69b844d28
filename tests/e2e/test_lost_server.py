"""One of the two MLflow servers is killed during a sweep: nothing is lost, and nothing is twice."""

from collections import Counter
from dataclasses import replace

import pytest
import requests
from driving import answer, until, web_server
from stacks import new_account

GRID = """\
data: iris
params: {max_depth: [1, 2, 3, 4, 5, 6, 7, 8], min_samples_leaf: [1, 2, 3]}
metric: cv_accuracy_mean
"""
POINTS = 24


@pytest.fixture(scope="module")
def team(stack, project):
    account = new_account(stack, "barbara")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.variables.items():
            patch.setenv(name, value)
        user = replace(project.with_variables(account.variables), store=stack.address)
        yield user.within("lost server")


def made(team):
    return team.search("tags.`mlflow.project.entryPoint` = 'train_dt'")


@pytest.fixture(scope="module")
def swept(stack, team, tmp_path_factory):
    """Sweep, and kill a server when some of the runs are made, and some are not."""
    grid = tmp_path_factory.mktemp("grid") / "grid.yaml"
    grid.write_text(GRID)
    words = ["-e", "sweep", "-P", "step=train_dt", "-P", f"grid={grid}", "-P", "models=all"]
    with team.started(["mlflow", "run", ".", "--env-manager", "local", *words]) as process:
        until(lambda: process.poll() is not None or len(made(team)) >= 3, what="the first runs")
        stack.servers[1].kill()
        before = len([run for run in made(team) if run.info.status == "FINISHED"])
        _, said = process.communicate(timeout=300)
    yield process.returncode, said, before
    stack.start_server(1)
    stack.await_server(1)


def test_the_sweep_was_not_over_when_the_server_died(swept):
    _, _, before = swept

    assert before < POINTS


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


def test_an_answer_that_is_lost_makes_no_second_run(project, tracking_server, tmp_path):
    url, _ = tracking_server
    asked = []

    def forward(request, body):
        answered = requests.request(
            request.command,
            url + request.path,
            data=body,
            headers={name: value for name, value in request.headers.items() if name != "Host"},
            timeout=60,
        )
        made = request.path.endswith("/runs/create")
        asked.extend(["create"] if made else [])
        lost = made and len(asked) in {3, 6}  # the server has made it, and dies
        headers = [("Content-Type", answered.headers.get("Content-Type", "text/plain"))]
        answer(
            request, answered.content, status=502 if lost else answered.status_code, headers=headers
        )

    grid = tmp_path / "grid.yaml"
    grid.write_text("data: iris\nparams: {max_depth: [1, 2, 3, 4]}\nmetric: cv_accuracy_mean\n")
    team = replace(project, store=url).within("answers")
    with web_server(forward) as flaky:
        user = team.with_variables({"MLFLOW_TRACKING_URI": flaky})
        done = user.step("sweep", step="train_dt", grid=grid, models="none")

    assert done.exit_code == 0, done.stderr
    assert len(asked) >= 6
    runs = team.search("")
    assert {run.info.status for run in runs} == {"FINISHED"}
    points = Counter(run.data.params["max_depth"] for run in runs if "max_depth" in run.data.params)
    assert points == {"1": 1, "2": 1, "3": 1, "4": 1}


def test_a_run_from_that_sweep_is_reproduced(team, swept):
    last = max(made(team), key=lambda run: run.info.end_time)

    done = team.mlflow_run("-e", "reproduce", "-P", f"run_id={last.info.run_id}")

    assert done.exit_code == 0, done.stderr
    assert team.tags(done.run_id)["reprise.verdict"] == "identical"
