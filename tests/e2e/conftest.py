"""A copy of the project, the servers it talks to, and clones of it as users have them."""

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import replace

import pytest
from driving import (
    HOST,
    ROOT,
    Project,
    base_environment,
    healthy,
    server,
    table_source,
)
from mlflow import MlflowClient
from replaying import ODD_TABLE, Origin, write_experiments, write_marks, write_table
from stacks import new_stack
from stores import copy_store
from sweeping import gate, held, held_grid  # noqa: F401 - fixtures

from deploy.dev.processes import free_port

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # of this process's client


@pytest.fixture(scope="session", autouse=True)
def _servers_end_with_the_tests():
    """Let a SIGTERM end the servers too, as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """A user's environment variables."""
    return base_environment(tmp_path_factory.mktemp("t"))


@pytest.fixture(scope="session")
def git_folder(tmp_path_factory):
    """Folder whose bare repositories the git daemon serves."""
    return tmp_path_factory.mktemp("git")


@pytest.fixture(scope="session")
def git_server(git_folder, environment):
    """URL of a real git daemon that has the empty repository `project`."""
    folder = git_folder
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", folder / "project"],
        env=environment,
        check=True,
    )
    port = free_port()
    url = f"git://{HOST}:{port}"
    command = ["git", "daemon", "--reuseaddr", "--export-all", "--enable=receive-pack"]
    command += [f"--listen={HOST}", f"--port={port}", f"--base-path={folder}", str(folder)]

    def answers():
        asked = subprocess.run(
            ["git", "ls-remote", f"{url}/project"],
            env=environment,
            capture_output=True,
            check=False,
        )
        return asked.returncode == 0

    with server(command, answers, log=folder / "log", environment=environment):
        yield url


@pytest.fixture(scope="session")
def project(tmp_path_factory, environment, git_server, warm_process, migrated):
    """The working tree as it is, in one commit that `origin` has, with a SQLite store."""
    folder = tmp_path_factory.mktemp("project")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode("utf-8", "surrogateescape")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    store = copy_store(migrated, folder)
    project = Project(folder, environment, store, warm=warm_process)
    project.git("init", "--quiet", "--initial-branch=main")
    project.git("remote", "add", "origin", f"{git_server}/project")
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "The project")
    project.git("push", "--quiet", "--set-upstream", "origin", "main")
    return project


@pytest.fixture(scope="module")
def experiment(project, request):
    """The project, with runs in an experiment of this module's own."""
    return project.within(request.module.__name__)


@pytest.fixture(scope="session")
def new_origin(project, git_folder, git_server, tmp_path_factory):
    """Make a repository of the project in which every file changes the results."""
    folder = tmp_path_factory.mktemp("marked") / "project"
    project.git("clone", "--quiet", project.git("remote", "get-url", "origin"), str(folder))
    marked = replace(project, folder=folder)
    write_marks(folder)
    write_experiments(folder)
    write_table(folder / ODD_TABLE)
    marked.git("add", "--all")
    marked.git("commit", "--quiet", "--message", "Marks")

    def new_origin(name):
        project.git("clone", "--quiet", "--bare", str(folder), str(git_folder / name))
        return Origin(git_folder / name, f"{git_server}/{name}")

    return new_origin


@pytest.fixture(scope="module")
def clone(project, migrated, tmp_path_factory):
    """A fresh clone of the project with an empty store of its own."""
    folder = tmp_path_factory.mktemp("clone") / "project"
    project.git("clone", "--quiet", project.git("remote", "get-url", "origin"), str(folder))
    return replace(project, folder=folder, store=copy_store(migrated, folder))


@contextlib.contextmanager
def tracking(folder, environment, store):
    """Start a tracking server with a backend store; yield its URL and its folder of artifacts."""
    url = f"http://{HOST}:{(port := free_port())}"
    command = ["mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", store]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with server(
        command,
        lambda: healthy(f"{url}/health"),
        log=folder / "log",
        environment=environment | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        cwd=folder,
    ):
        yield url, folder / "artifacts"


@pytest.fixture(scope="session")
def tracking_server(tmp_path_factory, environment, migrated):
    """URL of a real tracking server that serves its artifacts, and the folder that has them."""
    folder = tmp_path_factory.mktemp("server")
    store = copy_store(migrated, folder, artifacts="mlflow-artifacts:/0")
    with tracking(folder, environment, store) as served:
        yield served


@pytest.fixture(scope="session")
def stack():
    """The team's server, whole, from the files that are shipped; skipped loudly without root."""
    with new_stack() as stack:
        yield stack


@pytest.fixture
def admin(stack, monkeypatch):
    """Let this process's client be the admin of the stack; yield the client."""
    for name, value in stack.client().items():
        monkeypatch.setenv(name, value)
    return MlflowClient(stack.address, stack.address)


@pytest.fixture(scope="session")
def served(project, tracking_server):
    """The project, with the tracking server as its store."""
    url, _ = tracking_server
    return replace(project.with_variables({"MLFLOW_TRACKING_URI": url}), store=url)


@pytest.fixture
def slow():
    """A source in the middle of which a step is sure to be."""
    with table_source() as source:
        yield source
