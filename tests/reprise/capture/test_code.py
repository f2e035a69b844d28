"""A run's code is one commit, taken from real git repositories that are only read."""

import hashlib
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from repositories import (
    add_submodule,
    clone,
    commit_all,
    fingerprint,
    git,
    make_repository,
    publish,
)

from reprise.capture import code
from reprise.errors import CodeError
from reprise.record.schema import Code

_LOCATING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")

pytestmark = pytest.mark.usefixtures("plain_git")


def capture(folder):
    """What a capture says of a folder, without carrying it anywhere."""
    with code.capture(folder) as captured:
        return captured.code


@pytest.fixture
def repository(tmp_path):
    return make_repository(tmp_path / "project")


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


def test_a_repository_without_a_commit_is_described_as_no_code(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "train.py").write_text("x = 1\n")

    found = capture(folder)

    assert (found.commit, found.tree, found.base_commit, found.dirty) == (None, None, None, False)


def test_a_folder_outside_any_repository_is_described_as_no_code(tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()

    found = capture(folder)

    assert (found.commit, found.repository, found.project, found.dirty) == (None, None, "", False)


@pytest.mark.parametrize("folder", [".", "deep/er"])
@pytest.mark.parametrize(
    "remains",
    [
        lambda git_folder: git_folder.write_text("gitdir: /no/where/.git/worktrees/wt\n"),
        lambda git_folder: git_folder.symlink_to("/no/where/.git"),
        lambda git_folder: (git_folder / "objects").mkdir(parents=True),
    ],
    ids=["worktree whose repository moved", "broken link", "without HEAD"],
)
def test_a_repository_that_git_does_not_recognise_is_refused(tmp_path, folder, remains):
    project = tmp_path / "project"
    (project / folder).mkdir(parents=True)
    remains(project / ".git")

    with pytest.raises(CodeError, match=r"expected a git repository that git can read") as refused:
        capture(project / folder)

    assert str(project / ".git") in str(refused.value)


@pytest.mark.parametrize("head", ["", "not a commit\n", "0" * 40 + "\n", "d" * 40 + "\n"])
@pytest.mark.parametrize("name", ["refs/heads/main", "HEAD"])
def test_a_head_that_leads_to_no_commit_is_refused(repository, name, head):
    (repository / ".git" / name).write_text(head)

    with pytest.raises(CodeError):
        capture(repository)


def test_a_repository_of_another_user_is_refused_with_the_line_that_trusts_it(
    repository, monkeypatch
):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    with pytest.raises(CodeError) as refused:
        capture(repository)

    assert f"git config --global --add safe.directory {repository}" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("initialised", [False, True])
def test_code_that_is_not_recorded_is_said_so(tmp_path, capsys, initialised):
    (tmp_path / "project").mkdir()
    if initialised:
        git(tmp_path / "project", "init", "--quiet")

    capture(tmp_path / "project")

    assert "found none: the code of this run is not recorded" in capsys.readouterr().err


def test_above_a_ceiling_nobody_looks_for_a_repository(tmp_path, monkeypatch):
    (tmp_path / ".git").write_text("gitdir: /no/where\n")
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))

    assert capture(project) == code.UNKNOWN


def test_a_project_in_a_folder_that_git_ignores_is_refused(repository):
    (repository / "work" / "inner").mkdir(parents=True)
    (repository / "work" / "inner" / "train.py").touch()
    (repository / ".gitignore").write_text("work/\n")

    with pytest.raises(CodeError, match="expected a project that a commit can have, found work/i"):
        capture(repository / "work" / "inner")

    git(repository, "add", "--force", "work/inner/train.py")
    assert capture(repository / "work" / "inner").project == "work/inner"


@pytest.mark.parametrize("packed", [False, True])
def test_content_that_the_users_git_reads_in_place_of_a_commits_is_an_edit(
    repository, monkeypatch, packed
):
    path = repository / "train.py"
    (repository / "note.txt").write_text("x = 3\n")
    other = git(repository, "hash-object", "-w", "note.txt")
    (repository / "note.txt").unlink()
    git(repository, "replace", git(repository, "rev-parse", "HEAD:train.py"), other)
    if packed:
        git(repository, "pack-refs", "--all")
    path.unlink()
    git(repository, "checkout", "--quiet", "train.py")
    index = repository / ".git" / "index"
    later = path.stat().st_mtime_ns + 10**10  # a large tree takes seconds to check out
    os.utime(index, ns=(later, later))

    found = capture(repository)

    assert path.read_text() == "x = 3\n"
    assert found.changed_files == ("train.py",)


def test_an_empty_folder_named_git_is_no_repository(tmp_path):
    (tmp_path / "project" / ".git").mkdir(parents=True)

    assert capture(tmp_path / "project") == code.UNKNOWN


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


@pytest.fixture
def published(repository, tmp_path):
    """A repository whose main branch origin has."""
    publish(repository, tmp_path / "origin.git")
    return repository


class TestCarried:
    def test_a_commit_on_origins_default_branch_is_not(self, published):
        assert not carried(published)

    def test_an_earlier_commit_of_it_is_not(self, published):
        commit_edit(published)
        git(published, "push", "--quiet")
        git(published, "checkout", "--quiet", "--detach", "HEAD~1")

        assert not carried(published)

    @pytest.mark.parametrize("name", ["master", "trunk"])
    def test_a_default_branch_may_have_any_name(self, published, name):
        git(published, "branch", "--quiet", "--move", name)
        git(published, "push", "--quiet", "origin", name)
        git(published, "remote", "set-head", "origin", name)
        commit_edit(published)
        git(published, "push", "--quiet", "origin", name)

        assert not carried(published)

    def test_a_default_branch_is_known_without_being_told(self, published):
        git(published, "remote", "set-head", "origin", "--delete")

        assert not carried(published)

    def test_where_no_branch_is_the_default_any_of_origins_counts(self, published):
        git(published, "remote", "set-head", "origin", "--delete")
        git(published, "update-ref", "-d", "refs/remotes/origin/main")
        git(published, "push", "--quiet", "origin", "main:trunk")

        assert not carried(published)

    @every_edit
    def test_a_tree_with_edits_is(self, published, change):
        change(published)

        assert carried(published)

    def test_a_commit_that_was_never_pushed_is(self, published):
        commit_edit(published)

        assert carried(published)

    def test_a_commit_that_only_a_feature_branch_of_origin_has_is(self, published):
        git(published, "checkout", "--quiet", "-b", "feature")
        commit_edit(published)
        git(published, "push", "--quiet", "origin", "feature")

        assert carried(published)

    def test_a_commit_without_a_remote_is(self, repository):
        assert carried(repository)

    def test_a_commit_whose_remote_was_never_asked_is(self, repository):
        git(repository, "remote", "add", "origin", "https://example.org/project.git")

        assert carried(repository)

    def test_what_a_shallow_clone_got_is_not_and_what_was_added_is(self, published, tmp_path):
        commit_edit(published)
        git(published, "push", "--quiet")
        shallow = clone(f"file://{tmp_path}/origin.git", tmp_path / "shallow", "--depth=1")

        before = carried(shallow)
        add_untracked(shallow)

        assert (before, carried(shallow)) == (False, True)

    def test_a_folder_without_a_commit_is_not(self, tmp_path):
        folder = tmp_path / "plain"
        folder.mkdir()

        assert not carried(folder)


class TestBundle:
    @every_edit
    def test_brings_a_tree_with_edits_into_a_clone_that_has_its_base(
        self, published, tmp_path, change
    ):
        expected = clone(tmp_path / "origin.git", tmp_path / "clone")
        change(published)
        base = git(published, "rev-parse", "HEAD")
        if base != git(expected, "rev-parse", "HEAD"):
            git(published, "push", "--quiet")
            git(expected, "pull", "--quiet")

        source = unbundled(published, expected)

        assert git(expected, "rev-parse", f"{source.commit}^{{tree}}") == source.tree
        assert source.tree == tree_of_a_copy(published)

    def test_holds_nothing_that_origin_has(self, published, tmp_path):
        edit(published)

        heads, objects = bundle_of(published, tmp_path)

        assert [line for line in heads if line.startswith("-")] == [
            f"-{git(published, 'rev-parse', 'HEAD')} first"
        ]
        assert objects == 3  # commit, tree and the edited file

    def test_holds_unpushed_commits_below_the_edits(self, published, tmp_path):
        commit_edit(published)
        (published / "train.py").write_text("depth = 11\n")

        _, objects = bundle_of(published, tmp_path)

        assert objects == 6  # of both commits

    def test_holds_the_whole_history_where_there_is_no_remote(self, repository, tmp_path):
        commit_edit(repository)

        heads, _ = bundle_of(repository, tmp_path)
        git(tmp_path, "clone", "--quiet", "--branch=snapshot", "all.bundle", "from bundle")

        assert not [line for line in heads if line.startswith("-")]
        assert (tmp_path / "from bundle" / "train.py").read_text() == "depth = 5\n"

    def test_of_a_file_with_a_small_edit_does_not_hold_the_whole_file(self, published, tmp_path):
        table = published / "table.csv"
        table.write_text(
            "".join(f"{hashlib.sha256(bytes([i % 256])).hexdigest()},{i}\n" for i in range(20_000))
        )
        commit_all(published)
        git(published, "push", "--quiet")
        with table.open("a") as file:
            file.write("one more\n")

        bundle_of(published, tmp_path)

        assert (tmp_path / "all.bundle").stat().st_size < 2000

    @pytest.mark.parametrize("edited", [False, True], ids=["clean", "edited"])
    def test_is_the_same_bytes_for_the_same_tree(self, repository, tmp_path, edited):
        if edited:
            edit(repository)

        files = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            bundle_of(repository, tmp_path / name)
            files.append((tmp_path / name / "all.bundle").read_bytes())

        assert files[0] == files[1]


class TestPatch:
    def test_of_a_clean_pushed_tree_is_empty(self, published):
        assert patch(published) == ""

    def test_shows_edits_renames_binaries_and_new_files(self, published):
        edit(published)
        rename(published)
        edit_binary(published)
        add_untracked(published)

        text = patch(published)

        assert "-depth = 3\n+depth = 5\n" in text
        assert "rename from score.py\nrename to rate.py\n" in text
        assert "Binary files a/weights.bin and b/weights.bin differ" in text
        assert "+++ b/new/deep/er.py\n@@ -0,0 +1 @@\n+x = 1\n" in text

    def test_can_be_applied_to_the_base(self, published, tmp_path):
        edit(published)
        rename(published)
        add_untracked(published)
        other = clone(tmp_path / "origin.git", tmp_path / "clone")
        (tmp_path / "changes.patch").write_text(patch(published))

        git(other, "apply", "--index", str(tmp_path / "changes.patch"))

        assert git(other, "write-tree") == tree_of_a_copy(published)

    def test_of_unpushed_commits_is_from_what_origin_has(self, published):
        commit_edit(published)
        (published / "score.py").write_text("another\n")
        commit_all(published)

        text = patch(published)

        assert "+depth = 5\n" in text
        assert "+another\n" in text

    def test_of_edits_upon_unpushed_commits_is_of_the_edits_alone(self, published):
        commit_edit(published)
        (published / "score.py").write_text("another\n")

        text = patch(published)

        assert "depth" not in text
        assert "+another\n" in text

    def test_of_a_clean_tree_that_nobody_else_has_is_empty(self, repository):
        assert patch(repository) == ""

    def test_of_a_history_that_shares_nothing_with_origins_is_empty(self, published):
        git(published, "checkout", "--quiet", "--orphan", "anew")
        commit_all(published, "anew")

        assert patch(published) == ""

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("color.ui", "always"),
            ("diff.external", "false"),
            ("diff.noprefix", "true"),
            ("diff.mnemonicPrefix", "true"),
            ("diff.submodule", "log"),
            ("core.quotePath", "true"),
        ],
    )
    def test_is_the_same_whatever_the_users_settings_are(
        self, published, tmp_path, monkeypatch, setting, value
    ):
        edit(published)
        (published / "ümläut.py").write_text("x = 1\n")
        expected = patch(published)
        git(published, "config", "--file", str(tmp_path / "settings"), setting, value)
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "settings"))

        assert "+++ b/ümläut.py\n" in expected
        assert patch(published) == expected

    def test_of_text_that_is_not_utf_8_is_text(self, published):
        (published / "train.py").write_bytes(b"name = 'J\xe4rvi'\n")

        assert "+name = 'J\\xe4rvi'\n" in patch(published)


def test_a_stash_that_git_status_is_set_to_show_is_no_edit(repository):
    (repository / "train.py").write_text("depth = 4\n")
    git(repository, "stash", "--quiet")
    git(repository, "config", "status.showStash", "true")

    assert not code.describe(repository).dirty


class TestGuards:
    @pytest.mark.parametrize("name", [".env", "keys/id_rsa", "a b.pem"])
    def test_an_untracked_secret_stops_the_run_and_names_both_ways_out(self, repository, name):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text("x")

        with pytest.raises(CodeError) as refusal:
            capture(repository)

        assert f"{name} looks like a secret, by its name" in str(refusal.value)
        assert ".gitignore" in str(refusal.value)
        assert f"-P allow_untracked={shlex.quote(name)} " in str(refusal.value)

    def test_a_large_untracked_file_stops_the_run(self, repository):
        with (repository / "table.csv").open("wb") as file:
            file.truncate(11 * 2**20)

        with pytest.raises(CodeError, match=r"table\.csv is large \(11 MiB\)"):
            capture(repository)

    def test_what_the_message_says_to_allow_is_allowed(self, repository):
        for name in (".env", "sub/tls.key"):
            (repository / name).write_text("x")
        with pytest.raises(CodeError) as refusal:
            capture(repository)
        allowed, *_ = shlex.split(str(refusal.value).partition("allow_untracked=")[2])

        with code.capture(repository, allow_untracked=allowed.split(",")) as found:
            assert found.code.changed_files == (".env", "sub/tls.key")

    def test_an_ignored_secret_is_nobodys_business(self, repository):
        (repository / ".gitignore").write_text(".env\n")
        (repository / ".env").write_text("x")

        assert capture(repository).changed_files == (".gitignore",)

    def test_a_secret_that_git_has_already_is_the_users_choice(self, repository):
        (repository / ".env").write_text("x")
        commit_all(repository)
        (repository / ".env").write_text("y")

        assert capture(repository).changed_files == (".env",)

    def test_files_are_looked_at_from_the_root_whatever_folder_the_project_is_in(self, repository):
        (repository / "notes.txt").write_text("-----BEGIN " + "PRIVATE KEY-----")

        with pytest.raises(CodeError, match=r"notes\.txt looks like a secret, by what is in it"):
            capture(repository / "sub")

    def test_a_refusal_leaves_everything_as_it_was(self, repository, temporary):
        edit(repository)
        (repository / ".env").write_text("x")
        before = fingerprint(repository)

        with pytest.raises(CodeError):
            capture(repository)

        assert fingerprint(repository) == before
        assert list(temporary.iterdir()) == []


class TestRepositoriesWithin:
    @pytest.fixture
    def library(self, tmp_path):
        return make_repository(tmp_path / "library")

    def test_a_clean_submodule_is_part_of_the_commit(self, repository, library):
        add_submodule(repository, library)
        before = fingerprint(repository)

        found = capture(repository)

        assert not found.dirty
        assert fingerprint(repository) == before

    def test_a_submodule_at_another_commit_is_an_edit(self, repository, library):
        add_submodule(repository, library)
        commit_edit(repository / "lib")
        before = fingerprint(repository)

        found = capture(repository)

        assert found.changed_files == ("lib",)
        assert fingerprint(repository) == before
        git(repository, "add", "lib")
        assert found.tree == git(repository, "write-tree")

    @pytest.mark.parametrize("change", [edit, add_untracked], ids=lambda change: change.__name__)
    def test_a_submodule_with_edits_is_refused_by_its_name(self, repository, library, change):
        add_submodule(repository, library)
        change(repository / "lib")
        before = fingerprint(repository)

        with pytest.raises(CodeError, match="expected the submodule lib as one of its commits"):
            capture(repository)

        assert fingerprint(repository) == before

    @pytest.mark.parametrize("setting", ["all", "dirty", "untracked"])
    def test_edits_in_a_submodule_are_seen_whatever_is_set_to_be_ignored(
        self, repository, library, setting
    ):
        add_submodule(repository, library)
        git(repository, "config", "submodule.lib.ignore", setting)
        edit(repository / "lib")

        with pytest.raises(CodeError, match="expected the submodule lib"):
            capture(repository)

    def test_a_submodule_that_was_never_fetched_is_no_edit(self, repository, library, tmp_path):
        add_submodule(repository, library)
        other = clone(repository, tmp_path / "other")

        assert not capture(other).dirty

    def test_a_repository_that_lies_there_untracked_is_refused_by_its_name(
        self, repository, library
    ):
        clone(library, repository / "embedded")

        with pytest.raises(
            CodeError, match="found embedded/, which is a git repository of its own"
        ):
            capture(repository)

    def test_a_repository_that_is_ignored_is_left_out(self, repository, library):
        (repository / ".gitignore").write_text("embedded/\n")
        commit_all(repository)
        clone(library, repository / "embedded")

        assert not capture(repository).dirty

    def test_what_a_filter_keeps_elsewhere_is_captured_as_its_pointer(self, published, tmp_path):
        git(published, "config", "filter.store.clean", "sed s/content/pointer/")
        git(published, "config", "filter.store.smudge", "sed s/pointer/content/")
        (published / ".gitattributes").write_text("*.big filter=store\n")
        (published / "model.big").write_text("content\n")
        before = fingerprint(published)
        other = clone(tmp_path / "origin.git", tmp_path / "clone")

        source = unbundled(published, other)

        assert git(other, "show", f"{source.commit}:model.big") == "pointer"
        assert fingerprint(published) == before


def carried(folder):
    with code.capture(folder) as captured:
        return captured.carried


def patch(folder):
    with code.capture(folder) as captured:
        return captured.patch()


def bundle_of(folder, target):
    """Carry a folder's source; return the bundle's first lines, and the number of its objects."""
    path = target / "all.bundle"
    with code.capture(folder) as captured:
        before = fingerprint(folder)
        captured.write_bundle(path)
        assert fingerprint(folder) == before
    head, _, pack = path.read_bytes().partition(b"\n\n")
    return head.decode().splitlines(), int.from_bytes(pack[8:12])


def unbundled(folder, other):
    """Bring a folder's source into another clone by its bundle alone."""
    path = other.parent / "snapshot.bundle"
    with code.capture(folder) as captured:
        captured.write_bundle(path)
        found = captured.code
    git(other, "bundle", "verify", "--quiet", str(path))
    git(other, "bundle", "unbundle", str(path))
    return found


def commit_edit(folder):
    edit(folder)
    return commit_all(folder)
