"""What a run sends is kept before it is sent, arrives once, and leaves nothing behind."""

import os
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    PERMISSION_DENIED,
    TEMPORARILY_UNAVAILABLE,
    UNAUTHENTICATED,
)

from reprise import tracking
from reprise.commands import sync
from reprise.errors import SpoolError, UndeliveredError
from reprise.process import identity
from reprise.tracking import outbox, spool, writes

UNAVAILABLE = MlflowException("503", error_code=TEMPORARILY_UNAVAILABLE)
FOREIGN_BOOT = {tracking.PROCESS: "host another-boot ns 1:1", tracking.SEEN: "99999999999"}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRISE_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("REPRISE_PATIENCE", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")


@pytest.fixture
def run_id(store):
    return store.make_run(status="RUNNING", tags=tracking.holding())


@pytest.fixture
def away(monkeypatch):
    """Let a server refuse all that is sent, until it is called."""
    with monkeypatch.context() as patch:
        for kind in (writes.Batch, writes.Files, writes.End):
            patch.setattr(kind, "send", refuse)
        yield patch.undo


def refuse(*_, **__):
    raise UNAVAILABLE


def fail(code):
    raise MlflowException("no", error_code=code)


def step(run_id, *calls):
    """Do what a step's process does around its work."""
    with tracking.keeping():
        outbox.own(run_id)
        for call in calls:
            call(run_id)


def score(run_id):
    tracking.log(run_id, metrics={"score": 1.0})


def finish(run_id):
    tracking.end(run_id, "FINISHED")


def waiting():
    return [path.name for path in sorted(spool.location().rglob("*.json"))]


def test_what_a_run_sends_is_kept_while_it_is_sent(store, run_id, monkeypatch):
    kept = []
    original = writes.Batch.send

    def send(self, **how):
        kept.append(waiting())
        original(self, **how)

    monkeypatch.setattr(writes.Batch, "send", send)

    step(run_id, score, lambda _: kept.append(waiting()), finish)

    assert kept == [["000000.json"], []]
    assert store.status(run_id) == "FINISHED"
    assert not (spool.location() / run_id).exists()


def test_content_is_shared_until_the_server_fails_and_then_is_its_own(
    store, run_id, away, tmp_path
):
    path = tmp_path / "model.bin"
    path.write_text("as it was")

    with pytest.raises(UndeliveredError):
        step(run_id, lambda run_id: tracking.log_file(run_id, str(path)))
    path.write_text("another")

    (kept,) = spool.location().rglob("model.bin")
    assert kept.read_text() == "as it was"
    assert kept.stat().st_nlink == 1


def test_a_large_file_of_another_disk_is_not_copied_before_it_is_sent(
    store, run_id, monkeypatch, tmp_path
):
    path = tmp_path / "large.bin"
    path.write_text("large")
    monkeypatch.setattr(spool, "is_cheap", lambda _: False)
    kept = []
    original = writes.Files.send
    monkeypatch.setattr(
        writes.Files, "send", lambda self, **how: (kept.extend(waiting()), original(self, **how))
    )

    step(run_id, lambda run_id: tracking.log_file(run_id, str(path)))

    assert kept == []
    assert store.files(run_id) == ["large.bin"]


def test_what_was_interrupted_is_sent_before_what_comes_next(store, run_id, monkeypatch):
    sent = []
    original = writes.Batch.send

    def send(self, **how):
        sent.append(sorted(self.tags))
        if len(sent) == 1:
            raise KeyboardInterrupt
        original(self, **how)

    monkeypatch.setattr(writes.Batch, "send", send)

    with tracking.keeping():
        outbox.own(run_id)
        with pytest.raises(KeyboardInterrupt):
            tracking.log(run_id, tags={"first": "1"})
        tracking.log(run_id, tags={"second": "2"})

    assert sent == [["first"], ["first"], ["second"]]
    assert {"first", "second"} <= store.tags(run_id).keys()
    assert waiting() == []


def test_what_mlflow_refuses_is_not_kept(store, run_id):
    with pytest.raises(MlflowException):
        step(run_id, lambda run_id: tracking.log(run_id, metrics={"a\nb": 1.0}))

    assert waiting() == []


@pytest.mark.parametrize("code", [TEMPORARILY_UNAVAILABLE, UNAUTHENTICATED])
def test_what_goes_to_another_run_is_kept_as_is_its_own(store, run_id, monkeypatch, code):
    other = store.make_run(status="RUNNING")
    monkeypatch.setattr(writes.Batch, "send", lambda *_, **__: fail(code))

    with pytest.raises(UndeliveredError, match=other):
        step(run_id, lambda _: score(other))


def test_what_goes_to_a_run_to_which_one_has_no_access_is_refused(store, run_id, monkeypatch):
    other = store.make_run(status="RUNNING")
    monkeypatch.setattr(writes.Batch, "send", lambda *_, **__: fail(PERMISSION_DENIED))

    with pytest.raises(MlflowException):
        step(run_id, lambda _: score(other))

    assert waiting() == []


def test_a_disk_that_becomes_full_does_not_end_the_work(store, run_id, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "keep", full)

    step(run_id, score)

    assert store.metrics(run_id) == {"score": 1.0}


def test_a_disk_that_becomes_full_while_the_server_is_away_is_one_line(
    store, run_id, away, monkeypatch
):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "keep", full)

    with pytest.raises(SpoolError, match="No space left on device") as refused:
        step(run_id, score)

    assert "\n" not in str(refused.value)


def keep_of(run_id, *, ends):
    """Leave what a process had to say that was killed before the server took it."""
    with pytest.raises(UndeliveredError):
        step(run_id, score, *([finish] if ends else []))


@pytest.mark.parametrize(("ends", "status"), [(True, "FINISHED"), (False, "KILLED")])
def test_sync_delivers_and_ends_a_run_as_it_had_ended_or_as_killed(
    store, away, monkeypatch, capsys, ends, status
):
    dead = tracking.holding() | {tracking.PROCESS: str(identity.current()) + "0"}
    run_id = store.client.create_run(store.experiment_id, tags=dead).info.run_id
    keep_of(run_id, ends=ends)
    away()

    sync.start()

    assert store.status(run_id) == status
    assert store.metrics(run_id) == {"score": 1.0}
    assert run_id in capsys.readouterr().out
    assert spool.kept_runs() == []


@pytest.mark.parametrize("tags", [tracking.holding(), FOREIGN_BOOT], ids=["here", "elsewhere"])
def test_sync_leaves_a_run_open_whose_process_is_alive(store, away, capsys, tags):
    run_id = store.client.create_run(store.experiment_id, tags=tags).info.run_id
    keep_of(run_id, ends=False)
    away()

    sync.start()

    assert store.status(run_id) == "RUNNING"
    assert store.metrics(run_id) == {"score": 1.0}
    assert "its process still runs" in capsys.readouterr().out


def test_sync_does_not_wait_for_a_run_that_another_process_holds(store, run_id, away, capsys):
    keep_of(run_id, ends=True)
    away()

    with spool.locked(run_id):
        sync.start()

    assert store.status(run_id) == "RUNNING"
    assert waiting() == ["000000.json", "000001.json"]


def test_a_relative_address_of_a_store_is_that_of_the_folder(store, monkeypatch, tmp_path):
    import mlflow

    mlflow.set_tracking_uri("sqlite:///runs.db")
    monkeypatch.chdir(tmp_path)

    assert tracking.kept_address() == f"sqlite:///{Path(os.getcwd(), 'runs.db')}"  # noqa: PTH109


def test_whoever_has_started_a_step_does_not_close_a_run_whose_end_is_kept(store, run_id, away):
    keep_of(run_id, ends=True)
    away()

    assert tracking.close(run_id, "FAILED", "exit code 3") is False
    assert store.status(run_id) == "RUNNING"
    sync.start()

    assert store.status(run_id) == "FINISHED"
    assert tracking.ERROR not in store.tags(run_id)


def test_a_sweep_does_not_delete_a_child_run_whose_end_is_kept(store, away):
    parent = store.client.create_run(store.experiment_id).info.run_id
    tags = {tracking.PARENT: parent, **tracking.holding()}
    child = store.client.create_run(store.experiment_id, tags=tags).info.run_id
    keep_of(child, ends=True)
    away()

    tracking.delete_open_children(parent, store.experiment_id)
    sync.start()

    assert {run.info.run_id for run in store.runs()} == {child, parent}
    assert store.status(child) == "FINISHED"
