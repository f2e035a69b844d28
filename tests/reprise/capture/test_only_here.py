"""What only this clone has, and a replay elsewhere would lack, is named as the run is made."""

import pytest
from repositories import add_submodule, clone, commit_all, git, make_repository, publish

from reprise.capture import code

pytestmark = pytest.mark.usefixtures("plain_git")

POINTER = "version https://git-lfs.github.com/spec/v1\\noid sha256:1\\nsize 1\\n"


@pytest.fixture
def library(tmp_path):
    publish(make_repository(tmp_path / "library"), tmp_path / "library.git")
    return tmp_path / "library.git"


@pytest.fixture
def said(capsys):
    """What a capture of a folder prints."""

    def said(folder):
        capsys.readouterr()
        with code.capture(folder):
            return capsys.readouterr().err

    return said


def committed(folder):
    (folder / "new.py").write_text("x = 1\n")
    return commit_all(folder)


class TestSubmodules:
    @pytest.mark.parametrize("dirty", [False, True])
    def test_at_a_commit_that_was_not_pushed_are_named(self, repository, library, said, dirty):
        add_submodule(repository, library)
        commit = committed(repository / "lib")
        if not dirty:
            commit_all(repository)

        text = said(repository)

        assert f"found in this clone alone: {commit} of the submodule lib." in text
        assert text.count("\n") == 1

    def test_of_submodules_are_named_with_both_names(self, repository, library, said, tmp_path):
        outer = make_repository(tmp_path / "outer")
        publish(outer, tmp_path / "outer.git")
        add_submodule(outer, library, "inner")
        git(outer, "push", "--quiet")
        add_submodule(repository, tmp_path / "outer.git")
        allow = ("-c", "protocol.file.allow=always")
        git(repository, *allow, "submodule", "--quiet", "update", "--init", "--recursive")
        commit = committed(repository / "lib" / "inner")
        commit_all(repository / "lib")
        git(repository / "lib", "push", "--quiet", "origin", "HEAD:main")

        assert f"alone: {commit} of the submodule lib/inner." in said(repository)

    def test_at_a_commit_that_was_pushed_are_not(self, repository, library, said):
        add_submodule(repository, library)
        committed(repository / "lib")
        git(repository / "lib", "push", "--quiet", "origin", "HEAD:topic")

        assert said(repository) == ""

    def test_that_are_shallow_or_not_checked_out_are_not(self, repository, library, said):
        add_submodule(repository, library)
        git(repository, "submodule", "--quiet", "deinit", "--force", "lib")

        assert said(repository) == ""

        (repository / "lib").rmdir()
        clone(f"file://{library}", repository / "lib", "--depth=1")
        git(repository / "lib", "update-ref", "-d", "refs/remotes/origin/main")
        assert said(repository) == ""


class TestLargeFiles:
    @pytest.fixture
    def tracked(self, repository):
        """Let git keep a pointer in the place of a file, as git-LFS does."""
        git(repository, "config", "filter.lfs.clean", f"printf '{POINTER}'; cat > /dev/null")
        (repository / ".gitattributes").write_text("*.dat filter=lfs\n")
        (repository / "big.dat").write_text("content\n")
        return repository

    @pytest.mark.parametrize("dirty", [False, True])
    def test_whose_commit_was_not_pushed_are_named(self, tracked, said, dirty):
        if not dirty:
            commit_all(tracked)

        assert "found in this clone alone: the content of big.dat (git-LFS)." in said(tracked)

    def test_whose_commit_was_pushed_are_not(self, tracked, said):
        commit_all(tracked)
        git(tracked, "push", "--quiet", "origin", "HEAD:topic")
        (tracked / "train.py").write_text("depth = 4\n")

        assert said(tracked) == ""

    def test_that_are_in_the_commit_themselves_are_not(self, tracked, said):
        git(tracked, "config", "--unset", "filter.lfs.clean")
        commit_all(tracked)

        assert said(tracked) == ""
