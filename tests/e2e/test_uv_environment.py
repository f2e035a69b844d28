"""`--env-manager uv` builds the environment from the lock, and gives the results of `local`."""

import re

import pytest
from driving import at_once

pytestmark = pytest.mark.drill("MLproject", "conda.yaml", "reprise/projects", "reprise/capture")


@pytest.fixture(scope="module")
def runs(experiment, tmp_path_factory):
    """The same training in a new environment of uv's, and in the one at hand."""
    environments = tmp_path_factory.mktemp("environments")
    variables = {"MLFLOW_ENV_ROOT": str(environments)}
    loaded = experiment.step("load_data")
    words = ["-e", "train_dt", "-P", f"data={loaded.run_id}", "-P", "max_depth=3"]
    uv, local = at_once(
        lambda: experiment.mlflow_run(*words, manager="uv", environment=variables),
        lambda: experiment.step("train_dt", data=loaded.run_id, max_depth=3),
    )
    assert (uv.exit_code, local.exit_code) == (0, 0), uv.stderr + local.stderr
    assert list(environments.rglob("site-packages/mlflow")) != []
    return {"uv": experiment.record(uv.run_id), "local": experiment.record(local.run_id)}


def test_its_results_are_those_of_the_environment_at_hand(runs):
    assert runs["uv"]["outputs"] == runs["local"]["outputs"]


def test_the_record_says_that_uv_made_the_environment_as_locked(runs):
    environment = runs["uv"]["environment"]

    assert environment["manager"] == "uv"
    assert environment["deviations"] == []


def test_both_have_the_same_lock_and_the_same_python(runs):
    for name in ("lock_sha256", "python", "implementation"):
        assert runs["uv"]["environment"][name] == runs["local"]["environment"][name]


def test_both_have_the_locked_packages(project, runs):
    lock = (project.folder / "requirements.txt").read_text()
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", lock, re.MULTILINE))

    assert len(pinned) > 50
    for made_in in ("uv", "local"):
        assert pinned.items() <= runs[made_in]["environment"]["packages"].items()


def test_both_compute_on_the_same_baseline(runs):
    assert runs["uv"]["numerics"] == runs["local"]["numerics"]
