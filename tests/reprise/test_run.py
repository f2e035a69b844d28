"""A run is on the record before its work begins, and ends as what it was."""

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
from pydantic import Field

from reprise import tracking
from reprise.digest import sha256_array
from reprise.errors import BelowMinimumError, DataError
from reprise.parameters import Parameters
from reprise.record import Code, InputData
from reprise.run import launch

ROOT = Path(__file__).parents[2]
DATA = InputData(name="train", uri="runs:/1/data/train.parquet", sha256="a" * 64)
NO_REPOSITORY = Code(
    repository=None, project="", commit=None, tree=None, base_commit=None, dirty=True
)
WAITING_STEP = """\
import signal

from reprise.parameters import Parameters
from reprise.run import launch


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
    thresholds, handler = gc.get_threshold(), signal.getsignal(signal.SIGTERM)
    yield folder
    signal.signal(signal.SIGTERM, handler)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.fixture
def launched(project, monkeypatch):
    """Launch a step in this process, and return its exit code."""

    def launched(main, *arguments):
        monkeypatch.setattr(sys, "argv", ["tiny.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            launch(TinyParameters, main)
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

    def test_a_wrong_parameter_is_a_failed_run_that_says_so(self, store, launched, capsys):
        def main(_, run):
            raise AssertionError("it must not get here")

        code = launched(main, "--size", "big")

        (run,) = store.runs()
        assert code == 2
        assert run.info.status == "FAILED"
        assert run.data.params == {"size": "big"}
        assert "size must be a whole number >= 0; found 'big'" in run.data.tags["reprise.error"]
        assert capsys.readouterr().err.count("\n") == 1
        assert tracking.read_record(run.info.run_id).step.raw_parameters == {"size": "big"}

    def test_help_explains_the_parameters_and_makes_no_run(self, store, launched, capsys):
        code = launched(nothing, "--help")

        assert code == 0
        assert "--size  a size" in capsys.readouterr().out
        assert store.runs() == []

    def test_a_folder_that_is_no_repository_is_recorded_as_that(self, store, launched):
        launched(nothing)

        (run,) = store.runs()
        assert tracking.read_record(run.info.run_id).code == NO_REPOSITORY
        assert run.data.tags["reprise.dirty"] == "true"
        assert "reprise.key" not in run.data.tags

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
            run.log_model_digest("f" * 64, model_id=store.client.create_logged_model("1").model_id)
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
            run_id = run.create_child(TinyParameters(size=7))

        assert store.status(run_id) == "RUNNING"
        assert store.tags(run_id)["mlflow.parentRunId"] == run.run_id
        assert store.run(run_id).data.params["size"] == "7"
