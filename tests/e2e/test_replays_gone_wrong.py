"""Replays that cannot be identical: each says so, with its cause, and leaves nothing behind."""

import json
import os
import shutil
import signal
import urllib.error
import urllib.request
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
from driving import (
    HOST,
    LIMIT_SECONDS,
    Project,
    answer,
    at_once,
    children_of,
    refusal,
    table_source,
    web_server,
)
from replaying import (
    DIFFERENT,
    EXIT_CODES,
    IDENTICAL,
    NOT_REPLAYABLE,
    Replayed,
    cloned,
    commit,
    contents,
    edit,
    left_in,
    mark_of,
    replayed,
)

from deploy.dev.processes import free_port

pytestmark = pytest.mark.timeout(1800)  # a fixture makes most of the runs
NOBODY = "0" * 32
TEXT = """it's $(x) "ü" """
GRID = {
    "data": {"source": "breast_cancer"},
    "steps": [{"step": "train_dt", "parameters": {"max_depth": [2, 3, 4, 5, 6, 7, 8], "cv": 2}}],
    "evaluation": None,
}
CLOCK = "import time\n\nVALUE = time.time_ns() % 10**12\n"
TABLE = b"x,label\n" + b"".join(b"%d,%s\n" % (i, b"ab"[i % 2 : i % 2 + 1]) for i in range(40))
PLAIN = {
    "MLproject": "name: plain\nentry_points:\n  main:\n    parameters: {text: string}\n"
    "    command: python train.py {text}\n",
    "train.py": "import sys\nimport mlflow\n\nwith mlflow.start_run():\n"
    "    mlflow.log_metric('length', len(sys.argv[1]))\n",
}


@pytest.fixture(scope="module")
def source():
    """A table, which becomes another one, and then never comes."""
    with table_source(TABLE) as source:
        yield source


@pytest.fixture(scope="module")
def temporary(tmp_path_factory):
    """TMPDIR of all runs and replays."""
    return tmp_path_factory.mktemp("t")


@pytest.fixture(scope="module")
def team(served, temporary):
    return served.with_variables({"TMPDIR": str(temporary)}).within("gone-wrong")


@pytest.fixture(scope="module")
def stored(team, tracking_server):
    """Return the server's file of a run's artifact."""
    _, folder = tracking_server

    def stored(run_id, name):
        uri = team.client.get_run(run_id).info.artifact_uri
        return folder / urlsplit(uri).path.lstrip("/") / name

    return stored


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Folders for PYTHONPATH with two versions of a package that is not in the lock."""
    folders = {}
    for version in ("1.0", "2.0"):
        folder = tmp_path_factory.mktemp("package")
        (folder / f"featurelib-{version}.dist-info").mkdir()
        (folder / "featurelib.py").write_text(f"VALUE = {version}\n")
        folders[version] = str(folder)
    return folders


@dataclass
class Made:
    """Runs to go wrong, by name, and the clone in which they are made again."""

    colleague: Project
    runs: dict[str, str] = field(default_factory=dict)
    foreign: str = ""  # URL of another repository
    plain: str = ""  # URL of a plain MLflow project's repository


def tamper(path, change):
    """Change a record, as somebody may who can write to the store."""
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record["code"], record["step"])
    path.write_text(json.dumps(record), encoding="utf-8")


def alter_table(path):
    table = pq.read_table(path)
    first, *others = table.column(0).to_pylist()
    pq.write_table(table.set_column(0, table.schema.names[0], [[first + 1, *others]]), path)


# By depth of the tree, what becomes of its record.
TAMPERING = {
    2: lambda _, step: step["raw_parameters"].update(seed="9"),
    3: lambda code, _: code.update(project="../.."),
    4: lambda _, step: step.update(command=["-c", "open('/tmp/pwned', 'w')"]),
    5: lambda _, step: step.update(command=["-m", "timeit"]),
}


@pytest.fixture(scope="module")
def repository(team, git_folder, git_server, tmp_path_factory):
    """Make a project's own repository, serve it, and return a clone of it."""

    def repository(name, files, source=None):
        folder = tmp_path_factory.mktemp(name) / name
        ignored = shutil.ignore_patterns(".git", "mlruns", "mlflow.db")
        shutil.copytree(source, folder, ignore=ignored) if source else folder.mkdir()
        for file, text in files.items():
            (folder / file).write_text(text)
        clone = replace(team, folder=folder)
        clone.git("init", "--quiet", "--initial-branch=main")
        clone.git("add", "--all")
        clone.git("commit", "--quiet", "--message", name)
        clone.git("clone", "--quiet", "--bare", ".", str(git_folder / name))
        clone.git("remote", "add", "origin", f"{git_server}/{name}")
        clone.git("fetch", "--quiet", "origin")
        return clone

    return repository


def url_of(clone):
    return clone.git("remote", "get-url", "origin")


@pytest.fixture(scope="module")
def made(team, new_origin, repository, source, package, stored, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    origin = new_origin("gone-wrong")
    author, other, colleague = (cloned(team, origin, folder / name) for name in "abc")
    foreign = repository("foreign", {}, team.folder)
    plain = repository("plain", PLAIN)
    made = Made(colleague, foreign=url_of(foreign), plain=url_of(plain))
    (folder / "grid.yaml").write_text(json.dumps(GRID))

    def keep(name, done, exit_code=0):
        assert done.exit_code == exit_code, done.stderr
        made.runs[name] = done.run_id

    def of_the_author():
        done = author.step("main", params=folder / "grid.yaml", baseline="false")
        keep("main", done)
        for child in team.children(done.run_id)[1:]:
            made.runs[f"tree {child.data.params['max_depth']}"] = child.info.run_id
        edit(author, "first.py", "from featurelib import VALUE\n")
        path = {"PYTHONPATH": package["1.0"]}
        keep("package", author.step("train_dt", environment=path, cv=0))
        edit(author, "first.py", CLOCK)
        keep("clock", author.step("train_dt", cv=0))
        keep("failed", author.mlflow_run("-e", "train_dt", "-P", "data=nowhere.csv"), 1)

    def of_others():
        keep("web", other.step("load_data", source=source.url))
        keep("data", other.step("train_dt", data="wine", cv=0))
        keep("foreign", foreign.step("train_dt", max_depth=2, cv=0))
        keep("plain", plain.mlflow_run("-P", f"text={TEXT}"))
        commit(other, "gone")
        other.git("push", "--quiet", "origin", "main")
        keep("gone", other.step("train_dt", cv=0))

    at_once(of_the_author, of_others)
    other.git("push", "--quiet", "--force", "origin", "HEAD~1:main")
    origin.collect_garbage(colleague)
    for clone in (author, other, foreign, plain):
        shutil.rmtree(clone.folder)
    bare = team.client.create_run(team.experiment_id, tags={"mlflow.project.entryPoint": "main"})
    team.client.log_metric(bare.info.run_id, "accuracy", 1.0)
    team.client.set_terminated(bare.info.run_id)
    made.runs["no commit"] = bare.info.run_id
    (data,) = team.record(made.runs["data"])["inputs"]
    run_id, _, name = data["uri"].removeprefix("runs:/").partition("/")
    alter_table(stored(run_id, name))
    for depth, change in TAMPERING.items():
        tamper(stored(made.runs[f"tree {depth}"], "provenance.json"), change)
    source.table = TABLE.replace(b"39,b", b"40,b")
    edit(colleague, "first.py", "VALUE = 7\n")
    return made


@dataclass(frozen=True)
class Case:
    """A run to make again, and what is to be said: the verdict, its cause, words of the line."""

    run: str
    verdict: str
    cause: str  # its kind, and its name where it has one; "": none of ours
    says: tuple[str, ...]
    parameters: dict[str, str] = field(default_factory=dict)
    package: str = ""  # the version that is there


CASES = {
    "an altered data artifact": Case(
        "data", NOT_REPLAYABLE, "data", ("data/train.parquet", "SHA-256 was", "Restore")
    ),
    "an altered source": Case(
        "web",
        NOT_REPLAYABLE,
        "data",
        ("the input source", "/table.csv", "SHA-256 was"),
        {"allow_path": "SOURCE"},
    ),
    "another version of a package": Case(
        "package", DIFFERENT, "package: featurelib was 1.0, is 2.0", ("featurelib",), package="2.0"
    ),
    "another seed than the recorded one": Case(
        "tree 2", DIFFERENT, "seed: seed was 1, is 9", ("seed was 1, is 9",)
    ),
    "a step that reads the clock": Case(
        "clock", DIFFERENT, "a step that is not deterministic", ("not deterministic",)
    ),
    "a failed run": Case("failed", NOT_REPLAYABLE, "", ("FAILED", "nowhere.csv")),
    "a run without a commit": Case(
        "no commit", NOT_REPLAYABLE, "code", ("made outside git", "cannot be brought back")
    ),
    "a commit that nobody has": Case(
        "gone", NOT_REPLAYABLE, "code", ("in this clone or at its remote", "no bundle")
    ),
    "another repository": Case(
        "foreign", NOT_REPLAYABLE, "code", ("/foreign", "-P allow_repository=")
    ),
    "a project outside the repository": Case(
        "tree 3", NOT_REPLAYABLE, "code", ("'../..'", "The record was altered")
    ),
    "a command that is an option": Case(
        "tree 4", NOT_REPLAYABLE, "code", ("'-c'", "The record was altered")
    ),
    "a module that is not the project's": Case(
        "tree 5", NOT_REPLAYABLE, "code", ("timeit", "The record was altered")
    ),
}
GOOD = {
    "another repository that is allowed": ("foreign", {"allow_repository": "{foreign}"}),
    "a plain MLflow project": ("plain", {"allow_repository": "{plain}"}),
}


@dataclass
class Ways:
    """How the replays ended, and whether the clone in which they were made has changed."""

    replays: dict[str, Replayed]
    tags: dict[str, list[str]]  # the verdict, as a tag of the old run and of a new one
    disturbed: bool


@pytest.fixture(scope="module")
def ways(team, made, package, source):
    before = contents(made.colleague.folder)
    urls = {"foreign": made.foreign, "plain": made.plain}

    def wrong(case):
        path = {"PYTHONPATH": package[case.package]} if case.package else {}
        given = {n: v.replace("SOURCE", source.url) for n, v in case.parameters.items()}
        return replayed(made.colleague, made.runs[case.run], environment=path, **given)

    def good(run, parameters):
        given = {name: value.format(**urls) for name, value in parameters.items()}
        return replayed(made.colleague, made.runs[run], **given)

    replays = dict(zip(CASES, at_once(*(partial(wrong, c) for c in CASES.values())), strict=True))
    tags = {
        name: [
            team.tags(replay.verdict[key])["reprise.verdict"]
            for key in ("run_id", "replayed_by")
            if replay.verdict[key]
        ]
        for name, replay in replays.items()
    }
    allowed = at_once(*(partial(good, *case) for case in GOOD.values()))
    replays |= zip(GOOD, allowed, strict=True)
    return Ways(replays, tags, contents(made.colleague.folder) != before)


@pytest.mark.parametrize("name", CASES)
def test_the_exit_code_and_one_line_tell(ways, name):
    case, replay = CASES[name], ways.replays[name]

    line = refusal(replay.done, "reproduce")

    assert replay.done.exit_code == EXIT_CODES[case.verdict]
    assert [words for words in case.says if words not in line] == []


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_and_its_cause_are_an_artifact(ways, name):
    case, replay = CASES[name], ways.replays[name]

    assert replay.verdict["verdict"] == case.verdict
    assert replay.causes == ([case.cause] if case.cause else [])


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_is_a_tag_of_both_runs(ways, name):
    case, replay = CASES[name], ways.replays[name]

    assert ways.tags[name] == [case.verdict] * (2 if replay.verdict["replayed_by"] else 1)


@pytest.mark.parametrize("name", GOOD)
def test_what_is_allowed_by_name_is_identical(made, ways, name):
    replay = ways.replays[name]

    assert replay.done.exit_code == 0, replay.done.stderr
    assert replay.verdict["verdict"] == IDENTICAL
    assert replay.verdict["code_from"] == getattr(made, GOOD[name][0])


def test_of_a_plain_project_it_says_what_is_unknown(team, made, ways):
    replay = ways.replays["a plain MLflow project"]

    assert {"data", "environment", "uncommitted edits"} <= set(replay.verdict["unknown"])
    assert "not compared: uncommitted edits, data" in replay.done.stdout
    assert team.metrics(replay.verdict["replayed_by"])["length"] == len(TEXT)


def test_replays_that_go_wrong_do_not_change_the_clone(ways):
    assert ways.disturbed is False


def test_what_a_record_asks_for_is_not_run(ways):
    assert not Path("/tmp/pwned").exists()


# A bundle is deleted once its run has been made again.
@pytest.fixture(scope="module")
def unbundled(team, made, ways, stored):
    uri = team.record(made.runs["clock"])["code"]["bundle"]
    stored(*uri.removeprefix("runs:/").split("/", 1)).unlink()
    return replayed(made.colleague, made.runs["clock"])


def test_a_missing_bundle_is_named(made, unbundled):
    line = refusal(unbundled.done, "reproduce")

    assert unbundled.done.exit_code == 2
    assert f"code/snapshot.bundle of run {made.runs['clock']}" in line
    assert unbundled.verdict["verdict"] == NOT_REPLAYABLE
    assert unbundled.causes == ["code"]


@pytest.fixture(scope="module")
def tweaks(made):
    """A run with another seed, and with the code at hand."""
    return at_once(
        lambda: replayed(made.colleague, made.runs["tree 6"], set="seed=9"),
        lambda: replayed(made.colleague, made.runs["tree 7"], code="current"),
    )


def test_a_tweak_is_compared_without_a_verdict(team, tweaks):
    for replay in tweaks:
        assert replay.done.exit_code == 0, replay.done.stderr
        assert "Verdict" not in replay.done.stdout
        files = ["comparison.json", "provenance.json", "report.html"]
        assert team.artifacts(replay.done.run_id) == files
        for run_id in (replay.verdict["run_id"], replay.verdict["replayed_by"]):
            assert "reprise.verdict" not in team.tags(run_id)
        assert (
            team.tags(replay.verdict["replayed_by"])["reprise.tweak_of"]
            == (replay.verdict["run_id"])
        )


def test_another_seed_is_the_cause(team, tweaks):
    seeded, _ = tweaks

    assert seeded.causes == ["seed: seed was 1, is 9"]
    assert team.record(seeded.verdict["replayed_by"])["seeds"] == {"seed": 9}


def test_edited_code_is_the_cause(team, made, tweaks):
    _, recoded = tweaks

    (cause,) = recoded.causes
    commits = [
        team.record(recoded.verdict[key])["code"]["commit"] for key in ("run_id", "replayed_by")
    ]
    assert cause == f"code: commit was {commits[0]}, is {commits[1]}"
    assert team.metrics(recoded.verdict["replayed_by"])["mark"] == mark_of(made.colleague)


def picky(url, refused):
    """Serve what a server does, but for the requests that it refuses."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def handle(request, body):
        if refused(request, body):
            text = json.dumps({"error_code": "PERMISSION_DENIED", "message": "Permission denied"})
            answer(request, text.encode(), status=403)
            return
        headers = {n: v for n, v in request.headers.items() if n.lower() != "host"}
        forwarded = urllib.request.Request(
            url + request.path, body or None, headers, method=request.command
        )
        try:
            with opener.open(forwarded, timeout=LIMIT_SECONDS) as response:
                answer(request, response.read(), status=response.status)
        except urllib.error.HTTPError as error:
            answer(request, error.read(), status=error.code)

    return web_server(handle)


def writes(request, _):
    return request.command != "GET" and not request.path.endswith("/search")


@pytest.fixture(scope="module")
def refusing(made, tracking_server):
    """Replays by people who may not write anything, or only not to the old run."""
    url, _ = tracking_server
    run_id = made.runs["tree 8"]

    def tags_the_run(request, body):
        return request.path.endswith("/log-batch") and json.loads(body)["run_id"] == run_id

    with picky(url, writes) as readonly, picky(url, tags_the_run) as foreign:
        return at_once(
            *(
                lambda server=server: replayed(
                    made.colleague,
                    run_id,
                    environment={
                        "MLFLOW_TRACKING_URI": server,
                        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
                    },
                )
                for server in (f"http://{HOST}:{free_port()}", readonly, foreign)
            )
        )


def test_a_server_that_is_not_there_is_named_in_one_line(refusing):
    done = refusing[0].done

    assert "the tracking server at" in refusal(done, "reproduce")
    assert done.exit_code == 2


def test_a_server_that_refuses_to_write_is_told_in_one_line(refusing):
    done = refusing[1].done

    assert "Permission denied" in refusal(done, "reproduce")
    assert done.exit_code == 2


def test_a_run_of_somebody_else_is_replayed_though_it_may_not_be_tagged(team, made, refusing):
    replay = refusing[2]

    assert replay.done.exit_code == 0, replay.done.stderr
    assert replay.verdict["verdict"] == IDENTICAL
    assert f"run {made.runs['tree 8']} was not tagged with its verdict" in replay.done.stderr
    assert team.tags(replay.verdict["replayed_by"])["reprise.verdict"] == IDENTICAL
    assert "reprise.verdict" not in team.tags(made.runs["tree 8"])


@pytest.mark.parametrize(
    ("run_id", "says"),
    [(NOBODY, [NOBODY, "which does not exist"]), ("abc", ["a run's name", "found 'abc'"])],
    ids=["an id", "a name"],
)
def test_a_wrong_run_is_reported_in_one_line(made, run_id, says):
    done = made.colleague.step("reproduce", run_id=run_id)

    line = refusal(done, "reproduce")

    assert [words for words in says if words not in line] == []
    assert done.exit_code == 2
    assert not done.run_id or made.colleague.status(done.run_id) == "FAILED"


@pytest.fixture
def waiting(made, ways, source):
    """A replay in the middle of which its step is sure to be."""
    source.table = None
    source.asked.clear()
    command, call = made.colleague.step_command(
        "reproduce", run_id=made.runs["web"], allow_path=source.url
    )
    with made.colleague.started(command, environment=call) as process:
        assert source.asked.wait(LIMIT_SECONDS)
        yield process, call


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def ended(team, process, call):
    """Wait for a replay, and return how it ended, and the statuses of its run and the new one."""
    _, stderr = process.communicate(timeout=LIMIT_SECONDS)
    run_id = team.run_of(call)
    (new,) = team.children(run_id)
    return process.returncode, stderr, team.status(run_id), new.info


def test_ctrl_c_ends_a_replay_and_leaves_nothing(team, waiting, temporary):
    process, call = waiting

    os.killpg(process.pid, signal.SIGINT)  # the whole foreground group, as a terminal does
    exit_code, stderr, status, new = ended(team, process, call)

    assert exit_code == 130
    assert stderr.splitlines()[-1] == "reproduce: interrupted"
    assert (status, new.status) == ("KILLED", "KILLED")
    assert left_in(temporary) == []


def test_a_step_that_is_killed_is_not_replayable_and_leaves_nothing(team, waiting, temporary):
    process, call = waiting

    (step,) = (p for p in children_of(process.pid) if b"fork_server.py" in command_of(p))
    os.kill(step, signal.SIGKILL)
    exit_code, stderr, status, new = ended(team, process, call)

    assert exit_code == 2
    assert "ended by signal 9" in stderr
    assert "Traceback" not in stderr
    assert (status, new.status) == ("FAILED", "FAILED")
    assert team.tags(new.run_id)["reprise.verdict"] == NOT_REPLAYABLE
    assert left_in(temporary) == []


def test_no_run_is_left_running(team, ways, unbundled, tweaks, refusing):
    assert "RUNNING" not in {run.info.status for run in team.search("")}


def test_nothing_is_left_in_the_folder_for_temporary_files(
    temporary, ways, unbundled, tweaks, refusing
):
    assert left_in(temporary) == []
