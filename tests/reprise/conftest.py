"""Settings of git, and a temporary folder, that are a test's own."""

import os

import pytest
from plain_git import daemon, settings
from repositories import DATE, make_repository, publish


@pytest.fixture
def plain_git(monkeypatch, tmp_path, tmp_path_factory):
    """Git as on a machine on which nobody has set it up, with a person's name."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    config = tmp_path_factory.mktemp("git") / "config"
    config.touch()
    for name, value in settings("A Person", "person@example.org", config=config).items():
        monkeypatch.setenv(name, value)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_DATE", DATE)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def repository(tmp_path):
    """A repository whose main branch origin has."""
    folder = make_repository(tmp_path / "project")
    publish(folder, tmp_path / "origin.git")
    return folder


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    """The folder that temporary files go to: empty, and to be left so."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def served(tmp_path):
    """URL of a real git server that has the test's folder."""
    with daemon(tmp_path) as url:
        yield url
