"""A judged model is registered once, as the candidate; no registration moves the champion."""

import mlflow
import pytest
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException

from reprise import tracking
from reprise.commands import sync
from reprise.errors import ModelError, UndeliveredError
from reprise.models import registry
from reprise.models.evaluation import Evaluation
from reprise.tracking import registration, spool
from reprise.tracking import versions as registry_versions


@pytest.fixture
def train(store):
    """Make a run with a logged model, as a training step does, but for its files."""

    def train(digest=None):
        tags = {tracking.MODEL_DIGEST: digest} if digest else None
        run_id = store.make_run(status="RUNNING", tags=tags)
        logged = store.client.create_logged_model(
            store.experiment_id, name="model", source_run_id=run_id
        )
        store.client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        store.client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        store.client.set_terminated(run_id)
        return run_id

    return train


def judged(score, *, metric="accuracy", greater=True, test_digest="t1"):
    """How the model of a run was judged."""
    return Evaluation(
        model="d" * 64,
        metric=metric,
        score=score,
        greater_is_better=greater,
        test_digest=test_digest,
    )


@pytest.fixture
def register(train):
    """Register the model of a new run, and return whether the server has taken it."""

    def register(score, *, run_id=None, evaluated_by="e" * 32, **how):
        evaluation = judged(score, **how)
        trained = run_id or train()
        return registry.register("iris", trained, evaluation, evaluated_by=evaluated_by)

    return register


@pytest.fixture
def aliases(store):
    """Which version has which alias."""

    def aliases():
        return {
            alias: int(version)
            for alias, version in store.client.get_registered_model("iris").aliases.items()
        }

    return aliases


def test_a_version_is_the_candidate_and_no_champion(register, aliases, capsys):
    assert register(0.5) is True

    assert aliases() == {"candidate": 1}
    assert capsys.readouterr().out == "Registered iris version 1 as candidate.\n"


def test_a_better_version_is_a_candidate_only(store, register, aliases):
    register(0.5)
    store.client.set_registered_model_alias("iris", "champion", "1")

    register(0.75)

    assert aliases() == {"candidate": 2, "champion": 1}


def test_a_version_names_its_metric_and_its_run(store, train, register):
    run_id = train()

    register(1 / 3, run_id=run_id)

    version = store.client.get_model_version_by_alias("iris", "candidate")
    assert version.run_id == run_id
    assert version.tags == {
        "reprise.evaluated_by": "e" * 32,
        "reprise.metric": "accuracy",
        "reprise.score": repr(1 / 3),
        "reprise.test_digest": "t1",
    }
    (output,) = store.run(run_id).outputs.model_outputs
    assert output.model_id in version.source


def test_a_run_without_a_model_registers_nothing(store, register):
    run_id = store.make_run()

    with pytest.raises(ModelError, match=f"found run {run_id} without one"):
        register(0.5, run_id=run_id)

    assert store.client.search_model_versions("name='iris'") == []


def test_a_registry_that_does_not_answer_makes_no_champion(monkeypatch):
    class Refusing:
        def get_model_version_by_alias(self, *_):
            raise MlflowException("database is locked")

    monkeypatch.setattr(registry_versions, "client", Refusing)

    with pytest.raises(MlflowException, match="locked"):
        registry_versions.version_at("iris", alias="champion")


def versions(store):
    return sorted(int(each.version) for each in store.client.search_model_versions("name='iris'"))


@pytest.mark.parametrize("digest", ["d" * 64, None], ids=["by its digest", "by its run"])
def test_content_that_is_registered_already_makes_no_second_version(
    store, train, register, aliases, digest
):
    run_id = train(digest)
    again = train(digest) if digest else run_id  # another run may train the same model
    register(0.5, run_id=run_id)

    assert register(0.5, run_id=again) is True

    assert versions(store) == [1]
    assert aliases() == {"candidate": 1}


def test_content_that_is_no_champion_is_judged_as_it_is_now(store, train, register):
    stump = train("d" * 64)
    register(0.5)
    register(0.25, run_id=stump)

    assert register(0.75, run_id=stump, evaluated_by="f" * 32) is True

    assert versions(store) == [1, 2]
    tags = store.client.get_model_version("iris", "2").tags
    assert (tags["reprise.score"], tags["reprise.evaluated_by"]) == ("0.75", "f" * 32)


def test_the_champion_stays_as_it_was_judged(store, train, register):
    run_id = train("d" * 64)
    register(0.5, run_id=run_id)
    store.client.set_registered_model_alias("iris", "champion", "1")

    register(0.25, run_id=run_id, test_digest="t2", evaluated_by="f" * 32)

    tags = store.client.get_model_version("iris", "1").tags
    assert (tags["reprise.score"], tags["reprise.evaluated_by"]) == ("0.5", "e" * 32)


def test_the_same_content_under_another_name_is_another_version(store, train):
    run_id = train("d" * 64)

    for name in ("iris", "flowers"):
        registry.register(name, run_id, judged(0.5), evaluated_by="e" * 32)

    assert versions(store) == [1]
    assert len(store.client.search_model_versions("name='flowers'")) == 1


def test_a_version_that_two_processes_make_at_once_is_one(store, train, register, monkeypatch):
    first, second = train("d" * 64), train("d" * 64)
    register(0.5, run_id=first)
    monkeypatch.setattr(registration.Registration, "_found", lambda _: None)  # not yet

    register(0.5, run_id=second)

    assert versions(store) == [1]


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "refused"])
def test_a_registration_that_the_server_does_not_take_is_delivered_once(
    store, train, register, aliases, monkeypatch, tmp_path, is_lost
):
    monkeypatch.setenv("REPRISE_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("REPRISE_PATIENCE", "0")
    run_id = train("d" * 64)
    original = mlflow.MlflowClient.create_model_version

    def create(*args, **kwargs):
        if is_lost:
            original(*args, **kwargs)
        raise MlflowException("503", error_code=14)  # TEMPORARILY_UNAVAILABLE

    def step():
        with tracking.keeping():
            assert register(0.5, run_id=run_id) is False

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "create_model_version", create)
        with pytest.raises(UndeliveredError):
            step()

    sync.start()

    assert versions(store) == [1]
    assert aliases() == {"candidate": 1}
    assert spool.kept_runs() == []


def test_an_answer_that_is_lost_once_makes_no_second_version(
    store, train, register, aliases, monkeypatch, tmp_path
):
    monkeypatch.setenv("REPRISE_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setattr("reprise.tracking.outbox.time.sleep", lambda _: None)
    run_id = train("d" * 64)
    original, asked = mlflow.MlflowClient.create_model_version, []

    def create(*args, **kwargs):
        made = original(*args, **kwargs)
        asked.append(made)
        if len(asked) == 1:
            raise MlflowException("503", error_code=14)
        return made

    monkeypatch.setattr(mlflow.MlflowClient, "create_model_version", create)

    with tracking.keeping():
        assert register(0.5, run_id=run_id) is True

    assert len(asked) == 1
    assert versions(store) == [1]
    assert aliases() == {"candidate": 1}
