"""A commit is fetched as the user's clone would, wherever what it is fetched into lies."""

import contextlib
import functools
import http.server
import os
import threading
from pathlib import Path

import pytest
from repositories import clone, commit_all, git, make_repository, publish

from reprise.errors import CodeError
from reprise.process import transfer
from reprise.projects.fetching import fetch

pytestmark = pytest.mark.usefixtures("plain_git")


@pytest.fixture
def first(tmp_path):
    """The repository of somebody who has pushed two commits more than the clone has."""
    folder = make_repository(tmp_path / "first")
    publish(folder, tmp_path / "origin.git")
    return folder


@pytest.fixture
def here(first, tmp_path):
    found = clone(tmp_path / "origin.git", tmp_path / "here")
    for number in (1, 2):
        (first / "train.py").write_text(f"depth = {number}\n")
        commit_all(first)
    git(first, "push", "--quiet")
    return found


@pytest.fixture
def fetched(tmp_path):
    """Fetch the commit before the newest of origin, by a clone, into an empty repository."""

    def fetched(place, at_hand, **options):
        commit = git(tmp_path / "origin.git", "rev-parse", "main~1")
        store = tmp_path / "store"
        git(tmp_path, "init", "--quiet", str(store))
        fetch(store, place, commit, clone=at_hand, **options)
        return git(store, "show", f"{commit}:train.py")

    return fetched


@pytest.fixture
def conditional(here, tmp_path):
    """Let git have settings in the folder of the clone alone."""

    def conditional(text):
        (tmp_path / "included").write_text(text)
        with Path(os.environ["GIT_CONFIG_GLOBAL"]).open("a") as file:
            file.write(f'[includeIf "gitdir:{here}/"]\n\tpath = {tmp_path}/included\n')

    return conditional


@pytest.fixture
def ssh(tmp_path):
    """A program that is origin's server, and writes down the words that it is called with."""
    program = tmp_path / 'an "ssh"'
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/called\nexec git-upload-pack {tmp_path}/origin.git\n'
    )
    program.chmod(0o755)
    return f"'{program}'"


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_settings_that_depend_on_the_clones_folder_count(here, fetched, conditional, ssh):
    conditional(f"[core]\n\tsshCommand = {quoted(ssh)}\n")

    assert fetched("ssh://host/o.git", here) == "depth = 1"


def test_another_name_for_an_address_counts(here, fetched, conditional, tmp_path):
    conditional(f'[url "{tmp_path}/"]\n\tinsteadOf = https://host.invalid/\n')

    assert fetched("https://host.invalid/origin.git", here) == "depth = 1"


def test_a_setting_without_a_value_is_passed_on(here, fetched, conditional, tmp_path):
    conditional("[fetch]\n\tprune\n")

    assert fetched(str(tmp_path / "origin.git"), here) == "depth = 1"


def test_the_clones_own_settings_count_for_its_remote(here, fetched, ssh):
    git(here, "config", "core.sshCommand", ssh)
    git(here, "remote", "set-url", "origin", "ssh://host/o.git")

    assert fetched("origin", here, is_remote=True) == "depth = 1"


def test_the_clones_own_settings_do_not_count_for_another_server(here, fetched, ssh, tmp_path):
    git(here, "config", "core.sshCommand", ssh)

    with pytest.raises(CodeError):
        fetched("ssh://host.invalid/o.git", here)

    assert not (tmp_path / "called").exists()


def test_settings_of_its_files_and_programs_do_not_count(here, fetched, tmp_path):
    for name in ("uploadpack.packObjectsHook", "fetch.recurseSubmodules"):
        git(here, "config", name, f"touch {tmp_path}/called;")

    assert fetched("origin", here, is_remote=True) == "depth = 1"
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize("version", ["0", "2"])
def test_a_server_that_gives_references_alone_is_asked_for_them(here, fetched, tmp_path, version):
    git(here, "config", "--global", "protocol.version", version)

    assert fetched(f"file://{tmp_path}/origin.git", here) == "depth = 1"


@contextlib.contextmanager
def files_served(folder):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_a_server_of_files_is_asked_for_branches(here, fetched, tmp_path):
    git(tmp_path / "origin.git", "update-server-info")

    with files_served(tmp_path) as url:
        assert fetched(f"{url}/origin.git", here) == "depth = 1"


def test_the_reason_is_gits_own(here, fetched, tmp_path):
    with pytest.raises(CodeError) as refused:
        fetched(str(tmp_path / "nowhere.git"), here)

    assert "does not appear to be a git repository" in refused.value.said
    assert transfer.SILENT not in refused.value.said
