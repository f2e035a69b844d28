"""An engine that knows docs/protocol.md only, version 1, is told by a replay all that it needs."""

import json

import pytest
from asking import AskingParameters
from repositories import commit_all, git, make_repository, publish

from reprise import tracking
from reprise.capture import code, environment
from reprise.record.schema import Step
from reprise.record.verdict import Verdict
from reprise.replay import original_run
from reprise.replay.prepare import Request
from reprise.replay.replay import reproduce

pytestmark = pytest.mark.usefixtures("plain_git", "warm_processes")

MLPROJECT = """\
name: old
entry_points:
  step:
    parameters: {size: {type: float, default: 1}}
    command: "python -m old.step --size {size}"
"""
# It does what the page says of each variable, and nothing of the current engine is imported.
ENGINE = """\
import json, os, sys
from pathlib import Path
import mlflow

assert os.environ.get("REPRISE_PROTOCOL", "1") == "1"
GIVEN = os.environ.pop("MLFLOW_RUN_ID")
CODE = json.loads(os.environ["REPRISE_CODE"])
READABLE = json.loads(os.environ["REPRISE_PERMISSIONS"])


def read(name):
    file = Path(name)
    return (file if file.exists() else Path(os.environ["REPRISE_DATA_FOLDER"], name)).read_text()


def record(size):
    mlflow.log_metric("rows", size * len(read("ignored.csv").splitlines()))
    got = {n: v for n, v in os.environ.items() if n.startswith("REPRISE_") and n != "REPRISE_SPOOL"}
    mlflow.log_dict({"got": got, "code": CODE, "readable": READABLE}, "got.json")
"""
STEP = """\
import sys
import mlflow
from old import engine

with mlflow.start_run(run_id=engine.GIVEN):
    engine.record(float(sys.argv[2]))
"""
SCRIPT = """\
import os, sys
import mlflow
from old import engine

for number in (1, 2, 3):
    if number == int(os.environ["REPRISE_RUN_NUMBER"]):
        run = mlflow.start_run(run_id=engine.GIVEN)
    else:
        run = mlflow.start_run(tags={"mlflow.parentRunId": os.environ["REPRISE_BELOW"]})
    with run:
        engine.record(number * float(sys.argv[1]))
"""
ALWAYS = {"REPRISE_PROTOCOL", "REPRISE_CODE", "REPRISE_DATA_FOLDER", "REPRISE_PERMISSIONS"}


@pytest.fixture
def project(store, tmp_path, monkeypatch):
    """A clone whose commit has an old engine, and whose data git ignores."""
    folder = make_repository(tmp_path / "project")
    (folder / "old").mkdir()
    texts = {"__init__.py": "", "engine.py": ENGINE, "step.py": STEP, "script.py": SCRIPT}
    for name, text in texts.items():
        (folder / "old" / name).write_text(text)
    (folder / "MLproject").write_text(MLPROJECT)
    (folder / ".gitignore").write_text("ignored.csv\n")
    (folder / "ignored.csv").write_text("a\nb\nc\n")
    commit_all(folder)
    publish(folder, tmp_path / "origin.git")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def replayed(store, project, recording):
    """Reproduce a run of the old engine; return its parent, the two runs, and what it got."""

    def replayed(step, rows):
        recorded = {
            "code": code.describe(project),
            "step": step,
            "environment": environment.describe(project),
        }
        with recording(AskingParameters(), **recorded) as original:
            original.log_metrics({"rows": rows})
        with recording(AskingParameters()) as parent:
            replay = reproduce(parent, original_run.read(original.run_id), Request())
        assert replay.verdict is Verdict.IDENTICAL, replay.judgement
        got = json.loads((store.artifacts(replay.new_run_id) / "got.json").read_text())
        return parent, original, replay, got

    return replayed


def test_a_step_is_told_its_run_its_code_its_data_and_what_it_may_read(project, replayed):
    step = Step(entry_point="step", raw_parameters={"size": "4"}, parameters={"size": 4})

    _, original, _, got = replayed(step, rows=12.0)

    assert got["got"].keys() == ALWAYS
    assert got["got"]["REPRISE_PROTOCOL"] == "1"
    assert got["got"]["REPRISE_DATA_FOLDER"] == str(project)
    assert got["code"] == original.record.code.model_dump(mode="json")
    assert got["code"]["commit"] == git(project, "rev-parse", "HEAD")
    assert got["readable"]["project"] == str(project)
    assert got["readable"]["code"] != str(project)
    assert got["readable"]["allowed"] == []


def test_a_script_is_told_which_of_its_runs_is_the_replay_and_the_parent_of_the_others(
    store, replayed
):
    step = Step(
        entry_point="old/script.py",
        raw_parameters={},
        parameters={},
        command=("-m", "old.script", "2"),
        number=2,
    )

    parent, _, replay, got = replayed(step, rows=12.0)

    assert got["got"].keys() == ALWAYS | {"REPRISE_RUN_NUMBER", "REPRISE_BELOW"}
    assert got["got"]["REPRISE_RUN_NUMBER"] == "2"
    assert got["got"]["REPRISE_BELOW"] == parent.run_id
    others = [
        run
        for run in store.runs()
        if run.data.tags.get(tracking.PARENT) == parent.run_id
        and run.info.run_id != replay.new_run_id
    ]
    assert sorted(run.data.metrics["rows"] for run in others) == [6.0, 18.0]
