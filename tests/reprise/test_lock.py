"""The lock's digest and the Python release stand in conda.yaml, once each."""

import hashlib
import json
import sys

import pytest

from reprise.projects.environments import python_version
from tools import lock
from tools.lock import conda_yaml

OLD, NEW = "a1" * 32, "b2" * 32
CONDA = f"""\
name: tiny
dependencies:
  - python=3.11.7
  - pip=25.3
  - pip:
      - -r requirements.txt # sha256:{OLD}
"""
# Stands in for uv: notes its arguments, and "resolves" each source into a lock of one line.
FAKE_UV = f"""\
#!{sys.executable}
import json, pathlib, sys
with open("calls.jsonl", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
target = sys.argv[sys.argv.index("--output-file") + 1]
pathlib.Path(target).write_text("locked==1.0\\n")
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "conda.yaml").write_text(CONDA)
    (tmp_path / "bin").mkdir()
    for name in ("server", "aws"):
        (tmp_path / "deploy" / name).mkdir(parents=True)
    (tmp_path / "tests" / "tables").mkdir(parents=True)
    uv = tmp_path / "bin" / "uv"
    uv.write_text(FAKE_UV)
    uv.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def test_the_locks_digest_is_replaced_and_nothing_else():
    assert conda_yaml(CONDA, NEW) == CONDA.replace(OLD, NEW)


def test_writing_the_same_digest_changes_nothing():
    assert conda_yaml(CONDA, OLD) == CONDA


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        (CONDA.replace(f" # sha256:{OLD}", ""), 0),
        (CONDA.replace(OLD, OLD[:-1]), 0),
        (CONDA + CONDA, 2),
    ],
)
def test_a_conda_yaml_without_exactly_one_digest_is_refused(text, count):
    with pytest.raises(ValueError, match=f"found {count}"):
        conda_yaml(text, NEW)


def test_the_patch_release_of_python_is_read():
    assert python_version(CONDA) == "3.11.7"


@pytest.mark.parametrize("pin", ["python=3.11", "python>=3.11.7", "python=3.11.*", "pip=3.11.7"])
def test_a_conda_yaml_without_a_patch_release_is_refused(pin):
    with pytest.raises(ValueError, match=r"expected '- python=X\.Y\.Z'"):
        python_version(f"dependencies:\n  - {pin}\n")


def test_all_locks_are_compiled_with_hashes_for_the_pinned_python(project):
    lock.main()

    calls = [json.loads(line) for line in (project / "calls.jsonl").read_text().splitlines()]
    assert [call[-3:] for call in calls] == [
        ["requirements.in", "--output-file", "requirements.txt"],
        ["requirements-dev.in", "--output-file", "requirements-dev.txt"],
        *(
            [f"deploy/{n}/requirements.in", "--output-file", f"deploy/{n}/requirements.txt"]
            for n in ("server", "aws")
        ),
        ["tests/tables/packages.in", "--output-file", "tests/tables/packages.txt"],
    ]
    assert [call for call in calls if "--no-deps" in call] == calls[-1:]
    for call in calls:
        assert call[:2] == ["pip", "compile"]
        assert "--generate-hashes" in call
        assert call[call.index("--python-version") + 1] == "3.11.7"


def test_a_new_lock_reaches_conda_yaml(project):
    lock.main()

    digest = hashlib.sha256(b"locked==1.0\n").hexdigest()
    assert (project / "conda.yaml").read_text() == CONDA.replace(OLD, digest)


def test_a_lock_that_cannot_be_made_leaves_conda_yaml_alone(project):
    (project / "bin" / "uv").write_text("#!/bin/sh\nexit 1\n")

    with pytest.raises(lock.subprocess.CalledProcessError):
        lock.main()

    assert (project / "conda.yaml").read_text() == CONDA
