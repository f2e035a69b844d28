"""A patch of git is split into files, and its lines are counted as git counts them."""

import pytest
from repositories import commit_all, git

from reprise.projects import checkout
from reprise.record.patch import CodeDifference, first_lines, split_patch
from reprise.record.schema import Code

pytestmark = pytest.mark.usefixtures("plain_git")
NOWHERE = {"repository": None, "project": "", "dirty": False}
LINES = "".join(f"line {i}\n" for i in range(40))


def commit(folder, files):
    """Make a commit of these files alone, and return its id."""
    git(folder, "rm", "-rqf", "--ignore-unmatch", ".")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return commit_all(folder)


@pytest.fixture
def repository(tmp_path, plain_git):
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    return folder


@pytest.fixture
def difference(repository):
    """Return the patch from some files to others."""

    def difference(old, new):
        commits = [commit(repository, files) for files in (old, new)]
        with checkout.repository(repository) as beside:
            for each in commits:
                beside.obtain(Code(**NOWHERE, commit=each, tree=None, base_commit=each), None)
            return CodeDifference.of(beside.diff(*commits))

    return difference


def test_no_patch_has_no_files():
    assert CodeDifference.of("") == CodeDifference(patch="")


def test_a_changed_file_has_its_counts(difference):
    (file,) = difference({"a b/ü.py": "1\n2\n3\n"}, {"a b/ü.py": "1\nnew\nnewer\n3\n"}).files

    assert (file.name, file.added, file.removed, file.notes) == ("a b/ü.py", 2, 1, ())


def test_new_and_deleted_files_are_noted(difference):
    deleted, new = difference({"gone.txt": "x\n"}, {"made.txt": LINES}).files

    assert (deleted.name, deleted.removed, deleted.notes) == ("gone.txt", 1, ("deleted",))
    assert (new.name, new.added, new.notes) == ("made.txt", 40, ("new",))


def test_a_renamed_file_has_its_new_name(difference):
    (file,) = difference({"old name.txt": LINES}, {"new/name.txt": LINES}).files

    assert (file.name, file.notes) == ("new/name.txt", ("renamed",))


def test_a_binary_file_is_noted(difference):
    (file,) = difference({"b.bin": b"\0\1"}, {"b.bin": b"\0\2"}).files

    assert (file.name, file.added, file.removed, file.notes) == ("b.bin", 0, 0, ("binary",))


def test_lines_that_look_like_a_patch_are_counted_as_the_lines_they_are(difference):
    pretending = "diff --git a/x b/x\n@@ -1 +1 @@\n-- a\n++ b\n\\ odd\n\n"

    (file,) = difference({"a": "old\n"}, {"a": pretending}).files

    assert (file.name, file.added, file.removed) == ("a", 6, 1)


def test_a_missing_line_end_is_no_line(difference):
    found = difference({"a": "1", "b": "kept\n"}, {"a": "2", "b": "new\nkept\n"})

    assert [(f.name, f.added, f.removed) for f in found.files] == [("a", 1, 1), ("b", 1, 0)]


def test_the_users_settings_of_git_do_not_change_the_names(difference, monkeypatch):
    settings = {"diff.noprefix": "true", "diff.mnemonicPrefix": "true", "core.quotePath": "true"}
    for i, (name, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{i}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{i}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))

    found = difference({"ü": "1\n", "a/b": "1\n"}, {"ü": "2\n", "a/b": "2\n"})

    assert [file.name for file in found.files] == ["a/b", "ü"]


def test_counts_are_those_of_git(difference, repository):
    edited = LINES.replace("line 3\n", "").replace("line 30\n", "a\nb\n")
    found = difference(
        {"a": LINES, "b": "--- a\n+++ b\n", "c": "x"}, {"a": edited, "b": "+++ b\n", "d": LINES}
    )

    counted = git(repository, "diff", "--numstat", "HEAD^", "HEAD").splitlines()

    assert [f"{f.added}\t{f.removed}\t{f.name}" for f in found.files] == counted
    assert len(counted) == 4


def test_the_split_lines_are_the_patch(difference):
    found = difference({"a": LINES, "b": "1"}, {"a": "2\n", "b": "\f\x0b\u2028\n\r\n"})

    lines = [line for _, lines in split_patch(found.patch) for _, line in lines]

    assert "\n".join(lines) + "\n" == found.patch


def test_each_line_has_its_kind(difference):
    found = difference({"a": "1\n2\n3"}, {"a": "1\nb\n3"})

    ((_, lines),) = split_patch(found.patch)

    assert [kind for kind, _ in lines] == [
        *["head"] * 4, "hunk", "kept", "removed", "added", "kept", "head",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("most", "lengths", "hidden"),
    [(0, [0, 0], 16), (3, [3, 0], 13), (9, [8, 1], 7), (16, [8, 8], 0), (99, [8, 8], 0)],
)
def test_the_first_lines_are_kept_and_the_others_counted(difference, most, lengths, hidden):
    found = difference({"a": "1\n2\n", "b": "1\n2\n"}, {"a": "1\nx\n", "b": "y\n2\n"})
    files = split_patch(found.patch)

    kept, beyond = first_lines(files, most)

    assert [len(lines) for _, lines in kept] == lengths
    assert [file.name for file, _ in kept] == ["a", "b"]
    assert beyond == hidden


@pytest.mark.parametrize("text", ["", "\n", "no patch\n", "@@ -1 +1 @@\n-a\n+b\n"])
def test_a_text_without_files_has_no_changed_files(text):
    assert split_patch(text) == []
