"""A project that knows nothing of the engine is recorded from outside, and reproduced elsewhere."""

import json
from contextlib import nullcontext

import pytest
from asking import AskingParameters
from repositories import commit_all, git, make_repository

from reprise import tracking
from reprise.commands import run as run_module
from reprise.commands.run import How, ordered, run
from reprise.errors import CodeError, RunFailedError
from reprise.record.verdict import Verdict
from reprise.replay import original_run
from reprise.replay.prepare import Request
from reprise.replay.replay import reproduce

pytestmark = pytest.mark.usefixtures("plain_git", "warm_processes")

MLPROJECT = """\
name: foreign
entry_points:
  train:
    parameters:
      mode: {type: str, default: one run}
      alpha: {type: float, default: 0.5}
    command: "python -m train --mode {mode} --alpha {alpha}"
"""
TRAIN = """\
import os
import sys
import time
from pathlib import Path

import mlflow

mode, alpha = sys.argv[2], float(sys.argv[4])
if mode == "runs of its own":
    mlflow.set_experiment("own")
if mode == "in the experiment of the team":
    mlflow.set_experiment("team")
with mlflow.start_run() as run:
    for step in range(3):
        mlflow.log_metric("loss", alpha / (step + 1), step=step)
    mlflow.log_param("doubled", 2 * alpha)
    report = {"alpha": alpha, "run": run.info.run_id, "folder": os.getcwd()}
    mlflow.log_dict(report, "report.json")
    if mode == "reads what git ignores":
        mlflow.log_metric("bytes", len(Path("data/table.csv").read_text()))
    if mode == "logs a dataset and registers a model":
        import numpy
        for context, rows in (("training", 8), ("test", 4), ("test", 6)):
            data = mlflow.data.from_numpy(numpy.arange(rows * alpha), name="rows")
            mlflow.log_input(data, context=context)
        class Model(mlflow.pyfunc.PythonModel):
            def predict(self, model_input): return model_input
        logged = mlflow.pyfunc.log_model(name="mine", python_model=Model(), pip_requirements=[])
        for _ in range(2):
            mlflow.register_model(logged.model_uri, "ours")
    if mode == "reads the clock":
        mlflow.log_metric("now", time.time())
    if mode == "fails":
        sys.exit(3)
    if mode == "is killed":
        os.kill(os.getpid(), 9)
    if mode == "records itself":
        mlflow.log_text('{"mine": true}', "provenance.json")
    if mode == "writes into its folder":
        Path("model.txt").write_text("made")
        mlflow.log_metric("size", len(Path("model.txt").read_text()))
    if mode == "child runs":
        for depth in (1, 2):
            with mlflow.start_run(nested=True):
                mlflow.log_param("depth", depth)
                mlflow.log_metric("score", alpha * depth)
if mode == "runs of its own":
    with mlflow.start_run(run_name="second"):
        mlflow.log_metric("other", alpha)
"""


@pytest.fixture
def project(store, tmp_path, monkeypatch):
    """A foreign project in a sub-folder of a repository, with an edit and a file of data."""
    root = make_repository(tmp_path / "team")
    folder = root / "model"
    folder.mkdir()
    (folder / "MLProject").write_text(MLPROJECT)
    (folder / "train.py").write_text(TRAIN.replace("alpha / (step", "alpha / 2 / (step"))
    (root / ".gitignore").write_text("data/\n__pycache__/\n")
    commit_all(root)
    (folder / "train.py").write_text(TRAIN)
    (folder / "data").mkdir()
    (folder / "data" / "table.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def colleague(project, tmp_path, monkeypatch):
    """Go to another clone, which has the data too; its project's folder."""

    def colleague():
        git(tmp_path, "clone", "--quiet", str(project.parent), "other")
        folder = tmp_path / "other" / "model"
        (folder / "data").mkdir()
        (folder / "data" / "table.csv").write_text("a,b\n1,2\n")
        monkeypatch.chdir(folder)
        return folder

    return colleague


def made(mode="one run", **how):
    """Make a run, and return it with its record."""
    order = ordered(".", "train", {"mode": mode}, None)
    return original_run.read(run(order, How(backend="local", manager="local", **how)))


@pytest.fixture
def again(recording):
    def again(original, request=None):
        with recording(AskingParameters()) as parent:
            return reproduce(parent, original, request or Request())

    return again


def test_the_record_has_code_command_environment_numerics_and_outputs(project, store):
    original = made()

    record = original.record
    assert (record.code.project, record.code.dirty) == ("model", True)
    assert record.code.bundle == f"runs:/{original.run_id}/code/snapshot.bundle"
    assert (record.step.entry_point, record.step.raw_parameters) == ("train", {"mode": "one run"})
    assert record.step.parameters == {"mode": "one run", "alpha": "0.5"}
    assert record.environment.packages.keys() >= {"mlflow", "numpy"}
    assert record.environment.files.keys() >= {"mlflow", "numpy"}
    assert record.environment.altered == {}
    assert record.numerics.variables["PYTHONHASHSEED"] == "0"
    assert record.outputs.metrics == {"loss": 0.5 / 3}
    assert record.outputs.histories.keys() == {"loss"}
    assert record.outputs.parameters == {"doubled": "1.0"}
    assert record.outputs.artifacts.keys() == {"report.json"}
    assert (record.observed.exit_code, record.observed.edited) == (0, ())
    assert store.status(original.run_id) == "FINISHED"


def test_a_run_of_a_project_without_a_lock_carries_the_one_that_uv_writes(
    project, store, listed, own_cache
):
    listed.answer = "a lock"

    original = made()

    assert (
        store.artifacts(original.run_id) / "environment" / "pylock.toml"
    ).read_text() == "a lock"
    assert original.record.outputs.artifacts.keys() == {"report.json"}


@pytest.mark.parametrize(("mode", "exit_code"), [("fails", 3), ("is killed", -9)])
def test_a_run_that_fails_is_recorded_with_the_end_of_its_process(project, store, mode, exit_code):
    with pytest.raises(RunFailedError):
        made(mode)

    (failed,) = store.runs()
    record = tracking.read_record(failed.info.run_id)
    assert record.observed.exit_code == exit_code
    assert record.outputs is None
    assert failed.info.status == "FAILED"


def test_a_process_that_records_itself_keeps_its_own_record(project, store):
    order = ordered(".", "train", {"mode": "records itself"}, None)

    run_id = run(order, How(backend="local", manager="local"))

    text = (store.artifacts(run_id) / "provenance.json").read_text()
    assert json.loads(text) == {"mine": True}


def test_code_that_must_not_travel_is_refused_before_there_is_a_run(project, store):
    (project / "id_rsa").write_text("secret")

    with pytest.raises(CodeError, match="looks like a secret"):
        made()

    assert store.runs() == []
    assert made(configuration={"allow_untracked": "model/id_rsa"}).record.outputs is not None


def test_a_run_comes_back_from_another_clone_identical_with_its_edits(
    project, colleague, again, store, temporary
):
    original = made()
    there = colleague()

    replay = again(original)

    judgement = replay.judgement
    assert replay.verdict is Verdict.IDENTICAL, judgement
    assert judgement.basis.startswith(
        "1 metric, 1 parameter, 1 artifact by content, environment as"
    )
    assert tracking.read_record(replay.new_run_id).replays == original.run_id
    assert store.tags(original.run_id)["reprise.verdict"] == "identical"
    assert git(there, "status", "--porcelain") == ""
    assert list(temporary.iterdir()) == []


def test_logged_datasets_and_registered_models_are_recorded_and_compared(
    project, colleague, again, store
):
    original = made("logs a dataset and registers a model")
    colleague()

    replay = again(original)

    outputs = original.record.outputs
    assert outputs.datasets.keys() == {"rows (training)", "rows (test)", "rows (test) 2"}
    assert outputs.registered == {"ours": "mine", "ours 2": "mine"}
    assert replay.verdict is Verdict.IDENTICAL, replay.judgement
    assert "3 logged datasets, 2 registered versions of models" in replay.judgement.basis


def test_child_runs_are_matched_and_compared(project, colleague, again):
    original = made("child runs")
    colleague()

    replay = again(original)

    assert [run.parent for run in original.record.observed.runs] == [original.run_id] * 2
    assert replay.verdict is Verdict.IDENTICAL, replay.judgement
    assert replay.judgement.basis.startswith("3 metrics, 3 parameters, ")


def test_runs_that_a_process_makes_beside_an_empty_one_are_on_its_record(
    project, colleague, again, store
):
    original = made("runs of its own")
    colleague()

    replay = again(original)

    first, second = original.record.observed.runs
    assert original.record.outputs.metrics == {}
    assert (first.name, second.name) == ("", "second")
    assert second.outputs.metrics == {"other": 0.5}
    assert replay.verdict is Verdict.IDENTICAL, replay.judgement
    assert original_run.read(second.run_id).run_id == original.run_id


def test_a_script_that_sets_the_experiment_of_its_run_is_replayed_in_it(
    project, colleague, again, store
):
    team = store.client.create_experiment("team", artifact_location=str(store.folder / "team"))
    original = made("in the experiment of the team", experiment_id=team)
    colleague()

    replay = again(original)

    assert original.record.observed.runs == ()
    assert replay.verdict is Verdict.IDENTICAL
    assert store.run(replay.new_run_id).info.experiment_id == team


def test_a_run_and_its_replay_show_that_they_are_alive(project, colleague, again, monkeypatch):
    beating = []
    monkeypatch.setattr(
        "reprise.tracking.beating", lambda run_id: nullcontext(beating.append(run_id))
    )
    original = made()
    colleague()

    replay = again(original)

    assert beating[:1] == [original.run_id]
    assert beating[-1:] == [replay.new_run_id]


def test_a_run_that_reads_the_clock_differs_because_it_is_not_deterministic(
    project, colleague, again
):
    original = made("reads the clock")
    colleague()

    replay = again(original)

    assert replay.verdict is Verdict.DIFFERENT
    assert [d.name for d in replay.judgement.differences] == ["now"]
    assert [c.kind for c in replay.judgement.causes] == ["a step that is not deterministic"]


def test_a_command_after_two_dashes_is_recorded_and_comes_back(project, colleague, again, store):
    run_module.start_command(
        ["python", "-m", "train", "--mode", "one run", "--alpha", "0.25"], threads="2"
    )
    original = original_run.read(store.runs()[0].info.run_id)
    colleague()

    replay = again(original)

    assert original.record.step.command == ("-m", "train", "--mode", "one run", "--alpha", "0.25")
    assert original.record.outputs.metrics == {"loss": 0.25 / 3}
    assert original.record.numerics.variables["OMP_NUM_THREADS"] == "2"
    assert tracking.read_record(replay.new_run_id).numerics == original.record.numerics
    assert replay.verdict is Verdict.IDENTICAL, replay.judgement


def test_a_project_needs_no_entry_point_to_be_reproduced_by_a_runs_address(
    project, colleague, store
):
    original = made()
    colleague()

    asked = run(ordered(f"runs:/{original.run_id}", "main", {}, None), How(backend="reprise"))

    assert store.tags(asked)["reprise.verdict"] == "identical"
    assert store.status(asked) == "FINISHED"


class TestInputs:
    NAME = "data/table.csv"

    def test_what_git_ignores_is_an_input_and_comes_back_in_another_clone(
        self, project, colleague, again
    ):
        original = made("reads what git ignores")
        there = colleague()

        replay = again(original)

        (item,) = original.record.inputs
        assert (item.name, item.uri, item.bytes) == (self.NAME, self.NAME, 8)
        assert replay.verdict is Verdict.IDENTICAL, replay.judgement
        assert tracking.read_record(replay.new_run_id).inputs == original.record.inputs
        assert (there / self.NAME).read_text() == "a,b\n1,2\n"

    def test_one_that_the_run_keeps_comes_back_without_the_file(
        self, project, colleague, again, store
    ):
        original = made("reads what git ignores", configuration={"keep_data": "1KiB"})
        (colleague() / self.NAME).unlink()

        replay = again(original)

        assert replay.verdict is Verdict.IDENTICAL, replay.judgement
        assert original.record.outputs.artifacts.keys() == {"report.json"}
        assert store.tags(original.run_id)["reprise.keeps_inputs"] == "true"

    def test_one_that_has_changed_is_refused_with_both_digests_before_anything_runs(
        self, project, colleague, again
    ):
        original = made("reads what git ignores")
        (colleague() / self.NAME).write_text("a,b\n1,3\n")

        replay = again(original)

        assert (replay.verdict, replay.new_run_id) == (Verdict.NOT_REPLAYABLE, None)
        assert self.NAME in replay.judgement.reason
        assert original.record.inputs[0].sha256 in replay.judgement.reason
        assert [cause.kind for cause in replay.judgement.causes] == ["data"]

    def test_one_that_is_missing_is_refused_with_its_name(self, project, colleague, again):
        original = made("reads what git ignores")
        (colleague() / self.NAME).unlink()

        replay = again(original)

        assert (replay.verdict, replay.new_run_id) == (Verdict.NOT_REPLAYABLE, None)
        assert f"expected the file {self.NAME}" in replay.judgement.reason

    def test_what_a_run_writes_itself_is_none(self, project):
        assert made("writes into its folder").record.inputs == ()
