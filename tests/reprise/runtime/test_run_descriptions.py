"""A run describes itself, with its error where it failed; what its user has written stays."""

import mlflow
import pytest

from reprise import tracking
from reprise.errors import DataError
from reprise.record.description import is_replaceable
from reprise.record.verdict import Judgement, Verdict
from reprise.replay import original_run, verdicts
from reprise.replay.verdicts import Replay
from steps.parameters import TrainDummyParameters

MINE = "My best run."


def note(store, run_id):
    return store.tags(run_id).get(tracking.NOTE, "")


def finished(recording, **metrics):
    with recording(TrainDummyParameters()) as run:
        run.name_data("churn.csv")
        run.log_metrics(metrics)
    return run.run_id


def test_it_has_its_data_its_metrics_and_the_command_that_reproduces_it(store, recording):
    run_id = finished(recording, accuracy=0.25)

    text = note(store, run_id)

    assert "on **churn.csv**" in text
    assert "| accuracy | `0.25` |" in text
    assert f"reprise reproduce {run_id}" in text
    assert store.tags(run_id)[tracking.DATA_NAME] == "churn.csv"


def test_a_failed_run_has_its_error(store, recording):
    with pytest.raises(DataError), recording(TrainDummyParameters()) as run:
        raise DataError("expected 3 columns, found 2. Restore them.")

    assert "expected 3 columns, found 2. Restore them." in note(store, run.run_id)


def test_what_its_user_has_written_meanwhile_is_kept(store, recording):
    with recording(TrainDummyParameters()) as run:
        mlflow.set_tag(tracking.NOTE, MINE)

    assert note(store, run.run_id) == MINE


def test_what_its_step_describes_it_with_is_kept(store, recording):
    with recording(TrainDummyParameters()) as run:
        run.set_tags({tracking.NOTE: MINE})

    assert note(store, run.run_id) == MINE


def test_one_of_many_asks_the_server_nothing_for_it(store, recording, monkeypatch):
    with recording(TrainDummyParameters()) as run:
        run.is_one_of_many = True
        monkeypatch.delattr(tracking.notes, "get_run")

    assert is_replaceable(note(store, run.run_id))
    assert note(store, run.run_id)


def test_a_run_that_its_process_did_not_end_is_described_by_the_reason(store):
    run_id = store.make_run(status="RUNNING", tags={tracking.ENTRY_POINT: "fit"})

    tracking.close(run_id, "FAILED", "its process was ended by signal 9")

    assert "its process was ended by signal 9" in note(store, run_id)


@pytest.fixture
def judged(store, recording):
    """A run, its replay, and a verdict on them that is to be recorded."""
    old, new = (original_run.read(finished(recording, accuracy=0.25)) for _ in range(2))
    judgement = Judgement(verdict=Verdict.IDENTICAL, compared=1, basis="1 metric")
    return Replay(old.name, old.run_id, new.run_id, judgement, original=old, made=new)


def test_a_verdict_is_added_to_both_runs(store, judged):
    verdicts.record_verdict(judged)

    for run_id in (judged.run_id, judged.new_run_id):
        assert "**Verdict: identical** (1 of 1 equal)" in note(store, run_id)
        assert "on **churn.csv**" in note(store, run_id)


def test_a_verdict_overwrites_nothing_of_a_persons(store, judged):
    edited = note(store, judged.run_id) + "\nKeep this one."
    store.client.set_tag(judged.run_id, tracking.NOTE, edited)

    verdicts.record_verdict(judged)

    assert note(store, judged.run_id) == edited
    assert store.tags(judged.run_id)[tracking.VERDICT] == "identical"


def test_a_verdict_is_added_to_a_run_without_a_description(store, judged):
    store.client.delete_tag(judged.run_id, tracking.NOTE)

    verdicts.record_verdict(judged)

    assert note(store, judged.run_id).startswith(r"**train\_dummy** on **churn.csv**")
