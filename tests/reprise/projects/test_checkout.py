"""The code of a run is found, verified and checked out beside a repository that is only read."""

import os
import shutil

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

from reprise.errors import CheckoutError
from reprise.projects import checkout, containment

pytestmark = pytest.mark.usefixtures("plain_git")


@pytest.fixture
def bring_back(bundles):
    """Check the code of a run out; return where it came from, and its files."""

    def bring_back(source, at_hand, allowed=None):
        with checkout.repository(at_hand, allowed=allowed) as found:
            where = found.obtain(source, bundles.open)
            return where, files(found.check_out(source))

    return bring_back


def files(folder):
    """Every file below a folder but git's own, with its content, or where it leads."""
    return {
        str(path.relative_to(folder)): (
            str(path.readlink()) if path.is_symlink() else path.read_bytes(),
            os.access(path, os.X_OK),
        )
        for path in sorted(folder.rglob("*"))
        if ".git" not in path.relative_to(folder).parts and (path.is_symlink() or path.is_file())
    }


def edit(folder):
    (folder / "train.py").write_text("depth = 9\n")
    (folder / "new.py").write_text("x = 1\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("train.py")
    (folder / "score.py").rename(folder / "rate.py")
    (folder / "weights.bin").write_bytes(b"\x00\xff\r\n")


def gone(repository):
    """Drop what no branch reaches, for good."""
    git(repository, "reflog", "expire", "--expire=now", "--all")
    git(repository, "gc", "--quiet", "--prune=now")


class TestWhereItIsFound:
    def test_in_this_clone(self, repository, captured, bring_back, bundles):
        source = captured(repository)
        (repository / "train.py").write_text("depth = 4\n")
        commit_all(repository)

        where, found = bring_back(source, repository)

        assert where == "this clone"
        assert found["train.py"] == (b"depth = 3\n", False)
        assert bundles.opened == []

    def test_in_this_clone_though_no_branch_has_it(self, repository, captured, bring_back):
        (repository / "train.py").write_text("depth = 4\n")
        commit_all(repository)
        source = captured(repository)
        git(repository, "reset", "--quiet", "--hard", "HEAD~1")

        where, found = bring_back(source, repository)

        assert where == "this clone"
        assert found["train.py"] == (b"depth = 4\n", False)

    def test_at_the_remote_by_its_full_id(self, repository, captured, bring_back, tmp_path):
        other = clone(tmp_path / "origin.git", tmp_path / "other")
        (repository / "train.py").write_text("depth = 4\n")
        commit_all(repository)
        git(repository, "push", "--quiet")

        where, found = bring_back(captured(repository), other)

        assert where == "origin"
        assert found["train.py"] == (b"depth = 4\n", False)

    def test_at_a_remote_of_another_name(self, repository, captured, bring_back, tmp_path):
        other = clone(tmp_path / "origin.git", tmp_path / "other", "--origin=upstream")
        (repository / "train.py").write_text("depth = 4\n")
        commit_all(repository)
        git(repository, "push", "--quiet")

        where, _ = bring_back(captured(repository), other)

        assert where == "upstream"

    def test_from_a_real_git_server(self, repository, captured, bring_back, tmp_path, served):
        other = clone(f"{served}/origin.git", tmp_path / "other")
        (repository / "train.py").write_text("depth = 4\n")
        commit_all(repository)
        git(repository, "push", "--quiet")

        where, found = bring_back(captured(repository), other)

        assert where == "origin"
        assert found["train.py"] == (b"depth = 4\n", False)

    def test_in_the_bundle_of_a_tree_with_edits(self, repository, captured, bring_back):
        edit(repository)
        source, expected = captured(repository), files(repository)
        git(repository, "checkout", "--quiet", "--force", "main")
        git(repository, "clean", "--quiet", "--force")

        where, found = bring_back(source, repository)

        assert where == "the run's own bundle"
        assert found == expected

    def test_in_a_bundle_that_builds_upon_what_only_the_remote_has(
        self, repository, captured, bring_back, tmp_path
    ):
        other = clone(tmp_path / "origin.git", tmp_path / "other")
        (repository / "score.py").write_text("another\n")
        commit_all(repository)
        git(repository, "push", "--quiet")
        edit_train(repository)
        source = captured(repository)

        where, found = bring_back(source, other)

        assert where == "the run's own bundle"
        assert found == files(repository)

    def test_in_a_bundle_of_several_commits_that_were_never_pushed(
        self, repository, captured, bring_back, tmp_path
    ):
        other = clone(tmp_path / "origin.git", tmp_path / "other")
        for depth in (4, 5, 6):
            (repository / "train.py").write_text(f"depth = {depth}\n")
            commit_all(repository)

        where, found = bring_back(captured(repository), other)

        assert where == "the run's own bundle"
        assert found["train.py"] == (b"depth = 6\n", False)

    def test_in_a_bundle_after_its_branch_is_deleted_everywhere(
        self, repository, captured, bring_back, tmp_path
    ):
        git(repository, "checkout", "--quiet", "-b", "feature")
        edit_train(repository)
        commit_all(repository)
        git(repository, "push", "--quiet", "--set-upstream", "origin", "feature")
        source = captured(repository)
        git(repository, "push", "--quiet", "--delete", "origin", "feature")
        git(repository, "checkout", "--quiet", "main")
        git(repository, "branch", "--quiet", "-D", "feature")
        gone(tmp_path / "origin.git")
        gone(repository)

        where, found = bring_back(source, repository)

        assert where == "the run's own bundle"
        assert found["train.py"] == (b"depth = 9\n", False)

    def test_in_a_bundle_of_a_repository_that_never_had_a_remote(
        self, captured, bring_back, tmp_path
    ):
        folder = make_repository(tmp_path / "alone")
        copy = clone(folder, tmp_path / "copy")
        edit_train(folder)

        where, found = bring_back(captured(folder), copy)

        assert where == "the run's own bundle"
        assert found["train.py"] == (b"depth = 9\n", False)

    def test_in_a_repository_that_the_user_names(self, repository, captured, bring_back, tmp_path):
        other = make_repository(tmp_path / "other")
        (other / "train.py").write_text("foreign\n")
        commit_all(other)
        publish(other, tmp_path / "foreign.git")

        where, found = bring_back(
            captured(other), repository, allowed=str(tmp_path / "foreign.git")
        )

        assert where == str(tmp_path / "foreign.git")
        assert found["train.py"] == (b"foreign\n", False)

    def test_in_a_bundle_that_builds_upon_a_repository_that_the_user_names(
        self, repository, captured, bring_back, tmp_path
    ):
        other = make_repository(tmp_path / "other")
        (other / "score.py").write_text("foreign\n")
        commit_all(other)
        publish(other, tmp_path / "foreign.git")
        edit_train(other)

        where, found = bring_back(
            captured(other), repository, allowed=str(tmp_path / "foreign.git")
        )

        assert where == "the run's own bundle"
        assert found == files(other)

    def test_in_a_named_repository_where_there_is_none_at_hand(
        self, repository, captured, bring_back, tmp_path
    ):
        plain = tmp_path / "plain"
        plain.mkdir()

        _, found = bring_back(captured(repository), plain, allowed=str(tmp_path / "origin.git"))

        assert found == files(repository)

    @pytest.mark.parametrize("edited", [False, True], ids=["clean", "edited"])
    def test_from_and_in_a_shallow_clone(self, repository, captured, bring_back, tmp_path, edited):
        first = captured(repository)
        commit_all_of(repository, "depth = 4\n")
        git(repository, "push", "--quiet")
        shallow = clone(f"file://{tmp_path}/origin.git", tmp_path / "shallow", "--depth=1")
        if edited:
            edit_train(shallow)
        source, expected = captured(shallow), files(shallow)

        for at_hand in (repository, shallow):
            assert bring_back(source, at_hand)[1] == expected
        where, found = bring_back(first, shallow)
        assert (where, found["train.py"]) == ("origin", (b"depth = 3\n", False))

    def test_in_a_bundle_without_prerequisites_beside_a_shallow_clone(
        self, repository, captured, bring_back, tmp_path
    ):
        commit_all_of(repository, "depth = 4\n")
        git(repository, "push", "--quiet")
        shallow = clone(f"file://{tmp_path}/origin.git", tmp_path / "shallow", "--depth=1")
        git(repository, "remote", "remove", "origin")
        edit_train(repository)
        source = captured(repository)

        _, found = bring_back(source, shallow)

        assert found == files(repository)

    def test_from_a_linked_worktree_into_the_main_one(
        self, repository, captured, bring_back, tmp_path
    ):
        linked = tmp_path / "linked"
        git(repository, "worktree", "add", "--quiet", "-b", "other", str(linked))
        edit(linked)
        source, expected = captured(linked), files(linked)

        for at_hand in (repository, linked):
            assert bring_back(source, at_hand)[1] == expected

    def test_of_another_hash(self, captured, bring_back, tmp_path):
        folder = tmp_path / "modern"
        folder.mkdir()
        git(folder, "init", "--quiet", "--object-format=sha256")
        (folder / "train.py").write_text("depth = 3\n")
        commit_all(folder)
        edit_train(folder)

        source = captured(folder)

        assert len(source.commit) == 64
        assert bring_back(source, folder)[1] == files(folder)

    @pytest.mark.parametrize("name", ["a b", 'a"b', "a'b", "a\\b", "ümläut", "a\nb", "$(x)"])
    def test_in_a_repository_of_any_name(self, captured, bring_back, tmp_path, name):
        folder = make_repository(tmp_path / name)
        publish(folder, tmp_path / "of any.git")
        edit(folder)

        source = captured(folder)

        assert bring_back(source, folder)[1] == files(folder)

    def test_of_a_project_in_a_sub_folder(self, repository, captured, bring_back):
        (repository / "sub" / "MLproject").write_text("name: edited\n")

        _, found = bring_back(captured(repository / "sub"), repository)

        assert found == {"MLproject": (b"name: edited\n", False)}

    def test_whatever_the_users_git_settings_are(
        self, repository, captured, bring_back, monkeypatch, tmp_path
    ):
        settings = tmp_path / "gitconfig"
        settings.write_text(
            "[fetch]\n\trecurseSubmodules = true\n\twriteCommitGraph = true\n"
            "[submodule]\n\trecurse = true\n[transfer]\n\tfsckObjects = true\n"
            "[init]\n\tdefaultBranch = trunk\n[advice]\n\tdetachedHead = true\n"
        )
        edit(repository)
        source, expected = captured(repository), files(repository)
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))

        assert bring_back(source, repository)[1] == expected


class TestRefusals:
    def refused(self, source, at_hand, bundles, allowed=None):
        with (
            checkout.repository(at_hand, allowed=allowed) as found,
            pytest.raises(CheckoutError) as refusal,
        ):
            found.obtain(source, bundles.open)
        assert "\n" not in str(refusal.value)
        return str(refusal.value)

    @pytest.mark.parametrize("commit", [None, "HEAD", "abc1234", "--upload-pack=touch ran"])
    def test_of_what_is_no_whole_commit_id(self, repository, captured, bundles, commit):
        source = captured(repository).model_copy(update={"commit": commit, "tree": None})

        said = self.refused(source, repository, bundles)

        assert "expected a run that was made with a commit" in said

    def test_of_a_commit_that_nobody_has_any_more(self, repository, captured, bundles):
        source = captured(repository).model_copy(update={"commit": "f" * 40})

        said = self.refused(source, repository, bundles)

        assert "in this clone or at its remote, found it in neither" in said
        assert "allow_repository" in said

    @pytest.mark.parametrize("has_bundle", [False, True], ids=["pushed", "carried"])
    def test_of_a_repository_that_is_not_the_one_at_hand(
        self, repository, captured, bundles, tmp_path, has_bundle
    ):
        other = make_repository(tmp_path / "other")
        commit_all_of(other, "foreign\n")
        publish(other, tmp_path / "foreign.git")
        if has_bundle:
            edit_train(other)
        source = captured(other)

        said = self.refused(source, repository, bundles)

        assert "found one of" in said
        assert f"allow_repository={tmp_path / 'foreign.git'}" in said
        assert bundles.opened == []

    def test_of_a_repository_that_is_not_the_one_that_was_named(
        self, repository, captured, bundles, tmp_path
    ):
        other = make_repository(tmp_path / "other")
        commit_all_of(other, "foreign\n")
        publish(other, tmp_path / "foreign.git")

        said = self.refused(
            captured(other), repository, bundles, allowed=str(tmp_path / "another.git")
        )

        assert "whose code is not run unasked" in said

    def test_of_a_history_that_shares_nothing_with_this_one(
        self, repository, captured, bundles, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("GIT_AUTHOR_DATE", "2001-01-01T00:00:00Z")
        other = make_repository(tmp_path / "other")
        edit_train(other)
        source = captured(other)
        assert source.repository is None

        said = self.refused(source, repository, bundles)

        assert "shares none" in said

    def test_of_a_bundle_outside_any_repository(self, repository, captured, bundles, tmp_path):
        git(repository, "remote", "remove", "origin")
        plain = tmp_path / "plain"
        plain.mkdir()

        said = self.refused(captured(repository), plain, bundles)

        assert "shares none" in said

    def test_of_a_bundle_whose_base_is_gone(self, repository, captured, bundles, tmp_path):
        other = clone(tmp_path / "origin.git", tmp_path / "other")
        base = commit_all_of(repository, "depth = 4\n")
        git(repository, "push", "--quiet")
        edit_train(repository)
        source = captured(repository)
        git(repository, "push", "--quiet", "--force", "origin", "main~1:main")
        gone(tmp_path / "origin.git")

        said = self.refused(source, other, bundles)

        assert f"expected commit {base}, which the run's bundle builds upon" in said

    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: content[: len(content) // 2],
            lambda content: content[:-30] + bytes(30),
            lambda content: b"not a bundle",
            lambda content: b"",
        ],
        ids=["cut", "altered", "something else", "empty"],
    )
    def test_of_a_damaged_bundle(self, repository, captured, bundles, damage):
        edit_train(repository)
        source = captured(repository)
        path = bundles.path(source.bundle)
        path.write_bytes(damage(path.read_bytes()))

        said = self.refused(source, repository, bundles)

        assert "damaged" in said

    def test_of_the_bundle_of_another_run(self, repository, captured, bundles):
        edit_train(repository)
        mine = captured(repository)
        (repository / "train.py").write_text("something else\n")
        theirs = captured(repository)
        shutil.copy(bundles.path(theirs.bundle), bundles.path(mine.bundle))

        said = self.refused(mine, repository, bundles)

        assert f"expected commit {mine.commit} in the run's bundle, found others" in said

    def test_of_a_commit_whose_tree_is_not_the_recorded_one(self, repository, captured, bundles):
        source = captured(repository).model_copy(update={"tree": "f" * 40})

        said = self.refused(source, repository, bundles)

        assert f"expected tree {'f' * 40}" in said
        assert "The record was altered." in said

    @pytest.mark.parametrize("project", ["..", "../..", "/", "sub/../..", "no such", "out"])
    def test_of_a_project_folder_outside_the_commit(
        self, repository, captured, bundles, tmp_path, project
    ):
        (repository / "out").symlink_to(tmp_path)
        commit_all(repository)
        source = captured(repository).model_copy(update={"project": project})

        with checkout.repository(repository) as found:
            found.obtain(source, bundles.open)
            with pytest.raises(CheckoutError, match="The record was altered"):
                found.check_out(source)

    def test_of_content_that_only_git_lfs_has(self, repository, captured, bundles):
        (repository / ".gitattributes").write_text("*.big filter=lfs\n")
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
        (repository / "model.big").write_text(pointer)
        commit_all(repository)
        source = captured(repository)

        with checkout.repository(repository) as found:
            found.obtain(source, bundles.open)
            with pytest.raises(CheckoutError, match=r"content of model\.big, found a git-LFS"):
                found.check_out(source)


class TestSubmodules:
    @pytest.fixture
    def library(self, tmp_path):
        folder = tmp_path / "library"
        folder.mkdir()
        git(folder, "init", "--quiet", "--initial-branch=main")
        (folder / "lib.py").write_text("answer = 42\n")
        commit_all(folder)
        return folder

    @pytest.mark.parametrize("path", ["lib", "two words/lïb"])
    def test_are_checked_out_at_the_commit_of_the_run(
        self, repository, library, captured, bring_back, path
    ):
        add_submodule(repository, library, path)
        source, expected = captured(repository), files(repository)
        commit_all_of(library, "another\n", "lib.py")
        git(repository / path, "pull", "--quiet")
        commit_all(repository)

        _, found = bring_back(source, repository)

        assert found == expected
        assert found[f"{path}/lib.py"] == (b"answer = 42\n", False)

    def test_may_be_at_a_commit_that_only_this_clone_has(
        self, repository, library, captured, bring_back
    ):
        add_submodule(repository, library)
        commit_all_of(repository / "lib", "local\n", "lib.py")

        _, found = bring_back(captured(repository), repository)

        assert found["lib/lib.py"] == (b"local\n", False)

    def test_are_there_when_their_origin_is_gone(self, repository, library, captured, bring_back):
        add_submodule(repository, library)
        source = captured(repository)
        shutil.rmtree(library)

        _, found = bring_back(source, repository)

        assert found["lib/lib.py"] == (b"answer = 42\n", False)

    def test_are_fetched_where_this_clone_does_not_have_them(
        self, repository, library, captured, bring_back
    ):
        source, expected = captured_with_submodule(repository, library, captured)
        git(repository, "submodule", "--quiet", "deinit", "--force", "--all")
        shutil.rmtree(repository / ".git" / "modules")

        _, found = bring_back(source, repository)

        assert found == expected

    def test_come_from_where_the_users_clone_has_them_of(
        self, repository, library, captured, bring_back, tmp_path
    ):
        source, expected = captured_with_submodule(repository, library, captured)
        git(repository, "push", "--quiet")
        library.rename(tmp_path / "moved")
        other = clone(tmp_path / "origin.git", tmp_path / "other")
        git(other, "submodule", "--quiet", "init")
        git(other, "config", "submodule.lib.url", str(tmp_path / "moved"))

        _, found = bring_back(source, other)

        assert found == expected

    def test_come_from_their_own_address_where_the_users_has_not_the_commit(
        self, repository, library, captured, bring_back, tmp_path
    ):
        source, expected = captured_with_submodule(repository, library, captured)
        git(repository, "push", "--quiet")
        other = clone(tmp_path / "origin.git", tmp_path / "other")
        git(other, "config", "submodule.lib.url", str(make_repository(tmp_path / "unrelated")))

        _, found = bring_back(source, other)

        assert found == expected

    def test_are_in_the_users_clone_although_their_files_are_gone(
        self, repository, library, captured, bring_back
    ):
        source, expected = captured_with_submodule(repository, library, captured)
        git(repository, "submodule", "--quiet", "deinit", "--force", "--all")
        shutil.rmtree(library)

        _, found = bring_back(source, repository)

        assert found == expected

    def test_may_have_moved_since_they_were_added(self, repository, library, captured, bring_back):
        add_submodule(repository, library)
        git(repository, "mv", "lib", "moved")
        commit_all(repository)
        shutil.rmtree(library)

        _, found = bring_back(captured(repository), repository)

        assert found["moved/lib.py"] == (b"answer = 42\n", False)

    def test_may_have_an_address_that_is_relative_to_origin(
        self, repository, library, captured, bring_back, tmp_path
    ):
        add_submodule(repository, library)
        modules = repository / ".gitmodules"
        modules.write_text(modules.read_text().replace(str(library), "../library"))
        commit_all(repository)
        git(repository, "push", "--quiet")
        other = clone(tmp_path / "origin.git", tmp_path / "other")

        _, found = bring_back(captured(repository), other)

        assert found["lib/lib.py"] == (b"answer = 42\n", False)

    def test_may_lie_where_there_is_a_file_now(self, repository, library, captured, bring_back):
        source, expected = captured_with_submodule(repository, library, captured)
        git(repository, "rm", "--quiet", "-r", "--force", "lib")
        (repository / "lib").write_text("a file\n")
        commit_all(repository)

        _, found = bring_back(source, repository)

        assert found == expected

    def test_of_submodules_are_checked_out_too(
        self, repository, library, captured, bring_back, tmp_path
    ):
        deeper = make_repository(tmp_path / "deeper")
        add_submodule(library, deeper, "deeper")
        add_submodule(repository, library)
        allow = ("-c", "protocol.file.allow=always")
        git(repository, *allow, "submodule", "--quiet", "update", "--init", "--recursive")

        source, expected = captured(repository), files(repository)

        assert "lib/deeper/train.py" in expected
        assert bring_back(source, repository)[1] == expected

    def test_come_from_the_server_of_a_repository_where_none_is_at_hand(
        self, repository, library, captured, bring_back, tmp_path, served
    ):
        add_submodule(repository, f"{served}/library")
        git(repository, "push", "--quiet")
        source, expected = captured(repository), files(repository)
        plain = tmp_path / "plain"
        plain.mkdir()

        _, found = bring_back(source, plain, allowed=f"{served}/origin.git")

        assert found == expected

    def test_without_an_address_are_told_in_a_line(self, repository, library, captured, bundles):
        clone(library, repository / "embedded")
        commit_all(repository)

        with checkout.repository(repository) as found:
            source = captured(repository)
            found.obtain(source, bundles.open)
            with pytest.raises(CheckoutError, match="expected the submodules"):
                found.check_out(source)

    def test_that_nobody_has_any_more_are_told_in_a_line(
        self, repository, library, captured, bundles
    ):
        source, _ = captured_with_submodule(repository, library, captured)
        git(repository, "submodule", "--quiet", "deinit", "--force", "--all")
        shutil.rmtree(repository / ".git" / "modules")
        shutil.rmtree(library)

        with checkout.repository(repository) as found:
            found.obtain(source, bundles.open)
            with pytest.raises(CheckoutError, match="expected the submodules") as refusal:
                found.check_out(source)

        assert "\n" not in str(refusal.value)


class TestTheRepositoryAtHand:
    def test_is_byte_for_byte_what_it_was(self, repository, captured, bring_back, tmp_path):
        edit(repository)
        source = captured(repository)
        commit_all_of(repository, "later\n")
        stash = repository / "stashed.py"
        stash.write_text("x = 1\n")
        git(repository, "stash", "--include-untracked")
        edit_train(repository)
        before = fingerprint(repository, tmp_path / "origin.git")

        bring_back(source, repository)

        assert fingerprint(repository, tmp_path / "origin.git") == before

    def test_is_not_changed_by_a_fetch_for_a_run(self, repository, captured, bring_back, tmp_path):
        other = clone(f"file://{tmp_path}/origin.git", tmp_path / "other", "--depth=1")
        commit_all_of(repository, "depth = 4\n")
        git(repository, "push", "--quiet")
        before = fingerprint(other)

        where, _ = bring_back(captured(repository), other)

        assert where == "origin"
        assert fingerprint(other) == before

    def test_runs_none_of_its_hooks(self, repository, captured, bring_back, tmp_path):
        for name in ("post-checkout", "reference-transaction"):
            hook = repository / ".git" / "hooks" / name
            hook.parent.mkdir(exist_ok=True)
            hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
            hook.chmod(0o755)

        bring_back(captured(repository), repository)

        assert not (tmp_path / "ran").exists()

    def test_nothing_is_left_in_the_temporary_folder(
        self, repository, captured, bring_back, temporary
    ):
        edit(repository)
        source = captured(repository)

        bring_back(source, repository)

        assert list(temporary.iterdir()) == []

    def test_nothing_is_left_after_a_refusal_and_an_interruption(
        self, repository, captured, bundles, temporary
    ):
        source = captured(repository).model_copy(update={"commit": "f" * 40})

        for error, work in (
            (CheckoutError, lambda found: found.obtain(source, bundles.open)),
            (KeyboardInterrupt, interrupt),
        ):
            with pytest.raises(error), checkout.repository(repository) as found:
                work(found)

        assert list(temporary.iterdir()) == []


class TestLooking:
    def test_shows_how_two_commits_differ(self, repository):
        old = git(repository, "rev-parse", "HEAD")
        git(repository, "mv", "score.py", "ümläut.py")
        new = commit_all_of(repository, "depth = 4\n")

        with checkout.repository(repository) as found:
            patch = found.diff(old, new)

        assert "-depth = 3\n+depth = 4\n" in patch
        assert "rename from score.py\nrename to ümläut.py\n" in patch


class TestInside:
    @pytest.mark.parametrize("name", ["", "train.py", "sub", "sub/../train.py", "link"])
    def test_is_what_is_within(self, repository, name):
        (repository / "link").symlink_to("train.py")

        assert containment.inside(repository, name) == repository / name

    @pytest.mark.parametrize("name", ["..", "../project2", "/etc", "none", "out", "-c"])
    def test_is_nothing_else(self, repository, tmp_path, name):
        (tmp_path / "project2").mkdir()
        (repository / "out").symlink_to(tmp_path)

        with pytest.raises(CheckoutError, match="The record was altered"):
            containment.inside(repository, name)


def interrupt(_):
    raise KeyboardInterrupt


def edit_train(folder):
    (folder / "train.py").write_text("depth = 9\n")


def commit_all_of(folder, text, name="train.py"):
    (folder / name).write_text(text)
    return commit_all(folder)


def captured_with_submodule(repository, library, captured):
    add_submodule(repository, library)
    return captured(repository), files(repository)
