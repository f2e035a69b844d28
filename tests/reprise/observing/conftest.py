"""No test of this folder asks a package index."""

import pytest


@pytest.fixture(autouse=True)
def listed(monkeypatch, tmp_path):
    """The lists of packages for which uv is asked; it answers with `listed.answer`."""

    class Listed(list):
        answer = ""

    lists = Listed()

    def listed(pins, python):
        lists.append([pin.line() for pin in pins])
        return lists.answer

    monkeypatch.setattr("reprise.projects.uv.listed", listed)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lists
