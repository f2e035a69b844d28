"""At whatever stage a signal comes, a run is closed, with its record and the reason.

The stages are the calls by which a step talks to the server, in their order; each is interrupted
before the server has done it, and after. No stage depends on time: the process signals itself.
"""

import json
import os
import signal
from pathlib import Path

import mlflow
import pytest

from reprise import env, tracking
from reprise.commands import sync
from reprise.errors import DataError
from reprise.process.interrupts import ENDING
from reprise.record.schema import InputData
from reprise.runtime import launch
from reprise.tracking import spool, writes
from steps.parameters import LoadDataParameters

INTERRUPTED = 130
INPUT = InputData(name="source", uri="sklearn:iris", sha256="a" * 64)
# What a step does, in its order: name, function, and which of its calls.
STAGES = {
    "the run is made": (mlflow, "start_run", 1),
    "its first record": (writes.Files, "send", 1),
    "its parameters": (writes.Batch, "send", 1),
    "its input": (writes.Inputs, "send", 1),
    "its record with the input": (writes.Files, "send", 2),
    "an artifact": (writes.Files, "send", 3),
    "its metrics": (writes.Batch, "send", 2),
    "its record": (writes.Files, "send", 4),
    "its end": (writes.End, "send", 1),
}
FAILING = {
    "the metrics of a failure": (writes.Batch, "send", 2),
    "the error of a failure": (writes.Batch, "send", 3),
    "the end of a failure": (writes.End, "send", 1),
}
DOCUMENT = Path(__file__).parents[3] / "docs/reliability.md"
BEFORE, AFTER = "before", "after"
SHOWN = ("the run is made", "an artifact", "its record", "its end")  # of which `make test` kills
DRILL = pytest.mark.drill("reprise/tracking", "reprise/runtime", "reprise/process/interrupts.py")


def matrix():
    """Return the lines of the document that say what is tried."""
    signals = ", ".join(number.name for number in ENDING)
    fates = {"its end": "KILLED; after SIGKILL as it had ended"}
    rows = [f"| {stage} | {signals}, SIGKILL | {fates.get(stage, 'KILLED')} |" for stage in STAGES]
    rows += [f"| {stage} | SIGTERM | FAILED or KILLED |" for stage in FAILING]
    count = 2 * (len(STAGES) * (len(ENDING) + 1) + len(FAILING))
    title = [f"| {count} cases: before and after | signals | the run |", "|---|---|---|"]
    return "\n".join([*title, *rows])


def test_the_document_says_what_is_tried():
    assert f"<!-- signals -->\n{matrix()}\n" in DOCUMENT.read_text(encoding="utf-8"), matrix()


@pytest.fixture
def step(store, monkeypatch, record_of, tmp_path):
    """What a process inherits that is to do a step of recorded code."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REPRISE_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = record_of(LoadDataParameters()).code.model_dump_json()
    monkeypatch.setenv(env.CODE, code)
    monkeypatch.setattr(launch.startup, "ending", lambda: None)  # of this process, and its garbage
    monkeypatch.setattr(launch.startup, "imported", lambda: None)


def load(_, run):
    run.add_input(INPUT, context="source")
    run.log_metrics({"rows": 150})
    run.log_text("note.txt", "computed")


def fail(_, run):
    load(_, run)
    raise DataError("expected rows, found none.")


@pytest.fixture
def signalled(step, monkeypatch):
    """Let this process get a signal before or after one call of a function."""

    def signalled(stage, when, number):
        owner, name, nth = stage
        original, calls = getattr(owner, name), []

        def call(*args, **kwargs):
            calls.append(1)
            is_this = len(calls) == nth
            if is_this and when == BEFORE:
                os.kill(os.getpid(), number)
            result = original(*args, **kwargs)
            if is_this and when == AFTER:
                os.kill(os.getpid(), number)
            return result

        monkeypatch.setattr(owner, name, call)
        return calls

    return signalled


def run_step(main):
    handlers = [signal.getsignal(number) for number in ENDING]
    with pytest.raises(SystemExit) as ended:
        launch.launch(LoadDataParameters, main, ["--source", "iris"])
    assert [signal.getsignal(number) for number in ENDING] == handlers
    return ended.value.code


def record(store, run_id):
    return json.loads((store.artifacts(run_id) / "provenance.json").read_text())


@pytest.mark.parametrize("when", [BEFORE, AFTER])
@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param(name, number, marks=() if index % len(ENDING) == at else DRILL)
        for index, name in enumerate(STAGES)
        for at, number in enumerate(ENDING)
    ],
)
def test_a_step_that_gets_a_signal_closes_its_run_as_killed(store, signalled, name, when, number):
    signalled(STAGES[name], when, number)

    exit_code = run_step(load)

    (run,) = store.runs()
    assert exit_code == INTERRUPTED
    assert run.info.status == "KILLED"
    assert run.data.tags[tracking.ERROR] == "interrupted"
    stages = list(STAGES)
    if stages.index(name) > stages.index("the run is made"):  # before it, nothing is known
        assert record(store, run.info.run_id)["step"]["entry_point"] == "load_data"
    if stages.index(name) > stages.index("its input"):
        assert [i["name"] for i in record(store, run.info.run_id)["inputs"]] == ["source"]
    if stages.index(name) > stages.index("an artifact"):
        assert run.data.metrics == {"rows": 150}
        assert len(store.client.get_metric_history(run.info.run_id, "rows")) == 1
        assert "note.txt" in store.files(run.info.run_id)
    assert spool.kept_runs() == []


@pytest.mark.parametrize("when", [BEFORE, AFTER])
@pytest.mark.parametrize("name", FAILING)
def test_a_signal_does_not_keep_a_failing_step_from_closing_its_run(store, signalled, name, when):
    signalled(FAILING[name], when, signal.SIGTERM)

    exit_code = run_step(fail)

    (run,) = store.runs()
    assert exit_code == INTERRUPTED
    assert run.info.status in ("FAILED", "KILLED")
    assert run.data.tags[tracking.ERROR] in ("interrupted", "expected rows, found none.")
    assert record(store, run.info.run_id)["inputs"]
    assert spool.kept_runs() == []


def test_a_signal_after_the_end_of_a_run_leaves_it_finished(store, signalled):
    signalled((launch, "_tidy", 1), BEFORE, signal.SIGTERM)

    assert run_step(load) == INTERRUPTED
    assert [run.info.status for run in store.runs()] == ["FINISHED"]


@pytest.mark.parametrize(
    ("name", "when"),
    [
        pytest.param(name, when, marks=() if name in SHOWN and when == BEFORE else DRILL)
        for name in STAGES
        for when in (BEFORE, AFTER)
    ],
)
def test_the_run_of_a_step_that_is_killed_is_closed_by_sync_with_all_that_it_had(
    store, signalled, name, when, capsys
):
    pid = os.fork()
    if pid == 0:  # it is killed before it could leave this block
        signalled(STAGES[name], when, signal.SIGKILL)
        run_step(load)
        os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL

    sync.start()

    runs_left = store.runs()
    stages = list(STAGES)
    assert len(runs_left) == ((name, when) != (stages[0], BEFORE))
    for run in runs_left:
        assert run.info.status == ("FINISHED" if name == "its end" else "KILLED")
        if stages.index(name) > stages.index("its first record"):
            assert run.data.params["source"] == "iris"
        if stages.index(name) > stages.index("the run is made"):
            assert record(store, run.info.run_id)["step"]["entry_point"] == "load_data"
        if stages.index(name) > stages.index("its record with the input"):
            assert run.data.metrics == {"rows": 150}
            assert len(store.client.get_metric_history(run.info.run_id, "rows")) == 1
            assert "note.txt" in store.files(run.info.run_id)
    assert spool.kept_runs() == []
    assert run_step(load) == 0
