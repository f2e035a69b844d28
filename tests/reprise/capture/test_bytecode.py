"""Python's bytecode of the project is used only where it was made of the source that is there."""

import os
import py_compile
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path
from types import SimpleNamespace

import pytest
from repositories import commit_all, git, make_repository

from reprise.capture import bytecode, imports
from reprise.errors import CodeError

ENGINE = str(Path(bytecode.__file__).parents[2])


@pytest.fixture
def edited(tmp_path):
    """A module whose edit has kept its size and its time, and so its bytecode."""
    source = tmp_path / "depth.py"
    source.write_text("DEPTH = 1\n")
    os.utime(source, (1_600_000_000, 1_600_000_000))
    py_compile.compile(str(source))
    source.write_text("DEPTH = 2\n")
    os.utime(source, (1_600_000_000, 1_600_000_000))
    return source


def run(folder, text):
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ENGINE},
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.strip()


def test_python_itself_runs_the_bytecode_of_an_earlier_edit(edited):
    assert run(edited.parent, "import depth; print(depth.DEPTH)") == "1"


def test_a_step_runs_the_source_that_is_there(edited):
    text = (
        "from pathlib import Path; from reprise.capture import bytecode; "
        "bytecode.trust_only_fresh(Path.cwd()); import depth; print(depth.DEPTH)"
    )

    assert run(edited.parent, text) == "2"


def test_bytecode_of_an_earlier_edit_is_named(edited):
    other = edited.with_name("other.py")
    other.write_text("X = 1\n")
    py_compile.compile(str(other))

    assert bytecode.stale([edited, other]) == [edited]


def test_bytecode_that_was_copied_with_its_source_is_that_of_the_source(tmp_path):
    source = tmp_path / "depth.py"
    source.write_text("DEPTH = 1\n")
    py_compile.compile(str(source))
    source.chmod(0o644)  # the inode is younger than the bytecode now

    assert bytecode.stale([source]) == []


def test_bytecode_that_python_would_not_use_is_not_stale(edited):
    edited.write_text("DEPTH = 33\n")

    assert bytecode.stale([edited]) == []


def test_damaged_bytecode_is_stale(edited):
    made = Path(cache_from_source(edited))
    made.write_bytes(made.read_bytes()[:16] + b"\0")
    os.utime(made, (1_600_000_001, 1_600_000_001))

    assert bytecode.stale([edited]) == [edited]


def test_what_is_installed_within_a_project_is_not_of_it(tmp_path):
    assert bytecode.is_of_project(tmp_path / "steps" / "a.py", tmp_path)
    assert not bytecode.is_of_project(tmp_path / ".venv/lib/site-packages/a.py", tmp_path)
    assert not bytecode.is_of_project(tmp_path.parent / "a.py", tmp_path)


def test_a_module_is_of_the_folder_to_which_its_links_lead(tmp_path, monkeypatch):
    for name in ("project", "elsewhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.py").touch()
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    (project / "out.py").symlink_to(elsewhere / "elsewhere.py")
    (elsewhere / "in.py").symlink_to(project / "project.py")
    (elsewhere / "folder").symlink_to(project)
    files = [project / "project.py", project / "out.py", elsewhere / "elsewhere.py"]
    files += [elsewhere / "in.py", elsewhere / "folder" / "project.py"]
    modules = {str(number): SimpleNamespace(__file__=str(f)) for number, f in enumerate(files)}
    monkeypatch.setattr(sys, "modules", modules)

    found = imports.sources(elsewhere / "folder")

    assert found == sorted([files[0], files[3], files[4]])


def test_what_a_process_has_begun_with_is_none_of_its_commands_modules(tmp_path, monkeypatch):
    for name in ("fork_server.py", "step.py"):
        (tmp_path / name).touch()
    names = {"__mp_main__": "fork_server.py", "__main__": "step.py"}
    modules = {n: SimpleNamespace(__file__=str(tmp_path / file)) for n, file in names.items()}
    monkeypatch.setattr(sys, "modules", modules)

    assert imports.sources(tmp_path) == [tmp_path / "step.py"]


@pytest.mark.usefixtures("plain_git")
class TestImports:
    @pytest.fixture
    def repository(self, tmp_path, monkeypatch):
        folder = make_repository(tmp_path / "project")
        (folder / ".gitignore").write_text("local_*.py\n__pycache__/\n")
        (folder / "local_depth.py").write_text("DEPTH = 1\n")
        commit_all(folder)
        monkeypatch.syspath_prepend(str(folder))
        yield folder
        for name in ("local_depth", "shared_depth"):
            sys.modules.pop(name, None)

    def test_of_files_that_git_ignores_are_named(self, repository):
        __import__("local_depth")

        assert imports.ignored(repository / "sub") == ("local_depth.py",)

    def test_of_files_that_git_has_are_not(self, repository):
        (repository / "shared_depth.py").write_text("DEPTH = 1\n")
        __import__("shared_depth")

        assert imports.ignored(repository) == ()

    def test_of_files_that_git_has_although_it_would_ignore_them_are_not(self, repository):
        git(repository, "add", "--force", "local_depth.py")
        __import__("local_depth")

        assert imports.ignored(repository) == ()

    def test_of_bytecode_of_an_earlier_edit_are_refused(self, repository, monkeypatch):
        __import__("local_depth")
        monkeypatch.setattr(bytecode, "_is_stale", lambda source: source.stem == "local_depth")

        with pytest.raises(CodeError, match=r"of an earlier edit: local_depth\.py"):
            imports.refuse_stale(repository)

    def test_outside_any_repository_are_nobodys_business(self, tmp_path):
        assert imports.ignored(tmp_path) == ()


class TestProjects:
    @pytest.fixture
    def project(self, edited):
        (edited.parent / ".gitignore").write_text("__pycache__/\nlocal.py\n")
        git(edited.parent, "init", "--quiet")
        commit_all(edited.parent)
        return edited.parent

    def test_with_bytecode_of_an_earlier_edit_is_refused(self, project):
        with pytest.raises(CodeError, match=r"bytecode of an earlier edit: depth\.py\."):
            imports.refuse_stale_files(project)

    def test_with_bytecode_of_an_earlier_edit_of_an_ignored_file_is_refused(self, project):
        (project / "depth.py").rename(project / "local.py")
        pycache = Path(cache_from_source(str(project / "depth.py")))
        pycache.rename(cache_from_source(str(project / "local.py")))

        with pytest.raises(CodeError, match=r"local\.py"):
            imports.refuse_stale_files(project)

    def test_with_its_own_bytecode_passes(self, project):
        py_compile.compile(str(project / "depth.py"))

        assert imports.refuse_stale_files(project) is None

    def test_with_other_bytecode_in_an_installed_package_passes(self, project):
        site = project / ".venv" / "lib" / "site-packages"
        site.mkdir(parents=True)
        (project / "depth.py").rename(site / "depth.py")
        (project / "__pycache__").rename(site / "__pycache__")

        assert imports.refuse_stale_files(project) is None

    def test_that_is_in_no_repository_passes(self, edited):
        assert imports.refuse_stale_files(edited.parent) is None
