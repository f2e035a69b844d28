"""Runs, metrics, artifacts and datasets reach a real store, and a server's refusal is one line."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.default_context import DefaultRunContext

from reprise import tracking
from reprise.errors import RecordError, TrackingError
from reprise.record.schema import Code, InputData
from reprise.runtime import recorder
from reprise.tracking import server as tracking_server
from steps.parameters import LoadDataParameters, TrainDecisionTreeParameters

ROOT = Path(__file__).parents[3]
UNKNOWN = "0" * 32
CODE = Code(
    repository="https://example.org/project.git",
    project="",
    commit="c" * 40,
    tree="d" * 40,
    base_commit="b" * 40,
    dirty=True,
)
RACE = """\
import multiprocessing
import sys

from reprise import tracking
from reprise.record.schema import InputData


def log(run_id, barrier):
    try:
        for turn in range(15):
            inputs = [
                InputData(name=part, uri="file:///table.csv", sha256=f"{turn:02}" * 32)
                for part in ("train", "test")
            ]
            barrier.wait(60)
            tracking.log_inputs(run_id, inputs, context="training")
    except BaseException:
        barrier.abort()
        raise


context = multiprocessing.get_context("fork")
barrier = context.Barrier(len(sys.argv) - 1)
processes = [context.Process(target=log, args=(run_id, barrier)) for run_id in sys.argv[1:]]
for process in processes:
    process.start()
for process in processes:
    process.join()
sys.exit(any(process.exitcode for process in processes))
"""


def input_data(name="train", uri="file:///table.csv", sha256="a" * 64):
    return InputData(name=name, uri=uri, sha256=sha256, rows=100, columns=5)


class TestLog:
    def test_sends_parameters_metrics_and_tags_of_a_run_in_one_call(self, store, monkeypatch):
        run_id = store.make_run(status="RUNNING")
        calls = []
        real = mlflow.MlflowClient.log_batch
        monkeypatch.setattr(
            mlflow.MlflowClient,
            "log_batch",
            lambda self, *args, **kwargs: calls.append(args) or real(self, *args, **kwargs),
        )

        tracking.log(run_id, params={"a": "1"}, metrics={"b": 2.5, "c": 0.0}, tags={"d": "e"})

        data = store.run(run_id).data
        assert (data.params, data.metrics, data.tags["d"]) == (
            {"a": "1"},
            {"b": 2.5, "c": 0.0},
            "e",
        )
        assert len(calls) == 1

    def test_keeps_values_that_it_does_not_get(self, store):
        run_id = store.make_run(params={"a": "1"}, metrics={"b": 2.0})

        tracking.log(run_id, tags={"c": "d"})

        data = store.run(run_id).data
        assert (data.params, data.metrics, data.tags["c"]) == ({"a": "1"}, {"b": 2.0}, "d")


class TestCreateRun:
    def test_names_the_run_by_its_entry_point_and_the_chosen_parameters(self, store):
        parent = store.run(store.make_run())
        parameters = TrainDecisionTreeParameters(data="wine", max_depth=3, criterion="entropy")

        created = tracking.make(recorder.plan_step(parent, parameters))

        assert created.info.run_name == "train_dt criterion=entropy max_depth=3"

    def test_logs_every_parameter_as_the_text_that_parses_back(self, store):
        parent = store.run(store.make_run())
        parameters = LoadDataParameters(source="it's a b.csv", stratify=False, test_size=0.5)

        created = tracking.make(recorder.plan_step(parent, parameters))

        params = store.run(created.info.run_id).data.params
        assert params == parameters.raw()
        assert (params["source"], params["stratify"]) == ("it's a b.csv", "false")
        assert LoadDataParameters.parse(params) == parameters

    def test_tags_the_child_run_as_mlflow_run_would(self, store):
        inherited = {
            "mlflow.user": "ada",
            "mlflow.source.name": "https://example.org/project.git",
            "mlflow.source.git.commit": "c" * 40,
            "mlflow.project.env": "uv",
        }
        parent = store.run(store.make_run(tags={**inherited, "reprise.dirty": "true"}))

        created = tracking.make(recorder.plan_step(parent, TrainDecisionTreeParameters()))

        tags = store.tags(created.info.run_id)
        assert inherited.items() <= tags.items()
        assert tags["mlflow.source.type"] == "PROJECT"
        assert tags["mlflow.project.entryPoint"] == "train_dt"
        assert tags["mlflow.parentRunId"] == parent.info.run_id
        assert "reprise.dirty" not in tags
        assert store.status(created.info.run_id) == "RUNNING"

    def test_shortens_a_name_that_nobody_would_read(self, store):
        parent = store.run(store.make_run())
        features = ",".join(f"column_{i}" for i in range(100))

        created = tracking.make(recorder.plan_step(parent, LoadDataParameters(features=features)))

        name = created.info.run_name
        assert name == f"load_data features={features[:39]}…"
        assert store.run(created.info.run_id).data.params["features"] == features


class TestFindRuns:
    def test_finds_finished_runs_only(self, store):
        for status in ("FAILED", "KILLED", "RUNNING"):
            store.make_run(status=status, tags={"a": "1"})
        finished = store.make_run(tags={"a": "1"})

        found = tracking.find_runs(store.experiment_id, tags={"a": "1"}, limit=10)

        assert [run.info.run_id for run in found] == [finished]

    def test_finds_runs_that_carry_all_the_tags(self, store):
        both = store.make_run(tags={"a.b": "1", "c": "2"})
        store.make_run(tags={"a.b": "1"})
        store.make_run(tags={"a.b": "1", "c": "3"})

        found = tracking.find_runs(store.experiment_id, tags={"a.b": "1", "c": "2"}, limit=10)

        assert [run.info.run_id for run in found] == [both]

    def test_returns_the_earliest_first_and_no_more_than_asked_for(self, store):
        third, first, second = (store.make_run(start_time=time) for time in (300, 100, 200))

        found = tracking.find_runs(store.experiment_id, tags={}, limit=2)
        everything = tracking.find_runs(store.experiment_id, tags={}, limit=10)

        assert [run.info.run_id for run in found] == [first, second]
        assert [run.info.run_id for run in everything] == [first, second, third]

    def test_orders_by_a_metric_where_asked(self, store):
        low, high = (store.make_run(metrics={"cv_x_mean": value}) for value in (0.1, 0.9))

        order = ("metrics.`cv_x_mean` DESC",)
        found = tracking.find_runs(store.experiment_id, tags={}, order_by=order, limit=10)

        assert [run.info.run_id for run in found] == [high, low]

    def test_does_not_look_into_other_experiments(self, store):
        store.make_run(tags={"a": "1"})
        other = store.client.create_experiment("other")

        assert tracking.find_runs(other, tags={"a": "1"}) == []


class TestClose:
    def test_gives_a_run_without_a_process_its_status_and_error(self, store):
        run_id = store.make_run(status="RUNNING")

        tracking.close(run_id, "KILLED", "interrupted")

        assert store.status(run_id) == "KILLED"
        assert store.tags(run_id)["reprise.error"] == "interrupted"

    @pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
    def test_does_not_change_an_ended_run(self, store, status):
        run_id = store.make_run(status=status)
        before = store.run(run_id).to_dictionary()

        tracking.close(run_id, "KILLED" if status == "FAILED" else "FAILED", "interrupted")

        assert store.run(run_id).to_dictionary() == before

    def test_cuts_an_error_that_no_tag_can_hold(self, store):
        run_id = store.make_run(status="RUNNING")

        tracking.close(run_id, "FAILED", "x" * 10_000)

        assert store.tags(run_id)["reprise.error"] == "x" * tracking.LONGEST_ERROR


class TestEndPlanned:
    def test_ends_a_run_that_is_not_the_active_one(self, store):
        run_id = store.make_run(status="RUNNING")

        tracking.end_planned(run_id, "FINISHED")

        assert store.status(run_id) == "FINISHED"

    def test_does_not_change_a_run_that_was_given_up(self, store):
        run_id = store.make_run(status="KILLED")

        tracking.end_planned(run_id, "FINISHED", alone=False)

        assert store.status(run_id) == "KILLED"

    def test_ends_a_run_that_nobody_has_given_up(self, store):
        run_id = store.make_run(status="RUNNING")

        tracking.end_planned(run_id, "FINISHED", alone=False)

        assert store.status(run_id) == "FINISHED"


class TestEndFailed:
    def test_ends_the_active_run_with_its_error(self, store):
        run_id = mlflow.start_run().info.run_id

        tracking.end_failed(run_id, "FAILED", "no data", kind="DataError")

        assert (store.status(run_id), store.tags(run_id)["reprise.error"]) == ("FAILED", "no data")
        assert mlflow.active_run() is None

    def test_leaves_the_first_error_on_its_way_where_the_store_refuses(self, store, capsys):
        run_id = mlflow.start_run().info.run_id
        store.client.delete_run(run_id)  # a deleted run takes no tags

        with pytest.raises(ValueError, match="the first error"), _ended(run_id):
            raise ValueError("the first error")

        message = capsys.readouterr().err
        store.client.restore_run(run_id)
        assert message.startswith(f"run {run_id} could not be marked FAILED: ")
        assert message.count("\n") == 1

    def test_leaves_the_active_run_open_where_it_ends_another(self, store):
        other = store.make_run(status="RUNNING")
        active = mlflow.start_run().info.run_id

        tracking.end(other, "FAILED")

        assert store.status(other) == "FAILED"
        assert store.status(active) == "RUNNING"
        assert mlflow.active_run().info.run_id == active

    def test_does_not_tag_a_run_with_credentials(self, store):
        run_id = mlflow.start_run().info.run_id
        message = "no answer from https://ada:pa@ss@example.org/x"

        tracking.end_failed(run_id, "FAILED", message, kind="DataError")

        assert store.tags(run_id)["reprise.error"] == "no answer from https://example.org/x"


@contextlib.contextmanager
def _ended(run_id):
    """What a recorded run does with an error."""
    try:
        yield
    except ValueError as error:
        tracking.end_failed(run_id, "FAILED", str(error), kind="DataError")
        raise


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - http.server looks for this name

    def log_message(self, *args):
        pass


@pytest.fixture
def server(store, monkeypatch):
    """Answer everything alike, at an address with a login in it."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    listening = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
    thread.start()

    def server(status, body):
        listening.answer = (status, body)
        return track(listening.server_port)

    yield server
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.fixture
def closed_port(store, monkeypatch):
    """Track at an address where nothing listens."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with socket.socket() as bound:  # and so nobody else's, but not listening
        bound.bind(("127.0.0.1", 0))
        yield track(bound.getsockname()[1])


def track(port):
    mlflow.set_tracking_uri(f"http://ada:pa@ss@127.0.0.1:{port}")
    return f"127.0.0.1:{port}"


def one_line(call, *args, **kwargs):
    """Return the line that a user reads for the error of a call."""
    with pytest.raises(TrackingError) as caught, tracking.translating_errors():
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestOneLineErrors:
    @pytest.mark.parametrize(
        ("status", "body", "reason"),
        [
            (401, b"Log in\nfirst.", "401"),
            (403, b"<html>\nNo</html>", "403"),
            (403, b'{"error_code": "PERMISSION_DENIED", "message": "not you"}', "not you"),
            (500, b"Internal\nerror", "500"),
            (500, b'{"error_code": "INTERNAL_ERROR", "message": "sorry"}', "500"),
            (503, b"", "503"),
            (200, b"<html>\nA login page</html>", "JSON"),
        ],
    )
    @pytest.mark.parametrize("call", [tracking.get_run, tracking.make])
    def test_a_refusal_is_one_line_without_the_login(
        self, store, server, call, status, body, reason
    ):
        parent = store.run(store.make_run())
        where = server(status, body)
        arguments = {
            tracking.get_run: (UNKNOWN,),
            tracking.make: (recorder.plan_step(parent, TrainDecisionTreeParameters()),),
        }

        line = one_line(call, *arguments[call])

        assert line.startswith(f"the tracking server at http://{where} refused the request: ")
        assert line.endswith(". Check MLFLOW_TRACKING_URI, your login and the id.")
        assert reason in line
        assert "ada" not in line
        assert "pa@ss" not in line
        assert "ss@" not in line

    def test_an_absent_server_is_one_line_without_the_login(self, closed_port):
        line = one_line(tracking.get_run, UNKNOWN)

        asked = f"the tracking server at http://{closed_port} refused the request: "
        assert line.startswith(asked)
        assert "Connection refused" in line
        assert "ada" not in line
        assert "ss@" not in line

    def test_a_run_that_cannot_be_closed_is_reported_without_the_login(self, closed_port, capsys):
        tracking.end_failed(UNKNOWN, "FAILED", "the first error", kind="DataError")

        message = capsys.readouterr().err
        assert message.startswith(f"run {UNKNOWN} could not be marked FAILED: ")
        assert message.count("\n") == 1
        assert "ada" not in message
        assert "ss@" not in message

    def test_files_that_cannot_be_fetched_are_reported_without_the_login(
        self, closed_port, tmp_path
    ):
        lines = [one_line(tracking.artifact(UNKNOWN, "a.txt").__enter__)]
        lines += [one_line(tracking.download_model, "m-1", str(tmp_path))]

        assert ["Connection refused" in line for line in lines] == [True, True]
        assert "ada" not in " ".join(lines)
        assert "ss@" not in " ".join(lines)

    @pytest.mark.parametrize(
        "defect", [ValueError("a bug"), MlflowException("Changing param values is not allowed")]
    )
    def test_a_defect_passes_through(self, store, defect):
        with pytest.raises(type(defect)) as caught, tracking.translating_errors():
            raise defect

        assert caught.value is defect


class TestRead:
    def test_a_run_is_found_by_its_id_also_as_a_uri(self, store):
        run_id = store.make_run()

        assert tracking.get_run(run_id).info.run_id == run_id
        assert tracking.get_run(f"runs:/{run_id}").info.run_id == run_id

    def test_an_unknown_run_is_one_line_that_names_the_store(self, store):
        line = one_line(tracking.get_run, UNKNOWN)

        assert UNKNOWN in line
        assert store.uri in line

    def test_an_artifact_is_fetched_and_its_copy_deleted_afterwards(self, store):
        run_id = store.make_run()
        tracking.log_text(run_id, "folder/a.txt", "text")

        with tracking.artifact(run_id, "folder/a.txt") as path:
            text = path.read_text()

        assert text == "text"
        assert not path.exists()
        assert store.files(run_id) == ["folder/a.txt"]

    def test_a_text_replaces_an_earlier_one(self, store):
        run_id = store.make_run()

        tracking.log_text(run_id, "a.txt", "first")
        tracking.log_text(run_id, "a.txt", "second")

        assert (store.artifacts(run_id) / "a.txt").read_text() == "second"

    def test_a_missing_artifact_is_one_line_that_names_it_and_the_run(self, store):
        run_id = store.make_run()

        line = one_line(tracking.artifact(run_id, "data/train.parquet").__enter__)

        assert f"expected the artifact data/train.parquet of run {run_id}" in line

    def test_a_run_without_a_record_is_not_this_projects(self, store):
        run_id = store.make_run()

        with pytest.raises(RecordError, match=f"found run {run_id} without provenance.json"):
            tracking.read_record(run_id)

    def test_an_unknown_model_is_one_line(self, store, tmp_path):
        line = one_line(tracking.download_model, "m-unknown", str(tmp_path))

        assert "expected the files of model m-unknown" in line


class TestDescribeSource:
    def test_takes_credentials_off_the_source_that_mlflow_noted(self, store):
        noted = {"mlflow.source.name": "https://ada:token@example.org/project.git#sub"}
        run = store.run(store.make_run(tags=noted))

        tags = tracking.describe_source(run, CODE)

        assert tags["mlflow.source.name"] == "https://example.org/project.git#sub"

    def test_describes_commit_tree_and_dirt(self, store):
        run = store.run(store.make_run(tags={"mlflow.source.name": "project"}))

        tags = tracking.describe_source(run, CODE)

        assert tags == {
            "reprise.dirty": "true",
            "reprise.commit": "c" * 40,
            "reprise.tree": "d" * 40,
            "mlflow.source.git.dirty": "true",
            "mlflow.source.git.commit": "b" * 40,
            "mlflow.source.git.repoURL": "https://example.org/project.git",
        }

    def test_adds_only_tags_that_the_run_lacks(self, store):
        run = store.run(store.make_run())
        first = tracking.describe_source(run, CODE)
        tracking.log(run.info.run_id, tags=first)

        assert tracking.describe_source(store.run(run.info.run_id), CODE) == {}


class TestLogInputs:
    def test_shows_a_dataset_with_its_digest_source_size_and_context(self, store):
        run_id = store.make_run(status="RUNNING")

        tracking.log_inputs(run_id, [input_data(sha256="ab" * 32)], context="training")

        (shown,) = store.run(run_id).inputs.dataset_inputs
        assert (shown.dataset.name, shown.dataset.digest) == ("train", "ab" * 18)
        assert json.loads(shown.dataset.profile) == {"num_rows": 100, "num_columns": 5}
        assert {tag.key: tag.value for tag in shown.tags} == {"mlflow.data.context": "training"}

    @pytest.mark.parametrize(
        ("uri", "kind", "source"),
        [
            ("https://example.org/a.csv", "http", {"url": "https://example.org/a.csv"}),
            ("http://example.org/a.csv", "http", {"url": "http://example.org/a.csv"}),
            ("s3://bucket/a.csv?versionId=1", "s3", {"uri": "s3://bucket/a.csv?versionId=1"}),
            ("file:///a.csv", "local", {"uri": "file:///a.csv"}),
            ("sklearn:iris", "local", {"uri": "sklearn:iris"}),
        ],
    )
    def test_names_a_source_as_a_kind_that_mlflow_knows(self, store, uri, kind, source):
        run_id = store.make_run(status="RUNNING")

        tracking.log_inputs(run_id, [input_data(uri=uri)], context="source")

        (shown,) = store.run(run_id).inputs.dataset_inputs
        assert shown.dataset.source_type == kind
        assert json.loads(shown.dataset.source) == source

    def test_of_processes_that_log_the_same_new_datasets_at_once_none_fails(self, store):
        run_ids = [store.make_run(status="RUNNING") for _ in range(3)]

        done = subprocess.run(
            [sys.executable, "-c", RACE, *run_ids], cwd=ROOT, capture_output=True, check=False
        )

        assert done.returncode == 0, done.stderr.decode()[-3000:]
        for run_id in run_ids:
            shown = [item.dataset for item in store.run(run_id).inputs.dataset_inputs]
            assert len({(dataset.name, dataset.digest) for dataset in shown}) == 30

    def test_an_error_other_than_a_race_is_not_tried_again(self, store):
        with pytest.raises(MlflowException, match=UNKNOWN):
            tracking.log_inputs(UNKNOWN, [input_data()], context="training")


class TestManyMetrics:
    def test_are_logged_all(self, store):
        run_id = store.make_run()
        metrics = {f"recall_{number}": float(number) for number in range(2100)}

        tracking.log(run_id, metrics=metrics, tags={"seen": "yes"})

        assert store.metrics(run_id) == metrics
        assert store.tags(run_id)["seen"] == "yes"

    def test_go_in_requests_that_a_server_takes(self, store, monkeypatch):
        sizes = []
        monkeypatch.setattr(
            mlflow.MlflowClient,
            "log_batch",
            lambda *_, metrics=(), params=(), tags=(): sizes.append(
                len(metrics) + len(params) + len(tags)
            ),
        )

        tracking.log(store.make_run(), metrics={f"m{n}": 0.0 for n in range(1020)}, tags={"a": "b"})

        assert max(sizes) <= 1000


class TestAddress:
    @pytest.mark.parametrize(
        ("uri", "shown"),
        [
            ("https://ada:s3cr3t@mlflow.example.org/team", "https://mlflow.example.org/team"),
            ("https://mlflow.example.org/@team", "https://mlflow.example.org/@team"),
            ("sqlite:////data/a@b/mlflow.db", "sqlite:////data/a@b/mlflow.db"),
            ("/data/a@b/mlruns", "/data/a@b/mlruns"),
        ],
    )
    def test_is_shown_whole_but_for_the_login(self, uri, shown):
        with tracking.using_server(uri):
            assert tracking.shown_address() == shown


class TestWhatMlflowNeeds:
    SILENT = "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"

    @pytest.mark.parametrize("login", ["user:password@", "token@"])
    def test_it_prints_no_address_that_has_a_login(self, monkeypatch, login):
        unset(monkeypatch, self.SILENT)

        with tracking_server.using_server(f"http://{login}host.invalid"):
            tracking_server.prepare_mlflow()
            below = tracking_server.environment("1")

        assert os.environ[self.SILENT] == below[self.SILENT] == "true"

    def test_it_prints_an_address_without_one(self, monkeypatch):
        unset(monkeypatch, self.SILENT)

        with tracking_server.using_server("http://host.invalid"):
            tracking_server.prepare_mlflow()

        assert self.SILENT not in os.environ

    def test_a_user_without_a_name_is_known_by_its_number(self, monkeypatch):
        def nobody(_):
            raise KeyError("getpwuid(): uid not found")

        unset(monkeypatch, "LOGNAME", "USER", "LNAME", "USERNAME")
        monkeypatch.setattr("pwd.getpwuid", nobody)

        tracking_server.prepare_mlflow()

        assert DefaultRunContext().tags()["mlflow.user"] == f"uid-{os.getuid()}"


def unset(monkeypatch, *names):
    """Unset variables for a test, also if the test sets them."""
    for name in names:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
