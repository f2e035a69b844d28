"""A run is on the record before its work begins, and ends as what it was."""

import gc
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import mlflow
import numpy as np
import pytest
from pydantic import Field
from repositories import fingerprint, git, make_repository, publish

from reprise import env, tracking
from reprise.errors import BelowMinimumError, DataError
from reprise.process.task import StepTask
from reprise.record.digest import sha256_array
from reprise.record.schema import Code, InputData
from reprise.runtime.launch import launch
from reprise.runtime.parameters import Parameters

ROOT = Path(__file__).parents[3]
DATA = InputData(name="train", uri="runs:/1/data/train.parquet", sha256="a" * 64)
NO_REPOSITORY = Code(
    repository=None, project="", commit=None, tree=None, base_commit=None, dirty=False
)
WAITING_STEP = """\
import signal

from reprise.runtime.parameters import Parameters
from reprise.runtime.launch import launch


class WaitingParameters(Parameters):
    entry_point = "waiting"


def main(parameters, run):
    run.log_metrics({"so_far": 1.0})
    print(run.run_id, flush=True)
    signal.pause()


launch(WaitingParameters, main)
"""


class TinyParameters(Parameters):
    """Do something small."""

    entry_point = "tiny"
    locations = frozenset({"place"})

    size: int = Field(1, ge=0, description="a size")
    place: str = Field("here", description="a place")
    seed: int = Field(3, description="a seed")


@pytest.fixture
def project(store, tmp_path, monkeypatch):
    """A folder that is no repository, and what `launch` changes of this process put back."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    thresholds = gc.get_threshold()
    yield folder
    gc.set_threshold(*thresholds)
    gc.unfreeze()


class CarriedParameters(TinyParameters):
    """Do something small with code that is carried."""

    allow_untracked: str | None = Field(None, description="files to carry")


@pytest.fixture
def launched(project, monkeypatch):
    """Launch a step in this process, and return its exit code."""

    def launched(main, *arguments, model=TinyParameters):
        monkeypatch.setattr(sys, "argv", ["tiny.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            launch(model, main)
        return ended.value.code

    return launched


def fails_with(error):
    def main(_, run):
        run.log_metrics({"so_far": 1.5})
        run.set_tags({"seen": "yes"})
        raise error

    return main


def nothing(_, run):
    pass


class TestLaunch:
    def test_makes_a_finished_run_of_what_the_step_does(self, store, launched):
        def main(parameters, run):
            run.log_metrics({"doubled": parameters.size * 2})
            run.set_tags({"seen": "yes"})

        code = launched(main, "--size", "4")

        (run,) = store.runs()
        assert code == 0
        assert run.info.status == "FINISHED"
        assert run.data.params == {"size": "4", "place": "here", "seed": "3"}
        assert run.data.metrics == {"doubled": 8.0}
        assert run.data.tags["seen"] == "yes"
        assert run.data.tags["mlflow.project.entryPoint"] == "tiny"
        assert mlflow.active_run() is None

    def test_writes_the_record_before_the_work_and_completes_it_after(self, store, launched):
        before = []

        def main(_, run):
            before.append(tracking.read_record(run.run_id))
            run.log_metrics({"b": 2.0, "a": 1.0})

        launched(main, "--size=4")

        (run,) = store.runs()
        after = tracking.read_record(run.info.run_id)
        assert before[0].outputs is None
        assert before[0].step.raw_parameters == {"size": "4"}
        assert before[0].step.parameters == {"size": 4, "place": "here", "seed": 3}
        assert before[0].seeds == {"seed": 3}
        assert after.outputs.metrics == {"a": 1.0, "b": 2.0}
        assert after.model_copy(update={"outputs": None}) == before[0]

    def test_takes_the_run_that_mlflow_run_has_made(self, store, launched, monkeypatch):
        quoted = {"size": "'4'"}
        run_id = store.make_run(status="RUNNING", params=quoted, tags={"mlflow.project.env": "uv"})
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)

        code = launched(nothing, "--size", "4")

        (run,) = store.runs()
        assert (code, run.info.run_id, run.info.status) == (0, run_id, "FINISHED")
        assert run.data.params == quoted
        assert tracking.read_record(run_id).environment.manager == "uv"

    @pytest.mark.parametrize("error", [DataError, BelowMinimumError])
    def test_an_error_of_the_users_is_one_line_and_a_failed_run(
        self, store, launched, capsys, error
    ):
        said = "expected rows, found none. Add some."

        ended = launched(fails_with(error(said)))

        (run,) = store.runs()
        assert ended == error.exit_code
        assert capsys.readouterr().err == f"tiny: {said}\n"
        assert run.info.status == "FAILED"
        assert run.data.tags["reprise.error"] == said

    def test_an_error_has_the_exit_code_that_its_class_says(self, store, launched):
        class OtherError(DataError):
            exit_code = 3

        assert launched(fails_with(OtherError("other"))) == 3

    def test_a_defect_keeps_its_traceback_and_fails_the_run(self, store, project, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["tiny.py"])
        defect = ZeroDivisionError("division by zero")

        with pytest.raises(ZeroDivisionError) as raised:
            launch(TinyParameters, fails_with(defect))

        (run,) = store.runs()
        assert raised.value is defect
        assert run.info.status == "FAILED"
        assert run.data.tags["reprise.error"] == "ZeroDivisionError: division by zero"

    def test_an_interruption_kills_the_run(self, store, launched, capsys):
        code = launched(fails_with(KeyboardInterrupt()))

        (run,) = store.runs()
        assert code == 130
        assert capsys.readouterr().err == "tiny: interrupted\n"
        assert run.info.status == "KILLED"
        assert run.data.tags["reprise.error"] == "interrupted"

    @pytest.mark.parametrize(
        "error", [DataError("no data"), KeyboardInterrupt()], ids=["failed", "killed"]
    )
    def test_what_was_logged_before_an_error_is_kept(self, store, launched, error):
        launched(fails_with(error))

        (run,) = store.runs()
        assert run.data.metrics == {"so_far": 1.5}
        assert run.data.tags["seen"] == "yes"
        assert tracking.read_record(run.info.run_id).outputs is None

    def test_a_wrong_parameter_leaves_no_run(self, store, launched, capsys):
        code = launched(nothing, "--size", "big")

        assert code == 2
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        assert "size must be a whole number >= 0; found 'big'" in line
        assert store.runs() == []

    def test_a_wrong_parameter_of_a_run_that_is_there_is_a_failure_that_says_so(
        self, store, launched, capsys, monkeypatch
    ):
        run_id = store.make_run(status="RUNNING")
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)

        code = launched(nothing, "--size", "big")

        assert code == 2
        assert store.status(run_id) == "FAILED"
        assert (
            "size must be a whole number >= 0; found 'big'" in store.tags(run_id)["reprise.error"]
        )
        assert capsys.readouterr().err.count("\n") == 1
        assert tracking.read_record(run_id).step.raw_parameters == {"size": "big"}

    @pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"], ["--size", "4", "-h"]])
    def test_help_explains_the_parameters_and_makes_no_run(self, store, launched, capsys, words):
        code = launched(nothing, *words)

        assert code == 0
        assert "--size  a size" in capsys.readouterr().out
        assert store.runs() == []

    @pytest.mark.parametrize("words", [["4"], ["-x"], ["--size"], ["--size", "1", "--size", "2"]])
    def test_words_that_are_no_parameters_are_refused_before_a_run_is_made(
        self, store, launched, capsys, words
    ):
        code = launched(nothing, *words)

        assert code == 2
        assert capsys.readouterr().err.startswith("tiny: expected ")
        assert store.runs() == []

    def test_words_that_are_no_parameters_fail_a_run_that_is_made_already(
        self, store, launched, monkeypatch
    ):
        run_id = store.make_run(status="RUNNING")
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)

        code = launched(nothing, "4")

        assert (code, store.status(run_id)) == (2, "FAILED")

    def test_the_word_help_as_a_value_is_no_question(self, store, launched):
        launched(nothing, "--place", "help")

        assert store.runs()[0].data.params["place"] == "help"

    @pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
    def test_a_run_that_has_ended_is_not_taken_from_the_environment(
        self, store, launched, capsys, monkeypatch, status
    ):
        run_id = store.make_run(status=status, params={"size": "2"})
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
        before = store.run(run_id).to_dictionary()

        code = launched(nothing, "--size", "4")

        said = capsys.readouterr().err
        assert code == 2
        assert f"found run {run_id}, which is {status}" in said
        assert "unset MLFLOW_RUN_ID" in said
        assert store.run(run_id).to_dictionary() == before
        assert store.files(run_id) == []
        assert len(store.runs()) == 1

    def test_a_deleted_run_is_not_taken_from_the_environment(
        self, store, launched, capsys, monkeypatch
    ):
        run_id = store.make_run(status="RUNNING")
        store.client.delete_run(run_id)
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)

        code = launched(nothing)

        assert code == 2
        assert f"found run {run_id}, which is deleted" in capsys.readouterr().err

    def test_a_folder_that_is_no_repository_is_recorded_as_that(self, store, launched):
        launched(nothing)

        (run,) = store.runs()
        assert tracking.read_record(run.info.run_id).code == NO_REPOSITORY
        assert run.data.tags.keys().isdisjoint({"reprise.dirty", "mlflow.source.git.dirty"})
        assert "reprise.key" not in run.data.tags

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_a_signal_that_asks_the_step_to_end_kills_the_run(self, store, launched, number):
        def main(_, run):
            run.log_metrics({"so_far": 1.0})
            signal.raise_signal(number)

        code = launched(main)

        (run,) = store.runs()
        assert code == 130
        assert run.info.status == "KILLED"
        assert run.data.tags["reprise.error"] == "interrupted"
        assert run.data.metrics == {"so_far": 1.0}
        assert tracking.read_record(run.info.run_id).outputs is None

    def test_a_second_signal_does_not_keep_the_run_from_being_closed(
        self, store, launched, monkeypatch
    ):
        end = tracking.end_failed

        def end_late(*arguments, **options):
            signal.raise_signal(signal.SIGTERM)
            end(*arguments, **options)

        monkeypatch.setattr(tracking, "end_failed", end_late)

        launched(lambda *_: signal.raise_signal(signal.SIGHUP))

        assert store.runs()[0].info.status == "KILLED"

    def test_a_termination_from_outside_kills_the_run(self, store, project):
        (project / "waiting.py").write_text(WAITING_STEP)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}

        with subprocess.Popen(
            [sys.executable, "waiting.py"],
            cwd=project,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            run_id = process.stdout.readline().strip()
            process.terminate()
            _, said = process.communicate()

        assert process.returncode == 130, said
        assert said.splitlines()[-1] == "waiting: interrupted"
        assert store.status(run_id) == "KILLED"
        assert store.tags(run_id)["reprise.error"] == "interrupted"
        assert store.metrics(run_id) == {"so_far": 1.0}


class TestWhatIsAsked:
    """A step reads what the process that started it asks, once."""

    def test_is_on_the_run_and_reported_and_not_passed_on(
        self, store, launched, monkeypatch, tmp_path, recording
    ):
        with recording(TinyParameters()) as parent:
            plan = parent.plan_child(TinyParameters(size=7))
        mlflow.end_run()
        asked = StepTask(
            planned=asdict(plan),
            keep_models=False,
            report=str(tmp_path / "report"),
            cache=str(tmp_path / "cache"),
        )
        monkeypatch.setenv(env.TASK, asked.to_json())
        seen = []

        def main(_, run):
            seen.append((run.keeps_models, dict(os.environ)))
            run.log_metrics({"a": 1.0})

        code = launched(main, "--size", "7")

        ((keeps_models, variables),) = seen
        reported = json.loads((tmp_path / "report").read_text())
        assert (code, keeps_models) == (0, False)
        assert env.TASK not in variables
        assert reported["metrics"] == {"a": 1.0}
        assert store.tags(reported["run_id"])[tracking.PARENT] == parent.run_id
        assert store.run(reported["run_id"]).data.params["size"] == "7"

    @pytest.mark.parametrize(
        ("name", "value"), [(env.TASK, '{"unknown": 1}'), (env.TASK, "x"), (env.PROTOCOL, "2")]
    )
    def test_is_refused_in_a_line_where_it_is_not_understood(
        self, store, launched, monkeypatch, capsys, name, value
    ):
        monkeypatch.setenv(name, value)

        code = launched(nothing)

        (line,) = capsys.readouterr().err.splitlines()
        assert code == 2
        assert line.startswith("tiny: expected ")
        assert store.runs() == []


class TestInputs:
    def test_an_input_is_on_the_stored_record_at_once(self, recording):
        with recording(TinyParameters()) as run:
            run.add_input(DATA, context="training")
            run.add_input(DATA.model_copy(update={"name": "test"}), context="testing")
            seen = tracking.read_record(run.run_id)

        assert [item.name for item in seen.inputs] == ["train", "test"]
        assert seen.outputs is None


class TestOutputs:
    def test_hold_no_ids_times_or_paths(self, store, recording, tmp_path):
        (tmp_path / "plots").mkdir()
        (tmp_path / "plots/a.png").write_bytes(b"a")

        def work(run):
            run.log_metrics({"b": 0.1 + 0.2, "a": float("inf")})
            run.log_predictions(np.array(["x", "y"], dtype=object), np.eye(2))
            run.log_model_digest("f" * 64, is_logged=False)
            run.log_digest("train", "a" * 64)
            run.log_folder(tmp_path / "plots", "plots")
            run.set_tags({"stored_in": run.run_id})

        outputs = []
        for _ in range(2):
            with recording(TinyParameters()) as run:
                work(run)
            outputs.append(tracking.read_record(run.run_id).outputs)

        assert outputs[0] == outputs[1]
        assert outputs[0].model_dump() == {
            "metrics": {"a": np.inf, "b": 0.1 + 0.2},
            "model": "f" * 64,
            "predictions": {
                "labels": sha256_array(np.array(["x", "y"], dtype=object)),
                "probabilities": sha256_array(np.eye(2)),
            },
            "artifacts": {"train": "a" * 64},
        }

    def test_are_the_same_in_whatever_order_metrics_were_logged(self, store, recording):
        files = []
        for names in ("ab", "ba"):
            with recording(TinyParameters()) as run:
                for name in names:
                    run.log_metrics({name: 1.0})
            path = store.artifacts(run.run_id) / "provenance.json"
            files.append(path.read_bytes())

        assert files[0] == files[1]


class TestKey:
    def test_is_tagged_on_a_run_that_finished(self, store, recording):
        with recording(TinyParameters()) as run:
            run.add_input(DATA, context="training")

        expected = run.key(TinyParameters(), [DATA])

        assert len(expected) == 64
        assert store.tags(run.run_id)["reprise.key"] == expected

    def test_is_not_tagged_on_a_run_that_failed(self, store, recording):
        with pytest.raises(DataError), recording(TinyParameters()) as run:
            raise DataError("no data")

        assert "reprise.key" not in store.tags(run.run_id)

    def test_is_the_same_wherever_the_data_is_and_another_for_anything_else(self, recording):
        other = DATA.model_copy(update={"sha256": "b" * 64})
        moved = DATA.model_copy(update={"uri": "elsewhere"})

        with recording(TinyParameters()) as run:
            key = run.key(TinyParameters(), [DATA])
            same = run.key(TinyParameters(place="there"), [moved])
            others = {
                run.key(TinyParameters(size=2), [DATA]),
                run.key(TinyParameters(seed=4), [DATA]),
                run.key(TinyParameters(), [other]),
                run.key(TinyParameters(), []),
            }

        assert same == key
        assert key not in others
        assert len(others) == 4

    def test_differs_by_code_lock_and_python(self, recording, record_of):
        usual = record_of(TinyParameters())
        changes = [
            {},
            {"code": usual.code.model_copy(update={"tree": "0" * 40})},
            {"environment": usual.environment.model_copy(update={"lock_sha256": "0" * 64})},
            {"environment": usual.environment.model_copy(update={"python": "3.11.8"})},
        ]

        keys = []
        for change in changes:
            with recording(TinyParameters(), **change) as run:
                keys.append(run.key(TinyParameters(), [DATA]))

        assert None not in keys
        assert len(set(keys)) == 4

    def test_is_the_same_at_another_commit_of_the_same_tree(self, recording, record_of):
        code = record_of(TinyParameters()).code.model_copy(update={"commit": "9" * 40})

        with recording(TinyParameters()) as run:
            key = run.key(TinyParameters(), [DATA])
        with recording(TinyParameters(), code=code) as run:
            again = run.key(TinyParameters(), [DATA])

        assert key == again

    @pytest.mark.parametrize("unknown", ["no tree", "no lock", "deviations"])
    def test_is_none_where_code_or_environment_are_not_known(
        self, store, recording, record_of, unknown
    ):
        installed = record_of(TinyParameters()).environment
        change = {
            "no tree": {"code": NO_REPOSITORY},
            "no lock": {"environment": installed.model_copy(update={"lock_sha256": None})},
            "deviations": {
                "environment": installed.model_copy(update={"deviations": ("numpy missing",)})
            },
        }[unknown]

        with recording(TinyParameters(), **change) as run:
            assert run.key(TinyParameters(), [DATA]) is None

        assert "reprise.key" not in store.tags(run.run_id)


class TestNested:
    def test_makes_an_ordinary_run_below_this_one(self, store, recording):
        with recording(TinyParameters()) as run:
            with run.nested(TinyParameters(size=2)) as below:
                below.log_metrics({"a": 1.0})
            ended = store.status(below.run_id)
            active = mlflow.active_run().info.run_id

        child = store.run(below.run_id)
        assert (ended, active) == ("FINISHED", run.run_id)
        assert child.data.tags["mlflow.parentRunId"] == run.run_id
        assert child.data.params == TinyParameters(size=2).raw()
        assert child.info.run_name == "tiny size=2"
        assert child.data.metrics == {"a": 1.0}
        assert store.metrics(run.run_id) == {}

    def test_has_a_record_of_its_own_with_the_same_code_and_environment(self, recording):
        with recording(TinyParameters()) as run, run.nested(TinyParameters(seed=5)) as below:
            below.log_digest("train", "a" * 64)

        own, above = (tracking.read_record(r.run_id) for r in (below, run))
        assert (own.code, own.environment, own.numerics) == (
            above.code,
            above.environment,
            above.numerics,
        )
        assert own.step.parameters == {"size": 1, "place": "here", "seed": 5}
        assert own.seeds == {"seed": 5}
        assert own.outputs.artifacts == {"train": "a" * 64}
        assert above.outputs.artifacts == {}

    def test_an_error_inside_fails_both(self, store, recording):
        with (
            pytest.raises(DataError),
            recording(TinyParameters()) as run,
            run.nested(TinyParameters()) as below,
        ):
            raise DataError("no data")

        for run_id in (below.run_id, run.run_id):
            assert store.status(run_id) == "FAILED"
            assert store.tags(run_id)["reprise.error"] == "no data"

    def test_an_interruption_inside_kills_both(self, store, recording):
        with (
            pytest.raises(KeyboardInterrupt),
            recording(TinyParameters()) as run,
            run.nested(TinyParameters()) as below,
        ):
            raise KeyboardInterrupt

        assert [store.status(r.run_id) for r in (below, run)] == ["KILLED", "KILLED"]

    def test_a_child_for_another_process_is_left_running(self, store, recording):
        with recording(TinyParameters()) as run:
            run_id = child(run, TinyParameters(size=7))

        assert store.status(run_id) == "RUNNING"
        assert store.tags(run_id)["mlflow.parentRunId"] == run.run_id
        assert store.run(run_id).data.params["size"] == "7"


@pytest.fixture
def repository(plain_git, project, tmp_path, monkeypatch):
    """A project in a repository whose main branch origin has, and its step."""
    folder = make_repository(project / "repository")
    publish(folder, tmp_path / "origin.git")
    monkeypatch.chdir(folder)
    main = sys.modules["__main__"]  # a worker of pytest-xdist has no file
    monkeypatch.setattr(main, "__file__", str(folder / "train.py"), raising=False)
    return folder


@pytest.fixture
def carrying(store, launched):
    """Launch a step that carries its code, and return its run."""

    def carrying(*arguments, code=0):
        known = {run.info.run_id for run in store.runs()}
        assert launched(nothing, *arguments, model=CarriedParameters) == code
        (run,) = (run for run in store.runs() if run.info.run_id not in known)
        return run

    return carrying


class TestCarriedCode:
    def test_of_a_pushed_commit_is_the_steps_own_file_for_people_to_read(
        self, store, repository, carrying
    ):
        run = carrying()

        assert store.files(run.info.run_id) == ["code/train.py", "provenance.json"]
        assert (store.artifacts(run.info.run_id) / "code/train.py").read_text() == "depth = 3\n"
        assert tracking.read_record(run.info.run_id).code.bundle is None
        assert "reprise.bundle" not in run.data.tags

    def test_of_edits_is_a_bundle_and_a_patch_too(self, store, repository, carrying):
        (repository / "train.py").write_text("depth = 5\n")

        run = carrying()

        run_id = run.info.run_id
        code = tracking.read_record(run_id).code
        assert store.files(run_id) == [
            *("code/changes.patch", "code/snapshot.bundle", "code/train.py", "provenance.json")
        ]
        assert (store.artifacts(run_id) / "code/train.py").read_text() == "depth = 5\n"
        assert code.bundle == f"runs:/{run_id}/code/snapshot.bundle"
        assert code.commit in git(
            repository,
            "bundle",
            "list-heads",
            str(store.artifacts(run_id) / "code/snapshot.bundle"),
        )

    def test_of_edits_is_told_by_tags(self, store, repository, carrying):
        (repository / "train.py").write_text("depth = 5\n")

        run = carrying()

        code, tags = tracking.read_record(run.info.run_id).code, run.data.tags
        patch = (store.artifacts(run.info.run_id) / "code/changes.patch").read_text()
        assert "-depth = 3\n+depth = 5\n" in patch
        assert tags["reprise.dirty"] == tags["mlflow.source.git.dirty"] == "true"
        assert tags["reprise.commit"] == code.commit
        assert tags["reprise.tree"] == code.tree
        assert tags["reprise.bundle"] == code.bundle
        assert tags["mlflow.source.git.commit"] == git(repository, "rev-parse", "HEAD")
        assert tags["mlflow.source.git.diff"] == patch

    def test_a_long_patch_is_whole_as_an_artifact_and_cut_as_a_tag(
        self, store, repository, carrying
    ):
        (repository / "train.py").write_text("".join(f"line {n}\n" for n in range(2000)))

        run = carrying()

        patch = (store.artifacts(run.info.run_id) / "code/changes.patch").read_text()
        tag = run.data.tags["mlflow.source.git.diff"]
        assert patch.startswith(tag)
        assert len(tag) == 5000
        assert "+line 1999\n" in patch

    def test_is_stored_once_per_snapshot_and_referred_to_later(self, store, repository, carrying):
        (repository / "train.py").write_text("depth = 5\n")

        first, second = carrying(), carrying()

        bundle = tracking.read_record(second.info.run_id).code.bundle
        assert bundle == f"runs:/{first.info.run_id}/code/snapshot.bundle"
        assert second.data.tags["reprise.bundle"] == bundle
        assert "code/snapshot.bundle" not in store.files(second.info.run_id)
        assert "code/changes.patch" in store.files(second.info.run_id)

    def test_is_stored_again_for_other_edits(self, store, repository, carrying):
        for depth in (5, 6):
            (repository / "train.py").write_text(f"depth = {depth}\n")
            run = carrying()

            assert "code/snapshot.bundle" in store.files(run.info.run_id)

    def test_is_stored_again_in_another_experiment(
        self, store, repository, launched, monkeypatch, tmp_path
    ):
        (repository / "train.py").write_text("depth = 5\n")
        launched(nothing, model=CarriedParameters)
        other = store.client.create_experiment("other", artifact_location=str(tmp_path / "o"))
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", other)

        launched(nothing, model=CarriedParameters)

        (run,) = store.client.search_runs([other])

        bundle = tracking.read_record(run.info.run_id).code.bundle
        assert bundle == f"runs:/{run.info.run_id}/code/snapshot.bundle"

    def test_is_stored_again_where_the_run_that_had_it_was_deleted(
        self, store, repository, carrying
    ):
        (repository / "train.py").write_text("depth = 5\n")
        store.client.delete_run(carrying().info.run_id)

        run = carrying()

        assert "code/snapshot.bundle" in store.files(run.info.run_id)

    def test_is_stored_again_where_the_file_was_deleted(self, store, repository, carrying):
        (repository / "train.py").write_text("depth = 5\n")
        first = carrying()
        (store.artifacts(first.info.run_id) / "code/snapshot.bundle").unlink()

        run = carrying()

        assert "code/snapshot.bundle" in store.files(run.info.run_id)

    def test_leaves_the_repository_as_it_was(self, repository, carrying):
        (repository / "train.py").write_text("depth = 5\n")
        before = fingerprint(repository)

        carrying()

        assert fingerprint(repository) == before

    def test_that_is_given_is_not_taken_down_again(
        self, store, repository, carrying, monkeypatch, record_of
    ):
        given = record_of(TinyParameters()).code
        monkeypatch.setenv("REPRISE_CODE", given.model_dump_json())
        (repository / "train.py").write_text("depth = 5\n")

        run = carrying()

        assert tracking.read_record(run.info.run_id).code == given
        assert store.files(run.info.run_id) == ["provenance.json"]
        assert "REPRISE_CODE" not in os.environ

    def test_of_a_step_that_only_looks_is_described_and_not_carried(
        self, store, repository, launched
    ):
        (repository / "train.py").write_text("depth = 5\n")

        launched(nothing)

        (run,) = store.runs()
        code = tracking.read_record(run.info.run_id).code
        assert (code.dirty, code.commit, code.tree) == (
            True,
            git(repository, "rev-parse", "HEAD"),
            None,
        )
        assert store.files(run.info.run_id) == ["provenance.json"]

    @pytest.mark.parametrize("url", ["https://ada:s3cr3t@localhost/a.git", "https://s3cr3t@h/a"])
    def test_passes_no_credentials_on(self, store, repository, launched, monkeypatch, url):
        git(repository, "remote", "set-url", "origin", url)
        run_id = store.make_run(status="RUNNING", tags={"mlflow.source.name": url})
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)

        launched(nothing, model=CarriedParameters)

        told = [*store.tags(run_id).values(), tracking.read_record(run_id).to_json()]
        assert not [text for text in told if "s3cr3t" in text]


class TestRefusedCapture:
    @pytest.fixture
    def secret(self, repository):
        (repository / ".env").write_text("PASSWORD=x\n")

    def test_is_a_failed_run_with_a_record_that_does_not_compute(
        self, store, secret, launched, capsys
    ):
        computed = []

        ended = launched(lambda *_: computed.append(1), model=CarriedParameters)

        (run,) = store.runs()
        record = tracking.read_record(run.info.run_id)
        assert (ended, computed, run.info.status) == (2, [], "FAILED")
        assert (record.code, record.outputs) == (NO_REPOSITORY, None)
        assert ".env looks like a secret, by its name" in run.data.tags["reprise.error"]
        assert run.data.tags["reprise.error_kind"] == "CodeError"
        assert capsys.readouterr().err.count("\n") == 1

    def test_stores_nothing_of_the_files(self, store, secret, carrying):
        run = carrying(code=2)

        assert store.files(run.info.run_id) == ["provenance.json"]

    def test_can_be_allowed_by_name(self, store, secret, carrying):
        run = carrying("--allow_untracked", "other, .env")

        assert tracking.read_record(run.info.run_id).code.changed_files == (".env",)

    def test_does_not_hide_a_wrong_parameter(self, store, secret, launched, capsys):
        code = launched(nothing, "--size", "big", model=CarriedParameters)

        assert code == 2
        assert "size must be" in capsys.readouterr().err


class TestReplayingRun:
    @pytest.fixture
    def again(self, store, launched, monkeypatch):
        """Launch a step in a run that makes another one again, and return its exit code and run."""

        def again(main, past_id, *arguments, tag="reprise.replay_of"):
            run_id = store.make_run(status="RUNNING", tags={tag: past_id})
            monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
            return launched(main, *arguments), store.run(run_id)

        return again

    @pytest.fixture
    def past_id(self, recording):
        with recording(TinyParameters()) as run:
            run.add_input(DATA, context="training")
        return run.run_id

    def test_says_so_on_its_record(self, again, past_id):
        seen = []

        _, run = again(lambda _, run: seen.append(run.replays), past_id)

        assert tracking.read_record(run.info.run_id).replays == past_id
        assert seen == [True]

    def test_refuses_other_data_before_it_computes(self, again, past_id):
        computed = []

        def main(_, run):
            run.add_input(DATA.model_copy(update={"sha256": "b" * 64}), context="training")
            computed.append(1)

        code, run = again(main, past_id)

        assert (code, computed, run.info.status) == (2, [], "FAILED")
        assert f"SHA-256 was {'a' * 64}, is {'b' * 64}" in run.data.tags["reprise.error"]
        assert run.data.tags["reprise.error_kind"] == "DigestMismatchError"
        assert tracking.read_record(run.info.run_id).inputs[0].sha256 == "b" * 64

    def test_takes_the_same_data_from_anywhere(self, again, past_id):
        moved = DATA.model_copy(update={"uri": "runs:/2/data/train.parquet"})

        code, _ = again(lambda _, run: run.add_input(moved, context="training"), past_id)

        assert code == 0

    def test_may_read_what_the_earlier_run_did_not(self, again, past_id):
        further = DATA.model_copy(update={"name": "further", "sha256": "c" * 64})

        code, _ = again(lambda _, run: run.add_input(further, context="training"), past_id)

        assert code == 0

    def test_knows_where_the_earlier_run_read_an_input(self, again, past_id):
        seen = []

        again(lambda _, run: seen.extend(map(run.recorded_uri, ["train", "test"])), past_id)

        assert seen == [DATA.uri, None]

    def test_of_a_run_without_a_record_has_nothing_to_keep_to(self, store, again):
        seen = []

        code, _ = again(lambda _, run: seen.append(run.recorded_uri("train")), store.make_run())

        assert (code, seen) == (0, [None])

    def test_with_another_parameter_still_reads_the_same_data(self, again, past_id):
        other = DATA.model_copy(update={"sha256": "b" * 64})

        code, run = again(
            lambda _, run: run.add_input(other, context="training"),
            past_id,
            *("--size", "9"),
            tag="reprise.tweak_of",
        )

        assert code == 2
        assert tracking.read_record(run.info.run_id).replays is None

    def test_with_its_data_somewhere_else_reads_other_data(self, again, past_id):
        other = DATA.model_copy(update={"sha256": "b" * 64})
        seen = []

        def main(_, run):
            seen.append(run.recorded_uri("train"))
            run.add_input(other, context="training")

        code, _ = again(main, past_id, "--place", "there", tag="reprise.tweak_of")

        assert (code, seen) == (0, [None])

    def test_that_is_no_replay_has_no_earlier_input(self, recording):
        with recording(TinyParameters()) as run:
            assert (run.replays, run.recorded_uri("train")) == (False, None)

    def test_makes_its_children_as_those_of_the_earlier_run_with_their_parameters(
        self, store, recording, again
    ):
        with recording(TinyParameters()) as earlier:
            sizes = (TinyParameters(size=2), TinyParameters(size=3))
            before = [child(earlier, p) for p in (*sizes, Other(), Other())]
        made = []

        def main(_, run):
            sequence = (Other(), *reversed(sizes), Other(), Other())
            made.extend(child(run, parameters) for parameters in sequence)

        again(main, earlier.run_id)

        origins = [store.tags(run_id).get("reprise.replay_of") for run_id in made]
        assert origins == [before[2], before[1], before[0], before[3], None]

    def test_of_parameters_that_were_changed_makes_children_of_its_own(
        self, store, recording, again
    ):
        with recording(TinyParameters()) as earlier:
            child(earlier, Other())
        made = []

        again(
            lambda _, run: made.append(child(run, Other())),
            earlier.run_id,
            tag="reprise.tweak_of",
        )

        assert "reprise.replay_of" not in store.tags(made[0])


def child(run, parameters):
    """Make a planned run as the process that was started for it does."""
    return tracking.make(run.plan_child(parameters)).info.run_id


class Other(Parameters):
    """Do something else."""

    entry_point = "other"
