"""A new version is the candidate, and the champion only where it beats the champion fairly."""

import mlflow
import pytest
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException

from reprise import tracking
from reprise.commands import sync
from reprise.errors import ModelError, UndeliveredError
from reprise.models import registry
from reprise.tracking import registration, spool


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


@pytest.fixture
def register(train):
    """Register the model of a new run, and return whether it is the champion now."""

    def register(score, *, metric="accuracy", greater=True, test_digest="t1", run_id=None):
        return registry.register(
            "iris",
            run_id or train(),
            score=score,
            metric=metric,
            greater_is_better=greater,
            test_digest=test_digest,
        )

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


def test_the_first_version_is_candidate_and_champion(register, aliases, capsys):
    assert register(0.5) is True

    assert aliases() == {"candidate": 1, "champion": 1}
    assert capsys.readouterr().out == (
        "Registered iris version 1 as candidate; it is the first champion.\n"
    )


def test_a_better_version_takes_over(register, aliases, capsys):
    register(0.5)

    assert register(0.75) is True

    assert aliases() == {"candidate": 2, "champion": 2}
    assert "champion now: accuracy 0.75 against 0.5 of version 1" in capsys.readouterr().out


@pytest.mark.parametrize("score", [0.5, 0.25])
def test_an_equal_or_worse_version_stays_the_candidate(register, aliases, score):
    register(0.5)

    assert register(score) is False

    assert aliases() == {"candidate": 2, "champion": 1}


def test_a_version_is_compared_with_the_champion_and_not_with_the_latest_version(register, aliases):
    register(0.8)
    register(0.2)

    assert register(0.5) is False

    assert aliases() == {"candidate": 3, "champion": 1}


def test_a_score_of_the_last_bit_more_is_better(register, aliases):
    register(0.1 + 0.2)

    assert register(0.3) is False
    assert register(0.30000000000000010) is True

    assert aliases() == {"candidate": 3, "champion": 3}


@pytest.mark.parametrize(("second", "wins"), [(0.4, True), (0.5, False), (0.6, False)])
def test_less_is_better_for_log_loss(register, aliases, second, wins):
    register(0.5, metric="log_loss", greater=False)

    assert register(second, metric="log_loss", greater=False) is wins

    assert aliases()["champion"] == (2 if wins else 1)


def test_figures_from_other_test_data_are_not_compared(register, aliases, capsys):
    register(0.5)

    assert register(0.99, test_digest="t2") is False

    assert aliases() == {"candidate": 2, "champion": 1}
    assert "version 1 stays champion: it was tested on other data" in capsys.readouterr().out


def test_figures_of_another_metric_are_not_compared(register, aliases, capsys):
    register(0.5)

    assert register(0.99, metric="mcc") is False

    assert aliases() == {"candidate": 2, "champion": 1}
    assert "version 1 stays champion: it was judged by accuracy" in capsys.readouterr().out


def test_a_version_names_its_metric_and_its_run(store, train, register):
    run_id = train()

    register(1 / 3, run_id=run_id)

    version = store.client.get_model_version_by_alias("iris", "champion")
    assert version.run_id == run_id
    assert version.tags == {
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

    monkeypatch.setattr(registration, "client", Refusing)

    with pytest.raises(MlflowException, match="locked"):
        registration.champion("iris")


def versions(store):
    return sorted(int(each.version) for each in store.client.search_model_versions("name='iris'"))


@pytest.mark.parametrize("digest", ["d" * 64, None], ids=["by its digest", "by its run"])
def test_content_that_is_registered_already_makes_no_second_version(
    store, train, register, aliases, capsys, digest
):
    run_id = train(digest)
    again = train(digest) if digest else run_id  # another run may train the same model
    register(0.5, run_id=run_id)

    assert register(0.5, run_id=again) is True

    assert versions(store) == [1]
    assert aliases() == {"candidate": 1, "champion": 1}
    assert "Registered iris version 1 as candidate; it is champion already" in (
        capsys.readouterr().out
    )


def test_content_that_is_no_champion_is_compared_as_it_is_judged_now(store, train, register):
    stump = train("d" * 64)
    register(0.5)
    register(0.25, run_id=stump)

    assert register(0.75, run_id=stump) is True

    assert versions(store) == [1, 2]
    assert store.client.get_model_version("iris", "2").tags["reprise.score"] == "0.75"


def test_the_same_content_under_another_name_is_another_version(store, train):
    run_id = train("d" * 64)
    judged = {"score": 0.5, "metric": "accuracy", "greater_is_better": True, "test_digest": "t1"}

    for name in ("iris", "flowers"):
        registry.register(name, run_id, **judged)

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
    assert aliases() == {"candidate": 1, "champion": 1}
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
    assert aliases() == {"candidate": 1, "champion": 1}
