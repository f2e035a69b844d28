"""uv is asked for the digests of what is installed, without what the index does not have."""

import subprocess
from pathlib import Path

import pytest

from reprise.projects import uv
from reprise.projects.requirements import Pin

PINS = [Pin(name, f"{name}==1.0", ()) for name in ("numpy", "private-one", "unbuilt")]


@pytest.fixture
def answers(monkeypatch):
    """Let uv answer as a function of the list says; the lists that it was given."""
    lists = []

    def answering(answer):
        def started(words, _folder, **_variables):
            lists.append(Path(words[-1]).read_text().split())
            error = answer(lists[-1])
            return subprocess.CompletedProcess(words, 1 if error else 0, "a lock", error)

        monkeypatch.setattr(uv, "_started", started)
        return lists

    return answering


def test_all_that_the_index_has_is_listed(answers):
    lists = answers(lambda _: "")

    assert uv.listed(PINS, "3.11.7") == "a lock"
    assert lists == [["numpy==1.0", "private-one==1.0", "unbuilt==1.0"]]


@pytest.mark.parametrize(
    "reason",
    [
        "Because private-one was not found in the package registry and you require",
        "Because there is no version of private-one==1.0 and you require",
        "Because private-one==1.0 has no usable wheels and you require",
    ],
)
def test_what_the_index_does_not_have_is_left_out(answers, reason):
    lists = answers(lambda names: reason if "private-one==1.0" in names else "")

    assert uv.listed(PINS, "3.11.7") == "a lock"
    assert lists[-1] == ["numpy==1.0", "unbuilt==1.0"]


@pytest.mark.parametrize(
    "reason",
    ["error sending request", "Because numpy was not found in the cache and you require numpy"],
)
def test_without_a_network_there_is_no_lock(answers, reason):
    lists = answers(lambda _: reason)

    assert uv.listed(PINS, "3.11.7") == ""
    assert len(lists) == 1


def test_where_the_index_has_nothing_there_is_no_lock(answers):
    answers(lambda names: f"Because {names[0][:-5]} was not found in the package registry")

    assert uv.listed(PINS[:2], "3.11.7") == ""
