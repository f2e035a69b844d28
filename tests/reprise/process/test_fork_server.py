"""The server gives a command the signals as they were, and ends its forks with itself."""

import json
import signal
import socket

import pytest

from reprise.process.fork_server import ENDING, Server

BECOME = {"words": ["true"], "enter": {"folder": "/", "environment": {}}}


@pytest.fixture
def channel():
    """The other end of a server's channel; the test runner's handlers put back.

    What runs the tests in the background ignores some signals, and so would they.
    """
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in ENDING}
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs
    for number, handler in handlers.items():
        signal.signal(number, handler)


def handlers():
    return {number: signal.getsignal(number) for number in ENDING}


def ordered(channel, *orders):
    """A server with orders that wait for it."""
    ours, theirs = channel
    ours.sendall(b"".join(json.dumps(order).encode() + b"\n" for order in orders))
    return Server(theirs)


def test_a_command_to_become_is_returned_with_the_signals_as_they_were(channel):
    before = handlers()
    server = ordered(channel, BECOME)
    during = handlers()

    assert server.serve() == BECOME

    assert handlers() == before
    assert set(during.values()).isdisjoint(before.values())


def test_a_signal_that_is_ignored_stays_so(channel):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    ordered(channel)

    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
def test_a_signal_interrupts_the_server_once(channel, number):
    server = ordered(channel)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)

    signal.raise_signal(number)

    server.end()


def test_without_an_order_it_serves_until_nobody_can_ask(channel):
    server = ordered(channel)
    channel[0].close()

    assert server.serve() is None


def test_what_waits_when_all_is_to_stop_is_answered_and_not_begun(channel):
    ours, _ = channel
    orders = [{"number": n, "words": ["false"]} for n in (1, 2)]
    server = ordered(channel, *orders, {"stop": True})
    ours.shutdown(socket.SHUT_WR)

    assert server.serve() is None

    answers = [json.loads(line) for line in ours.recv(1 << 16).splitlines()]
    assert [(a["number"], a["exit_code"]) for a in answers] == [(1, -15), (2, -15)]
