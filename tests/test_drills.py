"""Of the drills, those run that are about something that changed."""

import subprocess

import pytest
from drills import changed_since, is_about

PATHS = {"tests/e2e/test_recovery.py", "deploy/server"}


@pytest.fixture
def git(tmp_path):
    def git(*words):
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    return git


@pytest.fixture
def repository(tmp_path, git):
    """A repository with two commits: `before`, and another on top."""
    git("init", "--quiet", "--initial-branch=main")
    for name in ("kept.txt", "edited.txt", "two words.txt"):
        (tmp_path / name).write_text("1")
    git("add", "--all")
    git("commit", "--message", "One")
    git("branch", "before")
    (tmp_path / "two words.txt").write_text("2")
    git("commit", "--all", "--message", "Two")
    return tmp_path


def test_what_was_committed_edited_or_added_since_has_changed(repository):
    (repository / "edited.txt").write_text("2")
    (repository / "new.txt").write_text("1")

    changed = changed_since("before", repository)

    assert changed == {"two words.txt", "edited.txt", "new.txt"}


@pytest.mark.parametrize("commit", ["main", "origin/main", "0" * 40])
def test_of_the_commit_itself_and_of_an_unknown_one_the_last_commit_has_changed_things(
    repository, commit
):
    assert changed_since(commit, repository) == {"two words.txt"}


def test_of_a_merge_all_that_it_brings_has_changed(repository, git):
    git("switch", "--quiet", "--create", "topic", "before")
    for name in ("first.txt", "second.txt"):
        (repository / name).write_text("1")
        git("add", "--all")
        git("commit", "--message", name)
    git("switch", "--quiet", "main")
    git("merge", "--no-edit", "topic")

    assert changed_since("origin/main", repository) == {"first.txt", "second.txt"}


def test_what_the_first_of_all_commits_changed_is_not_known(repository, git):
    git("checkout", "--quiet", "before")

    assert changed_since("origin/main", repository) is None


def test_where_git_is_not_what_changed_is_not_known(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    assert changed_since("main", tmp_path) is None


@pytest.mark.parametrize(
    "name",
    [
        "tests/e2e/test_recovery.py",
        "deploy/server",
        "deploy/server/backup/store.py",
        "requirements.txt",
        "requirements-dev.txt",
        "deploy/aws/requirements.txt",
    ],
)
def test_a_drill_is_about_its_paths_what_is_in_them_and_the_locks(name):
    assert is_about(PATHS, {"README.md", name})


@pytest.mark.parametrize("name", ["deploy/servers.py", "deploy", "tests/e2e/test_recovery.pyc"])
def test_a_drill_is_about_nothing_else(name):
    assert not is_about(PATHS, {name})
