"""A checkout gives back the bytes that ran, whatever git was set to where they ran and here."""

import os

import pytest
from repositories import add_submodule, clone, commit_all, git, make_repository, publish

from reprise.errors import CodeError
from reprise.projects import checkout

pytestmark = pytest.mark.usefixtures("plain_git")

ROT13 = "tr a-zA-Z n-za-mN-ZA-M"
KEY = "-----BEGIN " + "RSA PRIVATE KEY-----\n"


@pytest.fixture
def origin(tmp_path):
    publish(make_repository(tmp_path / "first"), tmp_path / "origin.git")
    return tmp_path / "origin.git"


@pytest.fixture
def here(origin, tmp_path):
    return clone(origin, tmp_path / "here")


@pytest.fixture
def elsewhere(origin, tmp_path):
    """Make a clone for a replay, as late as it may be."""
    return lambda *options: clone(origin, tmp_path / "elsewhere", *options)


@pytest.fixture
def replayed(bundles):
    """Check a run's code out beside a clone, and read a file of it."""

    def replayed(source, at_hand, name):
        with checkout.repository(at_hand) as found:
            found.obtain(source, bundles.open)
            return (found.check_out(source) / name).read_bytes()

    return replayed


def attributes(folder, text, *, pushed=True):
    (folder / ".gitattributes").write_text(text)
    if pushed:
        commit_all(folder, "attributes")
        git(folder, "push", "--quiet")


def table(folder, text, content):
    attributes(folder, text)
    (folder / "t.csv").write_bytes(content)
    commit_all(folder)


def text_auto(folder):
    table(folder, "* text=auto\n", b"a,b\r\n1,2\r\n")


def text_auto_untracked(folder):
    attributes(folder, "* text=auto\n")
    (folder / "t.csv").write_bytes(b"a,b\r\n1,2\r\n")


def eol_crlf(folder):
    table(folder, "*.csv eol=crlf\n", b"a,b\n1,2\n")


def eol_lf(folder):
    table(folder, "*.csv text eol=lf\n", b"a,b\r\n1,2\r\n")


def ident_edited(folder):
    (folder / "t.csv").write_text("# $Id$\n1\n")
    attributes(folder, "t.csv ident\n")
    (folder / "t.csv").unlink()
    git(folder, "checkout", "--quiet", "t.csv")
    with (folder / "t.csv").open("a") as file:
        file.write("2\n")


def filter_of_this_clone(folder):
    git(folder, "config", "filter.rot.clean", ROT13)
    git(folder, "config", "filter.rot.smudge", ROT13)
    (folder / "t.csv").write_text("hello\n")
    attributes(folder, "t.csv filter=rot\n")


def filter_that_strips(folder):
    git(folder, "config", "filter.strip.clean", "sed /output/d")
    git(folder, "config", "filter.strip.smudge", "cat")
    attributes(folder, "t.csv filter=strip\n")
    (folder / "t.csv").write_text("input\noutput\n")
    commit_all(folder)


def attributes_of_this_clone(folder):
    (folder / ".git" / "info" / "attributes").write_text("*.csv text\n")
    (folder / "t.csv").write_bytes(b"a,b\r\n1,2\r\n")
    commit_all(folder)


def encoding(folder):
    (folder / "t.csv").write_bytes("ä\n".encode("utf-16"))
    attributes(folder, "t.csv working-tree-encoding=UTF-16\n")


def automatic_and_unix(folder):
    git(folder, "config", "core.autocrlf", "true")
    (folder / "t.csv").write_bytes(b"a,b\n1,2\n")
    commit_all(folder)


def automatic_input(folder):
    git(folder, "config", "core.autocrlf", "input")
    (folder / "t.csv").write_bytes(b"a,b\r\n1,2\r\n")
    commit_all(folder)


def assumed_unchanged(folder):
    (folder / "t.csv").write_text("1\n")
    commit_all(folder)
    git(folder, "update-index", "--assume-unchanged", "t.csv")
    (folder / "t.csv").write_text("2\n")


def skipped(folder):
    (folder / "t.csv").write_text("1\n")
    commit_all(folder)
    git(folder, "update-index", "--skip-worktree", "t.csv")
    (folder / "t.csv").write_text("2\n")


def odd_name(folder):
    attributes(folder, "* eol=crlf\n")
    (folder / 't [1]*"\\x.csv').write_bytes(b"1\n")
    (folder / "t.csv").write_bytes(b"2\r\n")
    commit_all(folder)


CASES = (
    *(text_auto, text_auto_untracked, eol_crlf, eol_lf, ident_edited, filter_of_this_clone),
    *(filter_that_strips, attributes_of_this_clone, encoding, automatic_and_unix),
    *(automatic_input, assumed_unchanged, skipped, odd_name),
)


@pytest.mark.parametrize("arrange", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize("automatic", ["false", "true"])
def test_the_file_that_ran_is_the_file_that_comes_back(
    here, captured, replayed, arrange, automatic, tmp_path, monkeypatch
):
    arrange(here)
    ran = {path.name: path.read_bytes() for path in here.glob("t*.*")}
    source = captured(here)
    (tmp_path / "gitconfig").write_text(f"[core]\n\tautocrlf = {automatic}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))

    assert {name: replayed(source, here, name) for name in ran} == ran


def test_names_that_are_no_utf_8_are_found_again(here, captured, replayed):
    folder = here / os.fsdecode(b"d\xe4")
    folder.mkdir()
    attributes(here, "*.csv eol=crlf\n")
    (folder / os.fsdecode(b"t\xe4.csv")).write_bytes(b"1\n")
    commit_all(here)

    source = captured(folder)

    assert (source.project, source.unconverted) == ("d\\xe4", ("d\\xe4/t\\xe4.csv",))
    assert replayed(source, here, os.fsdecode(b"t\xe4.csv")) == b"1\n"


def test_a_clone_with_automatic_line_ends_runs_its_commit_and_gives_crlf_back(
    here, elsewhere, captured, replayed
):
    there = elsewhere("--config", "core.autocrlf=true")
    ran = (there / "train.py").read_bytes()

    source = captured(there)

    assert ran == b"depth = 3\r\n"
    assert (source.dirty, source.line_ends) == (False, "crlf")
    assert replayed(source, here, "train.py") == ran
    assert replayed(captured(here), there, "train.py") == b"depth = 3\n"


def test_files_that_git_would_give_back_are_not_carried(here, captured):
    attributes(here, "*.py text eol=lf\n*.bin -text\n*.sh ident\n* text=auto\n")

    source = captured(here)

    assert (source.dirty, source.bundle, source.unconverted) == (False, None, ())


def test_what_is_kept_byte_by_byte_is_looked_at_as_any_file_that_no_commit_has(here, captured):
    filter_that_strips(here)
    (here / "t.csv").write_text(f"input\noutput {KEY}")

    with pytest.raises(CodeError, match=r"t\.csv looks like a secret, by what is in it"):
        captured(here)


def test_what_a_sparse_checkout_leaves_out_is_no_edit_and_comes_back(here, captured, replayed):
    git(here, "sparse-checkout", "set", "--no-cone", "/train.py")
    (here / "train.py").write_text("depth = 4\n")
    (here / "sub").mkdir()
    (here / "sub" / "new.py").write_text("new\n")

    source = captured(here)

    assert source.changed_files == ("sub/new.py", "train.py")
    assert replayed(source, here, "score.py").startswith(b"metric")


def test_a_monitor_that_says_nothing_has_changed_is_not_believed(here, captured):
    monitor = here / ".git" / "monitor"
    monitor.write_text("#!/bin/sh\nprintf 'token\\0'\n")
    monitor.chmod(0o755)
    git(here, "config", "core.fsmonitor", str(monitor))
    git(here, "config", "core.untrackedCache", "true")
    git(here, "status")
    git(here, "status")
    (here / "train.py").write_text("depth = 4\n")

    assert captured(here).changed_files == ("train.py",)


def test_a_submodule_that_was_not_checked_out_is_not_needed(here, tmp_path, captured, replayed):
    library = make_repository(tmp_path / "library")
    add_submodule(here, library)
    git(here, "submodule", "--quiet", "deinit", "--force", "lib")
    source = captured(here)
    library.rename(tmp_path / "gone")
    (here / ".git" / "modules").rename(tmp_path / "modules")

    assert source.absent == ("lib",)
    assert replayed(source, here, "train.py") == b"depth = 3\n"


class TestPartialClones:
    @pytest.fixture
    def partial(self, origin, tmp_path):
        """A clone of a branch, without the contents of what is not checked out."""
        for name in ("allowFilter", "allowAnySHA1InWant"):
            git(origin, "config", f"uploadpack.{name}", "true")
        first = tmp_path / "first"
        git(first, "checkout", "--quiet", "-b", "feature")
        for number in range(3):
            (first / "note.py").write_text(f"# {number}\n")
            commit_all(first, f"note {number}")
        git(first, "push", "--quiet", "origin", "feature")
        options = ("--filter=blob:none", "--branch=feature", "--config", "advice.x=true")
        return clone(f"file://{origin}", tmp_path / "partial", *options)

    def test_the_bundle_of_a_branch_has_what_the_clone_lacks(
        self, partial, captured, replayed, here
    ):
        source = captured(partial)

        assert source.bundle is not None
        assert replayed(source, here, "note.py") == b"# 2\n"

    def test_edits_upon_it_come_back(self, partial, captured, replayed, here):
        (partial / "note.py").write_text("# edited\n")

        assert replayed(captured(partial), here, "note.py") == b"# edited\n"

    def test_an_old_commit_is_checked_out_in_it(self, partial, captured, replayed):
        source = captured(partial)
        old = git(partial, "rev-parse", "HEAD~2")
        past = source.model_copy(update={"commit": old, "tree": None, "bundle": None})

        assert replayed(past, partial, "note.py") == b"# 0\n"
