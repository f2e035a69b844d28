"""The code of a run comes back as a branch or a folder, and nothing of the user's changes."""

import pytest
from repositories import clone, commit_all, fingerprint, git

from reprise.errors import CheckoutError, CodeError, ParameterError
from reprise.projects import checkout, restoring

pytestmark = pytest.mark.usefixtures("plain_git")


@pytest.fixture
def restored(bundles):
    """Restore the code of a run as the branch `before` of a clone."""

    def restored(source, at_hand, name="before"):
        with checkout.repository(at_hand) as found:
            found.obtain(source, bundles.open)
            restoring.as_branch(found, source, at_hand, name)

    return restored


@pytest.fixture
def written(bundles):
    """Restore the code of a run as a folder; return that of its project."""

    def written(source, at_hand, path):
        with checkout.repository(at_hand) as found:
            found.obtain(source, bundles.open)
            return restoring.as_folder(found, source, path)

    return written


def edit(folder):
    (folder / "train.py").write_text("depth = 9\n")
    (folder / "new.py").write_text("x = 1\n")


def untouched(folder):
    """What of a repository may not change: all but objects and the one new branch."""
    found = fingerprint(folder)
    return {
        path: content
        for path, content in found.items()
        if b"/.git/objects" not in path and not path.endswith(b"/refs/heads/before")
    }


@pytest.mark.parametrize("place", ["the same clone", "another clone"])
def test_the_edits_of_a_run_come_back_as_a_branch(repository, captured, restored, tmp_path, place):
    edit(repository)
    source = captured(repository)
    other = repository
    if place == "another clone":
        other = clone(tmp_path / "origin.git", tmp_path / "other")
    git(repository, "checkout", "--quiet", "--", "train.py")
    (other / "score.py").write_text("being edited\n")
    (other / "run.sh").write_text("staged\n")
    git(other, "add", "run.sh")
    before = untouched(other)

    restored(source, other)

    assert git(other, "rev-parse", "before") == source.commit
    assert git(other, "show", "before:new.py") == "x = 1"
    assert git(other, "show", "before:train.py") == "depth = 9"
    assert untouched(other) == before
    assert "missing" not in git(other, "fsck", "--connectivity-only")


def test_the_branch_of_a_commit_that_only_the_remote_has_is_whole(
    repository, captured, restored, tmp_path
):
    other = clone(tmp_path / "origin.git", tmp_path / "other")
    for depth in (4, 5):
        (repository / "train.py").write_text(f"depth = {depth}\n")
        commit_all(repository)
    git(repository, "push", "--quiet")
    before = untouched(other)

    restored(captured(repository), other)

    assert git(other, "rev-list", "--count", "before") == "3"
    assert not (other / ".git" / "shallow").exists()
    assert untouched(other) == before


def test_edits_upon_a_commit_that_only_the_remote_has_come_back(
    repository, captured, restored, tmp_path
):
    other = clone(tmp_path / "origin.git", tmp_path / "other")
    (repository / "score.py").write_text("x\n")
    commit_all(repository)
    git(repository, "push", "--quiet")
    edit(repository)

    restored(captured(repository), other)

    assert git(other, "rev-list", "--count", "before") == "3"
    assert git(other, "show", "before:new.py") == "x = 1"
    assert not (other / ".git" / "shallow").exists()


def test_a_branch_in_a_shallow_clone_leaves_it_as_shallow_as_it_was(
    repository, captured, restored, tmp_path
):
    (repository / "score.py").write_text("x\n")
    commit_all(repository)
    git(repository, "push", "--quiet")
    shallow = clone(f"file://{tmp_path}/origin.git", tmp_path / "shallow", "--depth=1")
    edit(repository)
    before = untouched(shallow)

    restored(captured(repository), shallow)

    assert git(shallow, "show", "before:new.py") == "x = 1"
    assert untouched(shallow) == before


def test_a_worktree_gets_the_branch_too(repository, captured, restored, tmp_path):
    edit(repository)
    source = captured(repository)
    git(repository, "worktree", "add", "--quiet", str(tmp_path / "beside"), "-b", "beside")

    restored(source, tmp_path / "beside")

    assert git(repository, "rev-parse", "before") == source.commit
    assert git(tmp_path / "beside", "rev-parse", "--abbrev-ref", "HEAD") == "beside"


def test_hooks_do_not_run(repository, captured, restored, tmp_path):
    edit(repository)
    source = captured(repository)
    hook = repository / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)

    restored(source, repository)

    assert not (tmp_path / "ran").exists()


def test_a_branch_that_is_there_is_refused(repository):
    git(repository, "branch", "before")

    with pytest.raises(ParameterError, match="found 'before', which is there already"):
        restoring.refuse_branch(repository, "before")


def test_a_branch_that_somebody_has_made_in_the_meantime_is_kept(repository, captured, restored):
    git(repository, "branch", "before")
    (repository / "train.py").write_text("depth = 4\n")
    at_first = git(repository, "rev-parse", "before")
    source = captured(repository)

    with pytest.raises(CodeError):
        restored(source, repository)

    assert git(repository, "rev-parse", "before") == at_first


@pytest.mark.parametrize("name", ["", "-d", "--force", "a b", "a..b", "@{-1}", "x.lock", "a\nb"])
def test_what_can_name_no_branch_is_refused(repository, name):
    with pytest.raises(ParameterError, match="expected the name of a branch"):
        restoring.refuse_branch(repository, name)


def test_a_branch_needs_a_repository(tmp_path):
    with pytest.raises(CheckoutError, match="--folder PATH"):
        restoring.refuse_branch(tmp_path, "before")


def test_the_edits_of_a_run_come_back_as_a_folder(repository, captured, written, tmp_path):
    edit(repository)
    (repository / "link").symlink_to("train.py")
    source = captured(repository)
    before = fingerprint(repository)

    project = written(source, repository, tmp_path / "back")

    assert project == tmp_path / "back"
    assert (project / "train.py").read_text() == "depth = 9\n"
    assert (project / "new.py").read_text() == "x = 1\n"
    assert (project / "link").is_symlink()
    assert not (project / ".git").exists()
    assert fingerprint(repository) == before
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".restoring")] == []


def test_the_folder_of_a_project_in_a_repository_is_named(repository, captured, written, tmp_path):
    source = captured(repository / "sub")

    assert written(source, repository, tmp_path / "back") == tmp_path / "back" / "sub"


@pytest.mark.parametrize("kind", ["a file", "a folder", "a dangling link"])
def test_a_path_where_something_is_is_refused(tmp_path, kind):
    path = tmp_path / "there"
    if kind == "a file":
        path.write_text("mine")
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nowhere")

    with pytest.raises(ParameterError, match="there already"):
        restoring.refuse_folder(path)


def test_a_path_in_no_folder_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="Make it first"):
        restoring.refuse_folder(tmp_path / "no" / "where")
