"""The answers of a tracking server do not decide where this machine reads or writes."""

import contextlib
import json
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from reprise import tracking
from reprise.errors import TrackingError
from reprise.tracking import answers, artifacts

RUN = "a" * 32
MODEL = "m-" + "b" * 32
STORE = "mlflow-artifacts:/1"


class LyingServer:
    """Plays MLflow's REST API with one run, and lies in some of its answers.

    Attributes
    ----------
    info, tags : dict
        Its description of the run.
    names : list of str
        Its list of the run's artifacts.
    content : bytes
        Content of each artifact.
    answers : dict of str to (status, headers, body)
        Replaced answers, by path.
    asked : list of str
        Methods and paths of the requests, in order.
    """

    def __init__(self):
        self.info = {"run_id": RUN, "experiment_id": "1", "artifact_uri": f"{STORE}/{RUN}"}
        self.tags, self.names, self.content = {}, [], b"{}"
        self.answers, self.asked = {}, []
        lying = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                lying.asked.append(f"{self.command} {self.path}")
                status, headers, body = lying.answer(urlsplit(self.path))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815 - as the base class asks

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.uri = f"http://{self.host}"

    def answer(self, url):
        name = url.path.partition("/mlflow")[2]
        for path, answer in self.answers.items():
            if path in url.path:
                return answer
        if name.startswith("-artifacts/artifacts/"):
            return 200, {}, self.content
        if name == "-artifacts/artifacts":
            folder = parse_qs(url.query).get("path", [""])[0]
            inner = folder.partition(RUN)[2].strip("/")
            listed = [
                {"path": n, "is_dir": False, "file_size": 2} for n in ([] if inner else self.names)
            ]
            return self.json({"files": listed})
        if "logged-models" in name:
            info = {"model_id": MODEL, "artifact_uri": self.info["artifact_uri"]}
            return self.json({"model": {"info": info, "data": {}}})
        run = {"info": {"status": "FINISHED", **self.info}, "data": {"tags": self._tags()}}
        return self.json({"runs": [run]} if name.endswith("search") else {"run": run})

    def json(self, values):
        return 200, {"Content-Type": "application/json"}, json.dumps(values).encode()

    def _tags(self):
        return [{"key": name, "value": value} for name, value in self.tags.items()]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def lying(firing_range, monkeypatch):
    """A server that lies to a client in the user's clone."""
    monkeypatch.chdir(firing_range.clone)
    monkeypatch.setattr("tempfile.tempdir", str(firing_range.temporary))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    artifacts.LOCATIONS.clear()
    server = LyingServer()
    yield server
    server.close()


def refused(place, lying, call):
    """Return the line that refuses a call, and check that nothing else has happened."""
    place.look()
    with (
        tracking.using_server(lying.uri),
        pytest.raises(TrackingError) as caught,
        tracking.translating_errors(),
    ):
        call()
    assert "\n" not in str(caught.value)
    place.check()
    return str(caught.value)


def write_text():
    tracking.log_text(RUN, "code/run.py", "text")


def read_artifact():
    with tracking.artifact(RUN, "provenance.json") as path:
        path.read_bytes()


def write_model(folder="."):
    artifacts.log_model_files(MODEL, f"{folder}/params")


def read_model():
    tracking.download_model(MODEL, tempfile.gettempdir())


LOCATIONS = {
    "a file URL": "file://{clone}",
    "a file URL in capitals": "FILE://{clone}",
    "a file URL without slashes": "file:{clone}",
    "an absolute path": "{clone}",
    "a relative path": "code",
    "nothing": "",
    "a dot": ".",
    "another run": f"runs:/{RUN}/x",
    "a model": "models:/iris/1",
    "a database's scheme": "sqlite:///{clone}/x.db",
    "a drive of Windows": "C:\\clone",
    "a share of Windows": "\\\\host\\share",
    "a path out of the server's folder": "mlflow-artifacts:/../../etc",
    "no address at all": "http://[",
    "the cloud's metadata": "http://169.254.169.254/latest",
    "another port's host of this machine": "http://localhost:{port}/x",
    "the private network, through the proxy's scheme": "mlflow-artifacts://10.0.0.1/x",
}
CALLS = {
    "writes a text": write_text,
    "reads an artifact": read_artifact,
    "writes a model": write_model,
    "reads a model": read_model,
}


@pytest.mark.parametrize("location", LOCATIONS)
def test_artifacts_of_a_remote_server_are_not_on_this_machine(firing_range, lying, location):
    place = firing_range
    lying.info["artifact_uri"] = LOCATIONS[location].format(
        clone=place.clone, port=place.listener.port
    )

    for call in CALLS.values():
        line = refused(place, lying, call)
        assert line.startswith("expected "), line


RUNS = {
    "an id that leads out": {"run_id": "../../../home"},
    "an absolute path for an id": {"run_id": "/etc"},
    "an empty id": {"run_id": ""},
    "an id in capitals": {"run_id": "A" * 32},
    "an id and a line": {"run_id": RUN + "\n"},
    "another run's id": {"run_id": "c" * 32},
    "an experiment that leads out": {"experiment_id": "../1"},
    "a time before all": {"start_time": -(2**62)},
    "a time after all": {"start_time": 2**62},
    "an end after all": {"end_time": 2**62},
    "a text for a time": {"start_time": "soon"},
    "a list for an id": {"run_id": [1]},
}


@pytest.mark.parametrize("answer", RUNS)
def test_a_run_has_an_id_and_a_time(firing_range, lying, answer):
    lying.info |= RUNS[answer]

    line = refused(firing_range, lying, lambda: tracking.get_run(RUN))

    assert line.startswith("expected ")


@pytest.mark.parametrize("tag", ["../../x", "/etc", "", "A" * 32, f"{RUN}/..", f"runs:/{RUN}"])
def test_data_are_stored_in_a_run(firing_range, lying, tag):
    lying.tags[tracking.STORED_IN] = tag

    line = refused(firing_range, lying, lambda: tracking.stored_in(RUN))

    assert "32 hex digits" in line


@pytest.mark.parametrize("run_id", ["../../x", "/etc", "..", ""])
def test_files_of_several_processes_are_kept_by_the_id_of_a_run(firing_range, lying, run_id):
    with tracking.caching(firing_range.clone / "kept"):
        refused(firing_range, lying, lambda: tracking.artifact(run_id, "x").__enter__())
        refused(firing_range, lying, lambda: tracking.stored_in(run_id))


NAMES = ["../x", "a/../../x", "/etc/x", "a\\..\\x", "C:x", "%2e%2e/x", "x\0y", "x\ny", ""]


@pytest.mark.parametrize("name", NAMES[:-2])  # MLflow itself takes line ends and nothing out
def test_a_listed_name_stays_in_its_folder(firing_range, lying, name):
    lying.names = [name]

    refused(firing_range, lying, read_model)


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_name_stays_in_its_folder(name):
    with pytest.raises(TrackingError, match="name of an artifact"):
        answers.artifact_name(name)


ANSWERS = {
    "nothing": (200, {}, b""),
    "an empty object": (200, {}, b"{}"),
    "a list": (200, {}, b"[]"),
    "a page": (200, {}, b"<html>"),
    "an empty run": (200, {}, b'{"run": {}}'),
    "a number": (200, {}, b"7"),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_empty_answer_writes_nothing(firing_range, lying, answer):
    lying.answers["/runs/get"] = ANSWERS[answer]

    refused(firing_range, lying, write_text)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_server_does_not_send_its_client_elsewhere(firing_range, lying, status):
    elsewhere = f"http://127.0.0.1:{firing_range.listener.port}/"
    lying.answers["/runs/get"] = (status, {"Location": elsewhere}, b"")

    refused(firing_range, lying, lambda: tracking.get_run(RUN))


def test_an_honest_server_with_a_login_is_used(firing_range, lying):
    lying.names, lying.content = ["provenance.json"], b'{"a": 1}'
    firing_range.look()

    with tracking.using_server(f"http://ada:secret@{lying.host}"):
        write_text()
        with tracking.artifact(RUN, "provenance.json") as path:
            content = path.read_bytes()

    assert content == b'{"a": 1}'
    assert any(asked.startswith("PUT ") and asked.endswith("/code/run.py") for asked in lying.asked)
    firing_range.check()


@pytest.mark.parametrize(
    "uri", ["mlflow-artifacts:/1", "s3://b/1", "gs://b/1", "http://127.0.0.1/1", "dbfs:/x"]
)
def test_honest_stores_of_a_remote_server_are_used(uri):
    assert answers.location(uri, server="http://127.0.0.1:5000") == uri


def test_a_store_of_this_machine_keeps_its_artifacts_here():
    assert answers.location("/mlruns/1", server="sqlite:///mlflow.db") == "/mlruns/1"
