"""Every signal that asks a process to end is an exception, once, and nobody else's is touched."""

import os
import signal
import threading

import pytest

from reprise.process import fork_server, interrupts
from reprise.process.interrupts import ENDING, deferred, handle, interruptible, restore

ALL = pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)


@pytest.fixture(autouse=True)
def _handlers():
    """Python's own handlers, and those of the test runner put back."""
    before = {number: signal.getsignal(number) for number in ENDING}
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def handlers():
    return [signal.getsignal(number) for number in ENDING]


@ALL
def test_a_signal_interrupts(number):
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(number)


def test_the_handlers_are_put_back():
    before = handlers()

    with interruptible():
        during = handlers()

    assert handlers() == before
    assert set(during).isdisjoint(before)


@ALL
def test_ctrl_c_of_python_is_replaced_too(number):
    signal.signal(number, signal.default_int_handler)

    with interruptible():
        assert signal.getsignal(number) is not signal.default_int_handler


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None], ids=["ignored", "handled"])
def test_a_signal_that_is_ignored_or_handled_stays_so(handler):
    signal.signal(signal.SIGHUP, handler)

    with interruptible():
        signal.raise_signal(signal.SIGHUP)

        assert signal.getsignal(signal.SIGHUP) is handler


@ALL
def test_signals_that_come_together_interrupt_once(number):
    closed = False

    with interruptible():
        try:
            signal.raise_signal(signal.SIGHUP)
        except KeyboardInterrupt:
            signal.raise_signal(number)
            closed = True

    assert closed


def test_a_signal_that_comes_later_interrupts_again(monkeypatch):
    clock = iter((0.0, 0.0, 60.0, 60.0))
    monkeypatch.setattr(interrupts.time, "monotonic", lambda: next(clock))

    with interruptible():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)


def test_the_error_is_of_the_callers_choice():
    replaced = handle(lambda number: SystemExit(128 + number))
    try:
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGHUP)
    finally:
        restore(replaced)

    assert ended.value.code == 128 + signal.SIGHUP


def test_another_thread_changes_no_handler():
    before, seen = handlers(), []

    def work():
        with interruptible():
            seen.append(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert seen == [before]


@ALL
def test_a_fork_ends_by_the_signal(number):
    with interruptible():
        pid = os.fork()
        if pid == 0:
            try:
                signal.raise_signal(number)
            finally:
                os._exit(0)
        _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == -number


def test_the_fork_server_which_cannot_import_it_has_the_same_set():
    assert fork_server.ENDING == ENDING


@ALL
def test_a_signal_waits_for_the_end_of_a_block_that_defers_it(number):
    done = []

    def work():
        with interruptible(), deferred():
            with deferred():
                signal.raise_signal(number)
                done.append("inner")
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        work()

    assert done == ["inner", "outer"]


def test_a_signal_that_waits_is_let_in_where_the_block_says_so():
    done = []

    with interruptible(), deferred() as admit:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            admit()
        done.append("admitted")

    assert done == ["admitted"]


def test_a_signal_after_a_block_has_let_signals_in_does_not_wait():
    with interruptible(), deferred() as admit:
        admit()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_a_second_signal_does_not_wait(monkeypatch):
    clock = iter((0.0, 0.0, 60.0, 60.0))
    monkeypatch.setattr(interrupts.time, "monotonic", lambda: next(clock))

    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        with deferred(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_without_a_signal_nothing_is_raised_and_errors_pass():
    with pytest.raises(ValueError, match="own"), interruptible(), deferred():
        raise ValueError("own")
