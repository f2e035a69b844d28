"""`mlflow run -e sweep`: each of its runs is an ordinary one, whatever made it."""

import csv
import io
import re
from dataclasses import replace

import pytest
from clusters import certified, cluster
from driving import Variables, refusal
from replaying import build_other_trees
from sweeping import EIGHT, results, trainings, write_grid

drill = pytest.mark.drill("reprise/sweeps", "steps/sweep.py", "tests/e2e/clusters.py")
FOUR = "data: iris\nparams: {max_depth: [1, 2], criterion: [gini, entropy], cv: 3}\n"


@pytest.fixture(scope="module")
def team(served, project, tmp_path_factory):
    """A clean clone whose runs go to the team's server."""
    folder = tmp_path_factory.mktemp("sweeps") / "project"
    project.git("clone", "--quiet", project.git("remote", "get-url", "origin"), str(folder))
    return replace(served, folder=folder)


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    return write_grid(tmp_path_factory.mktemp("grid"), EIGHT)


@pytest.fixture(scope="module")
def local(team):
    return team.within("sweep")


@pytest.fixture(scope="module")
def sweep(local, grid):
    """Eight runs, as `mlflow run` made them on this machine."""
    done = local.in_true_processes().mlflow_run("-e", "sweep", "-P", f"grid={grid}")
    assert done.exit_code == 0, done.stderr
    return done


def parts(project, done):
    """The planned runs of a sweep, and the one that made the best one again for its model."""
    below = [run for run in project.children(done.run_id) if "train_dt" in run.info.run_name]
    planned = [run for run in below if "reprise.replay_of" not in run.data.tags]
    return planned, [run for run in below if run not in planned]


def test_every_point_is_an_ordinary_finished_run(local, sweep):
    planned, _ = parts(local, sweep)
    head = local.git("rev-parse", "HEAD")

    assert len(planned) == 8
    for run in planned:
        tags = run.data.tags
        assert run.info.status == "FINISHED"
        assert tags["mlflow.project.entryPoint"] == "train_dt"
        assert tags["mlflow.source.type"] == "PROJECT"
        assert tags["mlflow.source.git.commit"] == tags["reprise.commit"] == head
        assert run.data.params.keys() >= {"data", "max_depth", "criterion", "cv"}
    record = local.record(planned[0].info.run_id)
    assert record["step"]["entry_point"] == "train_dt"
    assert record["inputs"][0]["name"] == "train"


def test_the_best_run_has_its_model_and_no_other_has(local, sweep):
    planned, (again,) = parts(local, sweep)

    with_model = [
        run for run in planned if local.client.get_run(run.info.run_id).outputs.model_outputs
    ]

    (best,) = with_model
    greatest = max(run.data.metrics["cv_accuracy_mean"] for run in planned)
    assert best.data.metrics["cv_accuracy_mean"] == greatest
    assert again.data.tags["reprise.replay_of"] == best.info.run_id
    assert local.tags(best.info.run_id)["reprise.verdict"] == "identical"


def test_the_best_run_can_be_evaluated(local, sweep):
    (best,) = re.findall(r"evaluate .*-P run_id=([0-9a-f]{8})", sweep.stdout)

    done = local.step("evaluate", run_id=best)

    assert done.exit_code == 0, done.stderr
    assert "test_accuracy" in local.metrics(done.run_id)


def test_the_sweep_leaves_its_table_its_picture_and_its_grid(local, sweep):
    names = local.artifacts(sweep.run_id)
    rows = list(csv.DictReader(io.StringIO(local.artifact(sweep.run_id, "runs.csv").decode())))

    assert {"grid.yaml", "runs.csv", "parameters.png"} <= set(names)
    assert len(rows) == 8
    assert {row["state"] for row in rows} == {"done"}
    metrics = [float(row["cv_accuracy_mean"]) for row in rows]
    assert metrics == sorted(metrics, reverse=True)
    assert local.metrics(sweep.run_id)["best_cv_accuracy_mean"] == metrics[0]


def test_the_terminal_shows_the_leaderboard_where_time_went_and_what_to_run_next(sweep):
    assert re.search(r"^Time: before the first run \d", sweep.stdout, re.MULTILINE)
    assert "8 runs of" in sweep.stdout
    assert "Next:" in sweep.stdout


def test_a_second_start_makes_nothing_again(local, grid, sweep):
    before = {run.info.run_id for run in trainings(local)}

    done = local.step("sweep", grid=grid)

    assert done.exit_code == 0, done.stderr
    assert "8 were made before" in done.stdout
    assert {run.info.run_id for run in trainings(local)} == before


def test_single_runs_give_the_same_results(team, local, sweep):
    loop = team.within("loop")
    (data,) = {run.data.params["data"] for run in parts(local, sweep)[0]}

    ended = [loop.step("train_dt", data=data, max_depth=depth) for depth in (2, 4)]

    assert [done.exit_code for done in ended] == [0, 0], ended
    expected = results(local, parts(local, sweep)[0])
    found = results(loop, trainings(loop))
    assert len(found) == 2
    assert found.items() <= expected.items()


def test_a_run_of_the_sweep_is_made_again_from_its_id_and_gets_its_model(local, sweep):
    without = next(
        run
        for run in parts(local, sweep)[0]
        if not local.client.get_run(run.info.run_id).outputs.model_outputs
    )

    done = local.step("reproduce", run_id=without.info.run_id, materialize="true")

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "Verdict: identical" in done.stdout
    (model,) = local.client.get_run(without.info.run_id).outputs.model_outputs
    assert local.client.get_logged_model(model.model_id).status == "READY"


def test_plain_mlflow_run_at_the_commit_gives_the_same_results(team, local, sweep):
    plain = team.within("plain")
    run = parts(local, sweep)[0][7]
    words = [word for n, v in run.data.params.items() if v for word in ("-P", f"{n}={v}")]
    url = local.git("remote", "get-url", "origin")

    done = plain.mlflow_run(
        "--version", run.data.tags["reprise.commit"], "-e", "train_dt", *words, uri=url
    )

    assert done.exit_code == 0, done.stderr
    expected = results(local, [run])
    assert results(plain, trainings(plain)) == expected


@pytest.fixture(scope="module")
def dirty(team):
    """A sweep of edits that were never committed; what is edited meanwhile reaches no run."""
    folder = team.folder.parent / "edited"
    team.git("clone", "--quiet", team.git("remote", "get-url", "origin"), str(folder))
    edited = replace(team, folder=folder).within("dirty")
    build_other_trees(edited, 'splitter="random"')
    grid = write_grid(folder.parent / "four", FOUR)
    done = edited.step("sweep", grid=grid)
    assert done.exit_code == 0, done.stderr
    return edited, done


@drill
def test_a_dirty_tree_is_carried_once_for_all_its_runs(dirty):
    project, done = dirty

    planned, _ = parts(project, done)

    bundles = {project.record(run.info.run_id)["code"]["bundle"] for run in planned}
    assert bundles == {f"runs:/{done.run_id}/code/snapshot.bundle"}
    assert {run.data.tags["reprise.dirty"] for run in planned} == {"true"}


def test_a_sweep_is_made_again_as_a_whole(dirty):
    project, done = dirty

    replay = project.step("reproduce", run_id=done.run_id, allow_path=project.folder.parent)

    assert replay.exit_code == 0, replay.stdout + replay.stderr
    assert "Verdict: identical" in replay.stdout
    planned, _ = parts(project, done)
    verdicts = {project.tags(run.info.run_id)["reprise.verdict"] for run in planned}
    assert verdicts == {"identical"}


@drill
def test_a_random_search_draws_the_same_points_again(team, tmp_path):
    searching = team.within("random")
    text = "data: iris\nparams: {max_depth: {low: 1, high: 30}, ccp_alpha: {low: 0, high: 0.1}}\n"
    grid = write_grid(tmp_path, text)
    words = {"strategy": "random", "samples": 3, "seed": 5, "models": "all"}

    first = searching.step("sweep", grid=grid, **words)
    second = searching.step("sweep", grid=grid, **words)

    assert (first.exit_code, second.exit_code) == (0, 0), first.stderr + second.stderr
    assert "3 were made before" in second.stdout
    assert all(
        searching.client.get_run(run.info.run_id).outputs.model_outputs
        for run in trainings(searching)
    )


def test_a_point_that_fails_is_named_and_the_others_are_made(team, tmp_path):
    failing = team.within("failing")
    grid = write_grid(tmp_path, "data: iris\nparams: {max_depth: 2, cv: [3, 60, 5]}\n")

    done = failing.step("sweep", grid=grid)

    assert done.exit_code == 1
    assert re.search(r"train_dt .*-P cv=60: .*60", done.stderr)
    assert refusal(done, "sweep").startswith("1 of 3 runs failed")
    assert sorted(run.info.status for run in trainings(failing)) == [
        *("FAILED", "FINISHED", "FINISHED", "FINISHED"),  # the best one again, for its model
    ]


@drill
class TestOnACluster:
    @pytest.fixture(scope="class")
    @staticmethod
    def tls(tmp_path_factory):
        return certified(tmp_path_factory.mktemp("tls"))

    @pytest.fixture(scope="class")
    @staticmethod
    def running(environment, tls, tmp_path_factory):
        variables = Variables({**environment, **tls})
        with cluster(tmp_path_factory.mktemp("cluster"), variables) as started:
            yield started

    @pytest.fixture(scope="class")
    @staticmethod
    def user(team, tls):
        return team.with_variables(tls)

    @pytest.fixture(scope="class")
    @staticmethod
    def there(user):
        return user.within("cluster")

    @pytest.fixture(scope="class")
    @staticmethod
    def swept(there, running, grid):
        """Eight runs, as the cluster made them."""
        done = there.step("sweep", grid=grid, scheduler=running.address)
        assert done.exit_code == 0, done.stdout + done.stderr + running.log()
        return parts(there, done)

    def test_eight_runs_give_the_same_results(self, there, swept, local, sweep):
        planned, (again,) = swept

        assert results(there, planned) == results(local, parts(local, sweep)[0])
        assert there.tags(again.info.run_id)["reprise.verdict"] == "identical"

    def test_a_run_of_it_is_made_again_on_this_machine(self, there, swept):
        planned, (again,) = swept
        best = again.data.tags["reprise.replay_of"]
        run = next(run for run in planned if run.info.run_id != best)

        replay = there.step("reproduce", run_id=run.info.run_id)

        assert replay.exit_code == 0, replay.stdout + replay.stderr
        assert "Verdict: identical" in replay.stdout

    def test_a_single_mlflow_run_goes_there(self, user, running, tmp_path):
        there = user.within("cluster-single")
        config = tmp_path / "cluster.json"
        config.write_text(f'{{"scheduler": "{running.address}"}}')

        done = there.mlflow_run(
            *("-e", "train_dt", "-P", "max_depth=3", "-b", "reprise"),
            *("--backend-config", str(config)),
        )

        assert done.exit_code == 0, done.stdout + done.stderr + running.log()
        (run,) = trainings(there)
        assert run.info.status == "FINISHED"
        assert "reprise.key" in run.data.tags

    def test_a_client_of_another_authority_is_refused(self, team, running, tmp_path, grid):
        stranger = team.with_variables(certified(tmp_path / "other"))

        done = stranger.step("sweep", grid=grid, scheduler=running.address)

        line = refusal(done, "sweep")
        assert "certificates do not match" in line
        assert running.address in line

    def test_a_client_without_certificates_is_refused(self, team, running, grid):
        done = team.step("sweep", grid=grid, scheduler=running.address)

        assert "DASK_DISTRIBUTED__COMM__TLS__CA_FILE" in refusal(done, "sweep")

    def test_a_worker_with_another_package_refuses(self, user, environment, tls, tmp_path):
        other = tmp_path / "packages"
        (other / "scikit_learn-0.1.dist-info").mkdir(parents=True)
        variables = {**environment, **tls, "PYTHONPATH": str(other)}
        there = user.within("cluster-other")
        grid = write_grid(tmp_path, FOUR)

        with cluster(tmp_path / "cluster", Variables(variables), workers=1) as running:
            done = there.step("sweep", grid=grid, scheduler=running.address)

        line = refusal(done, "sweep")
        assert "has another environment" in line
        assert "scikit-learn 0.1" in line
        assert trainings(there) == []

    def test_a_plain_client_is_refused_by_the_scheduler(self, team, running):
        code = (
            "import distributed, sys\n"
            "try:\n"
            f"    distributed.Client({running.address.replace('tls', 'tcp')!r}, timeout=5)\n"
            "except OSError:\n"
            "    sys.exit('refused')\n"
        )

        done = team.execute(["python", "-c", code])

        assert (done.exit_code, done.stderr.strip().splitlines()[-1]) == (1, "refused")
