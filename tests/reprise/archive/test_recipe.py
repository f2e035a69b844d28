"""A recipe is a script that a shell can run, whatever a record says."""

import shutil
import subprocess

import pytest
from asking import AskingParameters
from repositories import commit_all, git, make_repository

from reprise import tracking
from reprise.archive import exporting
from reprise.errors import ArchiveError
from reprise.record.schema import FILE_NAME, InputData, Outputs, Step

HOSTILE = "$(touch canary)`touch canary`';touch canary;'\ntouch canary\n"


@pytest.fixture
def written(store, record_of, tmp_path):
    """The recipe of a run with a record that has these fields."""

    def written(**fields):
        run = store.make_run()
        record = record_of(AskingParameters())
        for name, changes in fields.items():
            is_part = isinstance(changes, dict)
            new = getattr(record, name).model_copy(update=changes) if is_part else changes
            record = record.model_copy(update={name: new})
        tracking.log_text(run, FILE_NAME, record.to_json())
        path = tmp_path / "recipe.sh"
        exporting.write_recipe([run], path)
        return path

    return written


def test_says_where_the_code_is_what_to_install_and_what_to_expect(written):
    text = written(outputs=Outputs(metrics={"r2": 1 / 3}, model="a" * 64)).read_text()

    assert "git clone --no-checkout -- https://example.org/project.git code-cccccccccccc" in text
    assert f"git -C code-cccccccccccc checkout --quiet --detach {'c' * 40}" in text
    assert f"echo {'e' * 64}  requirements.txt | sha256sum --check" in text
    assert "mlflow run --env-manager=local . -e asking -P size=1" in text
    assert "#   r2 = 0.3333333333333333" in text
    assert f"#   fitted arrays of the model: SHA-256 {'a' * 64}" in text


@pytest.mark.usefixtures("plain_git")
def test_runs_as_it_stands(written, tmp_path, monkeypatch):
    folder = make_repository(tmp_path / "origin")
    commit = commit_all(folder, "a step") if git(folder, "status", "--short") else None
    commit = commit or git(folder, "rev-parse", "HEAD")
    tree = git(folder, "rev-parse", "HEAD^{tree}")
    path = written(
        code={"repository": str(folder), "commit": commit, "tree": tree},
        step=Step(
            entry_point="",
            raw_parameters={},
            parameters={},
            words=("sh", "run.sh"),
        ),
    )
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("python", "pip", "sha256sum"):  # what it would install is not the matter here
        (tools / name).write_text("#!/bin/sh\nmkdir -p .recipe/bin && touch .recipe/bin/activate\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{shutil.os.environ['PATH']}")

    done = subprocess.run(
        ["sh", str(path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "hello" in done.stdout


@pytest.mark.parametrize(
    "fields",
    [
        {"code": {"repository": HOSTILE}},
        {"code": {"project": HOSTILE}},
        {"code": {"bundle": HOSTILE}},
        {"step": Step(entry_point=HOSTILE, raw_parameters={HOSTILE: HOSTILE}, parameters={})},
        {"step": Step(entry_point="", raw_parameters={}, parameters={}, words=("true", HOSTILE))},
        {"inputs": (InputData(name=HOSTILE, uri=HOSTILE, sha256=HOSTILE),)},
        {"environment": {"lock_sha256": HOSTILE}},
        {"environment": {"lock_sha256": "e", "lock": HOSTILE, "python": HOSTILE}},
        {"environment": {"lock_sha256": None, "packages": {HOSTILE: HOSTILE}}},
        {"numerics": {"variables": {HOSTILE: HOSTILE, "OK": HOSTILE}}},
        {"outputs": Outputs(metrics={HOSTILE: 1.0}, artifacts={HOSTILE: HOSTILE})},
    ],
    ids=str,
)
def test_what_a_record_says_is_no_command_of_it(written, tmp_path, monkeypatch, fields):
    path = written(**fields)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("git", "python", "pip", "sha256sum", "mlflow", "test"):
        (tools / name).write_text("#!/bin/sh\nexit 0\n")
        (tools / name).chmod(0o755)
    text = path.read_text().replace("set -eu", "set -u")  # go on, whatever fails
    path.write_text(text)
    monkeypatch.setenv("PATH", f"{tools}:{shutil.os.environ['PATH']}")
    monkeypatch.setenv("REPOSITORY", "x")
    work = tmp_path / "work"
    work.mkdir()

    subprocess.run(["sh", str(path)], cwd=work, capture_output=True, check=False)

    assert not list(tmp_path.rglob("canary"))


@pytest.mark.parametrize("commit", ["--upload-pack=touch canary", "HEAD; touch canary", "x"])
def test_a_commit_that_is_none_is_refused(written, commit):
    with pytest.raises(ArchiveError, match="expected ids of git"):
        written(code={"commit": commit})


def test_a_run_without_a_record_has_no_recipe(store, tmp_path):
    with pytest.raises(ArchiveError, match="There is no recipe for it"):
        exporting.write_recipe([store.make_run()], tmp_path / "recipe.sh")
