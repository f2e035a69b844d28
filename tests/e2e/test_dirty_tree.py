"""A run with uncommitted edits: the record says so, and the repository stays as it is."""

import pytest


def contents(folder):
    """Every file of a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def edited(clone):
    """A clone with a changed, a staged, a deleted and a new file, and one that git ignores."""
    models = clone.folder / "steps" / "models.py"
    models.write_text(models.read_text(encoding="utf-8") + "\n# an edit\n", encoding="utf-8")
    (clone.folder / "staged.txt").write_text("staged\n")
    clone.git("add", "staged.txt")
    (clone.folder / "LICENSE").unlink()
    (clone.folder / "notes ü.txt").write_text("not staged\n")
    (clone.folder / ".venv").mkdir()
    (clone.folder / ".venv" / "ignored").write_text("ignored\n")
    return clone


@pytest.fixture(scope="module")
def before(edited):
    return contents(edited.folder / ".git"), edited.git("status", "--porcelain", "-z")


@pytest.fixture(scope="module")
def done(edited, before):
    done = edited.step("train_dt", max_depth=2)
    assert done.exit_code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def code(edited, done):
    return edited.record(done.run_id)["code"]


def test_the_record_says_that_the_tree_was_dirty_and_what_had_changed(code):
    assert code["dirty"] is True
    assert code["changed_files"] == ["LICENSE", "notes ü.txt", "staged.txt", "steps/models.py"]


def test_the_commit_is_one_of_its_own_on_top_of_head(edited, code):
    head = edited.git("rev-parse", "HEAD")

    assert code["base_commit"] == head
    assert code["commit"] not in (head, None)


def test_the_recorded_tree_is_that_of_the_files_without_ignored_ones(edited, code, tmp_path):
    index = {
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(edited.folder / ".git" / "objects"),
    }
    edited.git("add", "--all", environment=index)

    assert code["tree"] == edited.git("write-tree", environment=index)
    assert ".venv" not in edited.git("ls-tree", "--name-only", code["tree"], environment=index)


def test_tags_say_that_the_tree_was_dirty(edited, done, code):
    tags = edited.tags(done.run_id)

    assert tags["reprise.dirty"] == "true"
    assert tags["reprise.commit"] == code["commit"]
    assert tags["mlflow.source.git.commit"] == code["base_commit"]


def test_the_users_repository_is_unchanged_to_the_byte(edited, before, done):
    files, status = before

    assert (
        edited.git("status", "--porcelain", "-z", environment={"GIT_OPTIONAL_LOCKS": "0"}) == status
    )
    assert contents(edited.folder / ".git") == files


def test_the_same_edits_give_the_same_commit(edited, done, code):
    again = edited.step("train_dt", max_depth=2)

    assert edited.record(again.run_id)["code"] == code
    assert str(edited.folder) not in str(code)
