"""A run says which modules of the project no replay will have."""

import pytest

from reprise import tracking
from reprise.runtime import imported


class Recorded:
    """A run, as far as it is tagged."""

    def __init__(self):
        self.tags = {}

    def set_tags(self, tags):
        self.tags |= tags


@pytest.fixture
def found(monkeypatch):
    """What the process is found to have imported."""
    names = []
    monkeypatch.setattr("reprise.capture.imports.ignored", lambda project: tuple(names))
    return names


def test_an_ignored_module_is_on_the_run_and_on_the_terminal(found, tmp_path, capsys):
    found.append("steps/local_settings.py")
    run = Recorded()

    imported.report(run, tmp_path)

    assert run.tags == {tracking.IGNORED: "steps/local_settings.py"}
    assert "files that git ignores: steps/local_settings.py." in capsys.readouterr().err


def test_it_is_said_once(found, tmp_path, capsys):
    found.append("a.py")
    reported = imported.report(Recorded(), tmp_path)
    capsys.readouterr()

    imported.report(Recorded(), tmp_path, reported)

    assert capsys.readouterr().err == ""


def test_one_that_comes_later_is_said_too(found, tmp_path, capsys):
    found.append("a.py")
    reported = imported.report(Recorded(), tmp_path)
    found.append("b.py")

    imported.report(Recorded(), tmp_path, reported)

    assert "a.py, b.py" in capsys.readouterr().err


def test_without_any_nothing_is_said(found, tmp_path, capsys):
    run = Recorded()

    imported.report(run, tmp_path)

    assert found == []
    assert (run.tags, capsys.readouterr().err) == ({}, "")


@pytest.mark.parametrize(("is_on", "lines"), [(True, 2), (False, 0)])
def test_a_step_is_watched_before_and_while_it_computes(found, tmp_path, capsys, is_on, lines):
    found.append("a.py")

    with imported.reporting(Recorded(), tmp_path, is_on=is_on):
        found.append("b.py")

    assert capsys.readouterr().err.count("files that git ignores") == lines
