"""A new version is the candidate, and the champion only where it beats the champion fairly."""

import pytest
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException

from reprise.errors import ModelError
from reprise.models import registry


@pytest.fixture
def train(store):
    """Make a run with a logged model, as a training step does, but for its files."""

    def train():
        run_id = store.make_run(status="RUNNING")
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

    monkeypatch.setattr(registry.tracking, "client", Refusing)

    with pytest.raises(MlflowException, match="locked"):
        registry._champion("iris")
