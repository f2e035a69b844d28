"""`mlflow run … -b reprise`: the meaning of a URI, and the start and end of a run."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from mlflow.exceptions import ExecutionException
from repositories import add_submodule, commit_all, fingerprint, git, make_repository, publish

from reprise import backend
from reprise.capture import code, environment
from reprise.errors import (
    CheckoutError,
    EnvironmentMismatchError,
    ParameterError,
    ProjectError,
)
from reprise.projects import environments
from reprise.projects.address import Address, opened, parse, resolve

RUN_ID = "0123456789abcdef0123456789abcdef"
PLAIN = """
name: plain
entry_points:
  main:
    parameters:
      depth: {type: float, default: 2}
      text: {type: string, default: "-"}
    command: "python step.py {depth} {text}"
  fail: {command: "exit 3"}
  killed: {command: "kill -KILL $$"}
  here: {command: "pwd > where"}
  path: {parameters: {file: path}, command: "cat {file} > copied"}
  stopped: {command: "kill -TERM $PARENT; sleep 300"}
"""
STEP = """
import os, sys
print(f"step {sys.argv[1:]} of {os.environ['MLFLOW_RUN_ID']}", flush=True)
"""


@pytest.fixture
def repository(plain_git, tmp_path):
    """A repository with a plain MLflow Project at its root and in plain/sub, and its origin."""
    folder = make_repository(tmp_path / "team" / "project")
    (folder / "step.py").write_text(STEP)
    (folder / "MLproject").write_text(PLAIN)
    (folder / "plain" / "sub").mkdir(parents=True)
    (folder / "plain" / "sub" / "MLproject").write_text(PLAIN)
    (folder / "plain" / "sub" / "step.py").write_text(STEP)
    commit_all(folder, "project")
    publish(folder, tmp_path / "origin.git")
    return folder


@pytest.fixture
def origin(repository):
    """URL that only cloning can read."""
    return f"file://{git(repository, 'remote', 'get-url', 'origin')}"


@pytest.fixture
def run(store):
    """Run a project with the backend, as MLflow does."""

    def run(uri, entry_point="main", *, version=None, manager="local", **parameters):
        config = {"ENV_MANAGER": manager}
        arguments = (entry_point, parameters, version, config, store.uri, store.experiment_id)
        return backend.Backend().run(str(uri), *arguments).run_id

    return run


def head(folder):
    return git(folder, "rev-parse", "HEAD")


# The meaning of a URI


@pytest.mark.parametrize(
    ("uri", "version", "expected"),
    [
        ("git@host:team/p.git", None, Address("git@host:team/p.git")),
        ("u#x", None, Address("u", either="x", fragment="x")),
        ("u#sub/folder/", None, Address("u", either="sub/folder", fragment="sub/folder/")),
        ("u#v1.0:sub", None, Address("u", "v1.0", "sub", fragment="v1.0:sub")),
        ("u#v1.0:", None, Address("u", "v1.0", fragment="v1.0:")),
        ("u#:sub", None, Address("u", folder="sub", fragment=":sub")),
        ("u", "v1.0", Address("u", "v1.0", fragment="v1.0")),
        ("u#sub", "v1.0", Address("u", "v1.0", "sub", fragment="v1.0:sub")),
        ("u#:sub", "v1.0", Address("u", "v1.0", "sub", fragment="v1.0:sub")),
        ("'u#x'", None, Address("u", either="x", fragment="x")),
    ],
)
def test_a_uri_is_split_into_its_parts(uri, version, expected):
    assert parse(uri, version) == expected


def test_two_commits_are_refused():
    with pytest.raises(ProjectError, match="Leave out one"):
        parse("u#v1:sub", "v2")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:secret@host/p.git#v1:sub", "https://host/p.git#v1:sub"),
        ("https://token@host/p.git", "https://host/p.git"),
        ("ssh://git@host/p.git#v1", "ssh://git@host/p.git#v1"),
        ("git@host:team/p.git#v1", "git@host:team/p.git#v1"),
    ],
)
def test_a_uri_is_shown_without_credentials(uri, shown):
    assert parse(uri).shown == shown


def test_a_local_folder_is_shown_as_mlflow_shows_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert parse(".#sub").shown == f"file://{tmp_path}#sub"


def test_a_commit_is_found_by_every_name_that_it_has(repository):
    commit = head(repository)
    git(repository, "tag", "light")
    git(repository, "tag", "--annotate", "--message=m", "v1.0")
    git(repository, "branch", "feature/x")

    annotated = git(repository, "rev-parse", "v1.0")
    names = [commit, commit[:7], commit[:12].upper(), "light", "v1.0", annotated, "feature/x"]

    assert annotated != commit
    assert {name: resolve(repository, name) for name in [*names, "HEAD"]} == dict.fromkeys(
        [*names, "HEAD"], commit
    )


def test_a_branch_that_only_the_remote_has_is_found(repository):
    git(repository, "push", "--quiet", "origin", "HEAD:refs/heads/theirs")

    assert resolve(repository, "theirs") == head(repository)


def test_a_local_branch_goes_before_the_remotes(repository):
    (repository / "train.py").write_text("depth = 4\n")
    local = commit_all(repository)

    assert resolve(repository, "main") == local


@pytest.mark.parametrize("name", ["nosuch", "0123456", "-x", "a..b", "--help", "a b", "@{u}"])
def test_a_text_that_names_no_commit_gives_none(repository, name):
    assert resolve(repository, name) is None


def test_a_branch_whose_name_could_be_an_id_is_a_branch(repository):
    before = head(repository)
    (repository / "train.py").write_text("depth = 4\n")
    commit_all(repository)
    git(repository, "push", "--quiet", "origin", f"{before}:refs/heads/{head(repository)[:7]}")

    assert resolve(repository, head(repository)[:7]) == before


def test_a_tag_and_a_branch_that_differ_are_refused(repository):
    git(repository, "tag", "both")
    (repository / "train.py").write_text("depth = 4\n")
    commit_all(repository)
    git(repository, "branch", "both")

    with pytest.raises(CheckoutError, match="Name it by its id"):
        resolve(repository, "both")


# The project's folder


def test_a_local_folder_without_a_commit_is_itself(repository, temporary):
    with opened(parse(str(repository))) as folder:
        assert folder == repository
    with opened(parse(f"{repository}#plain/sub")) as folder:
        assert folder == repository / "plain" / "sub"
    with opened(parse(f"file://{repository}#:plain/sub")) as folder:
        assert folder == repository / "plain" / "sub"


def test_a_folder_outside_git_is_itself(tmp_path):
    with opened(parse(str(tmp_path))) as folder:
        assert folder == tmp_path


@pytest.mark.parametrize("as_version", [True, False])
def test_a_commit_of_a_local_folder_is_checked_out_elsewhere_without_edits(
    repository, temporary, as_version
):
    commit = head(repository)
    (repository / "train.py").write_text("depth = 4\n")
    (repository / "new.py").write_text("")
    before = fingerprint(repository)

    address = (
        parse(str(repository), commit[:7]) if as_version else parse(f"{repository}#{commit[:7]}")
    )
    with opened(address) as folder:
        assert (folder / "train.py").read_text() == "depth = 3\n"
        assert not (folder / "new.py").exists()
        assert head(folder) == commit

    assert fingerprint(repository) == before
    assert list(temporary.iterdir()) == []


def test_a_local_sub_folder_at_a_commit_is_that_sub_folder(repository, temporary):
    with opened(parse(f"{repository}/plain#HEAD:sub")) as folder:
        assert code.describe(folder).project == "plain/sub"


@pytest.mark.parametrize("fragment", ["v1.0", "v1.0:plain/sub", "plain/sub", ":plain/sub", ""])
def test_a_remote_repository_is_cloned_and_removed_afterwards(
    repository, origin, temporary, fragment
):
    git(repository, "tag", "--annotate", "--message=m", "v1.0")
    git(repository, "push", "--quiet", "--tags")

    with opened(parse(f"{origin}#{fragment}")) as folder:
        found = code.describe(folder)
        assert (folder / "step.py").is_file()

    assert found.commit == head(repository)
    assert found.project == ("plain/sub" if "plain" in fragment else "")
    assert not found.dirty
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_clone_is_removed_after_a_failed_run(origin, temporary):
    with pytest.raises(KeyboardInterrupt), opened(parse(origin)):
        raise KeyboardInterrupt

    assert list(temporary.iterdir()) == []


def test_a_bare_repository_is_cloned(repository, temporary, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = fingerprint(tmp_path / "origin.git")

    with opened(parse("origin.git#main")) as folder:
        assert head(folder) == head(repository)
        assert folder.is_relative_to(temporary)

    assert fingerprint(tmp_path / "origin.git") == before


def test_a_folder_goes_before_a_branch_of_its_name(repository, origin):
    git(repository, "branch", "plain")
    git(repository, "push", "--quiet", "origin", "plain")

    for uri in (repository, origin):
        with opened(parse(f"{uri}#plain")) as folder:
            assert (folder / "sub").is_dir()
        with opened(parse(f"{uri}#plain:")) as folder:
            assert (folder / "train.py").is_file()


def test_a_commit_that_no_branch_reaches_is_fetched_by_its_whole_id(repository, origin):
    (repository / "train.py").write_text("depth = 4\n")
    commit = commit_all(repository)
    git(repository, "push", "--quiet", "origin", "HEAD:refs/pull/1")

    with opened(parse(f"{origin}#{commit}")) as folder:
        assert (folder / "train.py").read_text() == "depth = 4\n"


def test_hooks_do_not_run(repository, origin, temporary, tmp_path, monkeypatch):
    hooks = tmp_path / "templates" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (hooks / "post-checkout").chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "templates"))

    with opened(parse(f"{origin}#main")):
        pass

    assert not (tmp_path / "ran").exists()


def test_submodules_of_the_same_server_are_there(repository, served, tmp_path):
    make_repository(tmp_path / "team" / "library")
    add_submodule(repository, f"{served}/team/library")
    git(repository, "push", "--quiet")

    with opened(parse(f"{served}/origin.git#main")) as folder:
        assert (folder / "lib" / "train.py").is_file()


@pytest.mark.parametrize("place", ["local", "origin"])
@pytest.mark.parametrize("fragment", ["nosuch", "nosuch:", "0123456789abcdef" * 2 + "01234567"])
def test_a_name_of_neither_a_folder_nor_a_commit_is_refused(
    repository, origin, temporary, place, fragment
):
    uri = {"local": repository, "origin": origin}[place]

    with pytest.raises(CheckoutError, match=f"none named '{fragment.rstrip(':')}'"):
        opened(parse(f"{uri}#{fragment}")).__enter__()

    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("fragment", ["main:nosuch", ":nosuch"])
def test_a_folder_that_is_missing_is_refused(repository, fragment):
    with pytest.raises(CheckoutError, match="expected the folder 'nosuch'"):
        opened(parse(f"{repository}#{fragment}")).__enter__()


def test_a_commit_of_a_folder_outside_git_is_refused(tmp_path, plain_git):
    with pytest.raises(CheckoutError, match="found neither"):
        opened(parse(f"{tmp_path}#v1")).__enter__()


@pytest.mark.parametrize("scheme", ["git", "http"])
def test_a_missing_repository_is_refused_without_its_credentials(plain_git, scheme):
    uri = f"{scheme}://me:s3cret@127.0.0.1:1/team/p.git#v1"

    with pytest.raises(CheckoutError, match="cannot be cloned") as refused:
        opened(parse(uri)).__enter__()

    assert f"{scheme}://127.0.0.1:1/team/p.git" in str(refused.value)
    assert "s3cret" not in str(refused.value)


# The record of a step in the checkout


def test_a_commit_of_the_default_branch_does_not_travel_with_its_run(repository, origin):
    for uri in (f"{repository}#HEAD", f"{origin}#main"):
        with opened(parse(uri)) as folder, code.capture(folder) as captured:
            assert not captured.carried
            assert captured.code.repository == git(repository, "remote", "get-url", "origin") or (
                captured.code.repository == origin
            )


def test_a_commit_of_another_branch_travels_alone(repository, origin, tmp_path):
    git(repository, "switch", "--quiet", "--create", "feature")
    (repository / "train.py").write_text("depth = 4\n")
    commit = commit_all(repository)
    git(repository, "push", "--quiet", "origin", "feature")

    for number, uri in enumerate((f"{repository}#feature", f"{origin}#feature")):
        with opened(parse(uri)) as folder, code.capture(folder) as captured:
            assert captured.carried
            assert captured.code.commit == commit
            captured.write_bundle(tmp_path / f"{number}.bundle")
        needed = git(repository, "bundle", "verify", str(tmp_path / f"{number}.bundle"))
        assert git(repository, "rev-parse", "main") in needed


# The order


def test_a_runs_uri_is_the_entry_point_reproduce_of_the_current_folder():
    order = backend.ordered(f"runs:/{RUN_ID}", "main", {"set": "C=2"}, None)

    assert order.address == parse(".")
    assert order.entry_point == "reproduce"
    assert order.parameters == {"run_id": f"runs:/{RUN_ID}", "set": "C=2"}


@pytest.mark.parametrize(
    ("entry_point", "parameters", "version", "error", "text"),
    [
        ("train_dt", {}, None, ProjectError, "Leave -e out"),
        ("main", {}, "v1", ProjectError, "Leave --version out"),
        ("reproduce", {"run_id": RUN_ID}, None, ParameterError, "Leave out -P run_id"),
    ],
)
def test_a_runs_uri_that_is_contradicted_is_refused(entry_point, parameters, version, error, text):
    with pytest.raises(error, match=text):
        backend.ordered(f"runs:/{RUN_ID}", entry_point, parameters, version)


def test_a_url_with_a_password_as_a_parameter_is_refused_unseen(store, run, repository):
    with pytest.raises(ExecutionException, match="allow_repository must be without") as refused:
        run(repository, allow_repository="https://me:s3cret@host/p.git")

    assert "s3cret" not in str(refused.value)
    assert store.runs() == []


# The environment


def project_with_lock(folder, *, python, package="no-such-package==1"):
    folder.mkdir()
    (folder / "requirements.txt").write_text(f"{package} \\\n    --hash=sha256:{'0' * 64}\n")
    (folder / "conda.yaml").write_text(f"dependencies:\n  - python={python}\n")
    return folder


HERE = ".".join(map(str, sys.version_info[:3]))


def test_without_a_lock_the_environment_is_the_current_one(tmp_path):
    assert environments.locked_interpreter(tmp_path) == Path(sys.executable)


def test_requirements_without_hashes_are_no_lock(tmp_path):
    (tmp_path / "requirements.txt").write_text("no-such-package==1\n")

    assert environments.locked_interpreter(tmp_path) == Path(sys.executable)


def test_a_satisfied_lock_uses_the_current_environment(tmp_path):
    from importlib.metadata import version

    package = f"mlflow=={version('mlflow')}"
    project = project_with_lock(tmp_path / "p", python=HERE, package=package)

    assert environments.locked_interpreter(project) == Path(sys.executable)


@pytest.mark.parametrize("python", [HERE, "3.11.0"])
def test_an_unsatisfied_lock_is_built_or_refused(tmp_path, monkeypatch, python):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    project = project_with_lock(tmp_path / "p", python=python)
    digest = hashlib.sha256((project / "requirements.txt").read_bytes()).hexdigest()

    with pytest.raises(EnvironmentMismatchError, match=f"with Python {python}"):
        environments.locked_interpreter(project)

    assert [p.name for p in environments.cache().iterdir() if p.name.startswith(digest[:16])] != []


@pytest.mark.parametrize("manager", ["conda", "virtualenv"])
def test_another_tool_for_environments_is_refused(store, run, repository, manager):
    with pytest.raises(ExecutionException, match="Leave --env-manager out"):
        run(repository, manager=manager)

    assert store.runs() == []


def test_the_projects_own_installation_is_no_package_of_the_environment(tmp_path):
    for name in ("reprise-0.1.0", "numpy-2.4.6"):
        (tmp_path / f"{name}.dist-info").mkdir()

    assert environment.installed_packages([str(tmp_path)]) == {"numpy": "2.4.6"}


def imported(folder, module):
    """Whether a process in a folder can import a module."""
    command = [sys.executable, "-c", f"import {module}"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def test_only_the_engine_is_installed(tmp_path):
    assert imported(tmp_path, "reprise.record.schema")
    assert not imported(tmp_path, "steps")
    assert not imported(tmp_path, "bench")


def test_a_commit_does_not_import_missing_modules_from_the_installation(tmp_path):
    (tmp_path / "reprise").mkdir()
    (tmp_path / "reprise" / "__init__.py").write_text("")

    assert not imported(tmp_path, "reprise.record.schema")


# The run


def test_mlflow_finds_the_backend_by_its_name():
    (found,) = entry_points(group="mlflow.project_backend", name="reprise")

    assert found.load() is not None
    assert found.value == "reprise.backend:Backend"


def test_a_run_has_the_tags_and_parameters_that_mlflow_gives(store, run, repository, origin):
    run_id = run(f"{origin}#main:plain/sub", text="a b", extra="1")

    done = store.run(run_id)
    wanted = {
        "mlflow.source.name": f"{origin}#main:plain/sub",
        "mlflow.source.type": "PROJECT",
        "mlflow.source.git.commit": head(repository),
        "mlflow.source.git.repoURL": origin,
        "mlflow.project.entryPoint": "main",
        "mlflow.project.backend": "reprise",
        "reprise.project_folder": "plain/sub",
    }
    assert done.info.status == "FINISHED"
    assert wanted.items() <= done.data.tags.items()
    assert done.data.tags["mlflow.user"]
    assert done.data.params == {"depth": "2", "text": "'a b'", "extra": "1"}


def test_the_steps_output_appears_where_the_commands_does(run, repository, capfd):
    run_id = run(repository, text="it's $(x)")

    out, err = capfd.readouterr()
    printed, _, following = out.partition("Next:\n")
    assert printed == f"""step ['2', "it's $(x)"] of {run_id}\n"""
    assert f"  reprise reproduce {run_id[:8]}\n" in following
    assert f"in run with ID '{run_id}'" in err


def test_a_child_of_an_active_run_is_nested(store, run, repository):
    import mlflow

    with mlflow.start_run() as parent:
        run_id = run(repository)

    assert store.tags(run_id)["mlflow.parentRunId"] == parent.info.run_id


@pytest.mark.parametrize(
    ("entry_point", "how"),
    [("fail", "its command ended with exit code 3"), ("killed", "exit code 137")],
)
def test_a_failed_step_fails_its_run_and_reports_why(store, run, repository, entry_point, how):
    with pytest.raises(ExecutionException, match=how):
        run(repository, entry_point)

    (failed,) = store.runs()
    assert failed.info.status == "FAILED"
    assert how in failed.data.tags["reprise.error"]


@pytest.mark.parametrize(
    ("entry_point", "parameters", "text"),
    [("nosuch", {}, "'?nosuch"), ("path", {}, "file"), ("path", {"file": "nosuch"}, "nosuch")],
)
def test_a_missing_entry_point_or_parameter_is_refused_before_a_run_is_made(
    store, run, repository, entry_point, parameters, text
):
    with pytest.raises(ExecutionException, match=text):
        run(repository, entry_point, **parameters)

    assert store.runs() == []


def test_a_parameter_that_mlflow_refuses_fails_the_run_with_one_line(store, run, repository):
    with pytest.raises(ExecutionException, match="parameters that MLflow can log") as refused:
        run(repository, **{"no name!": "1"})

    assert "\n" not in str(refused.value)
    assert [each.info.status for each in store.runs()] == ["FAILED"]


def test_bytecode_of_an_earlier_edit_is_refused_before_a_run_is_made(
    store, run, repository, monkeypatch
):
    (repository / "train.py").write_text("x = 1\n")
    monkeypatch.setattr("reprise.capture.bytecode._is_stale", lambda source: True)

    with pytest.raises(ExecutionException, match=r"bytecode of an earlier edit: .*train\.py"):
        run(repository, "here")

    assert store.runs() == []


def test_a_project_in_a_container_is_refused(store, run, tmp_path):
    (tmp_path / "MLproject").write_text(
        "docker_env: {image: x}\nentry_points: {main: {command: x}}"
    )

    with pytest.raises(ExecutionException, match="found docker_env"):
        run(tmp_path)


def test_a_local_project_runs_in_its_own_folder(run, repository):
    run(repository, "here")

    assert (repository / "where").read_text().strip() == str(repository)


def test_a_path_is_relative_to_where_the_command_was_given(
    run, repository, tmp_path, monkeypatch, temporary
):
    (tmp_path / "data").write_text("mine")
    monkeypatch.chdir(tmp_path)

    run(repository, "path", file="data")

    assert (repository / "copied").read_text() == "mine"
    assert list(temporary.iterdir()) == []


def test_the_configuration_of_mlflow_does_not_change(store, repository):
    config = {"ENV_MANAGER": "local", "SYNCHRONOUS": False}

    arguments = ("main", None, None, config, store.uri, store.experiment_id)
    backend.Backend().run(str(repository), *arguments)

    assert config == {"ENV_MANAGER": "local", "SYNCHRONOUS": False}


@pytest.mark.parametrize("place", ["local", "origin"])
def test_a_stopped_command_ends_its_step_and_leaves_no_process(
    store, run, repository, origin, temporary, monkeypatch, place
):
    monkeypatch.setenv("PARENT", str(os.getpid()))
    handler = signal.getsignal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run({"local": repository, "origin": origin}[place], "stopped")

    assert [each.info.status for each in store.runs()] == ["KILLED"]
    assert list(temporary.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == handler


def test_the_backend_runs_in_a_thread_too(store, run, repository):
    thread = threading.Thread(target=partial(run, repository))

    thread.start()
    thread.join()

    assert [each.info.status for each in store.runs()] == ["FINISHED"]
