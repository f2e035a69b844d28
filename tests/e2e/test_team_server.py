"""The pipeline, a sweep and replays on the team's server, for a client that cannot reach S3."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from forking import new_warm_process
from isolation import isolated
from stacks import new_account
from sweeping import results, trainings, write_grid

drill = pytest.mark.drill("deploy", "reprise/sweeps", "reprise/tracking")


@pytest.fixture(scope="module")
def cut_off(stack, git_server):
    """What a command starts with to reach the server and the git repository, and nothing else."""
    git_port = int(git_server.rpartition(":")[2])
    with isolated([stack.port, git_port]) as prefix:
        yield prefix


@pytest.fixture(scope="module")
def team(stack, project, cut_off):
    """The project of somebody with an account, in an experiment of their own."""
    account = new_account(stack, "ada")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.variables.items():
            patch.setenv(name, value)
        user = replace(project.with_variables(account.variables), store=stack.address)
        with contextlib.closing(new_warm_process(prefix=cut_off)) as warm:
            yield replace(user.within("team"), prefix=tuple(cut_off), warm=warm)


@pytest.fixture(scope="module")
def trained(team):
    return team.mlflow_run("-e", "train_dt", "-P", "max_depth=3")


def test_the_client_cannot_reach_s3(team, stack):
    reached = team.execute(
        ["python", "-c", f"import socket; socket.create_connection(('127.0.0.1', {stack.s3.port}))"]
    )

    assert "ConnectionRefusedError" in reached.stderr


def test_a_run_finishes(team, trained):
    assert trained.exit_code == 0, trained.stderr
    assert team.status(trained.run_id) == "FINISHED"


def test_a_runs_artifacts_are_in_the_bucket(team, stack, trained):
    found = stack.s3.client("owner").list_objects_v2(Bucket="mlflow", Prefix="artifacts/")
    keys = [entry["Key"] for entry in found["Contents"]]

    assert f"artifacts/{team.experiment_id}/{trained.run_id}/artifacts/provenance.json" in keys


def test_a_run_is_reproduced_bit_for_bit(team, trained):
    done = team.step("reproduce", run_id=trained.run_id)

    assert done.exit_code == 0, done.stderr
    assert team.tags(done.run_id)["reprise.verdict"] == "identical"


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    text = "data: iris\nparams: {max_depth: [5, 6, 7, 8]}\nmetric: cv_accuracy_mean\n"
    return write_grid(tmp_path_factory.mktemp("grid"), text)


@pytest.fixture(scope="module")
def swept(team, trained, grid):
    done = team.step("sweep", step="train_dt", grid=grid, models="all")
    assert done.exit_code == 0, done.stderr
    return team.children(done.run_id)


@drill
def test_a_sweep_makes_all_its_runs(swept):
    assert len(swept) == 4
    assert {run.info.status for run in swept} == {"FINISHED"}


@drill
def test_a_sweep_gives_the_results_that_it_gives_without_a_server(team, project, swept, grid):
    here = project.within("here")

    done = here.step("sweep", grid=grid, models="none")

    assert done.exit_code == 0, done.stderr
    found = results(here, trainings(here))
    assert len(found) == 4
    assert results(team, swept) == found


@drill
def test_main_runs_its_experiment(team):
    done = team.step("main")

    assert done.exit_code == 0, done.stderr
    assert {run.info.status for run in team.children(done.run_id)} == {"FINISHED"}


def test_no_password_is_in_a_log(stack):
    secrets = stack.client()["MLFLOW_TRACKING_PASSWORD"], stack.settings()["PGPASSWORD"]
    logs = [path.read_text(errors="replace") for path in (stack.folder / "log").iterdir()]

    assert len(logs) > 3
    assert not [text for text in logs for secret in secrets if secret in text]


def test_no_secret_is_on_a_command_line(stack):
    secrets = [v for n, v in stack.settings().items() if "PASSWORD" in n or "SECRET" in n]
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # of a process that has ended
            lines.append(path.read_text(errors="replace"))

    assert any("--artifacts-destination" in line for line in lines)
    assert [line for line in lines if any(secret in line for secret in secrets)] == []


def test_the_server_does_not_speak_without_tls(stack):
    answer = requests.get(f"http://localhost:{stack.port}/health", timeout=10)

    assert answer.status_code == 400
    assert "plain HTTP request was sent to HTTPS port" in answer.text


@pytest.mark.parametrize(("flag", "direct"), [(None, False), ("false", False), ("true", True)])
def test_a_client_fetches_from_s3_itself_only_if_it_asks_for_that(
    stack, admin, tmp_path, monkeypatch, flag, direct
):
    if flag is not None:
        monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", flag)
    run_id = admin.create_run("0").info.run_id
    admin.log_text(run_id, "text", "a.txt")
    asked = []
    send = requests.Session.send

    def noting(session, request, **words):
        asked.append(request.url)
        return send(session, request, **words)

    monkeypatch.setattr(requests.Session, "send", noting)

    path = admin.download_artifacts(run_id, "a.txt", str(tmp_path))

    assert Path(path).read_text() == "text"
    assert asked != []
    assert any(url.startswith(stack.s3.endpoint) for url in asked) == direct


def test_the_load_balancer_may_ask_for_health_by_an_address(stack):
    answer = requests.get(
        f"{stack.address}/health",
        headers={"Host": "10.0.0.7"},
        verify=str(stack.tls.authority),
        timeout=60,
    )

    assert (answer.status_code, answer.text) == (200, "OK")
