"""What is installed is told from the environment's files, and held against the lock."""

import hashlib
import importlib.metadata
import platform
import sys

import pytest

from reprise.capture.environment import (
    describe,
    deviations,
    environment_manager,
    installed_packages,
    locked_packages,
    normalised,
)

LOCK = """\
# made by uv
numpy==2.4.6 \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb
    # via scikit-learn
Scikit_Learn==1.9.1 ; python_full_version >= '3.11' \\
    --hash=sha256:cccc
python-dateutil==2.9.0.post0
moto[s3,server]==5.2.5 \\
    --hash=sha256:dddd
torch==2.9.0+cpu; sys_platform == 'linux'
"""


def install(folder, *names):
    for name in names:
        (folder / f"{name}.dist-info").mkdir(parents=True)
    return str(folder)


def test_packages_are_named_by_their_dist_info_folders(tmp_path):
    path = [install(tmp_path, "numpy-2.4.6", "Scikit_Learn-1.9.1", "torch-2.9.0+cpu")]

    found = installed_packages(path)

    assert found == {"numpy": "2.4.6", "scikit-learn": "1.9.1", "torch": "2.9.0+cpu"}
    assert list(found) == sorted(found)


def test_the_first_folder_on_the_path_wins_as_it_does_for_imports(tmp_path):
    path = [install(tmp_path / "first", "a-1.0"), install(tmp_path / "second", "a-2.0", "b-1.0")]

    found = installed_packages(path)

    assert found == {"a": "1.0", "b": "1.0"}


def test_entries_of_the_path_that_are_no_folders_are_passed_over(tmp_path):
    (tmp_path / "python311.zip").write_bytes(b"PK")

    found = installed_packages([str(tmp_path / "missing"), str(tmp_path / "python311.zip")])

    assert found == {}


def test_the_folders_tell_what_the_metadata_tells():
    from_metadata = {}
    for distribution in importlib.metadata.distributions():
        from_metadata.setdefault(normalised(distribution.metadata["Name"]), distribution.version)
    from_metadata.pop("mlflow-reprise", None)  # the project itself

    found = installed_packages(sys.path)

    assert found == dict(sorted(from_metadata.items()))


def test_a_lock_names_packages_and_versions():
    found = locked_packages(LOCK)

    assert found == {
        "numpy": "2.4.6",
        "scikit-learn": "1.9.1",
        "python-dateutil": "2.9.0.post0",
        "moto": "5.2.5",
        "torch": "2.9.0+cpu",
    }


def test_what_is_not_installed_as_locked_deviates():
    locked = {"scipy": "1.17.0", "numpy": "2.4.6", "skops": "0.16.0"}
    installed = {"numpy": "2.4.5", "skops": "0.16.0", "pytest": "9.2.0"}

    found = deviations(locked, installed)

    assert found == ("numpy 2.4.5, locked 2.4.6", "scipy missing, locked 1.17.0")


def test_an_environment_as_locked_does_not_deviate():
    assert deviations({"numpy": "2.4.6"}, {"numpy": "2.4.6", "pytest": "9.2.0"}) == ()


@pytest.mark.parametrize("name", ["Foo.Bar", "foo_bar", "FOO--bar", "foo-_.bar"])
def test_spellings_of_one_name_are_one_package(name):
    assert normalised(name) == "foo-bar"


@pytest.mark.parametrize(
    ("files", "manager"),
    [
        ({}, "system"),
        ({"conda-meta/history": ""}, "conda"),
        ({"pyvenv.cfg": "home = /usr/bin\nuv = 0.13.9\n"}, "uv"),
        ({"pyvenv.cfg": "uv = 0.13.9\n"}, "uv"),
        ({"pyvenv.cfg": "home = /usr/bin\nprompt = uv = 1\n"}, "virtualenv"),
        ({"pyvenv.cfg": "home = /usr/bin\n"}, "virtualenv"),
        ({"conda-meta/history": "", "pyvenv.cfg": "home = /usr/bin\n"}, "conda"),
    ],
    ids=str,
)
def test_what_made_an_environment_is_told_from_its_files(tmp_path, files, manager):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert environment_manager(tmp_path) == manager


def test_a_project_is_described_with_its_lock(tmp_path, monkeypatch):
    lock = tmp_path / "requirements.txt"
    lock.write_text(LOCK)
    monkeypatch.setattr(
        sys, "path", [install(tmp_path / "site", "numpy-2.4.6", "moto-5.2.5", "torch-2.9.0")]
    )

    found = describe(tmp_path)

    assert found.lock_sha256 == hashlib.sha256(LOCK.encode()).hexdigest()
    assert found.packages == {"moto": "5.2.5", "numpy": "2.4.6", "torch": "2.9.0"}
    assert found.deviations == (
        "python-dateutil missing, locked 2.9.0.post0",
        "scikit-learn missing, locked 1.9.1",
        "torch 2.9.0, locked 2.9.0+cpu",
    )
    assert (found.python, found.implementation) == (
        platform.python_version(),
        platform.python_implementation(),
    )


def test_the_line_ends_of_a_lock_do_not_change_its_digest(tmp_path):
    digests = []
    for line_end in ("\n", "\r\n"):
        (tmp_path / "requirements.txt").write_text(LOCK, newline=line_end)
        digests.append(describe(tmp_path).lock_sha256)

    assert digests == [hashlib.sha256(LOCK.encode()).hexdigest()] * 2


def test_a_project_without_a_lock_has_no_digest_and_no_deviations(tmp_path):
    found = describe(tmp_path)

    assert (found.lock_sha256, found.deviations) == (None, ())


def test_who_knows_what_built_the_environment_may_say_so(tmp_path):
    assert describe(tmp_path, manager="docker").manager == "docker"
