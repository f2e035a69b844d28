"""A step that makes its own run: the conditions, its input, and the meaning of its end."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

import pytest
from repositories import commit_all, git, make_repository

from reprise import env, tracking
from reprise.capture import ahead as capture_ahead
from reprise.capture import code
from reprise.commands import handover
from reprise.commands.run import How, ordered, run
from reprise.errors import CodeError, NotBegunError, RunFailedError
from reprise.process import task
from reprise.process.task import StepTask
from reprise.projects.mlproject import Command
from reprise.record.project_run import ProjectRun
from reprise.runtime import launch
from reprise.runtime.outcome import Reporter
from reprise.runtime.parameters import Parameters

MLPROJECT = """
name: tiny
entry_points:
  main:
    parameters:
      how: {type: string, default: good}
      allow_untracked: {type: string, default: ""}
    command: "python -m tiny.step --how {how} --allow_untracked {allow_untracked}"
"""
SETTINGS = '[tool.reprise]\nsteps = "tiny"\n'
# It makes its run as a name in a file, without MLflow: the import of MLflow takes seconds.
STEP = """
import json, os, signal, sys
from pathlib import Path

how = sys.argv[2]
task = json.loads(os.environ["REPRISE_TASK"])
order = task["ordered"]
Path("found.json").write_text(json.dumps(order))
if how == "refuse":
    sys.exit(2)
if how == "crash":
    sys.exit(1)
Path(task["report"]).write_text(json.dumps({"run_id": os.environ["MADE"]}))
if how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "interrupt":
    os.kill(int(os.environ["PARENT"]), signal.SIGTERM)
    signal.pause()
"""

PLANNED = ProjectRun(
    entry_point="train",
    raw_parameters={"C": "2"},
    source="file:///project",
    backend="local",
    name="mine",
)


@pytest.fixture
def project(plain_git, tmp_path, monkeypatch):
    """A project with a step of its own, which is the current folder."""
    folder = make_repository(tmp_path / "project")
    (folder / "tiny").mkdir()
    (folder / "tiny" / "__init__.py").write_text("")
    (folder / "tiny" / "step.py").write_text(STEP)
    (folder / "MLproject").write_text(MLPROJECT)
    (folder / "pyproject.toml").write_text(SETTINGS)
    (folder / ".gitignore").write_text("__pycache__/\nfound.json\n")
    commit_all(folder, "project")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def made(store, monkeypatch):
    """The run that the step reports."""
    run_id = store.make_run(status="RUNNING")
    monkeypatch.setenv("MADE", run_id)
    monkeypatch.setenv("PARENT", str(os.getpid()))
    return run_id


def run_step(how="good"):
    order = ordered(".", "main", {"how": how}, None)
    return run(order, How(backend="local", manager="local", hands_over=True))


def test_a_step_gets_the_plan_of_its_run(project, made):
    run_step()

    order = ProjectRun(**json.loads((project / "found.json").read_text()))
    assert order == ProjectRun(
        entry_point="main",
        raw_parameters={"how": "good", "allow_untracked": "''"},
        source=f"file://{project}",
        backend="local",
    )


def test_the_command_owns_the_run_that_a_step_reports_and_ends_it(store, project, made):
    assert run_step() == made
    assert store.status(made) == "RUNNING"


def test_a_step_that_refuses_leaves_no_run(store, project, made):
    with pytest.raises(NotBegunError):
        run_step("refuse")

    assert [each.info.run_id for each in store.runs()] == [made]


def test_a_step_that_ends_before_it_makes_a_run_gets_a_failed_run(store, project, made):
    with pytest.raises(RunFailedError, match="exit code 1"):
        run_step("crash")

    (failed,) = (each for each in store.runs() if each.info.run_id != made)
    assert failed.info.status == "FAILED"
    assert failed.data.tags["mlflow.project.entryPoint"] == "main"
    assert failed.data.params == {"how": "crash", "allow_untracked": ""}


def test_an_error_that_the_step_has_printed_is_not_printed_again(store, made):
    tracking.close(made, "FAILED", "expected x, found y.")

    with pytest.raises(RunFailedError, match="printed above"):
        handover.conclude(made, handover.Ended(2, ""), is_shown=True)
    with pytest.raises(RunFailedError, match=r"expected x, found y\."):
        handover.conclude(made, handover.Ended(2, ""))


def test_the_run_of_a_killed_step_has_failed(store, project, made):
    with pytest.raises(RunFailedError, match=f"run {made} failed: .* signal 9"):
        run_step("killed")

    assert store.status(made) == "FAILED"


def test_a_stopped_command_ends_the_run_as_killed_and_leaves_no_process(
    store, project, made, temporary
):
    from reprise.process.interrupts import interruptible

    with pytest.raises(KeyboardInterrupt), interruptible():
        run_step("interrupt")

    assert store.status(made) == "KILLED"
    assert list(temporary.iterdir()) == []


# Where it is possible

STEP_COMMAND = Command(["python", "-m", "tiny.step", "--how", "good"], {})
HERE = Path(sys.executable)


@pytest.mark.parametrize(
    "words",
    [["python", "-m", "other.step"], ["python", "-m", "tiny"], ["bash", "-c", "python -m tiny.x"]],
)
def test_another_command_cannot_make_its_run(project, words):
    assert handover.is_possible(project, STEP_COMMAND, HERE)
    assert not handover.is_possible(project, Command(words, {}), HERE)


def test_a_step_in_another_environment_cannot_make_its_run(project):
    assert not handover.is_possible(project, STEP_COMMAND, Path("/usr/bin/python3"))


def test_a_step_whose_commit_has_another_task_cannot_make_its_run(project):
    theirs = project / "reprise" / "process" / "task.py"
    theirs.parent.mkdir(parents=True)
    (project / "reprise" / "__init__.py").touch()
    theirs.write_bytes(Path(task.__file__).read_bytes())
    assert handover.is_possible(project, STEP_COMMAND, HERE)

    theirs.write_text("")

    assert not handover.is_possible(project, STEP_COMMAND, HERE)


def test_a_project_that_names_no_steps_has_none(project):
    (project / "pyproject.toml").unlink()

    assert not handover.is_possible(project, STEP_COMMAND, HERE)


@pytest.mark.parametrize(
    ("uri", "possible"),
    [
        ("", False),
        ("sqlite:///mlflow.db", False),
        ("mlruns", False),
        ("sqlite:////tmp/mlflow.db", True),
        ("https://example.org", True),
    ],
)
def test_in_another_folder_the_store_must_be_the_same(
    project, tmp_path, monkeypatch, uri, possible
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

    assert handover.is_possible(project, STEP_COMMAND, HERE) == possible


# The source, captured ahead


@pytest.fixture
def ahead(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


def test_a_step_has_the_source_that_was_captured_for_it(project, ahead, tmp_path):
    (project / "train.py").write_text("depth = 4\n")

    with (
        capture_ahead.awaited(ahead) as pipe,
        capture_ahead.captured(project, ahead, pipe, allow_untracked=[]),
    ):
        (project / "train.py").write_text("depth = 5\n")
        with capture_ahead.source(project, ahead, allow_untracked=[]) as found:
            found.write_bundle(tmp_path / "bundle")
            assert git(tmp_path / "project", "bundle", "list-heads", str(tmp_path / "bundle"))
            assert found.holds("depth = 4")
            assert found.carried
            assert found.code.dirty
            assert "+depth = 4" in found.patch()


@pytest.mark.parametrize("allowed", [[], None])
def test_without_a_captured_source_a_step_captures_it_itself(project, ahead, allowed):
    if allowed is not None:
        (project / ".env").write_text("PASSWORD=1\n")  # a file that must not be carried

    with (
        capture_ahead.awaited(ahead) as pipe,
        capture_ahead.captured(project, ahead, pipe, allow_untracked=allowed),
    ):
        if allowed is None:
            with capture_ahead.source(project, ahead, allow_untracked=[]) as found:
                assert found.code == code.describe(project)
        else:
            with (
                pytest.raises(CodeError, match=r"\.env"),
                capture_ahead.source(project, ahead, allow_untracked=[]),
            ):
                pass


def test_without_a_command_a_step_captures_its_source_itself(project):
    with capture_ahead.source(project, None, allow_untracked=[]) as found:
        assert found.code == code.describe(project)


# The step's side


def test_a_step_reports_its_run_and_its_child_processes_do_not(tmp_path):
    asked = StepTask(report=str(tmp_path / "report"))
    variables = {env.TASK: asked.to_json()}
    reporter, child = (Reporter(StepTask.take(variables).report) for _ in range(2))

    reporter.report(run_id="a")
    child.report(run_id="b")

    assert json.loads((tmp_path / "report").read_text()) == {"run_id": "a"}
    assert variables == {}


def test_a_step_makes_the_run_that_was_ordered_and_enters_it(store):
    run, origin = tracking.open_run(ordered=PLANNED)

    assert origin == tracking.Origin.GIVEN
    assert os.environ["MLFLOW_RUN_ID"] == run.info.run_id
    assert store.run(run.info.run_id).data.params == {"C": "2"}
    assert run.info.run_name == "mine"
    assert run.info.experiment_id == store.experiment_id
    assert store.tags(run.info.run_id)["mlflow.source.name"] == "file:///project"


class TinyParameters(Parameters):
    """Do a little."""

    entry_point: ClassVar[str] = "tiny"


@pytest.mark.usefixtures("store")
def test_a_step_announces_the_run_that_was_ordered_before_it_does_anything(capsys):
    printed = []

    launch._record(
        TinyParameters,
        lambda _, run: printed.append((run.run_id, capsys.readouterr().err)),
        [],
        StepTask(ordered=asdict(PLANNED)),
    )

    ((run_id, err),) = printed
    assert err == f"=== Running tiny in run with ID '{run_id}' ===\n"


def test_a_step_that_was_started_otherwise_announces_nothing(store, capsys):
    launch._record(TinyParameters, lambda *_: None, [], StepTask())

    assert capsys.readouterr().err == ""
