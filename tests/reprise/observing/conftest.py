"""No test of this folder asks a package index."""

import pytest


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """The user's cache; what was found as installed is not read again by another test."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def own_cache(listed, monkeypatch, tmp_path):
    """A cache of the test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def listed(monkeypatch, shared_cache):
    """The lists of packages for which uv is asked; it answers with `listed.answer`."""

    class Listed(list):
        answer = ""

    lists = Listed()

    def listed(pins, python):
        lists.append([pin.line() for pin in pins])
        return lists.answer

    monkeypatch.setattr("reprise.projects.uv.listed", listed)
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
    return lists
