"""The code of a run is restored unchanged, for every state of its tree and fate of its commit."""

import contextlib
import os
import shutil

import pytest
from repositories import commit_all, fingerprint, git, make_repository, publish

from reprise.capture import code
from reprise.projects import checkout

pytestmark = pytest.mark.usefixtures("plain_git")
URI = "runs:/0/code/snapshot.bundle"


def stage_and_edit_again(folder):
    (folder / "train.py").write_text("depth = 300\n")
    git(folder, "add", "--all")
    (folder / "train.py").write_text("depth = 400\n")


# How the tree differs from HEAD when the run is made.
STATES = {
    "clean": lambda _: None,
    "edited": lambda folder: (folder / "train.py").write_text("depth = 200\n"),
    "staged and edited again": stage_and_edit_again,
    "an untracked module": lambda folder: (folder / "größe_ü.py").write_text("x = 500\n"),
    "a deleted file": lambda folder: (folder / "score.py").unlink(),
    "renamed": lambda folder: git(folder, "mv", "score.py", "a_score.py"),
    "a binary file": lambda folder: (folder / "weights.bin").write_bytes(b"\0\r\n\xff2"),
    "a mode change": lambda folder: (folder / "run.sh").chmod(0o755),
}


def has(folder, commit):
    with contextlib.suppress(AssertionError):
        git(folder, "cat-file", "-e", commit)
        return True
    return False


def push(clone, _):
    git(clone, "push", "--quiet", "origin", "HEAD:refs/heads/topic")


def delete_and_collect(clone, origin):
    push(clone, origin)
    git(clone, "push", "--quiet", "--delete", "origin", "topic")
    git(origin, "gc", "--quiet", "--prune=now")
    assert not has(origin, git(clone, "rev-parse", "HEAD"))


def rebase_away(clone, origin):
    commit = git(clone, "rev-parse", "HEAD")
    git(clone, "reset", "--quiet", "--hard")
    git(clone, "clean", "--quiet", "--force", "-d")
    git(clone, "commit", "--quiet", "--amend", "--message=another")
    push(clone, origin)
    git(clone, "reflog", "expire", "--expire=now", "--all")
    git(clone, "gc", "--quiet", "--prune=now")
    assert not has(clone, commit)


# The fate of the run's commit, which was not pushed when the run was made.
FATES = {
    "unpushed": lambda *_: None,
    "pushed": push,
    "branch deleted and collected": delete_and_collect,
    "rebased away": rebase_away,
    "clone deleted": lambda clone, _: shutil.rmtree(clone),
}


def files(folder):
    """Every file of a folder but git's own, with its content and whether it can be executed."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), os.access(path, os.X_OK))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("state", STATES)
def test_the_tree_of_a_run_is_restored(tmp_path, state, fate):
    mine, theirs, origin = (tmp_path / name for name in ("mine", "theirs", "origin.git"))
    make_repository(mine)
    publish(mine, origin)
    git(tmp_path, "clone", "--quiet", str(origin), str(theirs))
    (theirs / "train.py").write_text("depth = 7\n")  # their own edit, which no replay must run
    (mine / "only_here.py").write_text("x = 1\n")
    commit_all(mine)
    STATES[state](mine)
    tree = files(mine)
    bundle = tmp_path / "bundle"
    with code.capture(mine) as captured:
        captured.write_bundle(bundle)
        recorded = captured.code.model_copy(update={"bundle": URI})
    FATES[fate](mine, origin)
    at_hand = mine if fate == "rebased away" else theirs
    before = fingerprint(at_hand)

    with checkout.repository(at_hand) as repository:
        repository.obtain(recorded, lambda _: contextlib.nullcontext(bundle))
        found = files(repository.check_out(recorded))

    assert found == tree
    assert captured.code.dirty is (state != "clean")
    assert fingerprint(at_hand) == before
