"""With REPRISE_CAPTURE=1 the first run of a process that does not know of it is recorded."""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
import reprise_context
from asking import AskingParameters
from repositories import commit_all, git, make_repository

from reprise import tracking
from reprise.capture.watch import Made, Seen
from reprise.record.verdict import Verdict
from reprise.replay import original_run
from reprise.replay.prepare import Request
from reprise.replay.replay import reproduce
from reprise.scripts.capture_record import CaptureRecord

pytestmark = [pytest.mark.usefixtures("plain_git"), pytest.mark.slow]

MLPROJECT = """\
name: foreign
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
    command: "python train.py {alpha}"
"""
TRAIN = """\
import sys, mlflow
mlflow.log_metric("alpha", float(sys.argv[1]))
mlflow.log_metric("bytes", len(open("data/table.csv").read()))
mlflow.end_run()
with mlflow.start_run(run_name="second"):
    mlflow.log_metric("other", 1)
"""


@pytest.fixture
def project(store, tmp_path, monkeypatch):
    """A foreign project in a sub-folder of a repository, with data that git ignores."""
    folder = make_repository(tmp_path / "team") / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "MLproject").write_text(MLPROJECT)
    (folder / "train.py").write_text(TRAIN)
    (folder / ".gitignore").write_text("data/\nmlruns/\n")
    (folder / "data" / "table.csv").write_text("a,b\n1,2\n")
    commit_all(folder.parent)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", "{}")  # which a capture sets for all that follows
    return folder


def given(**params):
    """A run that `mlflow run` has made for an entry point, and that its process has logged to."""
    with mlflow.start_run(tags={tracking.ENTRY_POINT: "main"}) as run:
        mlflow.log_params(params)
        mlflow.log_metric("score", 0.5)
    return run.info.run_id


def begun(run_id, folder):
    return CaptureRecord.of(run_id, folder, is_given=True, since_ns=time.time_ns())


class TestWhatMlflowLoads:
    def test_does_nothing_if_nobody_asks(self, monkeypatch):
        monkeypatch.delenv("REPRISE_CAPTURE", raising=False)

        context = reprise_context.Context()

        assert not context.in_context()
        assert context.tags() == {}

    def test_imports_the_engine_only_if_somebody_asks(self):
        tree = ast.parse(Path(reprise_context.__spec__.origin).read_text())

        imported = [
            name
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
        ]
        assert not any(name and name.partition(".")[0] == "reprise" for name in imported)


def test_the_run_of_an_entry_point_is_recorded_with_its_gaps(project):
    run_id = given(alpha="0.5", mine="1")

    begun(run_id, project).complete(Seen(pythons=((sys.executable, "3.11"),)))

    record = tracking.read_record(run_id)
    assert (record.step.entry_point, record.step.raw_parameters) == ("main", {"alpha": "0.5"})
    assert (record.code.project, record.code.dirty) == ("model", False)
    assert record.outputs.metrics == {"score": 0.5}
    assert record.outputs.parameters == {"mine": "1"}
    assert record.observed.exit_code == 0
    assert {
        "what the process did before it imported MLflow",
        "the code before the process ended: it was looked at then",
    } <= {*record.observed.not_known}


def test_the_other_runs_of_the_process_are_on_its_record(project):
    run_id = given()
    with mlflow.start_run(run_name="second") as second:
        mlflow.log_metric("other", 1.0)

    begun(run_id, project).complete(Seen(runs=(Made(run_id, ""), Made(second.info.run_id, ""))))

    (other,) = tracking.read_record(run_id).observed.runs
    assert (other.name, other.outputs.metrics) == ("second", {"other": 1.0})


def test_a_run_that_failed_has_no_outputs(project):
    with pytest.raises(ZeroDivisionError), mlflow.start_run() as run:
        raise ZeroDivisionError

    begun(run.info.run_id, project).complete(Seen())

    record = tracking.read_record(run.info.run_id)
    assert (record.observed.exit_code, record.outputs) == (1, None)


@pytest.mark.parametrize(("entry_point", "exit_code"), [("main", 1), ("", 0)])
def test_an_error_ends_a_script_and_not_a_session(project, monkeypatch, entry_point, exit_code):
    with mlflow.start_run(tags={tracking.ENTRY_POINT: entry_point}) as run:
        pass
    record = begun(run.info.run_id, project)
    monkeypatch.setattr(sys, "last_value", ValueError(), raising=False)

    record.complete(Seen())

    assert tracking.read_record(run.info.run_id).observed.exit_code == exit_code


def test_a_run_that_records_itself_keeps_its_record(project, recording):
    with recording(AskingParameters()) as parent:
        run_id = parent.run_id

    assert begun(run_id, project) is None


def test_code_that_must_not_travel_is_not_recorded_and_that_is_said(project, capsys, store):
    (project / "id_rsa").write_text("secret")
    run_id = given()

    assert begun(run_id, project) is None
    assert "is not recorded: " in capsys.readouterr().err
    assert store.status(run_id) == "FINISHED"


@pytest.mark.drill("plugin", "reprise/scripts", "reprise/observing", "reprise/capture")
@pytest.mark.parametrize(
    "command",
    [[sys.executable, "train.py", "0.5"], ["mlflow", "run", ".", "--env-manager", "local"]],
    ids=["script", "mlflow run"],
)
def test_a_script_and_a_stock_mlflow_run_are_recorded_and_reproduced_from_another_clone(
    project, store, recording, tmp_path, monkeypatch, command
):
    environment = {**os.environ, "REPRISE_CAPTURE": "1"}
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    first = store.runs()[-1].info.run_id
    git(tmp_path, "clone", "--quiet", str(project.parent), "other")
    there = tmp_path / "other" / "model"
    (there / "data").mkdir()
    (there / "data" / "table.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(there)

    original = original_run.read(first)
    with recording(AskingParameters()) as parent:
        replay = reproduce(parent, original, Request())

    assert [item.uri for item in original.record.inputs] == ["data/table.csv"]
    assert [run.name for run in original.record.observed.runs] == ["second"]
    assert replay.verdict is Verdict.IDENTICAL, replay.judgement
