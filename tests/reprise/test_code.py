"""A run's code is one commit, taken from real git repositories that are only read."""

import hashlib
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from reprise import code
from reprise.errors import CodeError
from reprise.git import without_credentials
from reprise.record import Code

_DATE = "2024-01-01T00:00:00+00:00"
_LOCATING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")


@pytest.fixture(autouse=True)
def _git_environment(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A Person")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "person@example.org")
        monkeypatch.setenv(f"GIT_{role}_DATE", _DATE)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


def capture(folder):
    """What a capture says of a folder, without carrying it anywhere."""
    with code.capture(folder) as captured:
        return captured.code


def git(folder, *arguments):
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def make_repository(folder):
    """Make a repository of one commit: text, a script, a binary and a file in a sub-folder."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / ".gitignore").write_text("*.log\n__pycache__/\n")
    (folder / "train.py").write_text("depth = 3\n")
    (folder / "score.py").write_text("metric = 'accuracy'\n" * 20)
    (folder / "run.sh").write_text("echo hello\n")
    (folder / "weights.bin").write_bytes(bytes(range(256)))
    (folder / "sub").mkdir()
    (folder / "sub" / "MLproject").write_text("name: sub\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=first")
    return folder


@pytest.fixture
def repository(tmp_path):
    return make_repository(tmp_path / "project")


def fingerprint(*folders):
    """Every path below folders with its mode and bytes: also all of .git, the index included."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            mode = stat.filemode(path.lstat().st_mode)
            if path.is_symlink():
                content = str(path.readlink())
            else:
                content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[os.fsencode(path)] = (mode, content)
    return found


def tree_of_a_copy(folder):
    """Write the tree that `git add --all && git write-tree` give in a copy of a repository."""
    copy = folder.with_name(folder.name + " copy")
    shutil.copytree(folder, copy, symlinks=True)
    git(copy, "add", "--all")
    tree = git(copy, "write-tree")
    shutil.rmtree(copy)
    return tree


def edit(folder):
    (folder / "train.py").write_text("depth = 5\n")


def delete(folder):
    (folder / "train.py").unlink()


def delete_staged(folder):
    git(folder, "rm", "--quiet", "train.py")


def rename(folder):
    (folder / "score.py").rename(folder / "rate.py")


def rename_staged(folder):
    git(folder, "mv", "score.py", "rate.py")


def make_executable(folder):
    (folder / "run.sh").chmod(0o755)


def edit_binary(folder):
    (folder / "weights.bin").write_bytes(b"\x00\xff\r\n\x00" * 100)


def add_untracked(folder):
    (folder / "new" / "deep").mkdir(parents=True)
    (folder / "new" / "deep" / "er.py").write_text("x = 1\n")


def add_untracked_binary(folder):
    (folder / "new.bin").write_bytes(os.urandom(1000))


def stage(folder):
    edit(folder)
    git(folder, "add", "train.py")


def stage_and_edit_again(folder):
    stage(folder)
    (folder / "train.py").write_text("depth = 7\n")


def stage_new_and_edit_again(folder):
    (folder / "new.py").write_text("x = 1\n")
    git(folder, "add", "new.py")
    (folder / "new.py").write_text("x = 2\n")


def untrack_and_keep(folder):
    git(folder, "rm", "--quiet", "--cached", "train.py")


def intend_to_add(folder):
    (folder / "new.py").write_text("x = 1\n")
    git(folder, "add", "--intent-to-add", "new.py")


def replace_by_link(folder):
    (folder / "train.py").unlink()
    (folder / "train.py").symlink_to("score.py")


def replace_by_folder(folder):
    (folder / "train.py").unlink()
    (folder / "train.py").mkdir()
    (folder / "train.py" / "a.py").write_text("a = 1\n")


def edit_tracked_but_ignored(folder):
    (folder / "kept.log").write_text("one\n")
    git(folder, "add", "--force", "kept.log")
    git(folder, "commit", "--quiet", "--message=log")
    (folder / "kept.log").write_text("two\n")


EDITS = {
    edit: ("train.py",),
    delete: ("train.py",),
    delete_staged: ("train.py",),
    rename: ("rate.py", "score.py"),
    rename_staged: ("rate.py", "score.py"),
    make_executable: ("run.sh",),
    edit_binary: ("weights.bin",),
    add_untracked: ("new/deep/er.py",),
    add_untracked_binary: ("new.bin",),
    stage: ("train.py",),
    stage_and_edit_again: ("train.py",),
    stage_new_and_edit_again: ("new.py",),
    untrack_and_keep: ("train.py",),
    intend_to_add: ("new.py",),
    replace_by_link: ("train.py",),
    replace_by_folder: ("train.py", "train.py/a.py"),
    edit_tracked_but_ignored: ("kept.log",),
}
every_edit = pytest.mark.parametrize("change", EDITS, ids=lambda change: change.__name__)


def test_a_clean_tree_is_its_own_commit(repository):
    found = capture(repository)

    assert found.commit == found.base_commit == git(repository, "rev-parse", "HEAD")
    assert found.tree == git(repository, "rev-parse", "HEAD^{tree}")
    assert (found.dirty, found.changed_files) == (False, ())


@every_edit
def test_the_snapshot_of_a_dirty_tree_is_what_git_add_all_would_commit(repository, change):
    change(repository)

    found = capture(repository)

    assert found.tree == tree_of_a_copy(repository)


@every_edit
def test_a_dirty_tree_names_its_changed_files_and_its_base(repository, change):
    change(repository)

    found = capture(repository)

    assert found.dirty
    assert found.changed_files == EDITS[change]
    assert found.base_commit == git(repository, "rev-parse", "HEAD")
    assert found.commit != found.base_commit


@every_edit
def test_the_repository_is_byte_for_byte_what_it_was(repository, change):
    change(repository)
    before = fingerprint(repository)

    capture(repository)

    assert fingerprint(repository) == before


def test_nothing_is_left_in_the_temporary_folder(repository, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    edit(repository)

    capture(repository)

    assert list((tmp_path / "temporary").iterdir()) == []


def test_ignored_files_make_no_difference(repository):
    (repository / "run.log").write_text("noise\n")
    (repository / "__pycache__").mkdir()
    (repository / "__pycache__" / "train.pyc").write_bytes(b"\x00")

    found = capture(repository)

    assert not found.dirty


def test_ignored_files_are_left_out_of_a_dirty_snapshot(repository):
    edit(repository)
    without = capture(repository)
    (repository / "run.log").write_text("noise\n")

    found = capture(repository)

    assert found == without


def test_an_edit_that_is_undone_gives_the_clean_commit_again(repository):
    clean = capture(repository)
    original = (repository / "train.py").read_bytes()
    edit(repository)
    (repository / "train.py").write_bytes(original)

    found = capture(repository)

    assert found == clean


def test_the_same_tree_gives_the_same_commit_in_another_clone_and_by_another_person(
    repository, tmp_path, monkeypatch
):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    edit(repository)
    stage(clone)
    mine = capture(repository)
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody Else")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2030-01-01T00:00:00+05:00")
    git(clone, "config", "user.name", "Somebody Else")
    git(clone, "config", "i18n.commitEncoding", "ISO-8859-1")

    found = capture(clone)

    assert found.commit == mine.commit


def test_the_commit_id_is_that_of_a_real_commit_object(repository, tmp_path):
    edit(repository)
    found = capture(repository)
    copy = tmp_path / "copy"
    shutil.copytree(repository, copy)
    git(copy, "add", "--all")
    tree = git(copy, "write-tree")
    content = (
        f"tree {tree}\nparent {found.base_commit}\n"
        "author reprise <reprise@localhost> 0 +0000\n"
        "committer reprise <reprise@localhost> 0 +0000\n\nWorking tree of a run\n"
    )

    expected = hashlib.sha1(f"commit {len(content)}\0{content}".encode()).hexdigest()

    assert found.commit == expected


def test_another_tree_gives_another_commit(repository):
    edit(repository)
    first = capture(repository)
    (repository / "train.py").write_text("depth = 6\n")

    second = capture(repository)

    assert second.commit != first.commit


def test_a_project_in_a_sub_folder_names_it_and_takes_the_whole_repository(repository):
    edit(repository)

    found = capture(repository / "sub")

    assert found.project == "sub"
    assert found.changed_files == ("train.py",)
    assert found.tree == tree_of_a_copy(repository)


def test_a_project_at_the_root_has_an_empty_folder(repository):
    found = capture(repository)

    assert found.project == ""


def test_a_repository_without_a_remote_has_no_url(repository):
    found = capture(repository)

    assert found.repository is None


def test_origin_is_taken_among_remotes(repository):
    git(repository, "remote", "add", "a-fork", "https://example.org/fork.git")
    git(repository, "remote", "add", "origin", "https://example.org/project.git")

    found = capture(repository)

    assert found.repository == "https://example.org/project.git"


def test_the_only_remote_is_taken_whatever_its_name(repository):
    git(repository, "remote", "add", "upstream", "https://example.org/project.git")

    found = capture(repository)

    assert found.repository == "https://example.org/project.git"


def test_the_credentials_of_origin_are_not_recorded(repository):
    git(repository, "remote", "add", "origin", "https://person:s3cr3t@example.org/project.git")

    found = capture(repository)

    assert "s3cr3t" not in found.model_dump_json()
    assert found.repository == "https://example.org/project.git"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://user:t0ken@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://t0ken@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://user:t0ken@example.org:8443/a.git", "https://example.org:8443/a.git"),
        ("https://user:t0@ken@example.org/a.git", "https://example.org/a.git"),
        ("https://user:t0[ken@example.org/a.git", "https://example.org/a.git"),
        ("https://user:t0#ken@example.org/a.git", "https://example.org/a.git"),
        ("http://user:t0ken@[::1]:8080/a.git", "http://[::1]:8080/a.git"),
        ("HTTPS://user:t0ken@example.org/a.git", "HTTPS://example.org/a.git"),
        ("https://example.org/@scope/a.git", "https://example.org/@scope/a.git"),
        ("https://example.org/a.git", "https://example.org/a.git"),
        ("ssh://git@example.org:2222/a.git", "ssh://git@example.org:2222/a.git"),
        ("ssh://git:t0ken@example.org/a.git", "ssh://example.org/a.git"),
        ("git@example.org:group/a.git", "git@example.org:group/a.git"),
        ("../relative@path", "../relative@path"),
        ("file:///srv/git/a.git", "file:///srv/git/a.git"),
    ],
)
def test_a_url_keeps_all_but_its_credentials(url, kept):
    assert without_credentials(url) == kept


def test_a_repository_without_a_commit_is_described_as_no_code(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "train.py").write_text("x = 1\n")

    found = capture(folder)

    assert (found.commit, found.tree, found.base_commit, found.dirty) == (None, None, None, True)


def test_a_folder_outside_any_repository_is_described_as_no_code(tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()

    found = capture(folder)

    assert (found.commit, found.repository, found.project, found.dirty) == (None, None, "", True)


def test_a_damaged_repository_is_an_error_of_one_line_that_says_what_to_do(repository):
    (repository / ".git" / "index").write_bytes(b"not an index")

    with pytest.raises(CodeError) as caught:
        capture(repository)

    assert "index" in str(caught.value)
    assert "git status" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_git_there_is_a_line_that_says_so(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CodeError, match=r"expected git on PATH, found none\. Install git\."):
        capture(repository)


def test_a_linked_worktree_has_its_own_head_and_edits(repository, tmp_path):
    linked = tmp_path / "linked"
    git(repository, "worktree", "add", "--quiet", "-b", "other", str(linked))
    (linked / "train.py").write_text("depth = 9\n")
    git(linked, "commit", "--quiet", "--all", "--message=second")
    stage_new_and_edit_again(linked)
    before = fingerprint(repository, linked)

    found = capture(linked)

    assert found.base_commit == git(linked, "rev-parse", "HEAD")
    assert found.base_commit != git(repository, "rev-parse", "HEAD")
    assert found.changed_files == ("new.py",)
    assert fingerprint(repository, linked) == before
    git(linked, "add", "--all")
    assert found.tree == git(linked, "write-tree")


def test_the_main_tree_does_not_see_the_edits_of_a_linked_one(repository, tmp_path):
    linked = tmp_path / "linked"
    git(repository, "worktree", "add", "--quiet", "-b", "other", str(linked))
    edit(linked)

    found = capture(repository)

    assert not found.dirty


def test_objects_may_come_from_an_alternate(repository, tmp_path):
    borrower = tmp_path / "borrower"
    git(tmp_path, "clone", "--quiet", "--shared", str(repository), str(borrower))
    edit(borrower)
    before = fingerprint(repository, borrower)

    found = capture(borrower)

    assert fingerprint(repository, borrower) == before
    assert found.tree == tree_of_a_copy(borrower)


@pytest.mark.parametrize("name", ["a b", "a:b", 'a"b', "a\\b", "ümläut", "a\nb", "$(x)"])
def test_the_folder_of_a_repository_may_have_any_name(tmp_path, name):
    odd = make_repository(tmp_path / name)
    plain = make_repository(tmp_path / "plain")
    (odd / "sub" / "MLproject").write_text("name: edited\n")
    (plain / "sub" / "MLproject").write_text("name: edited\n")

    found = capture(odd / "sub")

    assert found == capture(plain / "sub")


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        (b"two words.py", "two words.py"),
        (b" leading.py", " leading.py"),
        (b"line\nbreak.py", "line\nbreak.py"),
        (b'quo"te.py', 'quo"te.py'),
        (b"-dash.py", "-dash.py"),
        (b":(glob)*.py", ":(glob)*.py"),
        (b"a -> b.py", "a -> b.py"),
        ("schräg→.py".encode(), "schräg→.py"),
        (b"latin-\xe4.py", r"latin-\xe4.py"),
    ],
)
def test_a_file_may_have_any_name(repository, name, recorded):
    Path(os.fsdecode(os.fsencode(repository) + b"/" + name)).write_text("x = 1\n")

    found = capture(repository)

    assert found.changed_files == (recorded,)
    assert found.tree == tree_of_a_copy(repository)
    assert Code.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("name", ["two words", "line\nbreak", "ümläut"])
def test_a_project_folder_within_a_repository_may_have_any_name(repository, name):
    (repository / name).mkdir()
    (repository / name / "MLproject").write_text("name: odd\n")

    found = capture(repository / name)

    assert found.project == name
    assert found.changed_files == (f"{name}/MLproject",)


@pytest.mark.parametrize("variable", _LOCATING)
def test_git_variables_of_the_caller_do_not_mislead(repository, tmp_path, monkeypatch, variable):
    edit(repository)
    expected = capture(repository)
    other = make_repository(tmp_path / "other")
    edit(other)
    git(other, "commit", "--quiet", "--all", "--message=another project")
    add_untracked(other)
    before = fingerprint(repository, other)
    wrong = {
        "GIT_WORK_TREE": other,
        "GIT_INDEX_FILE": other / ".git" / "index",
        "GIT_OBJECT_DIRECTORY": other / ".git" / "objects",
    }
    monkeypatch.setenv(variable, str(wrong.get(variable, other / ".git")))

    found = capture(repository)

    assert found == expected
    assert fingerprint(repository, other) == before


def test_a_relative_index_of_a_running_git_hook_does_not_mislead(repository, monkeypatch):
    edit(repository)
    expected = capture(repository)
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/next-index-1.lock")
    monkeypatch.setenv("GIT_PREFIX", "sub/")

    found = capture(repository)

    assert found == expected


def test_git_configuration_in_the_callers_environment_still_counts(repository, monkeypatch):
    edit(repository)
    git(repository, "remote", "add", "origin", "mirror:a.git")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "url.https://example.org/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "mirror:")

    found = capture(repository)

    assert found.repository == "https://example.org/a.git"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("core.splitIndex", "true"),
        ("core.quotePath", "true"),
        ("core.untrackedCache", "true"),
        ("status.showUntrackedFiles", "no"),
        ("status.relativePaths", "true"),
        ("status.renames", "copies"),
        ("status.branch", "true"),
        ("color.ui", "always"),
        ("commit.gpgSign", "true"),
        ("i18n.commitEncoding", "ISO-8859-1"),
        ("i18n.logOutputEncoding", "ISO-8859-1"),
    ],
)
def test_the_users_git_settings_change_nothing(repository, setting, value):
    (repository / "ümläut.py").write_text("x = 1\n")
    rename_staged(repository)
    expected = capture(repository / "sub")
    git(repository, "config", setting, value)
    git(repository, "update-index", "--refresh")
    before = fingerprint(repository)

    found = capture(repository / "sub")

    assert found == expected
    assert fingerprint(repository) == before


def test_the_users_hooks_do_not_run(repository):
    hook = repository / ".git" / "hooks" / "post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho ran > hook-ran.txt\n")
    hook.chmod(0o755)
    edit(repository)

    found = capture(repository)

    assert found.changed_files == ("train.py",)
    assert not (repository / "hook-ran.txt").exists()


def test_an_edit_within_the_clock_tick_of_the_index_is_seen(repository):
    git(repository, "config", "core.trustctime", "false")
    script, index = repository / "train.py", repository / ".git" / "index"
    os.utime(script, (1_700_000_000, 1_700_000_000))
    git(repository, "add", "--all")
    script.write_text("depth = 4\n")  # as long as before, so that only the content tells
    for path in (script, index):
        os.utime(path, (1_700_000_000, 1_700_000_000))

    found = capture(repository)

    assert found.tree != git(repository, "rev-parse", "HEAD^{tree}")


def test_a_detached_head_and_a_commit_that_no_branch_reaches_are_captured(repository):
    git(repository, "checkout", "--quiet", "--detach")
    edit(repository)
    git(repository, "commit", "--quiet", "--all", "--message=unreachable")

    found = capture(repository)

    assert found.commit == git(repository, "rev-parse", "HEAD")
    assert not found.dirty


def test_a_tree_in_the_middle_of_a_merge_conflict_is_captured_as_it_stands(repository):
    git(repository, "checkout", "--quiet", "-b", "other")
    edit(repository)
    git(repository, "commit", "--quiet", "--all", "--message=theirs")
    git(repository, "checkout", "--quiet", "main")
    (repository / "train.py").write_text("depth = 8\n")
    git(repository, "commit", "--quiet", "--all", "--message=ours")
    subprocess.run(["git", "merge", "other"], cwd=repository, capture_output=True, check=False)
    before = fingerprint(repository)

    found = capture(repository)

    assert "<<<<<<<" in (repository / "train.py").read_text()
    assert found.changed_files == ("train.py",)
    assert fingerprint(repository) == before
    assert found.tree == tree_of_a_copy(repository)
