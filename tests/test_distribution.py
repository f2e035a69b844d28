"""Tests that share a server run in one worker; those that need one are not in the fast ones."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from distribution import distribute

TESTS = Path(__file__).parent


class Item:
    """A test that was collected."""

    def __init__(self, name, *fixtures):
        self.path = Path(name.partition("::")[0])
        self.name = name
        self.fixturenames = fixtures
        self.marks = {}

    def add_marker(self, mark):
        self.marks[mark.name] = mark.args


def grouped(*items):
    given = list(items)
    distribute(given)
    return {item.name: item.marks["xdist_group"][0] for item in given}


def test_a_files_tests_stay_together():
    groups = grouped(Item("a.py::one"), Item("b.py::one"), Item("a.py::two"))

    assert groups == {"a.py::one": "a.py", "a.py::two": "a.py", "b.py::one": "b.py"}


def test_files_of_one_server_stay_together_with_all_of_their_tests():
    groups = grouped(
        Item("a.py::one", "stack"), Item("a.py::two"), Item("b.py::one", "tmp_path", "stack")
    )

    assert set(groups.values()) == {"stack"}


def test_servers_come_first_then_processes_and_else_the_order_is_kept():
    items = [
        Item("a.py::one"),
        Item("b.py::one", "warm_process"),
        Item("c.py::one", "tracking_server"),
        Item("a.py::two"),
        Item("d.py::one"),
        Item("d.py::two", "stack"),
    ]

    distribute(items)

    assert [item.name for item in items] == [
        *("d.py::one", "d.py::two", "c.py::one", "b.py::one", "a.py::one", "a.py::two"),
    ]


def test_what_needs_a_server_a_process_a_store_or_a_repository_is_slow():
    fixtures = ("stack", "tracking_server", "git_server", "warm_process", "store", "plain_git")
    needing = [Item(f"{name}.py::one", name) for name in fixtures]
    other = Item("other.py::one", "tmp_path")

    distribute([*needing, other])

    assert [item.name for item in [*needing, other] if "slow" in item.marks] == [
        item.name for item in needing
    ]


def test_an_attack_is_slow():
    attack = Item("tests/hostile/test_bombs.py::one")

    distribute([attack])

    assert "slow" in attack.marks


# Each test leaves the name of its worker, in a file of its own.
_TEST = """
import os
from pathlib import Path

import pytest

@pytest.mark.parametrize("number", range(2))
def test_one(number{fixture}):
    Path(f"{name}-{{number}}.worker").write_text(os.environ["PYTEST_XDIST_WORKER"])
"""
_CONFTEST = """
import distribution
import pytest

def pytest_collection_modifyitems(config, items):
    distribution.distribute(items)
    distribution.name_groups(config, items)

@pytest.fixture(scope="session")
def stack():
    pass
"""


@pytest.mark.slow
def test_the_workers_of_pytest_xdist_are_given_whole_groups(tmp_path):
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    for name, fixture in {"a": ", stack", "b": ", stack", "c": "", "d": ""}.items():
        (tmp_path / f"test_{name}.py").write_text(_TEST.format(name=name, fixture=fixture))
    words = ("-q", "-n", "2", "--dist", "loadgroup", "-p", "no:hypothesispytest")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    workers = {path.stem: path.read_text() for path in tmp_path.glob("*.worker")}
    assert len(workers) == 8
    stack = {workers[f"{file}-{number}"] for file in "ab" for number in range(2)}
    assert len(stack) == 1
    for file in "cd":
        assert workers[f"{file}-0"] == workers[f"{file}-1"]


def test_no_two_modules_of_tests_have_one_name():
    names = Counter(path.name for path in TESTS.rglob("*.py") if path.name != "conftest.py")

    assert [name for name, count in names.items() if count > 1] == []  # pytest imports by name
