"""What a snapshot adds to HEAD is looked at by one rule, and what is no source is left out."""

import os
import shutil
import subprocess

import pytest
from repositories import commit_all, git, make_repository

from reprise.capture import code, untracked
from reprise.errors import CodeError
from reprise.trust import limits

pytestmark = pytest.mark.usefixtures("plain_git")

KEY = "-----BEGIN " + "RSA PRIVATE KEY-----\n"


@pytest.fixture
def repository(tmp_path):
    return make_repository(tmp_path / "project")


def capture(folder, *allowed):
    with code.capture(folder, allow_untracked=allowed) as captured:
        return captured.code


def left_untracked(folder, name):
    assert (folder / name).exists()


def staged(folder, name):
    git(folder, "add", name)


def intended(folder, name):
    git(folder, "add", "--intent-to-add", name)


def tracked_before(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_text("nothing yet\n")
    commit_all(folder)
    (folder / name).write_bytes(content)


def hidden_by_a_flag(folder, name):
    tracked_before(folder, name)
    git(folder, "update-index", "--assume-unchanged", name)


every_way = pytest.mark.parametrize(
    "add",
    [left_untracked, staged, intended, tracked_before, hidden_by_a_flag],
    ids=lambda add: add.__name__,
)


@every_way
def test_a_secret_that_no_commit_has_stops_the_run(repository, add):
    (repository / "notes.txt").write_text(KEY)
    add(repository, "notes.txt")

    with pytest.raises(CodeError, match=r"notes\.txt looks like a secret, by what is in it"):
        capture(repository)
    assert capture(repository, "notes.txt").changed_files == ("notes.txt",)


@every_way
def test_a_large_file_that_no_commit_has_stops_the_run(repository, add, monkeypatch):
    monkeypatch.setattr(untracked, "LARGEST_BYTES", 2000)
    (repository / "big.bin").write_bytes(bytes(2001))
    add(repository, "big.bin")

    with pytest.raises(CodeError, match=r"big\.bin is large"):
        capture(repository)


def test_what_head_has_already_is_the_users_choice(repository, monkeypatch):
    monkeypatch.setattr(untracked, "LARGEST_BYTES", 2000)
    (repository / "notes.txt").write_text(KEY)
    (repository / "big.bin").write_bytes(bytes(2001))
    commit_all(repository)
    (repository / "notes.txt").write_text(f"{KEY}more\n")
    (repository / "big.bin").write_bytes(bytes(2002))

    assert capture(repository).changed_files == ("big.bin", "notes.txt")


def test_many_files_that_are_large_together_stop_the_run_with_their_size(repository, monkeypatch):
    monkeypatch.setattr(limits, "UNTRACKED_BYTES", 3 * limits.MIB)
    (repository / "images").mkdir()
    for number in range(4):
        (repository / "images" / f"{number}.bin").write_bytes(bytes(limits.MIB))

    with pytest.raises(CodeError, match=r"at most 3 MiB .* found 4 MiB, most of it in images"):
        capture(repository)
    assert len(capture(repository, "images/*").changed_files) == 4


def test_a_file_that_cannot_be_read_is_named(repository, monkeypatch):
    (repository / "closed.txt").write_text("x")
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "closed.txt")

    with pytest.raises(CodeError, match=r"closed\.txt cannot be read"):
        capture(repository)


def test_a_folder_that_cannot_be_read_is_named(repository, tmp_path, monkeypatch):
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        "#!/bin/sh\ncase \"$*\" in *' status '*) "
        "echo \"warning: could not open directory 'shut/': Permission denied\" >&2;; esac\n"
        f'exec {shutil.which("git")} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", str(wrapper.parent), prepend=os.pathsep)

    with pytest.raises(CodeError, match="expected folders that can be read, found shut/"):
        capture(repository)


@pytest.mark.parametrize(
    "name", ["mlflow.db", "mlflow.db-journal", "mlruns/1/meta.yaml", "sub/mlruns/1/tags/a"]
)
def test_the_store_that_mlflow_makes_by_itself_is_no_source(repository, name):
    (repository / name).parent.mkdir(parents=True, exist_ok=True)
    (repository / name).write_text("a run\n")
    clean = capture(repository)
    (repository / "train.py").write_text("depth = 4\n")

    assert not clean.dirty
    assert capture(repository).changed_files == ("train.py",)
    assert not listed(repository, name)


@pytest.mark.parametrize("scheme", ["sqlite:///", "file://", ""])
def test_the_store_that_the_user_has_set_is_no_source(repository, monkeypatch, scheme):
    (repository / "runs").mkdir()
    store = repository / "runs" / "of.db"
    store.write_text("runs\n")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}{store}")

    assert not capture(repository).dirty


def test_a_store_that_git_tracks_is_a_file_like_others(repository):
    (repository / "mlflow.db").write_text("a run\n")
    commit_all(repository)
    (repository / "mlflow.db").write_text("two runs\n")

    assert capture(repository).changed_files == ("mlflow.db",)


@pytest.mark.parametrize("folder", ["tmp", "."])
def test_temporary_files_within_the_repository_are_no_source(repository, folder, monkeypatch):
    (repository / folder).mkdir(exist_ok=True)
    monkeypatch.setattr("tempfile.tempdir", str(repository / folder))
    (repository / folder / "reprise-1").mkdir()
    (repository / folder / "reprise-1" / "x").write_text("x")

    assert not capture(repository).dirty
    (repository / "train.py").write_text("depth = 4\n")
    assert capture(repository).changed_files == ("train.py",)


def test_a_new_file_in_a_folder_of_sources_is_carried_although_temporary_files_go_there(
    repository, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(repository / "sub"))
    (repository / "sub" / "reprise-1").mkdir()
    (repository / "sub" / "reprise-1" / "x").write_text("x")
    (repository / "sub" / "new.py").write_text("x = 1\n")

    assert capture(repository).changed_files == ("sub/new.py",)


def test_edits_in_a_repository_that_is_read_only_are_carried(repository):
    (repository / "train.py").write_text("depth = 4\n")
    for path in (repository / ".git").rglob("*"):
        path.chmod(path.stat().st_mode & 0o555)

    assert capture(repository).changed_files == ("train.py",)


def test_the_projects_own_files_do_not_look_like_secrets():
    root = code.__file__.rpartition("/reprise/")[0]
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    found = untracked.objections(code.Path(root), filter(None, tracked))

    assert tracked
    assert found == []


def listed(folder, name):
    """Return whether the snapshot of a folder has a file."""
    with code.capture(folder) as captured:
        commit, store = captured.code.commit, captured._store
        return name in git(store, "ls-tree", "-r", "--name-only", commit).split("\n")
