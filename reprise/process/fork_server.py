"""A process that makes runs in forks of itself: it has imported what they need, once.

It runs in a checkout of the runs' code, so that what is edited meanwhile reaches no run. Orders
and answers are lines of JSON, on the channel that `launcher` leaves open. A run is a fork that runs
the unmodified step module, as `python -m` would with the same arguments and variables: no state
leaks from one to another, and a crash loses one. No run outlives this process, nor this process the
one that started it.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from reprise import env
from reprise.process import interrupts
from reprise.process.launcher import CHANNEL

_GRACE_SECONDS = 10
_STOP = {"stop": True}
_RECEIVED = 1 << 16  # bytes at a time


@dataclass(frozen=True)
class Child:
    """A run's process."""

    number: int
    pid: int
    ended: int  # file descriptor that tells of its end
    folder: Path
    started: float


class Host:
    """Makes runs as the channel asks, a few at a time.

    Parameters
    ----------
    channel : socket
    workers : int
        Most runs at a time.
    folder : Path
        For what they print, and for their temporary files; not there yet, or empty.
    """

    def __init__(self, channel: socket.socket, *, workers: int, folder: Path) -> None:
        self._channel = channel
        self._workers = workers
        self._folder = folder
        self._waiting: deque[dict[str, Any]] = deque()
        self._children: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(channel, selectors.EVENT_READ)
        self._alive = os.pipe()  # forks read its end when this process is gone

    def serve(self) -> None:
        """Do as asked until nobody can ask any more."""
        received = b""
        while True:
            for key, _ in self._selector.select():
                if key.data is not None:
                    self._reap(key.data)
                    continue
                more = self._channel.recv(_RECEIVED)
                if not more:
                    return
                *lines, received = (received + more).split(b"\n")
                for order in map(json.loads, lines):
                    self._take(order)
            while self._waiting and len(self._children) < self._workers:
                self._start(self._waiting.popleft())

    def end(self) -> None:
        """Ask every run to end, and see to it that it does."""
        self._terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        while self._children and (left := deadline - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                if key.data is not None:
                    self._forget(key.data)
        for child in list(self._children.values()):
            os.kill(child.pid, signal.SIGKILL)
            self._forget(child)

    def _take(self, order: dict[str, Any]) -> None:
        if order != _STOP:
            self._waiting.append(order)
            return
        for waiting in self._waiting:
            self._answer(number=waiting["number"], exit_code=-signal.SIGTERM)
        self._waiting.clear()
        self._terminate()

    def _terminate(self) -> None:
        for child in self._children.values():
            os.kill(child.pid, signal.SIGTERM)

    def _start(self, order: dict[str, Any]) -> None:
        folder = self._folder / str(order["number"])
        (folder / "tmp").mkdir(parents=True)
        # Until each knows which one it is.
        signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.ENDING)
        pid = os.fork()
        if pid == 0:
            self._be_run(order, folder)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.ENDING)
        child = Child(order["number"], pid, os.pidfd_open(pid), folder, time.monotonic())
        self._children[child.number] = child
        self._selector.register(child.ended, selectors.EVENT_READ, child)

    def _reap(self, child: Child) -> None:
        """Tell how a run ended."""
        exit_code = self._forget(child)
        seconds = time.monotonic() - child.started
        output = (child.folder / "log").read_text(encoding="utf-8", errors="replace")
        report = child.folder / "report.json"
        told = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
        shutil.rmtree(child.folder, ignore_errors=True)
        self._answer(
            number=child.number, exit_code=exit_code, seconds=seconds, output=output, **told
        )

    def _forget(self, child: Child) -> int:
        """Take leave of a run's process, which has ended, and return its exit code."""
        _, status = os.waitpid(child.pid, 0)
        del self._children[child.number]
        self._selector.unregister(child.ended)
        os.close(child.ended)
        return os.waitstatus_to_exitcode(status)

    def _answer(self, **facts: Any) -> None:
        with contextlib.suppress(ConnectionError):  # nobody listens: the next reading tells
            self._channel.sendall(json.dumps(facts).encode() + b"\n")

    def _be_run(self, order: dict[str, Any], folder: Path) -> NoReturn:
        """Be the process of one run."""
        exit_code = 1
        try:
            interrupts.reset()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.ENDING)
            self._selector.close()
            self._channel.close()
            os.close(self._alive[1])
            threading.Thread(target=_end_with, args=(self._alive[0],), daemon=True).start()
            log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.environ |= order["environment"]
            os.environ |= {"TMPDIR": str(folder / "tmp"), env.REPORT: str(folder / "report.json")}
            tempfile.tempdir = None
            _reseed()
            exit_code = _run_module(order["module"], order["arguments"])
        except BaseException:  # noqa: BLE001 - a fork must not become a second host
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
            os._exit(exit_code)


def _run_module(module: str, arguments: list[str]) -> int:
    """Do what `python -m module arguments` does, and return its exit code."""
    sys.argv = [module, *arguments]
    exit_code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        exit_code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)  # noqa: T201 - as Python does
    except BaseException:  # noqa: BLE001 - as Python ends with any error
        traceback.print_exc()
        exit_code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as multiprocessing does
    return exit_code


def _reseed() -> None:
    """Let an unseeded generator give other values than in other forks, as in a new process."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()


def _end_with(alive: int) -> None:
    """Interrupt this fork when the process that made it is gone."""
    os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Be the process: import, then serve."""
    workers, name, *preload = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt), interrupts.interruptible():
        for module in preload:
            try:
                importlib.import_module(module)
            except Exception:  # noqa: BLE001 - each run will say so itself
                traceback.print_exc()
        gc.freeze()  # forks share these objects; collecting them would copy their pages
        with socket.socket(fileno=int(os.environ.pop(CHANNEL))) as channel:
            host = Host(channel, workers=int(workers), folder=Path(name) / "runs")
            try:
                host.serve()
            finally:
                host.end()
                shutil.rmtree(name, ignore_errors=True)  # who made it may be gone


if __name__ == "__main__":
    main()
