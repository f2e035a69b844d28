"""A replay never takes another environment for the recorded one without a word."""

import sys
from pathlib import Path

import pytest

from reprise.errors import EnvironmentMismatchError
from reprise.observing import environment
from reprise.observing.begin import described
from reprise.observing.environment import differing, folders_of_project, interpreter
from reprise.projects import environments
from reprise.projects.requirements import Pin
from reprise.record.digest import sha256_file, sha256_text
from reprise.record.schema import Environment

INSTALLED = Environment(
    python="3.11.7",
    implementation="CPython",
    manager="uv",
    platform="Linux",
    lock_sha256=None,
    deviations=(),
    packages={"numpy": "2.4.6", "pandas": "3.0.0"},
    files={"numpy": "1" * 64, "pandas": "2" * 64},
)

POETRY = f"""\
[[package]]
name = "numpy"
version = "2.4.6"
files = [{{file = "numpy-2.4.6.tar.gz", hash = "sha256:{"1" * 64}"}}]

[[package]]
name = "pandas"
version = "3.0.0"
"""
PIN = Pin("numpy", "numpy==2.4.6", ("sha256:" + "1" * 64,))


def with_(**changes):
    return INSTALLED.model_copy(update=changes)


@pytest.fixture
def current(monkeypatch):
    """Let the current environment be another."""

    def current(installed):
        monkeypatch.setattr(environment, "described", lambda *_: installed)

    return current


@pytest.fixture
def built(monkeypatch):
    """The lists of which an environment would have been built."""
    lists = []

    def build(pins, text, sha256, python, allow_build):
        lists.append((text, python))
        return Path("/built")

    monkeypatch.setattr(environments, "built_from", build)
    return lists


def test_this_environment_is_described_with_every_distribution_and_its_files(tmp_path):
    here = described(Path(sys.executable), tmp_path)

    assert here.packages.keys() >= {"numpy", "mlflow", "pydantic"}
    assert len(here.files["numpy"]) == 64
    assert here.lock_sha256 is None


def test_another_interpreter_describes_itself_as_this_one_does(tmp_path):
    link = tmp_path / "python"  # found by its name, so that it is asked
    link.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    link.chmod(0o755)

    assert described(link, tmp_path) == described(Path(sys.executable), tmp_path)


def test_a_list_without_hashes_is_no_lock(tmp_path):
    (tmp_path / "requirements.txt").write_text("numpy>=1\n")

    assert described(Path(sys.executable), tmp_path).lock_sha256 is None


def test_the_lock_of_a_project_is_recorded_with_its_name_and_what_deviates(tmp_path):
    (tmp_path / "poetry.lock").write_text('[[package]]\nname = "numpy"\nversion = "0.1"\n')

    here = described(Path(sys.executable), tmp_path)

    assert here.lock == "poetry.lock"
    assert here.lock_sha256 == sha256_file(tmp_path / "poetry.lock")
    assert here.deviations == (f"numpy {here.packages['numpy']}, locked 0.1",)


def test_a_lock_that_cannot_be_read_is_none_and_that_is_said(tmp_path, capsys):
    (tmp_path / "poetry.lock").write_text("[[")

    assert described(Path(sys.executable), tmp_path).lock_sha256 is None
    assert "expected the lock poetry.lock" in capsys.readouterr().err


def test_an_environment_is_built_with_the_digests_of_the_lock(tmp_path, current, built):
    lock = tmp_path / "poetry.lock"
    lock.write_text(POETRY)
    recorded = with_(lock="poetry.lock", lock_sha256=sha256_file(lock))
    current(with_(packages={}))

    interpreter(recorded, tmp_path)

    assert built == [(f"numpy==2.4.6 --hash=sha256:{'1' * 64}\npandas==3.0.0\n", "3.11.7")]


def test_an_environment_is_built_with_the_digests_of_the_lock_that_was_written_for_the_run(
    tmp_path, current, built
):
    current(with_(packages={"numpy": "1", "pandas": "1"}))
    other = Pin("evil", "evil==1", ("sha256:" + "2" * 64,))

    interpreter(INSTALLED, tmp_path, written=[PIN, other])

    assert built == [(f"{PIN.line()}\npandas==3.0.0\n", "3.11.7")]


@pytest.mark.parametrize("text", [f"{POETRY}\n# another", None])
def test_a_commit_with_another_lock_is_refused(tmp_path, text):
    if text:
        (tmp_path / "poetry.lock").write_text(text)
    recorded = with_(lock="poetry.lock", lock_sha256=sha256_text(POETRY))

    with pytest.raises(EnvironmentMismatchError, match=r"'poetry\.lock' with SHA-256"):
        interpreter(recorded, tmp_path)


def test_an_environment_of_conda_is_not_built_but_named(tmp_path, current, built):
    lock = tmp_path / "pixi.lock"
    lock.write_text("version: 6\n")
    current(with_(packages={}))

    with pytest.raises(EnvironmentMismatchError, match=r"lock pixi\.lock, .*create it"):
        interpreter(with_(lock="pixi.lock", lock_sha256=sha256_file(lock)), tmp_path)

    assert built == []


def test_the_current_environment_serves_where_it_has_all_that_the_run_had(tmp_path, current, built):
    current(with_(packages={**INSTALLED.packages, "more": "1"}))

    assert interpreter(INSTALLED, tmp_path) == Path(sys.executable)
    assert built == []


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"packages": {"numpy": "2.4.6", "pandas": "3.0.1"}}, ["pandas"]),
        ({"packages": {"numpy": "2.4.6"}}, ["pandas"]),
        ({"files": {"numpy": "3" * 64, "pandas": "2" * 64}}, ["numpy"]),
        ({"python": "3.12.1"}, ["Python"]),
    ],
)
def test_another_environment_is_named_and_one_is_built_of_what_the_run_had(
    tmp_path, current, built, changes, names
):
    current(with_(**changes))
    (tmp_path / "requirements.txt").write_text("pandas\n")

    assert differing(INSTALLED, with_(**changes)) == names
    assert interpreter(INSTALLED, tmp_path) == Path("/built")
    assert built == [("numpy==2.4.6\npandas==3.0.0\n", "3.11.7")]


@pytest.mark.parametrize("allowed", [(), ("else",)])
def test_what_only_the_record_names_is_not_installed(tmp_path, current, built, allowed):
    current(with_(packages={"numpy": "2.4.6"}))
    recorded = with_(packages={**INSTALLED.packages, "evil-package": "1.0"})
    (tmp_path / "requirements.txt").write_text("Pandas>=2\n")

    with pytest.raises(EnvironmentMismatchError, match=r"alone: evil-package\. .*-P allow_"):
        interpreter(recorded, tmp_path, allow_packages=allowed)

    assert built == []


@pytest.mark.parametrize("allowed", [("Evil_Package",), ("true",)])
def test_what_only_the_record_names_is_installed_if_the_user_says_so(
    tmp_path, current, built, allowed
):
    current(INSTALLED)
    recorded = with_(packages={**INSTALLED.packages, "evil-package": "1.0"})

    assert interpreter(recorded, tmp_path, allow_packages=allowed) == Path("/built")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements-dev.txt", "some.package[extra]>=1\n"),
        ("conda.yaml", "dependencies:\n  - pip:\n      - some_package==1\n"),
        ("pyproject.toml", '[project]\ndependencies = ["Some-Package~=1.0"]\n'),
        ("uv.lock", '[[package]]\nname = "some-package"\n'),
    ],
)
def test_what_a_list_of_the_commit_names_is_installed(tmp_path, current, built, name, text):
    current(INSTALLED)
    (tmp_path / name).write_text(text)

    interpreter(with_(packages={**INSTALLED.packages, "some-package": "1.0"}), tmp_path)

    assert len(built) == 1


def test_what_no_index_has_is_refused_by_name_and_origin(tmp_path, current, built):
    current(with_(packages={}))
    recorded = with_(origins={"pandas": "git+https://example.org/pandas@1f0e"})

    with pytest.raises(EnvironmentMismatchError, match=r"pandas of git\+https://example.org"):
        interpreter(recorded, tmp_path)

    assert built == []


@pytest.mark.parametrize("name", ["numpy @ file:///x", "--index-url=http://x", "a\nb"])
def test_a_name_that_is_none_of_a_distribution_is_refused(tmp_path, current, built, name):
    current(with_(packages={}))

    with pytest.raises(EnvironmentMismatchError, match="altered"):
        interpreter(with_(packages={name: "1.0"}), tmp_path)

    assert built == []


def test_what_is_installed_of_the_repository_itself_comes_from_the_checkout(
    tmp_path, current, built
):
    (tmp_path / "lib" / "src").mkdir(parents=True)
    recorded = with_(
        packages={**INSTALLED.packages, "mine": "0.1"},
        origins={"mine": "editable <project>/lib", "out": "editable <project>/../.."},
    )
    current(INSTALLED)

    assert interpreter(recorded, tmp_path) == Path(sys.executable)
    assert folders_of_project(recorded, tmp_path) == [str(tmp_path / "lib" / "src")]
