"""`mlflow run git://… --version <sha>` at old commits: each commit gives its own results, again."""

from dataclasses import replace

import pytest
from driving import at_once
from replaying import build_other_trees, cloned

CHANGES = ['splitter="random"', "min_impurity_decrease=0.05"]
AGES = ["oldest", "middle", "newest"]


@pytest.fixture(scope="module")
def origin(new_origin):
    """A repository of this module's own: what is pushed here reaches no other test."""
    return new_origin("git-uri")


@pytest.fixture(scope="module")
def commits(project, origin, tmp_path_factory):
    """Full ids of three commits on `origin`: the project, and two that build another tree."""
    clone = cloned(project, origin, tmp_path_factory.mktemp("git-uri") / "project")
    shas = [clone.git("rev-parse", "HEAD")]
    for change in CHANGES:
        clone.git("checkout", "--quiet", shas[0], "--", "steps")
        build_other_trees(clone, change)
        clone.git("commit", "--quiet", "--all", "--message", f"Try {change}")
        clone.git("push", "--quiet")
        shas.append(clone.git("rev-parse", "HEAD"))
    return dict(zip(AGES, shas, strict=True))


@pytest.fixture(scope="module")
def team(served, tmp_path_factory):
    """Someone with an empty folder, who logs to the team's server."""
    return replace(served, folder=tmp_path_factory.mktemp("empty")).within("git-uri")


@pytest.fixture(scope="module")
def runs(team, origin, commits, tmp_path_factory):
    """What two runs of each commit ended as: by URI, and by URI or in a clone."""

    def run(age):
        words = ["--version", commits[age], "-e", "train_dt", "-P", "max_depth=5"]
        return team.mlflow_run(*words, uri=origin.url)

    def run_in_clone(age):
        clone = cloned(team, origin, tmp_path_factory.mktemp("again") / "project")
        clone.git("checkout", "--quiet", commits[age])
        return clone.step("train_dt", max_depth=5)

    first = run("oldest")  # has stored the data when the others come
    ended = at_once(
        lambda: (first, run("oldest")),
        *(lambda age=age: (run(age), run_in_clone(age)) for age in AGES[1:]),
    )
    for done in (done for pair in ended for done in pair):
        assert done.exit_code == 0, done.stderr
    return dict(zip(AGES, ended, strict=True))


def outputs(team, done):
    return team.record(done.run_id)["outputs"]


@pytest.mark.parametrize("age", AGES)
def test_a_commit_gives_the_same_results_again(team, runs, age):
    first, again = runs[age]

    assert outputs(team, first) == outputs(team, again)


def test_each_commit_gives_its_own_results(team, runs):
    found = [outputs(team, first) for first, _ in runs.values()]

    assert len({each["model"] for each in found}) == 3
    assert len({each["predictions"]["probabilities"] for each in found}) == 3
    assert len({str(each["metrics"]) for each in found}) == 3


@pytest.mark.parametrize("age", AGES)
def test_the_record_names_the_commit_and_where_it_is_from(team, runs, commits, origin, age):
    for done in runs[age]:
        code = team.record(done.run_id)["code"]
        assert code["commit"] == code["base_commit"] == commits[age]
        assert code["dirty"] is False
        assert code["changed_files"] == []
        assert code["repository"] == origin.url


@pytest.mark.parametrize("age", AGES)
def test_the_tags_name_the_commit(team, runs, commits, age):
    for done in runs[age]:
        tags = team.tags(done.run_id)
        assert tags["mlflow.source.git.commit"] == tags["reprise.commit"] == commits[age]
        assert tags["reprise.dirty"] == "false"


def test_the_data_is_loaded_once_per_commit_and_stored_once_for_all(team, runs):
    loads = team.search("tags.`mlflow.project.entryPoint` = 'load_data'")

    assert len(loads) == 3
    assert len({run.data.tags["reprise.stored_in"] for run in loads}) == 1
    assert all(run.data.tags["reprise.commit"] for run in loads)


def test_the_folder_it_was_started_in_stays_empty(team, runs):
    assert list(team.folder.iterdir()) == []


def test_the_server_has_record_and_model_of_every_run(team, runs):
    for done in (done for pair in runs.values() for done in pair):
        run = team.client.get_run(done.run_id)
        assert run.info.status == "FINISHED"
        assert "provenance.json" in team.artifacts(done.run_id)
        assert run.info.artifact_uri.startswith("mlflow-artifacts:")
        assert len(run.outputs.model_outputs) == 1
