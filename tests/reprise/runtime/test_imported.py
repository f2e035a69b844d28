"""A run says which modules of the project no replay will have."""

import importlib
import shutil
import sys
import types
from pathlib import Path

import pytest
from repositories import clone, make_repository

from reprise import tracking
from reprise.capture import imports
from reprise.errors import CodeError
from reprise.runtime import imported

ROOT = Path(__file__).parents[3]


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


def test_a_step_is_watched_before_and_while_it_computes(found, tmp_path, capsys):
    found.append("a.py")

    with imported.checking(Recorded(), tmp_path, clone=None):
        found.append("b.py")

    assert capsys.readouterr().err.count("files that git ignores") == 2


class TestReplays:
    @pytest.fixture
    def checkout(self, plain_git, tmp_path):
        make_repository(tmp_path / "clone")
        clone(tmp_path / "clone", tmp_path / "checkout")
        return tmp_path / "checkout"

    @pytest.fixture
    def importing(self, monkeypatch):
        """Have this process import a file as a module."""

        def importing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            module = types.ModuleType("mylib")
            module.__file__ = str(path)
            monkeypatch.setitem(sys.modules, "mylib", module)

        return importing

    def test_may_not_import_what_the_users_clone_has_today(self, checkout, importing, tmp_path):
        importing(tmp_path / "clone" / "src" / "mylib" / "__init__.py")

        with (
            pytest.raises(CodeError, match=r"clone/src/mylib/__init__\.py, which is today's"),
            imported.checking(Recorded(), checkout, clone=tmp_path / "clone" / "no folder"),
        ):
            pass

    def test_may_not_import_a_submodule_of_the_users_clone(self, checkout, importing, tmp_path):
        importing(tmp_path / "clone" / "lib" / "mylib.py")
        (tmp_path / "clone" / "lib" / ".git").write_text("gitdir: ../.git/modules/lib\n")

        with pytest.raises(CodeError, match=r"clone/lib/mylib\.py"):
            imported.check(Recorded(), checkout, clone=tmp_path / "clone")

    @pytest.mark.parametrize(
        "path",
        [
            "checkout/src/mylib.py",
            "clone/.venv/lib/site-packages/mylib.py",
            "clone/another/mylib.py",  # a repository of its own
            "clone/environment/lib/mylib.py",  # conda's, with Python's own library
            "elsewhere/mylib.py",
        ],
    )
    def test_may_import_anything_else(self, checkout, importing, tmp_path, monkeypatch, path):
        importing(tmp_path / path)
        (tmp_path / "clone" / "another" / ".git").mkdir(parents=True)
        monkeypatch.setattr(sys, "prefix", str(tmp_path / "clone" / "environment"))

        imported.check(Recorded(), checkout, clone=tmp_path / "clone")

        assert sys.modules["mylib"].__file__ == str(tmp_path / path)

    def test_may_have_what_mlflow_loads_of_an_installation_in_the_clone(
        self, checkout, tmp_path, monkeypatch
    ):
        place = tmp_path / "clone" / "plugin"
        place.mkdir()
        shutil.copy(ROOT / "plugin" / "reprise_context.py", place)
        monkeypatch.setitem(sys.modules, "reprise_context", None)  # to be as before in the end
        monkeypatch.delitem(sys.modules, "reprise_context")
        monkeypatch.syspath_prepend(place)

        provider = importlib.import_module("reprise_context")

        assert Path(provider.__spec__.origin).parent == place
        imported.check(Recorded(), checkout, clone=tmp_path / "clone")

    def test_in_a_checkout_within_the_clone_have_its_modules(self, checkout, importing, tmp_path):
        inner = clone(checkout, tmp_path / "clone" / "tmp-checkout")
        importing(inner / "mylib.py")

        imported.check(Recorded(), inner, clone=tmp_path / "clone")

        assert sys.modules["mylib"].__file__.startswith(str(tmp_path / "clone"))


def test_where_a_module_lies_is_looked_up_once(monkeypatch):
    found = imports.sources(Path.cwd())
    looked = []
    monkeypatch.setattr("os.path.islink", lambda path: looked.append(path) or False)
    assert imports.sources(Path.cwd()) == found
    assert not [path for path in looked if path.endswith(".py")]
