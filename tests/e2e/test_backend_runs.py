"""`mlflow run … -b reprise`: runs of the past by their id, and commits by git URI, for real."""

import os
import signal
from dataclasses import replace

import pytest
from driving import LIMIT_SECONDS, at_once, until, with_run_id
from replaying import Origin, cloned, contents, left_in

FOLDER = "plain/sub"
PROJECT = """
name: plain
entry_points:
  main:
    parameters:
      text: {type: string, default: "-"}
    command: "python step.py {text}"
  wait: {parameters: {file: string}, command: "touch {file}; sleep 300"}
"""
STEP = """
import sys

VALUE = 1
print("value", VALUE, "text", sys.argv[1])
if sys.argv[1] != "-":
    import mlflow

    mlflow.log_metric("value", VALUE)
"""


@pytest.fixture(scope="module")
def origin(project, git_folder, git_server, tmp_path_factory):
    """A repository of the project with a plain one in a sub-folder, two tags and a branch."""
    maker = replace(project, folder=tmp_path_factory.mktemp("maker") / "project")
    project.git("clone", "--quiet", project.git("remote", "get-url", "origin"), str(maker.folder))
    plain = maker.folder / FOLDER
    plain.mkdir(parents=True)
    (plain / "MLproject").write_text(PROJECT)

    def commit(value):
        (plain / "step.py").write_text(STEP.replace("VALUE = 1", f"VALUE = {value}"))
        maker.git("add", "--all")
        maker.git("commit", "--quiet", "--message", f"Value {value}")

    commit(1)
    maker.git("tag", "light")
    commit(2)
    maker.git("tag", "--annotate", "--message=m", "v1.0")
    maker.git("switch", "--quiet", "--create", "feature/x")
    commit(3)
    maker.git("switch", "--quiet", "main")
    commit(4)
    project.git("clone", "--quiet", "--bare", str(maker.folder), str(git_folder / "backend"))
    return Origin(git_folder / "backend", f"{git_server}/backend")


@pytest.fixture(scope="module")
def temporary(tmp_path_factory):
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def user(project, origin, temporary, tmp_path_factory):
    """Someone with a clone that has edits, who logs to a store elsewhere."""
    variables = {"MLFLOW_TRACKING_URI": project.store, "TMPDIR": str(temporary)}
    logging = project.within("backend").with_variables(variables)
    user = cloned(logging, origin, tmp_path_factory.mktemp("user") / "project")
    (user.folder / FOLDER / "step.py").write_text(STEP.replace("VALUE = 1", "VALUE = 5"))
    (user.folder / "notes.txt").write_text("not committed\n")
    return user


@pytest.fixture(scope="module")
def colleague(user, project, origin, tmp_path_factory):
    """Someone else, with a clean clone."""
    folder = tmp_path_factory.mktemp("colleague") / "project"
    return replace(user, folder=cloned(project, origin, folder).folder)


@pytest.fixture(scope="module")
def before(user):
    return contents(user.folder)


@pytest.fixture(scope="module")
def commits(project, origin):
    names = ("light", "v1.0^{commit}", "feature/x", "main")
    show = ("-C", str(origin.folder), "rev-parse")
    return {name.partition("^")[0]: project.git(*show, name) for name in names}


def mlflow_run(user, uri, *arguments):
    return with_run_id(user.execute(["mlflow", "run", uri, "-b", "reprise", *arguments]))


@pytest.fixture(scope="module")
def ended(user, colleague, origin, commits, before):
    """How each command ended, by what it shows; two at a time."""
    short = commits["feature/x"][:9]
    missing = "runs:/0123456789abcdef0123456789abcdef"
    training = ("-e", "train_dt", "-P", "cv=0", "-P")
    commands = {
        "short sha": (user, f"{origin.url}#{short}", *training, "max_depth=2"),
        "annotated tag": (user, f"{origin.url}#v1.0:{FOLDER}", "-P", "text=it's a $(x)"),
        "branch": (user, f"{origin.url}#{FOLDER}", "--version", "feature/x"),
        "folder": (user, f"{origin.url}#{FOLDER}"),
        "local commit": (user, f".#{commits['light'][:9]}:{FOLDER}"),
        "local edits": (user, ".", *training, "max_depth=0"),
        "unknown run": (user, missing),
    }
    calls = [lambda c=command: mlflow_run(*c) for command in commands.values()]
    return dict(zip(commands, at_once(*calls), strict=True))


@pytest.fixture(scope="module")
def replays(colleague, ended):
    """A run of a commit and one of a plain project, made again in another clone by their URI."""
    names = ("short sha", "annotated tag")
    calls = [lambda n=n: mlflow_run(colleague, f"runs:/{ended[n].run_id}") for n in names]
    return dict(zip(names, at_once(*calls), strict=True))


def test_a_short_sha_of_a_git_uri_runs_and_records_the_whole_commit(user, ended, origin, commits):
    done = ended["short sha"]

    assert done.exit_code == 0, done.stderr
    code = user.record(done.run_id)["code"]
    assert code["commit"] == code["base_commit"] == commits["feature/x"]
    assert code["dirty"] is False
    assert code["repository"] == origin.url
    assert code["project"] == ""
    assert code["bundle"] == f"runs:/{done.run_id}/code/snapshot.bundle"
    assert user.client.get_run(done.run_id).data.params["max_depth"] == "2"
    assert f"train_dt: run {done.run_id}" in done.stdout


@pytest.mark.parametrize(
    ("name", "commit", "value"),
    [
        ("annotated tag", "v1.0", 2),
        ("branch", "feature/x", 3),
        ("folder", "main", 4),
        ("local commit", "light", 1),
    ],
)
def test_every_way_to_name_a_commit_or_a_folder_runs_it(user, ended, commits, name, commit, value):
    done = ended[name]

    assert done.exit_code == 0, done.stderr
    assert f"value {value} text" in done.stdout
    assert user.status(done.run_id) == "FINISHED"
    assert user.tags(done.run_id)["mlflow.source.git.commit"] == commits[commit]


def test_the_tags_say_what_was_asked_for(user, ended, origin):
    tags = user.tags(ended["annotated tag"].run_id)

    assert tags["mlflow.source.name"] == f"{origin.url}#v1.0:{FOLDER}"
    assert tags["mlflow.source.git.repoURL"] == origin.url
    assert tags["mlflow.project.entryPoint"] == "main"
    assert tags["mlflow.project.backend"] == "reprise"


def test_a_parameter_reaches_the_step_as_it_was_given(ended):
    assert "text it's a $(x)\n" in ended["annotated tag"].stdout


def test_a_local_folder_runs_in_place_with_its_edits_and_its_failure_is_told(user, ended):
    done = ended["local edits"]

    assert done.exit_code == 1
    assert "max_depth must be" in done.stderr.splitlines()[-1]
    assert user.status(done.run_id) == "FAILED"
    code = user.record(done.run_id)["code"]
    assert code["dirty"] is True
    assert code["changed_files"] == ["notes.txt", f"{FOLDER}/step.py"]
    assert code["bundle"]


def test_an_unknown_run_is_refused_in_a_line_and_by_the_exit_code(user, ended):
    done = ended["unknown run"]

    assert done.exit_code == 1
    assert "which does not exist" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr + done.stdout
    assert user.status(done.run_id) == "FAILED"


def test_a_run_of_a_commit_is_made_again_by_its_uri_in_another_clone(user, ended, replays):
    done = replays["short sha"]

    assert done.exit_code == 0, done.stderr
    assert "Verdict: identical" in done.stdout
    assert user.tags(ended["short sha"].run_id)["reprise.verdict"] == "identical"
    assert user.tags(done.run_id)["mlflow.project.entryPoint"] == "reproduce"


def test_a_run_of_a_plain_project_is_made_again_by_its_uri(user, ended, replays):
    done = replays["annotated tag"]

    assert done.exit_code == 0, done.stderr
    assert "Verdict: identical" in done.stdout


def test_ctrl_c_kills_the_run_and_leaves_nothing(user, origin, temporary, tmp_path, replays):
    waiting = tmp_path / "waiting"
    command = ["mlflow", "run", f"{origin.url}#{FOLDER}", "-b", "reprise", "-e", "wait"]

    with user.started([*command, "-P", f"file={waiting}"]) as process:
        until(waiting.exists, what="the step to start")
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=LIMIT_SECONDS)

    (run,) = user.search("tags.`mlflow.project.entryPoint` = 'wait'")
    assert process.returncode == 1, stderr
    assert "Traceback" not in stderr
    assert run.info.status == "KILLED"
    assert left_in(temporary) == []


def test_the_users_clone_is_unchanged_to_the_byte_and_nothing_is_left(
    user, before, ended, replays, temporary
):
    assert contents(user.folder) == before
    assert left_in(temporary) == []
