"""What an entry point runs is what stock MLflow would run; its environment is the lock's."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.projects.utils import get_entry_point_command, load_project

from reprise.capture import environment
from reprise.errors import EnvironmentMismatchError, ProjectError
from reprise.projects import entry_points, environments

pytestmark = pytest.mark.slow  # starts processes

ROOT = Path(__file__).parents[3]
HERE = Path(sys.executable)
MLPROJECT = """\
name: tiny
entry_points:
  module:
    parameters:
      text: {type: string}
      other: {type: string, default: ""}
      number: {type: float, default: 2}
    command: "python -m tells --text {text} --other {other} --number {number}"
  shell:
    parameters:
      text: {type: string}
      other: {type: string, default: ""}
    command: "true && python tells.py {other} {text}"
  address:
    parameters: {text: {type: uri}}
    command: "python -m tells --text {text}"
"""
TELLS = "import sys\nsys.stdout.write('\\0'.join(sys.argv[1:]))\n"
ODD = {
    "a word": "iris",
    "spaces": " a  b ",
    "single quote": "it's",
    "double quotes": '"a"',
    "both quotes": "'\"",
    "command": "$(echo x)",
    "backticks": "`echo x`",
    "variable": "$HOME",
    "leading dash": "-x",
    "two dashes": "--other",
    "empty": "",
    "new line": "a\nb",
    "backslash": "a\\b\\",
    "glob": "*",
    "braces": "{text}",
    "semicolon": "a; exit 9",
    "unicode": "schräg→",
    "hash": "#a",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "MLproject").write_text(MLPROJECT)
    (tmp_path / "tells.py").write_text(TELLS)
    return tmp_path


def heard(words, folder):
    """The arguments with which a command's Python is started."""
    done = subprocess.run(words, cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().split("\0")


class TestWords:
    @pytest.mark.parametrize("value", ODD.values(), ids=ODD)
    @pytest.mark.parametrize("entry_point", ["module", "shell"])
    def test_start_what_mlflow_run_would_start(self, folder, entry_point, value):
        raw = {"text": value, "extra name": value}
        (stock,) = get_entry_point_command(load_project(folder), entry_point, raw, None)

        words = entry_points.words(folder, entry_point, raw)

        assert heard(words, folder) == heard(["bash", "-c", stock], folder)
        assert value in heard(words, folder)

    @given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
    def test_of_a_module_hold_any_value_as_it_is(self, tmp_path_factory, value):
        folder = tmp_path_factory.getbasetemp() / "any value"
        folder.mkdir(exist_ok=True)
        (folder / "MLproject").write_text(MLPROJECT)

        words = entry_points.words(folder, "module", {"text": value})

        assert words == [
            *("python", "-m", "tells", "--text", value, "--other", "", "--number", "2")
        ]

    def test_are_for_a_shell_where_the_command_is_more_than_a_module(self, folder):
        words = entry_points.words(folder, "shell", {"text": "a b"})

        assert words == ["bash", "-c", "true && python tells.py '' 'a b'"]

    @pytest.mark.parametrize("entry_point", ["load_data", "train_lr", "train_dt", "evaluate"])
    def test_of_this_projects_steps_need_no_shell(self, entry_point):
        words = entry_points.words(ROOT, entry_point, {"allow_untracked": "$(x)"})

        assert words[:3] == ["python", "-m", f"steps.{entry_point}"]
        assert words[-1] == "$(x)"

    def test_need_an_mlproject(self, tmp_path):
        with pytest.raises(ProjectError, match="expected an MLproject with the entry point main"):
            entry_points.words(tmp_path, "main", {})

    @pytest.mark.parametrize(
        ("entry_point", "raw", "said"),
        [
            ("no_such", {}, "no_such"),
            ("module", {}, "'text'"),
            ("address", {"text": "no address"}, "Expected URI"),
        ],
        ids=["entry point", "parameter", "address"],
    )
    def test_need_what_the_mlproject_declares(self, folder, entry_point, raw, said):
        with pytest.raises(ProjectError, match=said) as refusal:
            entry_points.words(folder, entry_point, raw)

        assert "\n" not in str(refusal.value)


def locked(*names):
    """The lines of the project's lock that pin some packages."""
    text = (ROOT / "requirements.txt").read_text()
    return "".join(
        re.search(rf"^{n}==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)[0] for n in names
    )


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A user's cache, with no environment in it yet."""
    monkeypatch.setenv("UV_CACHE_DIR", uv_cache())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "reprise" / "environments"


def uv_cache():
    done = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def lock(tmp_path):
    """A lock of one small package."""
    path = tmp_path / "requirements.txt"
    path.write_text(locked("threadpoolctl"))
    return path


def built(lock):
    return environments.built(lock, digest(lock), environment.python_version())


def installed(folder):
    return environment.installed_packages(map(str, folder.glob("lib/python*/site-packages")))


def says(python, code):
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr


class TestInterpreter:
    @pytest.fixture
    def present(self, lock):
        return environment.describe(lock.parent)

    def test_is_this_one_where_it_is_what_the_run_had(self, lock, present):
        assert present.deviations == ()
        assert environments.interpreter(present, lock.parent) == HERE

    @pytest.mark.parametrize("line_end", ["\n", "\r\n"])
    def test_is_this_one_where_an_earlier_version_recorded_a_lock_of_windows(
        self, lock, present, line_end
    ):
        text = lock.read_text()
        earlier = hashlib.sha256(text.replace("\n", "\r\n").encode()).hexdigest()
        recorded = present.model_copy(update={"lock_sha256": earlier})
        lock.write_text(text, newline=line_end)

        assert environments.interpreter(recorded, lock.parent) == HERE

    def test_is_this_one_where_further_packages_are_installed(self, lock, present):
        fewer = present.model_copy(update={"packages": {}})

        assert environments.interpreter(fewer, lock.parent) == HERE

    def test_is_this_one_where_the_run_was_never_locked(self, tmp_path, present):
        unlocked = present.model_copy(update={"lock_sha256": None, "python": "3.6.1"})

        assert environments.interpreter(unlocked, tmp_path) == HERE

    def test_is_this_one_where_it_deviates_from_the_lock_as_the_runs_did(self, lock):
        lock.write_text(lock.read_text().replace("==", "==0.", 1))
        present = environment.describe(lock.parent)

        assert len(present.deviations) == 1
        assert environments.interpreter(present, lock.parent) == HERE

    def test_is_built_where_the_runs_deviated_otherwise(self, lock, present, cached):
        otherwise = present.model_copy(update={"deviations": ("threadpoolctl 0, locked 1",)})

        found = environments.interpreter(otherwise, lock.parent)

        assert found.is_relative_to(cached)

    @pytest.mark.parametrize("change", ["edited", "gone"])
    def test_is_refused_where_the_lock_is_not_the_runs(self, lock, present, change):
        if change == "gone":
            lock.unlink()
        else:
            lock.write_text(lock.read_text() + "# edited\n")

        with pytest.raises(EnvironmentMismatchError, match="with SHA-256") as refusal:
            environments.interpreter(present, lock.parent)

        assert str(present.lock_sha256) in str(refusal.value)

    def test_of_a_python_that_nobody_has_is_refused_in_a_line(self, lock, present, cached):
        strange = present.model_copy(update={"python": "3.99.1"})

        with pytest.raises(EnvironmentMismatchError, match=r"Python 3\.99\.1") as refusal:
            environments.interpreter(strange, lock.parent)

        assert "\n" not in str(refusal.value)
        assert "uv python install 3.99.1" in str(refusal.value)

    @pytest.mark.parametrize("python", ["", "3.11", "/usr/bin/python3", "x/../../../victim", "-h"])
    def test_of_what_is_no_release_is_refused_and_touches_nothing(
        self, lock, present, cached, tmp_path, python
    ):
        (tmp_path / "victim").mkdir()
        altered = present.model_copy(update={"python": python})

        with pytest.raises(EnvironmentMismatchError, match="The record was altered"):
            environments.interpreter(altered, lock.parent)

        assert (tmp_path / "victim").is_dir()
        assert not cached.exists()


class TestBuilt:
    def test_has_what_the_lock_says_and_nothing_else(self, lock, cached):
        python = built(lock)

        folder = python.parents[1]
        assert folder.parent == cached
        assert installed(folder) == environment.locked_packages(lock.read_text())
        assert says(python, "import platform; print(platform.python_version())") == (
            environment.python_version()
        )

    def test_is_built_once(self, lock, cached, capfd):
        first = built(lock)
        stamp = (first.parents[1] / "complete").stat().st_mtime_ns

        second = built(lock)

        assert second == first
        assert (first.parents[1] / "complete").stat().st_mtime_ns == stamp
        assert capfd.readouterr().err.count("building") == 1

    def test_is_built_once_by_two_processes_at_once(self, lock, cached):
        code = (
            "import sys; from pathlib import Path; from reprise.projects import environments; "
            "print(environments.built(Path(sys.argv[1]), *sys.argv[2:]))"
        )
        words = [HERE, "-c", code, lock, digest(lock), environment.python_version()]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

        both = [subprocess.Popen(words, cwd=ROOT, **pipes) for _ in range(2)]
        said = [process.communicate() for process in both]

        assert [process.returncode for process in both] == [0, 0], said
        assert said[0][0] == said[1][0]
        assert sum(errors.count("building") for _, errors in said) == 1

    @pytest.mark.parametrize(
        "damage",
        [
            lambda folder: (folder / "complete").unlink(),
            lambda folder: (folder / "bin" / "python").unlink(),
            lambda folder: shutil.rmtree(next(folder.glob("lib/*/site-packages/*.dist-info"))),
            lambda folder: next(folder.glob("lib/*/site-packages/*.dist-info")).rename(
                folder / "lib" / "moved"
            ),
        ],
        ids=["cut short", "without its Python", "without a package", "package moved"],
    )
    def test_is_built_again_where_it_is_damaged(self, lock, cached, damage):
        folder = built(lock).parents[1]
        damage(folder)

        python = built(lock)

        assert says(python, "import threadpoolctl; print('there')") == "there"
        assert installed(folder) == environment.locked_packages(lock.read_text())

    def test_is_built_again_where_its_python_is_gone(self, lock, cached):
        python = built(lock)
        python.unlink()
        python.symlink_to("/no/such/python")

        again = built(lock)

        assert says(again, "import threadpoolctl; print('there')") == "there"

    def test_of_another_lock_is_another(self, lock, cached, tmp_path):
        first = built(lock)
        lock.write_text(locked("packaging"))

        second = built(lock)

        assert second != first
        assert says(second, "import packaging; print('there')") == "there"
        assert "ModuleNotFoundError" in says(second, "import threadpoolctl")

    def test_of_a_package_with_another_hash_is_refused(self, lock, cached):
        lock.write_text(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", lock.read_text()))

        with pytest.raises(EnvironmentMismatchError, match="found that uv cannot") as refusal:
            built(lock)

        assert "\n" not in str(refusal.value)
        assert not list(cached.glob("*/complete"))

    def test_of_a_lock_without_hashes_is_refused(self, lock, cached):
        lock.write_text(lock.read_text().partition(" ")[0] + "\n")

        with pytest.raises(EnvironmentMismatchError, match="hash"):
            built(lock)

    def test_needs_uv(self, lock, cached, monkeypatch, tmp_path):
        elsewhere = tmp_path / "bin" / "python"
        monkeypatch.setattr(sys, "executable", str(elsewhere))  # where no uv is beside it
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(
            EnvironmentMismatchError, match="expected uv beside Python or on PATH, found none"
        ):
            built(lock)


class TestCache:
    def test_is_the_users(self, monkeypatch, tmp_path):
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))

        assert environments.cache() == tmp_path / ".cache" / "reprise" / "environments"

    def test_may_be_set_as_other_programs_have_it(self, monkeypatch, tmp_path):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

        assert environments.cache() == tmp_path / "reprise" / "environments"
