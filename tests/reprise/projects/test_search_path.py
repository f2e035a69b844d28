"""A replay finds the project's modules in the checkout, wherever they are installed from."""

import sys
import types
import venv
from pathlib import Path

import pytest

from reprise.projects import search_path


@pytest.fixture
def folders(tmp_path):
    for name in ("clone/src", "clone/.venv/lib/site-packages", "checkout/src", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def moved(folders, *names):
    paths = [str(folders / name) for name in names]
    found = search_path.moved(paths, folders / "clone", folders / "checkout")
    return [Path(path).relative_to(folders).as_posix() for path in found]


def test_the_projects_folders_are_those_of_the_checkout(folders):
    assert moved(folders, "clone/src", "clone") == ["checkout/src", "checkout"]


def test_a_link_into_the_clone_is_of_the_project(folders):
    (folders / "link").symlink_to("clone/src")

    assert moved(folders, "link") == ["checkout/src"]


def test_what_is_installed_or_elsewhere_stays_where_it_is(folders):
    assert moved(folders, "clone/.venv/lib/site-packages", "elsewhere") == []


def test_what_the_commit_does_not_have_is_left_out(folders):
    (folders / "clone" / "new").mkdir()

    assert moved(folders, "clone/new") == []


def test_a_folder_relative_to_the_working_folder_is_so_in_the_replay_too(folders):
    assert list(search_path.moved(["src", ""], folders / "clone", folders / "checkout")) == []


def test_an_editable_install_that_maps_names_is_known(folders, monkeypatch):
    finder = types.ModuleType("__editable___mylib_1_0_finder")
    finder.MAPPING = {"mylib": str(folders / "clone" / "src" / "mylib")}
    monkeypatch.setitem(sys.modules, finder.__name__, finder)

    assert str(folders / "clone" / "src") in search_path.entries(Path(sys.executable))


@pytest.fixture
def another_python(tmp_path):
    """Make an interpreter of another environment, with a `.pth` file in it."""
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")

    def another_python(text):
        (site / "mylib.pth").write_text(text)
        return python

    return another_python


def test_another_python_is_asked(another_python, folders, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/a")
    python = another_python(f"{folders}/clone/src\n")

    found = search_path.entries(python)

    assert found[0] == "/a"
    assert f"{folders}/clone/src" in found


def test_of_a_python_that_fails_the_variable_is_known(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/a:/b")

    assert search_path.entries(Path("/bin/false")) == ["/a", "/b"]


def test_the_variable_leads_into_the_checkout_first(folders, another_python, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/a")
    python = another_python(f"{folders}/clone/src\n")
    clone, checkout = folders / "clone", folders / "checkout"

    assert search_path.variables(python, clone, checkout, folders / "elsewhere") == {
        "PYTHONPATH": f"{folders}/elsewhere:{checkout}/src:/a"
    }
    assert search_path.variables(python, clone, clone) == {}
