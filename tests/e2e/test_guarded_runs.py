"""What must not travel with a run stays at home: secrets, large files, the login of a remote."""

import base64
import os
import shlex
import subprocess

import pytest
from driving import answer, at_once, refusal, web_server
from replaying import IDENTICAL, Origin, cloned, commit, edit, mark_of, replayed

LOGIN, PASSWORD = "ada", "s3cr3t-t0ken"
KEPT_BACK = {f"steps/marks/{name}": text for name, text in {
    "large.bin": b"\0" * (10 * 2**20 + 1),
    ".env": b"TOKEN=1\n",
    "notes ü.txt": b"-----BEGIN OPENSSH " + b"PRIVATE KEY-----\n",
}.items()}  # fmt: skip
COUNTING = "from pathlib import Path\n\nVALUE = len(list(Path(__file__).parent.iterdir()))\n"
OBJECTIONS = ("is large (10 MiB)", "by its name", "by what is in it")


@pytest.fixture(scope="module")
def team(served):
    return served.within("guarded")


@pytest.fixture(scope="module")
def origin(new_origin):
    return new_origin("guarded")


@pytest.fixture(scope="module")
def clone(team, origin, tmp_path_factory):
    """A clone with untracked files that must not travel unasked, and an untracked module."""
    clone = cloned(team, origin, tmp_path_factory.mktemp("guarded") / "clone")
    for name, content in KEPT_BACK.items():
        (clone.folder / name).write_bytes(content)
    edit(
        clone,
        "untracked.py",
        "from pathlib import Path\n\nVALUE = len(list(Path(__file__).parent.iterdir()))\n",
    )
    return clone


@pytest.fixture(scope="module")
def stopped(clone):
    return clone.step("train_dt", cv=0)


def test_a_run_with_such_files_stops_before_it_starts(clone, stopped):
    refusal(stopped, "train_dt")

    assert stopped.exit_code != 0
    assert clone.status(stopped.run_id) == "FAILED"
    assert clone.metrics(stopped.run_id) == {}
    assert clone.artifacts(stopped.run_id) == ["provenance.json"]


def allowing(line):
    """Read the words that a message says to add, as a shell would."""
    return shlex.split(line.partition("or carry it with ")[2])[:2]


def test_the_message_names_the_files_and_both_ways_out(stopped):
    line = refusal(stopped, "train_dt")

    for name, what in zip(KEPT_BACK, OBJECTIONS, strict=True):
        assert f"{name} " in line
        assert what in line
    assert ".gitignore" in line
    assert allowing(line) == ["-P", f"allow_untracked={','.join(sorted(KEPT_BACK))}"]


def test_what_is_allowed_travels_and_comes_back(team, origin, clone, stopped, tmp_path):
    allowed = allowing(refusal(stopped, "train_dt"))
    done = clone.mlflow_run("-e", "train_dt", "-P", "cv=0", *allowed)

    replay = replayed(cloned(team, origin, tmp_path / "colleague"), done.run_id)

    assert done.exit_code == 0, done.stderr
    assert replay.done.exit_code == 0, replay.done.stderr
    assert replay.verdict["verdict"] == IDENTICAL
    assert replay.verdict["code_from"] == "the run's own bundle"
    assert set(KEPT_BACK) < set(team.record(done.run_id)["code"]["changed_files"])


def serve_git(folder):
    """Serve the repositories of a folder by HTTP to those who log in."""
    expected = "Basic " + base64.b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()

    def handle(request, body):
        if request.headers.get("Authorization") != expected:
            answer(request, b"", status=401, headers=[("WWW-Authenticate", "Basic realm=git")])
            return
        path, _, query = request.path.partition("?")
        variables = {
            "GIT_PROJECT_ROOT": str(folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": request.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_USER": LOGIN,
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=variables, capture_output=True, check=True
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        status = int(headers.pop("Status", "200").split()[0])
        answer(request, content, status=status, headers=list(headers.items()))

    return web_server(handle)


@pytest.fixture(scope="module")
def private(git_folder, new_origin):
    """A repository whose URL has a login in it, which it needs."""
    new_origin("private")
    with serve_git(git_folder) as url:
        login = url.replace("://", f"://{LOGIN}:{PASSWORD}@")
        yield Origin(git_folder / "private", f"{login}/private")


@pytest.fixture(scope="module")
def people(team, private, tmp_path_factory):
    """One whose runs are replayed, and one who replays them; both have the login in their URL."""
    team = team.within("private")
    folder = tmp_path_factory.mktemp("private")
    author, colleague = (cloned(team, private, folder / name) for name in "ab")
    edit(colleague, "first.py", "VALUE = 7\n")
    return author, colleague


@pytest.fixture(scope="module")
def replays(team, people, private):
    """Replays of a pushed run, of one with edits, and of one by the URL with the login."""
    author, colleague = people
    commit(author, "pushed")
    author.git("push", "--quiet", "origin", "main")
    pushed = author.step("train_dt", cv=0)
    edit(author, "first.py", "VALUE = 8\n")
    edited, by_url = at_once(
        lambda: author.step("train_dt", cv=0, max_depth=2),
        lambda: author.mlflow_run("-e", "load_data", uri=private.url),
    )
    runs = [pushed, edited, by_url]
    assert [done.exit_code for done in runs] == [0] * 3, [done.stderr for done in runs]
    return at_once(*(lambda done=done: replayed(colleague, done.run_id) for done in runs))


def test_a_replay_fetches_with_the_login_of_the_clone(people, replays):
    _, colleague = people
    for replay in replays:
        assert replay.done.exit_code == 0, replay.done.stderr
        assert replay.verdict["verdict"] == IDENTICAL
        assert colleague.metrics(replay.verdict["run_id"])["mark"] != mark_of(colleague)
    assert [replay.verdict["code_from"] for replay in replays] == [
        "origin",
        "the run's own bundle",
        "origin",
    ]


def test_the_login_is_in_no_tag_parameter_dataset_or_artifact(people, replays, tracking_server):
    author, _ = people
    _, folder = tracking_server

    runs = author.search("")
    files = [path for path in (folder / author.experiment_id).rglob("*") if path.is_file()]
    models = author.client.search_logged_models([author.experiment_id])

    assert len(runs) >= 3 * 3  # each, its replay and the run that asked for it
    assert len(files) > len(runs)
    texts = [str(run.to_dictionary()) for run in runs] + [str(m.to_dictionary()) for m in models]
    contents = [path.read_bytes() for path in files] + [text.encode() for text in texts]
    assert [each for each in contents if PASSWORD.encode() in each] == []
    assert [path for path in files if PASSWORD in str(path)] == []


def test_the_login_is_not_shown_by_a_replay(replays):
    for replay in replays:
        assert PASSWORD not in replay.done.stdout + replay.done.stderr


def test_the_runs_name_the_repository_without_the_login(people, replays, private):
    author, _ = people
    for replay in replays:
        repository = author.record(replay.verdict["run_id"])["code"]["repository"]
        assert repository == private.url.replace(f"{LOGIN}:{PASSWORD}@", "")
