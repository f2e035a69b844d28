"""Whether the process that makes runs is still there is told truthfully, on any machine."""

import os
import subprocess
import sys
import threading
import time

import pytest

from reprise.sweeps import heartbeat

ELSEWHERE = "another-boot pid:[4026531836] 1:1"


@pytest.fixture
def driven(store):
    """Make a run that names its driver, and when that was last seen."""

    def driven(name, seen=0):
        tags = {heartbeat.DRIVER: name, heartbeat.LAST_SEEN: str(int(seen))}
        return store.run(store.make_run(status="RUNNING", tags=tags))

    return driven


@pytest.fixture
def process():
    """A process that ends when its input does, and its name as a driver."""
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        machine, _, _ = heartbeat.present().rpartition(" ")
        yield process, f"{machine} {process.pid}:{heartbeat._started(process.pid)}"


def test_this_process_is_alive_however_long_ago_it_was_seen(driven):
    assert heartbeat.is_alive(driven(heartbeat.present(), seen=0))


def test_another_process_of_this_machine_is_alive_until_it_ends(driven, process):
    other, name = process
    before = heartbeat.is_alive(driven(name))

    other.communicate()

    assert before
    assert not heartbeat.is_alive(driven(name, seen=time.time()))


def test_a_process_that_has_ended_is_not_alive_because_nobody_has_waited_for_it(driven, process):
    other, name = process

    other.stdin.close()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)

    assert not heartbeat.is_alive(driven(name, seen=time.time()))


def test_a_process_that_has_the_number_of_one_that_ended_is_not_that_one(driven):
    machine, _, _ = heartbeat.present().rpartition(" ")

    assert not heartbeat.is_alive(driven(f"{machine} {os.getpid()}:1", seen=time.time()))


def test_a_process_of_another_machine_is_alive_while_it_was_seen_lately(driven):
    assert heartbeat.is_alive(driven(ELSEWHERE, seen=time.time()))


def test_a_process_of_another_machine_is_not_alive_after_a_long_silence(driven):
    assert not heartbeat.is_alive(driven(ELSEWHERE, seen=time.time() - 3600))


def test_the_same_number_in_another_container_is_another_process(driven):
    boot, _, process = heartbeat.present().split()

    assert not heartbeat.is_alive(driven(f"{boot} pid:[1] {process}", seen=0))


def test_a_run_that_names_no_driver_has_none(store):
    assert not heartbeat.is_alive(store.run(store.make_run(status="RUNNING")))


def test_a_driver_names_itself_and_says_when_it_was_seen(store):
    run_id = store.make_run(status="RUNNING")
    earliest = int(time.time())

    with heartbeat.heartbeat(run_id):
        tags = store.tags(run_id)

    assert tags[heartbeat.DRIVER] == heartbeat.present()
    assert earliest <= int(tags[heartbeat.LAST_SEEN]) <= time.time()


def test_a_driver_goes_on_to_say_that_it_is_there(store, monkeypatch):
    monkeypatch.setattr(heartbeat, "_EVERY_SECONDS", 0.05)
    run_id = store.make_run(status="RUNNING")

    with heartbeat.heartbeat(run_id):
        store.client.delete_tag(run_id, heartbeat.LAST_SEEN)
        while heartbeat.LAST_SEEN not in store.tags(run_id):
            pass  # until it says so again

    assert heartbeat.LAST_SEEN in store.tags(run_id)


def test_a_driver_leaves_no_thread_behind_however_it_ends(store):
    run_id, before = store.make_run(status="RUNNING"), threading.enumerate()

    with pytest.raises(KeyboardInterrupt), heartbeat.heartbeat(run_id):
        raise KeyboardInterrupt

    assert threading.enumerate() == before
