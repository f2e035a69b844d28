"""A process is told from all others, and from those that have its number later."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from reprise.process import identity
from reprise.process.identity import ProcessIdentity

HERE = identity.current()


@pytest.fixture
def other():
    """A process that ends when its input does, and its identity."""
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        started = identity._started(process.pid)
        yield process, replace(HERE, pid=process.pid, started=started)


def test_text_of_an_identity_can_be_read_again():
    assert ProcessIdentity.parse(str(HERE)) == HERE


@pytest.mark.parametrize(
    "text", ["", "a b 1:1", "a b c d", "a b c -1:1", "a b c \u0661:1", "a b c 1:"]
)
def test_other_text_is_no_identity(text):
    assert ProcessIdentity.parse(text) is None


def test_this_process_has_not_ended():
    assert HERE.has_ended() is False


def test_another_process_has_ended_once_it_has(other):
    process, named = other
    before = named.has_ended()

    process.communicate()

    assert (before, named.has_ended()) == (False, True)


def test_a_process_that_nobody_has_waited_for_has_ended(other):
    process, named = other

    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert named.has_ended() is True


def test_a_process_that_has_the_number_of_one_that_ended_is_not_that_one():
    assert replace(HERE, started="1").has_ended() is True


@pytest.mark.parametrize("place", [{"boot": "another"}, {"namespace": "pid:[1]"}])
def test_a_process_of_another_machine_or_container_cannot_be_seen(place):
    assert replace(HERE, started="1", **place).has_ended() is None


def test_a_process_that_is_hidden_cannot_be_seen(monkeypatch):
    hidden = replace(HERE, pid=2**22 + 1, started="1")  # more than a kernel's largest

    def kill(*_):
        raise PermissionError

    monkeypatch.setattr(os, "kill", kill)

    assert hidden.has_ended() is None


def test_without_proc_nothing_can_be_seen(monkeypatch):
    monkeypatch.setattr(identity, "_place", lambda: ("-", "-"))

    assert identity.current().has_ended() is None
