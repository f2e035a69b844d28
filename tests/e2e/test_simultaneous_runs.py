"""Two people on one tracking server who do the same thing at the same moment."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from driving import HOST, LIMIT_SECONDS, at_once

TABLE = b"x,label\n" + b"".join(b"%d,%s\n" % (i, b"ab"[i % 2 : i % 2 + 1]) for i in range(40))


@contextmanager
def meeting_point():
    """Serve a table to two clients at the same moment, and yield its URL."""
    barrier = threading.Barrier(2, timeout=LIMIT_SECONDS)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            barrier.wait()
            self.send_response(200)
            self.send_header("Content-Length", str(len(TABLE)))
            self.end_headers()
            self.wfile.write(TABLE)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as web:
        threading.Thread(target=web.serve_forever, args=(0.05,)).start()
        try:
            yield f"http://{HOST}:{web.server_address[1]}/table.csv"
        finally:
            web.shutdown()


@pytest.fixture(scope="module")
def team(served):
    return served.within("simultaneous")


@pytest.fixture(scope="module")
def both(team):
    """Two trainings on the same new data, neither of which finds it loaded."""
    with meeting_point() as url:
        return at_once(*[lambda: team.step("train_dt", data=url)] * 2)


def test_both_finish(team, both):
    for done in both:
        assert done.exit_code == 0, done.stderr
        assert team.status(done.run_id) == "FINISHED"


def test_both_give_the_same_results(team, both):
    first, second = (team.record(done.run_id)["outputs"] for done in both)

    assert first == second


def test_each_has_read_stored_and_verified_data(team, both):
    loads = team.search("tags.`mlflow.project.entryPoint` = 'load_data'")

    assert {run.info.status for run in loads} == {"FINISHED"}
    for done in both:
        (data,) = team.record(done.run_id)["inputs"]
        assert data["uri"].split("/")[1] in {run.info.run_id for run in loads}
