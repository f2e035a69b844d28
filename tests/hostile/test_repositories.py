"""Addresses of repositories that are options or programs, and servers that never answer.

Every address is tried in every place that accepts one: the parameter `allow_repository`, a
project's URI, the remote of the user's clone, and a `.gitmodules`.
"""

import os
from pathlib import Path

import pytest
from attackers import SOME, commit, hostile_repository, run_git
from plain_git import daemon

from reprise.errors import CheckoutError, ParameterError, RepriseError
from reprise.process import transfer
from reprise.projects import address, checkout
from steps.parameters import ReproduceParameters

# {canary}: the file that an attacker's program makes; {port}: the attacker's port.
ADDRESSES = {
    "an option that names a program": "--upload-pack=touch {canary}",
    "an option that sets one": "-cprotocol.ext.allow=always",
    "a shell command as a transport": "ext::sh -c touch% {canary}",
    "an open file descriptor": "fd::0",
    "a helper that is on PATH": "evil::x",
    "a helper that is on PATH, as a scheme": "evil://x/y",
    "an option in place of a host": "ssh://-oProxyCommand=touch {canary}/x",
    "an option in place of a host, encoded": "ssh://%2doProxyCommand=touch%20{canary}/x",
    "an option in place of a user": "ssh://-oProxyCommand=touch%20{canary}@host/x",
    "an option before a colon": "-oProxyCommand=touch {canary}:x",
    "an option after a colon": "127.0.0.1:--upload-pack=touch {canary}",
    "a second line for the server": "git://127.0.0.1:{port}/a%0d%0ahost=other",
    "a second line for the login helper": "http://127.0.0.1:{port}/a%0ahost=other",
    "a protocol that git has no use for": "ftp://127.0.0.1:{port}/a",
    "control codes for the terminal": "http://127.0.0.1:{port}/\x1b[2J",
}


def by_parameter(place, text):
    with pytest.raises(ParameterError):
        ReproduceParameters.parse({"run_id": "0" * 32, "allow_repository": text})
    with checkout.repository(place.clone, allowed=text) as repository:
        repository.obtain(commit(SOME), None)


def by_uri(place, text):
    with address.opened(address.parse(text)):
        pass


def by_remote(place, text):
    (place.clone / ".git" / "config").write_text("", encoding="utf-8")
    run_git(place.clone, "config", "remote.origin.url", text)
    place.look()
    with checkout.repository(place.clone) as repository:
        repository.obtain(commit(SOME), None)


def by_submodule(place, text):
    url, name = hostile_repository(
        place.folder / "theirs" / "hostile", {}, submodules={"lib": (text, SOME)}
    )
    with checkout.repository(place.clone, allowed=str(url)) as repository:
        repository.obtain(commit(name), None)
        repository.check_out(commit(name))


DOORS = {
    "as a parameter": by_parameter,
    "as a project's URI": by_uri,
    "as the clone's remote": by_remote,
    "as a submodule": by_submodule,
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("text", ADDRESSES.values(), ids=ADDRESSES)
def test_an_address_that_is_no_repository_is_refused(place, door, text):
    with pytest.raises(RepriseError) as refused:
        door(place, text.format(canary=place.canary, port=place.listener.port))

    assert str(refused.value).isprintable()
    place.check()


class TestASilentServer:
    @pytest.fixture
    def url(self, place, monkeypatch):
        monkeypatch.setattr(transfer, "IDLE_SECONDS", 0.3)
        return f"git://127.0.0.1:{place.listener.port}/team/project.git"

    @pytest.mark.parametrize("door", ["as a project's URI", "as the clone's remote"])
    def test_is_given_up_and_named(self, place, url, door):
        with pytest.raises(CheckoutError, match=r"nothing came from the server in 0\.3 s"):
            DOORS[door](place, url)

        place.check(connections=1)

    def test_that_the_user_has_named_is_given_up_too(self, place, url):
        with (
            checkout.repository(place.clone, allowed=url) as repository,
            pytest.raises(CheckoutError, match=r"nothing came from the server in 0\.3 s"),
        ):
            repository.obtain(commit(SOME), None)

        place.check(connections=1)


class TestHonestRepositories:
    @pytest.fixture
    def theirs(self, place):
        return hostile_repository(place.folder / "theirs" / "honest", {"a.txt": "honest\n"})

    @pytest.fixture
    def ssh(self, place, monkeypatch):
        """A program named ssh that runs its command on this machine."""
        program = place.folder / "bin" / "ssh"
        program.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
        program.chmod(0o755)

    @pytest.mark.parametrize(
        "form", ["{path}", "file://{path}", "ssh://git@host:22{path}", "git@host:{path}"]
    )
    @pytest.mark.usefixtures("ssh")
    def test_are_taken_however_they_are_named(self, place, theirs, form):
        path, name = theirs
        url = form.format(path=path)
        assert ReproduceParameters.parse({"run_id": "0" * 32, "allow_repository": url})

        with checkout.repository(place.clone, allowed=url) as repository:
            where = repository.obtain(commit(name), None)
            text = (repository.check_out(commit(name)) / "a.txt").read_text()
        with address.opened(address.parse(url)) as folder:
            assert (folder / "a.txt").is_file()

        assert (where, text) == (url, "honest\n")
        place.check()

    def test_are_taken_from_a_path_that_is_relative_to_here(self, place, theirs):
        path, name = theirs

        with checkout.repository(
            place.clone, allowed=os.path.relpath(path, Path.cwd())
        ) as repository:
            repository.obtain(commit(name), None)

        place.check()

    def test_are_taken_from_a_server(self, place, theirs):
        path, name = theirs

        with daemon(path.parent) as url:
            with checkout.repository(place.clone, allowed=f"{url}/honest.git") as repository:
                where = repository.obtain(commit(name), None)
            assert where == f"{url}/honest.git"

        place.check()

    def test_are_taken_whole_from_a_server_that_gives_no_commit_by_its_id(
        self, place, theirs, monkeypatch
    ):
        path, name = theirs
        run_git(path, "branch", "feature")
        run_git(path, "commit-tree", "-p", name, "-m", "Next", f"{name}^{{tree}}")
        later = run_git(path, "commit-tree", "-p", name, "-m", "Next", f"{name}^{{tree}}")
        run_git(path, "update-ref", "refs/heads/main", later)
        run_git(path, "update-ref", "refs/heads/feature", later)
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.version")
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", "0")

        with checkout.repository(place.clone, allowed=str(path)) as repository:
            where = repository.obtain(commit(name), None)

        assert where == str(path)
        place.check()
