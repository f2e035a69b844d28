"""Planned runs come back in the order of the plan, none is left open, none is made twice."""

import os
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from repositories import commit_all, git, make_repository

from reprise import env, tracking
from reprise.capture import code
from reprise.errors import RepriseError, RunFailedError
from reprise.models import model_store
from reprise.process import identity
from reprise.runtime import recorder
from reprise.sweeps import resume, runner
from reprise.sweeps.executor import Result
from steps import load_data, train_dt
from steps.parameters import LoadDataParameters, TrainDecisionTreeParameters

PLANNED = [TrainDecisionTreeParameters(max_depth=depth) for depth in (1, 2, 3)]
GONE = replace(identity.current(), started="1")
KEYS = ["a", "b", "c"]


class FakeExecutor:
    """Makes the runs of all tasks as their processes would, and ends them last to first.

    Parameters
    ----------
    end : callable
        Given a task and the id of its run, does what the process would do, and returns how it
        ended: the rest of a `Result`.
    stop_after : int, optional
        How many end before an interruption.
    """

    def __init__(self, end, *, stop_after=None, retries=False, folder=Path("unused")):
        self.end, self.stop_after = end, stop_after
        self.retries, self.folder = retries, folder
        self.code, self.environment = None, {}
        self.tasks, self.made = [], {}

    def open(self, code, environment):
        self.code, self.environment = code, environment

    def run(self, tasks):
        self.tasks = list(tasks)
        for task in tasks:
            self.made[id(task)] = tracking.make(plan_of(task)).info.run_id
        for ended, task in enumerate(reversed(tasks)):
            if ended == self.stop_after:
                raise KeyboardInterrupt
            run_id = self.made[id(task)]
            yield Result(task, **{"seconds": 1.0, "run_id": run_id, **self.end(task, run_id)})

    def run_ids(self):
        return [self.made[id(task)] for task in self.tasks]


def plan_of(task):
    return tracking.Plan(**task.asked.planned)


def depth(task):
    return float(task.raw_parameters["max_depth"])


@pytest.fixture
def parent(recording):
    with recording(LoadDataParameters()) as run:
        yield run


@pytest.fixture
def finish(store):
    """End a run as one that has measured its depth."""

    def finish(task, run_id):
        metrics = {"depth": depth(task)}
        tracking.log(run_id, metrics=metrics)
        store.client.set_terminated(run_id)
        return {"exit_code": 0, "seconds": depth(task), "metrics": metrics}

    return finish


def not_asked(task, run_id):
    raise AssertionError(f"this ran: {task}")


class TestRunAll:
    def test_each_is_a_task_of_its_own_run_below_the_parent(self, store, parent, finish):
        executor = FakeExecutor(finish)

        outcomes = runner.run_all(parent, executor, PLANNED)

        assert [task.module for task in executor.tasks] == ["steps.train_dt"] * 3
        assert [task.raw_parameters for task in executor.tasks] == [p.raw() for p in PLANNED]
        for outcome, parameters in zip(outcomes, PLANNED, strict=True):
            run = store.run(outcome.run_id)
            assert run.data.tags[tracking.PARENT] == parent.run_id
            assert run.data.tags[tracking.ENTRY_POINT] == "train_dt"
            assert run.data.params == parameters.raw()
            assert run.info.run_name == f"train_dt max_depth={parameters.max_depth}"

    def test_outcomes_are_in_the_order_of_the_plan_whichever_ends_first(self, parent, finish):
        executor, seen = FakeExecutor(finish), []

        outcomes = runner.run_all(parent, executor, PLANNED, on_end=seen.append)

        assert [outcome.parameters for outcome in outcomes] == PLANNED
        assert [outcome.run_id for outcome in outcomes] == executor.run_ids()
        assert [outcome.metrics for outcome in outcomes] == [{"depth": d} for d in (1, 2, 3)]
        assert [outcome.seconds for outcome in outcomes] == [1.0, 2.0, 3.0]
        assert {(outcome.error, outcome.made_before) for outcome in outcomes} == {("", False)}
        assert seen == outcomes[::-1]

    def test_a_process_that_died_leaves_a_failed_run_with_its_last_words(self, store, parent):
        words = {1: "working\nout of memory\n", 2: "", 3: "no"}
        executor = FakeExecutor(lambda t, _: {"exit_code": -9, "output": words[depth(t)]})

        outcomes = runner.run_all(parent, executor, PLANNED)

        assert [outcome.error for outcome in outcomes] == [
            "working\nout of memory",
            "exit code -9",
            "no",
        ]
        for outcome in outcomes:
            assert store.status(outcome.run_id) == "FAILED"
            assert store.tags(outcome.run_id)[tracking.ERROR] == outcome.error

    def test_an_error_that_the_run_has_noted_itself_is_the_one_told(self, store, parent):
        def fail(_, run_id):
            tracking.close(run_id, "FAILED", "expected rows, found none")
            return {"exit_code": 2, "output": "train_dt: expected rows\n"}

        (outcome,) = runner.run_all(parent, FakeExecutor(fail), PLANNED[:1])

        assert outcome.error == "expected rows, found none"
        assert store.status(outcome.run_id) == "FAILED"

    def test_a_process_that_died_before_it_made_its_run_is_told_by_its_last_words(self, parent):
        executor = FakeExecutor(lambda *_: {"exit_code": 1, "output": "no server", "run_id": ""})

        (outcome,) = runner.run_all(parent, executor, PLANNED[:1])

        assert (outcome.run_id, outcome.error) == ("", "no server")
        assert runner.refreshed(outcome) == outcome

    def test_an_interruption_leaves_no_run_open(self, store, parent, finish):
        executor = FakeExecutor(finish, stop_after=1)

        with pytest.raises(KeyboardInterrupt):
            runner.run_all(parent, executor, PLANNED)

        first, second, third = executor.run_ids()
        statuses = [store.status(run_id) for run_id in (first, second, third)]
        assert statuses == ["KILLED", "KILLED", "FINISHED"]
        assert store.tags(first)[tracking.ERROR] == "interrupted"
        assert tracking.ERROR not in store.tags(third)

    def test_an_interruption_as_a_result_comes_in_leaves_no_run_open(self, store, parent, finish):
        def interrupt(_):
            raise KeyboardInterrupt

        executor = FakeExecutor(finish)

        with pytest.raises(KeyboardInterrupt):
            runner.run_all(parent, executor, PLANNED, on_end=interrupt)

        statuses = [store.status(run_id) for run_id in executor.run_ids()]
        assert statuses == ["KILLED", "KILLED", "FINISHED"]

    def test_of_nothing_is_nothing(self, parent):
        assert runner.run_all(parent, FakeExecutor(not_asked), []) == []

    def test_an_outcome_is_refreshed_with_what_was_logged_later(self, parent, finish):
        (outcome,) = runner.run_all(parent, FakeExecutor(finish), PLANNED[:1])
        tracking.log(outcome.run_id, metrics={"test_accuracy": 0.5})

        found = runner.refreshed(outcome)

        assert outcome.metrics == {"depth": 1.0}
        assert found.metrics == {"depth": 1.0, "test_accuracy": 0.5}
        assert (found.parameters, found.seconds) == (outcome.parameters, outcome.seconds)


@pytest.fixture
def made(store):
    """Make a finished training run of a key, as an earlier sweep has left it."""

    def made(key, **tags):
        tags = {
            tracking.KEY: key,
            tracking.TREE: "d" * 40,  # of `record_of`
            tracking.ENTRY_POINT: "train_dt",
            **tags,
        }
        return store.make_run(metrics={"depth": 9.0}, tags=tags)

    return made


@pytest.fixture
def replaying(store, record_of):
    """Record a run that makes another again."""

    def replaying(run_id):
        run = store.run(store.make_run(status="RUNNING", tags={tracking.REPLAY_OF: run_id}))
        parameters = LoadDataParameters()
        return recorder.RunRecorder(run, record_of(parameters), parameters=parameters, tags={})

    return replaying


class TestResume:
    def resume(self, parent, executor, *, keys=KEYS, **options):
        return runner.run_missing(parent, executor, PLANNED, keys=keys, **options)

    def test_makes_all_where_nothing_was_made(self, parent, finish):
        executor = FakeExecutor(finish)

        outcomes = self.resume(parent, executor)

        assert [outcome.run_id for outcome in outcomes] == executor.run_ids()

    def test_makes_those_only_that_no_finished_run_has_made(self, parent, finish, made):
        before, executor, seen = made("b"), FakeExecutor(finish), []

        outcomes = self.resume(parent, executor, on_end=seen.append)

        assert [depth(task) for task in executor.tasks] == [1, 3]
        assert [outcome.parameters for outcome in outcomes] == PLANNED
        assert [outcome.made_before for outcome in outcomes] == [False, True, False]
        assert [outcome.metrics["depth"] for outcome in outcomes] == [1, 9, 3]
        assert outcomes[1].run_id == before
        assert sorted(seen, key=place) == outcomes
        assert parent._tags[tracking.MADE_BEFORE] == "1"

    def test_makes_nothing_where_all_was_made(self, parent, made):
        before = [made(key) for key in KEYS]

        outcomes = self.resume(parent, FakeExecutor(not_asked))

        assert [outcome.run_id for outcome in outcomes] == before

    def test_makes_those_of_which_nobody_can_tell_what_they_depend_on(self, parent, finish, made):
        made("a")

        outcomes = self.resume(parent, FakeExecutor(finish), keys=[None, None, None])

        assert [outcome.made_before for outcome in outcomes] == [False] * 3

    @pytest.mark.parametrize(("retries", "once"), [(True, KEYS), (False, [None] * 3)])
    def test_tells_a_process_its_key_where_it_may_be_started_again(
        self, parent, finish, retries, once
    ):
        executor = FakeExecutor(finish, retries=retries)

        self.resume(parent, executor)

        assert [task.asked.key for task in executor.tasks] == once

    def test_closes_what_a_dead_sweep_has_left_open(self, store, parent, finish, monkeypatch):
        monkeypatch.setattr(resume, "_GRACE_SECONDS", 0)
        dead = store.make_run(status="RUNNING", tags={tracking.PROCESS: str(GONE)})

        self.resume(parent, FakeExecutor(finish))

        assert store.status(dead) == "KILLED"

    def test_is_refused_while_another_makes_the_same(self, store, parent):
        tags = {**tracking.holding(), resume.PLAN: resume.plan_digest(KEYS)}
        store.make_run(status="RUNNING", tags=tags, start_time=1)

        with pytest.raises(RunFailedError, match="expected to be alone with this plan"):
            self.resume(parent, FakeExecutor(not_asked))

    def test_makes_again_what_the_replayed_sweep_had_made(self, store, made, finish, replaying):
        sweep = store.make_run()
        own = made("a", **{tracking.PARENT: sweep})
        tracking.log(own, params=PLANNED[0].raw())
        earlier = made("b")

        outcomes = self.resume(replaying(sweep), FakeExecutor(finish))

        assert [outcome.made_before for outcome in outcomes] == [False, True, False]
        assert store.tags(outcomes[0].run_id)[tracking.REPLAY_OF] == own
        assert outcomes[1].run_id == earlier


def place(outcome):
    return PLANNED.index(outcome.parameters)


@pytest.fixture
def train(store, record_of, recording):
    """Train as a task's process does, on iris, and keep the model if the task says so."""
    with recording(LoadDataParameters()) as loading:
        load_data.main(LoadDataParameters(), loading)

    def train(task, run_id):
        parameters = TrainDecisionTreeParameters.parse(
            {**task.raw_parameters, "data": loading.run_id}
        )
        run = mlflow.start_run(run_id=run_id, nested=True)
        with recorder.finalizing_run(run):
            recorded = recorder.RunRecorder(
                run,
                record_of(parameters),
                parameters=parameters,
                tags={},
                keeps_models=task.asked.keep_models,
            )
            with recorded.recorded():
                train_dt.main(parameters, recorded)
        return {"exit_code": 0, "metrics": recorded.metrics}

    return train


class TestMaterialize:
    PARAMETERS = TrainDecisionTreeParameters(max_depth=2, cv=0)

    def best(self, parent, train, *, keep_models=False):
        executor = FakeExecutor(train)
        return runner.run_missing(
            parent, executor, [self.PARAMETERS], keys=[None], keep_models=keep_models
        )[0]

    def test_gives_a_run_the_model_that_it_had(self, store, parent, train):
        best = self.best(parent, train)
        had_one, executor = model_store.has_model(best.run_id), FakeExecutor(train)

        runner.materialize(parent, executor, [best])

        digest = store.tags(best.run_id)[tracking.MODEL_DIGEST]
        assert not had_one
        assert model_store.load_model(best.run_id, recorded=digest).classes_.size == 3
        (again,) = executor.run_ids()
        assert store.tags(again)[tracking.REPLAY_OF] == best.run_id
        assert store.tags(again)[tracking.PARENT] == parent.run_id
        assert store.tags(best.run_id)[tracking.VERDICT] == "identical"

    def test_makes_nothing_where_the_run_has_its_model(self, parent, train):
        best = self.best(parent, train, keep_models=True)

        runner.materialize(parent, FakeExecutor(not_asked), [best])

        assert model_store.has_model(best.run_id)

    def test_gives_no_model_of_a_run_that_came_out_differently(self, store, parent, train):
        best = self.best(parent, train)

        def differ(task, run_id):
            task.raw_parameters["seed"] = "99"
            task.raw_parameters["max_depth"] = "1"
            return train(task, run_id)

        with pytest.raises(RepriseError) as refused:
            runner.materialize(parent, FakeExecutor(differ), [best])

        assert best.run_id in str(refused.value)
        assert "\n" not in str(refused.value)
        assert not model_store.has_model(best.run_id)
        assert store.tags(best.run_id)[tracking.VERDICT] != "identical"

    def test_gives_no_model_where_the_run_cannot_be_made_again(self, parent, train):
        best = self.best(parent, train)
        executor = FakeExecutor(lambda *_: {"exit_code": 1, "output": "no disk\nleft"})

        with pytest.raises(RunFailedError) as failed:
            runner.materialize(parent, executor, [best])

        assert str(failed.value).endswith("could not be reproduced for its model: no disk left")
        assert not model_store.has_model(best.run_id)


@pytest.mark.usefixtures("plain_git")
class TestBringCode:
    @pytest.fixture
    def project(self, tmp_path, monkeypatch):
        """A repository, in which this process is."""
        folder = make_repository(tmp_path / "project")
        monkeypatch.chdir(folder)
        monkeypatch.delenv(env.DATA_FOLDER, raising=False)
        return folder

    @pytest.fixture
    def executor(self, tmp_path):
        (tmp_path / "executor").mkdir()
        return FakeExecutor(not_asked, folder=tmp_path / "executor")

    def captured(self, store, folder):
        """Capture a project as a run does that carries what git has not."""
        with code.capture(folder) as found:
            if not found.carried:
                return found.code
            run_id, bundle = store.make_run(), folder.parent / "snapshot.bundle"
            found.write_bundle(bundle)
            store.client.log_artifact(run_id, str(bundle), "code")
            uri = f"runs:/{run_id}/code/{bundle.name}"
            return found.code.model_copy(update={"bundle": uri})

    def test_checks_out_the_commit_that_is_recorded(self, store, recording, project, executor):
        recorded = self.captured(store, project)
        (project / "train.py").write_text("depth = 99\n")
        commit_all(project)

        with recording(LoadDataParameters(), code=recorded) as parent:
            runner.check_out_for(parent, executor)

        assert executor.code != project
        assert executor.folder in executor.code.parents
        assert (executor.code / "train.py").read_text() == "depth = 3\n"

    def test_brings_edits_that_are_in_no_commit_of_the_project(
        self, store, recording, project, executor
    ):
        (project / "train.py").write_text("depth = 4\n")
        recorded = self.captured(store, project)
        git(project, "checkout", "--quiet", "train.py")

        with recording(LoadDataParameters(), code=recorded) as parent:
            runner.check_out_for(parent, executor)

        assert recorded.dirty
        assert (executor.code / "train.py").read_text() == "depth = 4\n"

    def test_is_in_the_folder_of_a_project_within_the_repository(
        self, store, recording, project, executor, monkeypatch
    ):
        monkeypatch.chdir(project / "sub")
        recorded = self.captured(store, project / "sub")

        with recording(LoadDataParameters(), code=recorded) as parent:
            runner.check_out_for(parent, executor)

        assert executor.code.name == "sub"
        assert (executor.code / "MLproject").read_text() == "name: sub\n"

    def test_takes_the_present_folder_where_no_commit_is_known(self, recording, project, executor):
        with recording(LoadDataParameters(), code=code.UNKNOWN) as parent:
            runner.check_out_for(parent, executor)

        assert executor.code == project

    def test_tells_processes_where_to_log_and_what_they_run(
        self, store, recording, project, executor
    ):
        recorded = self.captured(store, project)

        with recording(LoadDataParameters(), code=recorded) as parent:
            runner.check_out_for(parent, executor)

        assert executor.environment == {
            "MLFLOW_TRACKING_URI": store.uri,
            "MLFLOW_EXPERIMENT_ID": store.experiment_id,
            "REPRISE_PROTOCOL": "1",
            "REPRISE_CODE": recorded.model_dump_json(),
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            env.DATA_FOLDER: os.fspath(project),
        }

    def test_lets_processes_import_what_is_checked_out(
        self, store, recording, project, executor, monkeypatch
    ):
        (project / "src").mkdir()
        (project / "src" / "mylib.py").write_text("VALUE = 1\n")
        commit_all(project)
        monkeypatch.syspath_prepend(str(project / "src"))
        monkeypatch.syspath_prepend("/a/script's/own")
        monkeypatch.delenv("PYTHONPATH", raising=False)

        with recording(LoadDataParameters(), code=self.captured(store, project)) as parent:
            runner.check_out_for(parent, executor)

        assert executor.environment["PYTHONPATH"] == str(executor.code / "src")

    def test_lets_processes_find_data_where_the_first_of_them_was_started(
        self, recording, project, executor, monkeypatch
    ):
        monkeypatch.setenv(env.DATA_FOLDER, "/somewhere")

        with recording(LoadDataParameters(), code=code.UNKNOWN) as parent:
            runner.check_out_for(parent, executor)

        assert executor.environment[env.DATA_FOLDER] == "/somewhere"
