"""A script's runs: the calls of a wrapper over MlflowClient, each run with its record."""

import importlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from repositories import commit_all, git
from sklearn.tree import DecisionTreeClassifier

import reprise
from reprise import env, tracking
from reprise.capture import numerics
from reprise.errors import CodeError, DataError, DigestMismatchError, ParameterError, TrackingError
from reprise.process.interrupts import ENDING
from reprise.record.digest import sha256_array, sha256_file, sha256_model
from reprise.record.schema import Code
from reprise.scripts import exit_handler
from reprise.scripts import experiment as experiment_module
from reprise.scripts import script as script_module

ROOT = Path(__file__).parents[3]
CONFIG = {"experiment_name": "tests", "user_id": "ada"}
GIVEN_CODE = Code(
    repository=None, project="", commit="c" * 40, tree="d" * 40, base_commit="c" * 40, dirty=False
)


@pytest.fixture
def project(store, plain_git, tmp_path):
    """A repository with a script in a folder, started from that folder."""
    folder = tmp_path / "project"
    (folder / "analysis").mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / ".gitignore").write_text("*.csv\n*.db\n__pycache__/\n")
    (folder / "analysis" / "fit.py").write_text("depth = 2\n")
    commit_all(folder)
    return folder


@pytest.fixture
def started(project, monkeypatch):
    """Let this process be that of the project's script, with other variables."""

    def started(*arguments, file="analysis/fit.py", folder="analysis", variables=None):
        script = script_module.script(
            types.SimpleNamespace(__file__=str(project / file) if file else None),
            arguments,
            project / folder,
        )
        found = script_module.ScriptProcess(script, {} if variables is None else variables)
        monkeypatch.chdir(project / folder)
        monkeypatch.setattr(experiment_module, "current", lambda: found)
        monkeypatch.setattr(numerics, "NUMPY_PRELOADED", False)  # other tests have loaded it
        return found

    return started


@pytest.fixture
def experiment(started):
    """An experiment of the script; a run that a test leaves open does not outlive it."""
    started()
    with experiment_module.Experiment(CONFIG) as experiment:
        yield experiment


def record_of(run_id):
    return tracking.read_record(run_id)


def history(store, run_id, name):
    return [(point.step, point.value) for point in store.client.get_metric_history(run_id, name)]


class TestConfiguration:
    @pytest.mark.parametrize(
        ("config", "found"),
        [
            ({}, "found: no experiment_name"),
            ({"experiment_name": ""}, "found: an empty experiment_name"),
            ({"experiment_name": 3}, "found: int for experiment_name"),
            ({**CONFIG, "use_git_version": "yes"}, "found: str for use_git_version"),
            ({**CONFIG, "user": "ada"}, "found: the unknown key 'user'"),
            ({"user": "ada"}, "no experiment_name; the unknown key 'user'"),
        ],
        ids=["empty", "no name", "number", "text for a switch", "unknown key", "two mistakes"],
    )
    def test_is_refused_in_one_line_that_names_every_mistake(self, config, found):
        with pytest.raises(ParameterError) as refused:
            experiment_module.Experiment(config)

        assert found in str(refused.value)
        assert "\n" not in str(refused.value)

    def test_is_refused_unless_it_is_a_dict(self):
        with pytest.raises(ParameterError, match="found str"):
            experiment_module.Experiment("tests")

    def test_makes_an_experiment_that_is_not_there_with_its_artifact_location(
        self, started, store, tmp_path
    ):
        started()
        location = str(tmp_path / "elsewhere")

        made = experiment_module.Experiment(
            {"experiment_name": "new", "artifact_location": location}
        )

        found = store.client.get_experiment(made.experiment_id)
        assert (found.name, found.artifact_location) == ("new", location)

    def test_names_an_experiment_that_has_been_deleted(self, started, store):
        started()
        store.client.delete_experiment(store.client.create_experiment("gone"))

        with pytest.raises(TrackingError, match="'gone', which has been deleted"):
            experiment_module.Experiment({"experiment_name": "gone"})

    def test_of_a_tracking_uri_decides_where_runs_go_whatever_others_use(
        self, started, store, migrated, tmp_path
    ):
        started()
        (tmp_path / "other.db").write_bytes(migrated.read_bytes())
        other = f"sqlite:///{tmp_path}/other.db"
        location = str(tmp_path / "other")
        config = {**CONFIG, "tracking_uri": other, "artifact_location": location}

        with experiment_module.Experiment(config).create_run("there") as experiment:
            experiment.log_metrics({"x": 1})
            run_id = experiment.run_id

        with tracking.using_server(other):
            assert tracking.get_run(run_id).data.metrics == {"x": 1.0}
            assert record_of(run_id).outputs.metrics == {"x": 1.0}
        assert store.runs() == []


class TestRun:
    def test_has_its_record_before_the_work_and_its_results_after(self, experiment, store):
        experiment.create_run("first")
        run_id = experiment.run_id
        before = record_of(run_id)

        experiment.log_metrics({"score": 0.5})
        experiment.terminate_run()

        assert before.outputs is None
        assert before.environment.packages != {}
        assert record_of(run_id).outputs.metrics == {"score": 0.5}
        assert store.status(run_id) == "FINISHED"

    def test_is_tagged_with_its_name_user_script_and_code(self, experiment, store, project):
        with experiment.create_run("first"):
            run_id = experiment.run_id

        tags = store.tags(run_id)
        head = git(project, "rev-parse", "HEAD")
        assert store.run(run_id).info.run_name == "first"
        assert tags["mlflow.user"] == "ada"
        assert tags["mlflow.source.name"] == "analysis/fit.py"
        assert tags["mlflow.project.entryPoint"] == "analysis/fit.py"
        assert (tags["reprise.commit"], tags["reprise.dirty"]) == (head, "false")

    def test_records_how_the_script_was_started(self, started):
        started("5", "a b")

        with experiment_module.Experiment(CONFIG).create_run() as experiment:
            step = record_of(experiment.run_id).step

        assert step.entry_point == "analysis/fit.py"
        assert step.command == ("analysis/fit.py", "5", "a b")
        assert (step.folder, step.number) == ("analysis", 1)

    def test_carries_edits_and_the_script_for_people_to_read(self, started, project, store):
        started()
        (project / "analysis" / "fit.py").write_text("depth = 3\n")

        with experiment_module.Experiment(CONFIG).create_run() as experiment:
            run_id = experiment.run_id

        assert record_of(run_id).code.changed_files == ("analysis/fit.py",)
        assert {"code/fit.py", "code/snapshot.bundle", "code/changes.patch"} <= {
            *store.files(run_id)
        }

    def test_of_a_script_has_the_code_that_the_first_one_found(self, experiment, project, store):
        ids = []
        for text in ("depth = 3\n", "depth = 4\n"):
            with experiment.create_run():
                ids.append(experiment.run_id)
            (project / "analysis" / "fit.py").write_text(text)

        first, second = (record_of(run_id) for run_id in ids)
        assert first.code == second.code
        assert (first.step.number, second.step.number) == (1, 2)
        assert (store.artifacts(ids[1]) / "code" / "fit.py").read_text() == "depth = 2\n"

    def test_of_an_interactive_session_has_its_current_code(self, started, project):
        started(file=None)
        experiment = experiment_module.Experiment(CONFIG)
        codes = []
        for text in ("depth = 3\n", "depth = 4\n"):
            (project / "analysis" / "fit.py").write_text(text)
            with experiment.create_run():
                record = record_of(experiment.run_id)
            codes.append(record.code.tree)

        assert (record.step.entry_point, record.step.command) == ("", ())
        assert codes[0] != codes[1]

    def test_without_use_git_version_has_no_code(self, started, store):
        started()

        with experiment_module.Experiment(
            {**CONFIG, "use_git_version": False}
        ).create_run() as experiment:
            run_id = experiment.run_id

        assert record_of(run_id).code.commit is None
        assert not [name for name in store.files(run_id) if name.startswith("code/")]

    def test_is_not_begun_where_the_code_holds_a_secret(self, experiment, project, store):
        (project / ".env").write_text("PASSWORD=x\n")

        with pytest.raises(CodeError, match=r"\.env looks like a secret.*the key allow_untracked"):
            experiment.create_run()

        assert store.runs() == []

    def test_carries_a_file_that_the_configuration_allows(self, started, project):
        started()
        (project / ".env").write_text("EXAMPLE=1\n")

        with experiment_module.Experiment(
            {**CONFIG, "allow_untracked": ".env"}
        ).create_run() as experiment:
            assert record_of(experiment.run_id).code.changed_files == (".env",)

    @pytest.mark.parametrize("file", ["analysis/fit.py", "settings.py"])
    def test_is_not_begun_where_the_code_holds_the_login_of_the_server(
        self, started, project, file
    ):
        found = started()
        (project / file).write_text("URI = 'http://ada:pa55w0rd@example.org'\n")
        login = found.source(allowed=(), login="ada:pa55w0rd@")

        with pytest.raises(CodeError, match="password is not in the code") as refused, login:
            pass

        assert "pa55w0rd" not in str(refused.value)

    @pytest.mark.parametrize(
        "argument", ["https://ada:pa55@example.org/x", "--url=https://ada:pa55@example.org/x"]
    )
    def test_is_not_begun_where_the_command_line_holds_a_password(self, started, store, argument):
        started(argument)

        with pytest.raises(ParameterError, match="the command line") as refused:
            experiment_module.Experiment(CONFIG).create_run()

        assert "pa55" not in str(refused.value)
        assert store.runs() == []

    def test_is_not_begun_with_arguments_that_are_no_text(self, started, store):
        started("\udcff")

        with pytest.raises(ParameterError, match=r"expected text in UTF-8 .* the command line"):
            experiment_module.Experiment(CONFIG).create_run()

        assert store.runs() == []

    def test_must_end_before_the_next_begins(self, experiment):
        experiment.create_run("first")

        with pytest.raises(ParameterError, match=f"found run {experiment.run_id} still open"):
            experiment.create_run("second")

    @pytest.mark.parametrize(
        "call",
        [
            lambda e: e.log_params({"a": 1}),
            lambda e: e.log_metrics({"a": 1}),
            lambda e: e.log_artifact("x"),
            lambda e: e.terminate_run(),
        ],
        ids=["log_params", "log_metrics", "log_artifact", "terminate_run"],
    )
    def test_must_be_begun_before_anything_is_logged(self, experiment, call):
        with pytest.raises(ParameterError, match="Call create_run first"):
            call(experiment)

    def test_ends_with_its_block(self, experiment, store):
        with experiment.create_run():
            run_id = experiment.run_id
            assert store.status(run_id) == "RUNNING"

        assert store.status(run_id) == "FINISHED"

    def test_ends_with_the_block_of_its_experiment(self, started, store):
        started()

        with experiment_module.Experiment(CONFIG) as experiment:
            experiment.create_run()
            run_id = experiment.run_id

        assert store.status(run_id) == "FINISHED"

    @pytest.mark.parametrize(
        ("error", "status", "kind"),
        [
            (ValueError("too deep"), "FAILED", "ValueError"),
            (DataError("no data"), "FAILED", "DataError"),
            (KeyboardInterrupt(), "KILLED", "KeyboardInterrupt"),
            (exit_handler.Terminated(143), "KILLED", "KeyboardInterrupt"),
        ],
        ids=["error", "own error", "Ctrl-C", "SIGTERM"],
    )
    def test_ends_with_the_status_of_its_block(self, experiment, store, error, status, kind):
        experiment.create_run()
        run_id = experiment.run_id
        experiment.log_metrics({"so_far": 1})
        with pytest.raises(type(error)), experiment:
            raise error

        assert store.status(run_id) == status
        assert store.tags(run_id)["reprise.error_kind"] == kind
        assert store.metrics(run_id) == {"so_far": 1.0}
        assert record_of(run_id).outputs is None

    def test_restores_the_signals(self, experiment):
        before = [signal.getsignal(number) for number in ENDING]

        with experiment.create_run():
            pass

        assert [signal.getsignal(number) for number in ENDING] == before

    def test_calls_every_other_method_of_the_client(self, experiment, store):
        with experiment.create_run():
            run_id = experiment.run_id
            experiment.set_tag(run_id, "team", "churn")
            experiment.log_metric(run_id, "by_hand", 2.5)

        assert store.tags(run_id)["team"] == "churn"
        assert record_of(run_id).outputs.metrics == {"by_hand": 2.5}

    def test_has_no_attribute_that_the_client_has_not(self, experiment):
        with pytest.raises(AttributeError):
            _ = experiment.no_such_method


class TestLogging:
    def test_parameters_are_texts_with_the_run_and_on_the_record(self, experiment, store):
        values = {"depth": 3, "rate": 0.1, "name": "a b", "none": None, "seed": 7}

        with experiment.create_run():
            experiment.log_params({"depth": 3})
            experiment.log_params(values)
            run_id = experiment.run_id

        texts = {name: str(value) for name, value in values.items()}
        record = record_of(run_id)
        assert store.run(run_id).data.params == texts
        assert record.step.parameters == texts
        assert record.step.raw_parameters == {}
        assert record.seeds == {"seed": 7}

    def test_more_parameters_than_a_request_takes_are_logged(self, experiment, store):
        values = {f"p{i}": str(i) for i in range(250)}

        with experiment.create_run():
            experiment.log_params(values)
            run_id = experiment.run_id

        assert store.run(run_id).data.params == values

    def test_a_parameter_has_one_value(self, experiment):
        experiment.create_run()
        experiment.log_params({"depth": 3})

        with pytest.raises(ParameterError, match="depth in a run, found '3', then '4'"):
            experiment.log_params({"depth": 4})

    def test_a_parameter_with_a_password_is_refused(self, experiment, store):
        experiment.create_run()

        with pytest.raises(ParameterError, match="password"):
            experiment.log_params({"source": "https://ada:pa55@example.org/x"})

        assert store.run(experiment.run_id).data.params == {}

    def test_a_list_is_a_history_with_one_point_per_step(self, experiment, store):
        with experiment.create_run():
            run_id = experiment.run_id
            experiment.log_metrics({"loss": [0.5, 0.25, 0.75], "score": np.float32(0.1)})

        assert history(store, run_id, "loss") == [(0, 0.5), (1, 0.25), (2, 0.75)]
        assert history(store, run_id, "score") == [(0, float(np.float32(0.1)))]
        assert record_of(run_id).outputs.metrics == {"loss": 0.75, "score": float(np.float32(0.1))}

    def test_a_later_call_goes_on_with_the_history(self, experiment, store):
        with experiment.create_run():
            run_id = experiment.run_id
            experiment.log_metrics({"loss": np.array([0.5, 0.25])})
            experiment.log_metrics({"loss": 0.125})
        with experiment.create_run():
            other = experiment.run_id
            experiment.log_metrics({"loss": 1})

        assert history(store, run_id, "loss") == [(0, 0.5), (1, 0.25), (2, 0.125)]
        assert history(store, other, "loss") == [(0, 1.0)]
        assert record_of(run_id).outputs.metrics == {"loss": 0.125}

    def test_a_history_longer_than_a_request_is_logged_whole(self, experiment, store):
        with experiment.create_run():
            run_id = experiment.run_id
            experiment.log_metrics({"loss": range(2500)})

        assert store.metrics(run_id) == {"loss": 2499.0}
        assert len(history(store, run_id, "loss")) == 2500

    @pytest.mark.parametrize("value", ["high", "0.5", None, [1, "two"], {"a": 1}], ids=repr)
    def test_a_metric_that_is_no_number_is_refused(self, experiment, value):
        experiment.create_run()

        with pytest.raises(ParameterError, match="for the metric score"):
            experiment.log_metrics({"score": value})

    def test_files_and_folders_become_artifacts(self, experiment, store, tmp_path):
        (tmp_path / "plots" / "deep").mkdir(parents=True)
        (tmp_path / "plots" / "deep" / "b.txt").write_text("b")
        (tmp_path / "a.txt").write_text("a")

        with experiment.create_run():
            experiment.log_artifact(tmp_path / "a.txt")
            experiment.log_artifact(str(tmp_path / "a.txt"), "notes")
            experiment.log_artifacts(tmp_path / "plots")
            run_id = experiment.run_id

        assert {"a.txt", "notes/a.txt", "deep/b.txt"} <= set(store.files(run_id))

    def test_a_model_and_its_predictions_are_on_the_record_by_digest(self, experiment):
        X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]})
        model = DecisionTreeClassifier(random_state=0).fit(X, [0, 0, 1, 1])
        probabilities = model.predict_proba(X)

        with experiment.create_run():
            experiment.log_params({"depth": 1})
            experiment.log_model(model, X.head(2))
            experiment.log_predictions([0, 0, 1, 1], probabilities)
            run_id = experiment.run_id

        outputs = record_of(run_id).outputs
        assert outputs.model == sha256_model(model)
        assert outputs.predictions == {
            "labels": sha256_array(np.array([0, 0, 1, 1])),
            "probabilities": sha256_array(probabilities),
        }

    def test_an_example_that_is_no_table_is_refused(self, experiment):
        experiment.create_run()

        with pytest.raises(ParameterError, match="found ndarray"):
            experiment.log_model(DecisionTreeClassifier(), np.zeros((2, 1)))


class TestInputs:
    @pytest.fixture
    def table(self, project):
        path = project / "analysis" / "table.csv"
        path.write_text("a,b\n1,2\n")
        return path

    @pytest.mark.parametrize("absolute", [False, True])
    def test_are_on_the_record_by_digest_and_by_their_place_in_the_project(
        self, experiment, table, absolute
    ):
        with experiment.create_run():
            path = experiment.log_input(table if absolute else "table.csv")
            (data,) = record_of(experiment.run_id).inputs

        assert path.read_text() == "a,b\n1,2\n"
        assert (data.name, data.uri) == ("table.csv", "analysis/table.csv")
        assert data.sha256 == sha256_file(table)

    def test_outside_the_project_keep_their_path(self, experiment, tmp_path):
        (tmp_path / "far.csv").write_text("a\n1\n")

        with experiment.create_run():
            experiment.log_input(tmp_path / "far.csv", name="far")
            experiment.log_input("../../far.csv", name="near")
            uris = {data.name: data.uri for data in record_of(experiment.run_id).inputs}

        assert uris == {"far": str(tmp_path / "far.csv"), "near": "../far.csv"}

    def test_that_are_not_there_are_refused(self, experiment):
        experiment.create_run()

        with pytest.raises(DataError, match="found nothing"):
            experiment.log_input("missing.csv")

    @pytest.mark.parametrize("absolute", [False, True])
    def test_of_a_replay_are_found_where_git_ignores_them(
        self, started, project, table, tmp_path, monkeypatch, absolute
    ):
        at_hand = tmp_path / "at hand" / "analysis"
        at_hand.mkdir(parents=True)
        table.rename(at_hand / "table.csv")
        monkeypatch.setenv("REPRISE_DATA_FOLDER", str(at_hand))
        started()

        with experiment_module.Experiment(CONFIG).create_run() as experiment:
            path = experiment.log_input(table if absolute else "table.csv")
            (data,) = record_of(experiment.run_id).inputs

        assert path.read_text() == "a,b\n1,2\n"
        assert data.uri == "analysis/table.csv"

    @pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
    def test_a_run_that_has_ended_is_not_taken_from_the_environment(self, started, store, status):
        run_id = store.make_run(status=status)
        started(variables={"MLFLOW_RUN_ID": run_id})

        with pytest.raises(TrackingError, match=f"found run {run_id}, which is {status}"):
            experiment_module.Experiment(CONFIG).create_run()

        assert store.status(run_id) == status
        assert store.files(run_id) == []

    def test_of_a_replay_must_equal_the_original_input(self, experiment, started, store, table):
        with experiment.create_run():
            experiment.log_input("table.csv")
            first = experiment.run_id
        table.write_text("a,b\n1,3\n")
        again = store.make_run(status="RUNNING", tags={tracking.REPLAY_OF: first})
        started(variables={"MLFLOW_RUN_ID": again})

        with (
            pytest.raises(DigestMismatchError, match="the input table"),
            experiment_module.Experiment(CONFIG).create_run() as replay,
        ):
            replay.log_input("table.csv")

        assert store.status(again) == "FAILED"
        assert store.tags(again)["reprise.error_kind"] == "DigestMismatchError"


class TestReplay:
    @pytest.fixture
    def replay(self, started, store):
        """Let this process be a replay of the script's second run."""
        store.client.create_experiment("asked for")
        parent = store.make_run(status="RUNNING")
        given = store.make_run(status="RUNNING", tags={tracking.REPLAY_OF: "0" * 32})
        variables = {
            "MLFLOW_RUN_ID": given,
            env.RUN_NUMBER: "2",
            env.BELOW: parent,
            env.CODE: GIVEN_CODE.model_dump_json(),
        }
        return parent, given, started(variables=variables), variables

    @pytest.fixture
    def runs(self, replay, monkeypatch):
        """Ids of the three runs that the script then makes."""
        monkeypatch.setattr(experiment_module, "_original", lambda run: None)
        config = {"experiment_name": "asked for", "tracking_uri": "http://nobody.invalid"}
        with experiment_module.Experiment(config) as experiment:
            ids = []
            for name in ("a", "b", "c"):
                experiment.create_run(name)
                ids.append(experiment.run_id)
                experiment.terminate_run()
        return ids

    def test_attaches_to_the_run_that_was_made_for_it(self, replay, runs, store):
        _, given, _, _ = replay

        assert runs[1] == given
        assert store.status(given) == "FINISHED"
        assert record_of(given).step.number == 2
        assert record_of(given).replays == "0" * 32

    def test_makes_the_other_runs_as_child_runs_of_the_parent(self, replay, runs, store):
        parent, _, _, _ = replay

        assert [store.tags(i)["mlflow.parentRunId"] for i in (runs[0], runs[2])] == [parent] * 2
        assert {store.run(i).info.experiment_id for i in runs} == {store.experiment_id}

    def test_records_the_code_from_its_environment(self, runs):
        assert [record_of(run_id).code for run_id in runs] == [GIVEN_CODE] * 3

    def test_keeps_its_run_from_the_processes_that_the_script_starts(self, replay):
        parent, given, found, variables = replay

        below = script_module.ScriptProcess(found.script, variables)

        assert found.given == given
        assert (below.given, below.placed) == (None, parent)


class TestSession:
    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / ".git").mkdir()
        (tmp_path / "sub" / "deep").mkdir(parents=True)
        return tmp_path

    def of(self, path, started_in, *, module=None, arguments=()):
        spec = types.SimpleNamespace(name=module) if module else None
        main = types.SimpleNamespace(__file__=str(path), __spec__=spec)
        return script_module.script(main, arguments, started_in)

    def test_a_projects_folder_is_the_nearest_with_an_mlproject_or_a_repository(self, folder):
        outer = self.of("sub/deep/fit.py", folder)
        (folder / "sub" / "MLproject").write_text("name: sub\n")
        inner = self.of("sub/deep/fit.py", folder)

        assert (outer.project, outer.entry_point) == (folder, "sub/deep/fit.py")
        assert (inner.project, inner.entry_point) == (folder / "sub", "deep/fit.py")

    def test_a_working_folder_outside_the_project_is_not_recorded(self, folder):
        (folder / "sub" / "MLproject").write_text("name: sub\n")

        step = self.of("sub/fit.py", folder).step(1)

        assert (step.command, step.folder) == (("fit.py",), "")

    def test_a_module_is_started_as_one(self, folder):
        step = self.of(folder / "sub" / "fit.py", folder, module="sub.fit", arguments=["1"]).step(1)

        assert (step.entry_point, step.command) == ("sub/fit.py", ("-m", "sub.fit", "1"))

    def test_a_folder_with_a_main_file_is_started_as_that_file(self, folder):
        step = self.of(folder / "sub" / "__main__.py", folder, module="__main__").step(1)

        assert step.command == ("sub/__main__.py",)

    def test_links_to_the_project_do_not_hide_where_it_was_started(self, folder, tmp_path):
        (folder / "link").symlink_to(folder / "sub")

        step = self.of(folder / "link" / "fit.py", folder / "link").step(1)

        assert (step.command, step.folder) == (("sub/fit.py",), "sub")

    @pytest.mark.parametrize("is_repository", [False, True])
    @pytest.mark.parametrize("way", ["other", "home/bin/tool.py", "above/tool.py"])
    def test_a_link_from_elsewhere_is_the_script_that_it_leads_to(
        self, tmp_path, way, is_repository
    ):
        above = tmp_path.with_name(f"{tmp_path.name} links") / "above"
        project = above / "project"
        (project / ".git").mkdir(parents=True)
        (project / "fit.py").write_text("x = 1\n")
        link = above.parent / way
        link.parent.mkdir(parents=True, exist_ok=True)
        if is_repository:
            (link.parent / ".git").mkdir()
        link.symlink_to(project / "fit.py")

        found = self.of(link, link.parent)

        assert (found.project, found.entry_point) == (project, "fit.py")

    def test_a_link_within_the_project_is_started_by_its_own_name(self, folder):
        (folder / "fit.py").write_text("x = 1\n")
        (folder / "latest.py").symlink_to("fit.py")

        assert self.of("latest.py", folder).entry_point == "latest.py"

    @pytest.mark.parametrize("tool", ["cProfile", "profile", "trace"])
    def test_what_pythons_own_profiler_runs_is_the_script(self, folder, tool):
        main = importlib.import_module(tool)

        found = script_module.script(main, ("5",), folder, program="sub/fit.py")

        assert found.step(1).command == ("sub/fit.py", "5")

    def test_a_tool_of_python_that_runs_no_script_is_none(self, folder):
        main = importlib.import_module("timeit")

        found = script_module.script(main, (), folder, program=str(main.__file__))

        assert found.source is None

    @pytest.mark.parametrize("name", ["lib", "bin"])
    def test_a_tool_of_the_environment_is_no_script(self, folder, name):
        import sysconfig

        key = {"lib": "purelib", "bin": "scripts"}[name]
        found = self.of(Path(sysconfig.get_paths()[key], "tool.py"), folder)

        assert (found.entry_point, found.step(1).command) == ("", ())
        assert found.project == folder


# Each starts Python anew; what the others share is tested by those that are not drills.
drill = pytest.mark.drill("reprise/scripts", "reprise/process", "reprise/tracking")


@pytest.fixture
def process(project, store):
    """Run a text as the project's script, and return how it ended and its run."""

    def process(text, *, variables=None, send=None, words=("analysis/fit.py",)):
        (project / "analysis" / "fit.py").write_text(textwrap.dedent(text))
        pins = {*numerics._SINGLE_THREAD, *numerics._KERNELS, *numerics._UNSET}
        clean = {name: value for name, value in os.environ.items() if name not in pins}
        # If the tests run in the background, their shell makes them and the script ignore Ctrl-C.
        heeding = ["env", "--default-signal=INT,HUP,TERM"]
        with subprocess.Popen(
            [*heeding, sys.executable, *words],
            cwd=project,
            env={**clean, "PYTHONPATH": str(ROOT), **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as done:
            if send:
                assert done.stdout.readline() == "ready\n"
                done.send_signal(send)
            try:
                stdout, stderr = done.communicate(timeout=120)
            finally:
                done.kill()  # one that hangs must not hang the tests
        runs = store.runs()
        return done.returncode, stdout, stderr, runs[0] if runs else None

    return process


BEGIN = """
    import reprise
    experiment = reprise.Experiment({"experiment_name": "tests"}).create_run("one")
"""


class TestProcess:
    def test_that_ends_by_an_error_fails_its_run_with_it(self, process):
        code, _, stderr, run = process(BEGIN + "    raise ValueError('too deep')\n")

        assert (code, run.info.status) == (1, "FAILED")
        assert run.data.tags["reprise.error"] == "ValueError: too deep"
        assert stderr.rstrip().endswith("ValueError: too deep")

    @pytest.mark.parametrize(
        "end",
        ["", "    import sys; sys.exit(0)\n"],
        ids=["end", "exit"],
    )
    @drill
    def test_that_ends_without_terminate_run_fails_its_run(self, process, end):
        code, _, _, run = process(BEGIN + end)

        assert (code, run.info.status) == (0, "FAILED")
        assert run.data.tags["reprise.error"] == "the script ended without terminate_run"

    @pytest.mark.parametrize(
        ("number", "code", "block"),
        [
            (signal.SIGTERM, 143, False),
            pytest.param(signal.SIGTERM, 143, True, marks=drill),
            pytest.param(signal.SIGHUP, 129, False, marks=drill),
            pytest.param(signal.SIGINT, -signal.SIGINT, False, marks=drill),
        ],
        ids=["SIGTERM", "SIGTERM in a block", "SIGHUP", "Ctrl-C"],
    )
    def test_that_is_ended_by_a_signal_has_its_run_killed(self, process, number, code, block):
        wait = "print('ready', flush=True); signal.pause()"
        body = f"    with experiment: {wait}\n" if block else f"    {wait}\n"

        ended, _, _, run = process("    import signal\n" + BEGIN + body, send=number)

        assert (ended, run.info.status) == (code, "KILLED")

    @drill
    def test_that_forks_has_its_run_ended_by_itself_alone(self, process):
        code, _, stderr, run = process(
            BEGIN
            + """
    import os, sys
    child = os.fork()
    if not child:
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    experiment.terminate_run()
    """
        )

        assert (code, run.info.status) == (0, "FINISHED"), stderr

    @drill
    def test_without_a_file_is_interactive(self, process):
        text = BEGIN + "    experiment.terminate_run()\n"

        code, _, stderr, run = process(text, words=("-c", "exec(open('analysis/fit.py').read())"))

        assert (code, run.info.status) == (0, "FINISHED"), stderr
        assert record_of(run.info.run_id).step.command == ()

    def test_that_imports_the_package_first_has_the_pins_but_its_own_hash_seed(self, process):
        _, _, stderr, run = process(
            BEGIN + "    experiment.terminate_run()\n", variables={"OPENBLAS_NUM_THREADS": "2"}
        )

        found = record_of(run.info.run_id).numerics
        pins = numerics.pins(numerics.cpu_flags(numerics.read_cpuinfo()))
        assert found.variables == {**found.variables, **pins, "PYTHONHASHSEED": ""}
        assert found.threads == 1
        assert "NumPy" not in stderr

    @drill
    def test_that_imports_numpy_first_gets_a_warning_and_is_recorded_as_it_runs(self, process):
        _, _, stderr, run = process(
            "    import numpy\n" + BEGIN + "    experiment.terminate_run()\n",
            variables={"OPENBLAS_NUM_THREADS": "2"},
        )

        found = record_of(run.info.run_id).numerics
        assert "reprise was imported after NumPy" in stderr
        assert found.variables["OPENBLAS_NUM_THREADS"] == "2"
        assert found.baseline is False

    def test_takes_no_heavy_library_for_importing_the_package(self, process):
        _, stdout, stderr, _ = process(
            "    import json, sys, reprise\n    print(json.dumps(sorted(sys.modules)))\n"
        )

        loaded = set(json.loads(stdout))
        assert "reprise.capture.numerics" in loaded, stderr
        assert not loaded & {"mlflow", "numpy", "pandas", "pydantic", "sklearn"}


def test_the_package_offers_the_experiment_and_nothing_else():
    assert reprise.Experiment is experiment_module.Experiment
    with pytest.raises(AttributeError, match="Nothing"):
        _ = reprise.Nothing


def test_a_script_that_goes_elsewhere_was_started_where_it_was(tmp_path):
    text = (
        "import reprise, os, sys; os.chdir('/'); sys.argv[1:] = []; "
        "from reprise.process import started; print(started.FOLDER, *started.ARGUMENTS)"
    )

    found = subprocess.run(
        [sys.executable, "-c", text, "conf.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(script_module.__file__).parents[2])},
        capture_output=True,
        check=True,
        text=True,
    )

    assert found.stdout.split() == [str(tmp_path), "conf.yaml"]
