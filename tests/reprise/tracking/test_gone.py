"""A run whose process is gone is closed by the next command; a live one is never touched."""

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from reprise import tracking
from reprise.commands import sync
from reprise.process import identity, scratch
from reprise.tracking import gone
from steps.parameters import AuditParameters

HERE = identity.current()
GONE = {tracking.PROCESS: str(replace(HERE, started="1")), tracking.SEEN: "1"}
SILENT = {tracking.PROCESS: str(replace(HERE, boot="another")), tracking.SEEN: "1"}
ALIVE = tracking.holding()


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRISE_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def open_run(store):
    return lambda tags: store.make_run(status="RUNNING", tags=tags)


def test_a_run_whose_process_is_gone_is_closed_with_the_reason(store, open_run):
    dead = [open_run(GONE), open_run(SILENT)]

    closed = tracking.close_gone([store.experiment_id])

    assert closed == dead
    for run_id in dead:
        assert store.status(run_id) == "KILLED"
        assert store.tags(run_id)[tracking.ERROR] == "its process is gone"


@pytest.mark.parametrize("tags", [ALIVE, SILENT, {}], ids=["here", "elsewhere", "unnamed"])
def test_a_run_that_may_be_alive_is_left_alone(store, open_run, tags):
    lately = {tracking.SEEN: str(int(time.time()))} if tags else {}
    run_id = open_run({**tags, **lately})

    assert tracking.close_gone() == []
    assert store.status(run_id) == "RUNNING"


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_that_has_ended_keeps_its_status(store, status):
    run_id = store.make_run(status=status, tags=GONE)

    assert tracking.close_gone() == []
    assert store.status(run_id) == status


def test_a_command_asks_only_for_the_runs_of_its_own_machine(store, open_run):
    here, elsewhere = open_run(GONE), open_run(SILENT)

    assert tracking.close_gone([store.experiment_id], is_here=True) == [here]
    assert store.status(elsewhere) == "RUNNING"


def test_the_search_is_bounded(store, open_run, monkeypatch):
    monkeypatch.setattr(gone, "_MOST_RUNS", 2)
    _, *latest = [open_run(GONE) for _ in range(3)]

    assert len(tracking.held_runs()) == len(latest)


def test_sync_closes_dead_runs_of_all_experiments_and_says_so(store, open_run, capsys):
    other = store.client.create_experiment("other")
    dead = [open_run(GONE), store.client.create_run(other, tags=SILENT).info.run_id]
    alive = open_run(ALIVE)

    sync.start()

    printed = capsys.readouterr().out
    for run_id in dead:
        assert store.status(run_id) == "KILLED"
        assert f"run {run_id}: closed as KILLED, its process is gone" in printed
    assert store.status(alive) == "RUNNING"


def test_sync_removes_the_temporary_folders_of_dead_processes(store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(identity, "current", lambda: replace(HERE, started="1"))
        left = tempfile.mkdtemp(prefix=scratch.prefix())

    sync.start()

    assert not Path(left).exists()


def test_an_audit_closes_dead_runs_first(store, open_run, recording, capsys):
    from reprise.commands import audit

    dead = open_run(GONE)

    with recording(AuditParameters()) as run:
        audit.main(AuditParameters(), run)

    assert store.status(dead) == "KILLED"
    assert f"run {dead}: closed as KILLED" in capsys.readouterr().out


@pytest.mark.parametrize("tags", [GONE, SILENT])
def test_a_command_closes_in_silence_what_is_gone_here(store, open_run, tags, capsys):
    run_id = open_run(tags)

    tracking.close_gone_quietly()

    assert store.status(run_id) == ("KILLED" if tags is GONE else "RUNNING")
    assert capsys.readouterr() == ("", "")


def test_the_run_of_a_process_is_closed_once_that_is_killed(store, open_run):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = identity._started(process.pid)
        run_id = open_run({tracking.PROCESS: str(replace(HERE, pid=process.pid, started=started))})
        before = tracking.close_gone()
        process.kill()

    assert (before, tracking.close_gone()) == ([], [run_id])
    assert store.status(run_id) == "KILLED"
