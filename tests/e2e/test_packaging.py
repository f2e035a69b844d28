"""The engine installed without the repository: a wheel, in an empty environment of each Python."""

import glob
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
SECONDS = 900  # for a command: the first imports of a new environment compile what they import

pytestmark = [
    pytest.mark.drill("pyproject.toml", "plugin", "reprise"),
    pytest.mark.timeout(4 * SECONDS),
]
MLPROJECT = """
name: tiny
entry_points:
  main:
    parameters: {x: {type: float, default: 1}}
    command: "python train.py {x}"
  module:
    parameters: {x: {type: float, default: 1}}
    command: "python -m train --x {x}"
"""
TRAIN = """
import sys

import mlflow

with mlflow.start_run():
    mlflow.log_metric("double", 2 * float(sys.argv[-1]))
"""
NOTHING_CHANGES = """
import importlib.util, os
before = dict(os.environ)
import reprise
assert dict(os.environ) == before
assert importlib.util.find_spec("steps") is None
"""


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel, and a project in a git repository."""

    bin: Path
    project: Path

    @property
    def store(self):
        return self.project / "mlflow.db"

    def run(self, *words):
        """Run a command of the environment in the project; return its exit code and output."""
        done = subprocess.run(
            [str(self.bin / words[0]), *words[1:]],
            cwd=self.project,
            env={
                "HOME": str(self.project.parent),
                "PATH": f"{self.bin}{os.pathsep}{os.defpath}",
                "MLFLOW_TRACKING_URI": f"sqlite:///{self.store}",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        return done.returncode, done.stdout + done.stderr

    def runs(self):
        """Ids of all runs and their states, in the order in which they began."""
        query = "select run_uuid, status from runs order by start_time"
        with sqlite3.connect(self.store) as connection:
            return connection.execute(query).fetchall()


def interpreter(version):
    """A Python of this version that works, on PATH or among pyenv's; None: there is none."""
    pyenv = os.environ.get("PYENV_ROOT") or Path("~/.pyenv").expanduser()
    candidates = [
        shutil.which(f"python{version}"),
        *glob.glob(f"{pyenv}/versions/{version}.*/bin/python{version}"),  # noqa: PTH207
    ]
    for candidate in filter(None, candidates):
        words = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return candidate
    return None


def uv(*words, folder):
    command = [str(Path(sys.executable).with_name("uv")), *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the repository's files, built in a copy of them: a build leaves a folder."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "reprise", source / "reprise", ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copytree(ROOT / "plugin", source / "plugin", symlinks=True)
    uv("build", "--quiet", "--wheel", "--out-dir", str(out), ".", folder=source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module", params=PYTHONS)
def installed(request, wheel, tmp_path_factory):
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"Python {request.param} is not on this machine")
    folder = tmp_path_factory.mktemp(f"python{request.param}")
    uv("venv", "--quiet", "--no-project", "--python", python, "venv", folder=folder)
    uv("pip", "install", "--quiet", "--python", "venv/bin/python", str(wheel), folder=folder)
    project = folder / "project"
    project.mkdir()
    (project / "MLproject").write_text(MLPROJECT)
    (project / "train.py").write_text(TRAIN)
    (project / ".gitignore").write_text("*.db\nmlruns/\n__pycache__/\n")
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "first"]):
        subprocess.run([*git, *words], cwd=project, check=True)
    return Installed(folder / "venv" / "bin", project)


@pytest.fixture(scope="module")
def original(installed):
    """The id of a run that the backend has made."""
    code, printed = installed.run("mlflow", "run", ".", "-b", "reprise", "-P", "x=3")

    assert code == 0, printed
    return re.search("in run with ID '([0-9a-f]{32})'", printed)[1]


def test_importing_it_changes_no_variable_and_finds_no_steps(installed):
    assert installed.run("python", "-c", NOTHING_CHANGES) == (0, "")


def test_its_command_has_help(installed):
    code, printed = installed.run("reprise", "--help")

    assert code == 0, printed
    assert printed.startswith("Usage: reprise ")


def test_a_run_of_the_backend_is_reproduced_identically(installed, original):
    code, printed = installed.run("reprise", "reproduce", original)

    assert code == 0, printed
    assert "Verdict: identical" in printed
    assert (original, "FINISHED") in installed.runs()


def test_what_needs_an_extra_says_how_to_install_it(installed):
    cluster = '{"scheduler": "tls://127.0.0.1:1"}'
    words = ("-b", "reprise", "-e", "module", "--backend-config", cluster)

    code, printed = installed.run("mlflow", "run", ".", *words)

    assert code == 1
    assert 'pip install "mlflow-reprise[dask]"' in printed
    assert "Traceback" not in printed
