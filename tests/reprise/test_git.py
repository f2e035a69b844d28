"""Git answers or refuses in one line; addresses of repositories are shown without secrets."""

import pytest
from repositories import git as plainly
from repositories import make_repository

from reprise.errors import CodeError
from reprise.git import git, is_full_sha, remote, succeeds

pytestmark = pytest.mark.usefixtures("plain_git")


@pytest.fixture
def repository(tmp_path):
    return make_repository(tmp_path / "project")


class TestGit:
    def test_returns_what_git_prints(self, repository):
        assert git(repository, "show", "HEAD:train.py") == "depth = 3\n"

    def test_reads_its_input(self, repository):
        assert git(repository, "hash-object", "--stdin", text=b"x") == git(
            repository, "hash-object", "--stdin", text="x"
        )

    def test_bytes_that_are_no_utf_8_survive_input_and_output(self, repository):
        blob = git(repository, "hash-object", "-w", "--stdin", text="a\udcffb").strip()

        assert git(repository, "cat-file", "blob", blob) == "a\udcffb"

    def test_a_refusal_is_one_line_with_the_request_and_the_message_of_git(self, repository):
        with pytest.raises(CodeError) as refused:
            git(repository, "-c", "a.b=c", "show", "no-such-thing")

        assert str(refused.value).startswith("git show failed in project: fatal: ambiguous")
        assert "\n" not in str(refused.value)

    def test_a_refusal_is_in_english_whatever_the_users_language(self, repository, monkeypatch):
        monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
        monkeypatch.setenv("LANGUAGE", "de")

        with pytest.raises(CodeError, match="unknown revision"):
            git(repository, "show", "no-such-thing")

    def test_a_refusal_without_words_gives_its_exit_code(self, repository):
        with pytest.raises(CodeError, match="exit code 1"):
            git(repository, "config", "no.such")

    @pytest.mark.parametrize(
        "url",
        [
            "https://ada:s3cr3t@localhost:1/a.git",
            "https://s3cr3t@localhost:1/a.git",
            "nonsense://ada:s3c@r3t@localhost/a.git",
        ],
    )
    def test_a_refusal_holds_no_credentials(self, repository, url):
        quoting = ("-c", f"alias.say=!echo \"could not read Password for '{url}'\" >&2; false")

        with pytest.raises(CodeError) as refused:
            git(repository, *quoting, "say")

        assert "s3c" not in str(refused.value)
        assert "localhost" in str(refused.value)

    def test_a_login_of_ssh_that_is_no_secret_stays_in_a_refusal(self, repository):
        quoting = ("-c", "alias.say=!echo 'no route to ssh://git@localhost/a.git' >&2; false")

        with pytest.raises(CodeError, match=r"ssh://git@localhost/a\.git"):
            git(repository, *quoting, "say")


class TestSucceeds:
    def test_distinguishes_yes_and_no(self, repository):
        assert succeeds(repository, "cat-file", "-e", "HEAD")
        assert not succeeds(repository, "cat-file", "-e", "f" * 40)


class TestRemote:
    @pytest.mark.parametrize(
        ("names", "chosen"),
        [((), None), (("upstream",), "upstream"), (("fork", "origin"), "origin")],
        ids=["none", "another", "origin"],
    )
    def test_is_origin_else_the_first(self, repository, names, chosen):
        for name in names:
            plainly(repository, "remote", "add", name, "https://example.org/a.git")

        assert remote(repository) == chosen


class TestFullSha:
    @pytest.mark.parametrize("name", ["0" * 40, "a1" * 20, "f" * 64])
    def test_is_a_whole_commit_id(self, name):
        assert is_full_sha(name)

    @pytest.mark.parametrize(
        "name", ["", "HEAD", "abc1234", "A" * 40, "g" * 40, "0" * 41, "0" * 40 + "\n", "-" * 40]
    )
    def test_is_nothing_else(self, name):
        assert not is_full_sha(name)
