"""What is suggested next starts as the user's own command did, in the same experiment."""

from types import SimpleNamespace

import pytest

from reprise.record.project_run import ProjectRun
from reprise.runtime import door

RUN = "0123456789abcdef0123456789abcdef"
BACKEND, ENVIRONMENT = "mlflow.project.backend", "mlflow.project.env"


@pytest.fixture
def used(store, tmp_path, monkeypatch):
    """Return the door of a process whose run has some tags."""
    monkeypatch.chdir(tmp_path)

    def used(*, ordered=None, is_given=False, experiment_id="0", **tags):
        named = {name.replace("__", "."): value for name, value in tags.items()}
        run = SimpleNamespace(
            info=SimpleNamespace(experiment_id=experiment_id), data=SimpleNamespace(tags=named)
        )
        with door.through(run, ordered=ordered, is_given=is_given):
            return door.used()

    return used


def ordered(**fields):
    return ProjectRun(entry_point="t", raw_parameters={}, source="", backend="local", **fields)


@pytest.mark.parametrize(
    ("how", "start"),
    [
        ({}, "reprise run"),
        ({"ordered": ordered()}, "reprise run"),
        ({"ordered": ordered(environment="uv")}, "reprise run --env-manager uv"),
        ({"is_given": True}, "mlflow run . --env-manager local"),
        ({"is_given": True, "mlflow__project__env": "uv"}, "mlflow run . --env-manager uv"),
        ({"is_given": True, "mlflow__project__env": "conda"}, "mlflow run ."),
        ({"is_given": True, "mlflow__project__backend": "reprise"}, "mlflow run . -b reprise"),
        ({"is_given": True, "reprise__process": "here"}, "reprise run"),
    ],
)
def test_a_command_starts_as_the_users_did(used, how, start):
    command = used(**how).run("evaluate", {"run_id": "x y"})

    assert command == f"{start} -e evaluate -P run_id='x y'"


def test_the_experiment_is_named_if_it_is_not_where_runs_go_by_themselves(store, used):
    found = used(experiment_id=store.experiment_id)

    assert found.run("evaluate") == "reprise run -e evaluate --experiment-name tests"
    assert used(experiment_id="0").run("evaluate") == "reprise run -e evaluate"


def test_a_replay_goes_to_the_experiment_of_the_run(store, used):
    command = used(experiment_id=store.experiment_id).about("reproduce", RUN)

    assert command == "reprise reproduce 01234567 --experiment tests"


def test_a_hostile_tag_is_quoted(used):
    found = used(is_given=True, mlflow__project__env="uv; rm -rf ~\x1b")

    assert found.run("t") == "mlflow run . --env-manager 'uv; rm -rf ~\\x1b' -e t"


def test_a_command_about_runs_is_a_verb_or_an_entry_point(used):
    assert used().about("reproduce", RUN) == "reprise reproduce 01234567"
    assert used(is_given=True).about("compare", RUN, RUN) == (
        "mlflow run . --env-manager local -e compare -P run_id=01234567 -P other=01234567"
    )
