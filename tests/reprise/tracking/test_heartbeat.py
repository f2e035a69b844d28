"""Whether the process of a run is still there is reported truthfully, on any machine."""

import threading
import time
from dataclasses import replace

import pytest

from reprise import tracking
from reprise.process import identity
from reprise.tracking import heartbeat

HERE = identity.current()
GONE = replace(HERE, started="1")
ELSEWHERE = replace(HERE, host="other", boot="another-boot")
CONTAINER = replace(HERE, namespace="pid:[1]")


@pytest.fixture
def held(store):
    """Make a run that names its process, and when that was last seen."""

    def held(process, seconds_ago=0.0):
        tags = {tracking.PROCESS: str(process), tracking.SEEN: str(int(time.time() - seconds_ago))}
        return store.run(store.make_run(status="RUNNING", tags=tags))

    return held


@pytest.mark.parametrize(
    ("process", "seconds_ago", "is_gone"),
    [
        (HERE, 10**6, False),
        (GONE, 0, True),
        (ELSEWHERE, 0, False),
        (ELSEWHERE, heartbeat.SILENT_SECONDS - 60, False),
        (ELSEWHERE, heartbeat.SILENT_SECONDS + 60, True),
        (replace(CONTAINER, started="1"), 0, False),
        (CONTAINER, heartbeat.SILENT_SECONDS + 60, True),
    ],
    ids=[
        "here, however long it was silent",
        "here, with the number of another",
        "of another machine",
        "of another machine, silent for a moment",
        "of another machine, silent",
        "of another container with the same number",
        "of another container, silent",
    ],
)
def test_a_process_is_gone_if_it_does_not_exist_or_elsewhere_is_silent(
    held, process, seconds_ago, is_gone
):
    assert tracking.is_gone(held(process, seconds_ago)) is is_gone


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {tracking.PROCESS: "a b c 1"},
        {tracking.PROCESS: "a b c 99999999999999999999:1", tracking.SEEN: "0"},
        {tracking.PROCESS: "a b c ../../etc:1", tracking.SEEN: "0"},
        {tracking.PROCESS: str(ELSEWHERE)},
        {tracking.PROCESS: str(ELSEWHERE), tracking.SEEN: "never"},
        {tracking.PROCESS: str(ELSEWHERE), tracking.SEEN: "nan"},
    ],
)
def test_a_run_whose_tags_do_not_say_it_is_not_taken_for_dead(store, tags):
    run = store.run(store.make_run(status="RUNNING", tags=tags))

    assert not tracking.is_gone(run)


def test_a_run_names_its_process_and_says_when_it_was_seen():
    earliest = int(time.time())

    tags = tracking.holding()

    assert tags[tracking.PROCESS] == str(HERE)
    assert earliest <= int(tags[tracking.SEEN]) <= time.time()


def test_a_process_goes_on_to_say_that_it_is_there(store, monkeypatch):
    monkeypatch.setattr(heartbeat, "_EVERY_SECONDS", 0.05)
    run_id = store.make_run(status="RUNNING")

    with tracking.beating(run_id):
        while tracking.SEEN not in store.tags(run_id):
            pass  # until it says so

    assert tracking.SEEN in store.tags(run_id)


def test_a_server_that_is_away_does_not_end_it(store, monkeypatch):
    monkeypatch.setattr(heartbeat, "_EVERY_SECONDS", 0.01)
    refused = threading.Event()
    asked = []

    class Away:
        def set_tag(self, *_):
            asked.append(1)
            if len(asked) > 1:
                refused.set()
            raise ConnectionError

    monkeypatch.setattr(heartbeat, "client", Away)

    with tracking.beating("0" * 32):
        assert refused.wait(60)


def test_it_leaves_no_thread_behind_however_it_ends(store):
    run_id, before = store.make_run(status="RUNNING"), threading.enumerate()

    with pytest.raises(KeyboardInterrupt), tracking.beating(run_id):
        raise KeyboardInterrupt

    assert threading.enumerate() == before
