"""A process that has imported libraries, and runs commands: itself, or in forks of itself.

Nearly all of a short step's time is imports, and they can begin while nobody knows yet what will
run. `launcher` starts this file as a script. It needs nothing but Python's own library, and imports
of a project only what is ordered, as the project's code may be that of any commit. Orders are
lines of JSON, on the socket that is its standard input:

{"words": […], "enter": …}               become this command; there are no orders after it
{"enter": …, "preload": […], …}          go to a folder, and import modules of the project in it
{"number": n, "words": […], …}           run a command in a fork, and answer how it ended
{"stop": true}                           end every fork, and start none that waits

"enter" has the "folder" to be in, and the whole "environment"; "variables" come on top. A fork does
what `python -m` would with the same arguments and variables: no state leaks from one to another,
and a crash loses one. No fork outlives this process, nor this process the one that started it.
"""

import atexit
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
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

# As process/interrupts.py has it, which this process cannot import.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
GRACE_SECONDS = 10
_INTERRUPTED = 130  # exit code
_RECEIVED = 1 << 16  # bytes at a time


@dataclass(frozen=True)
class Child:
    """The process of a command."""

    number: int
    pid: int
    ended: int  # file descriptor that is ready at its end
    folder: Path | None  # for its output and its temporary files; None: it has this process's
    started: float


class Server:
    """Runs commands in forks, as the channel asks, a few at a time."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._workers = 1
        self._scratch: Path | None = None
        self._waiting: deque[dict[str, Any]] = deque()
        self._children: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(channel, selectors.EVENT_READ)
        self._alive = os.pipe()  # forks read its end when this process is gone
        # What is ignored (as by `nohup`) stays so.
        heeded = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
        self._handlers = {number: signal.signal(number, _interrupt) for number in heeded}

    def serve(self) -> dict[str, Any] | None:
        """Do as asked, until there is a command to become; None: until nobody asks any more."""
        received = b""
        while True:
            for key, _ in self._selector.select():
                if key.data is not None:
                    self._answer_for(key.data)
                    continue
                more = self._channel.recv(_RECEIVED)
                if not more:
                    return None
                *lines, received = (received + more).split(b"\n")
                for order in map(json.loads, lines):
                    if "words" in order and "number" not in order:
                        self._restore_handlers()
                        return dict(order)
                    self._take(order)
            while self._waiting and len(self._children) < self._workers:
                self._start(self._waiting.popleft())

    def end(self) -> None:
        """Ask every fork to end, and see to it that it does."""
        self._terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        while self._children and (left := deadline - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                if key.data is not None:
                    self._reap(key.data)
        for child in list(self._children.values()):
            os.kill(child.pid, signal.SIGKILL)
            self._reap(child)
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)  # who made it may be gone

    def _take(self, order: dict[str, Any]) -> None:
        if "number" in order:
            self._waiting.append(order)
        elif "preload" in order:
            self._workers, self._scratch = order["workers"], Path(order["scratch"])
            _enter(order["enter"])
            _import(order["preload"])
        else:
            for waiting in self._waiting:
                self._answer(number=waiting["number"], exit_code=-signal.SIGTERM)
            self._waiting.clear()
            self._terminate()

    def _terminate(self) -> None:
        for child in self._children.values():
            os.kill(child.pid, signal.SIGTERM)

    def _start(self, order: dict[str, Any]) -> None:
        folder = self._scratch / "runs" / str(order["number"]) if self._scratch else None
        if folder:
            (folder / "tmp").mkdir(parents=True)
        # Until each knows which one it is.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        pid = os.fork()
        if pid == 0:
            self._run_in_child(order, folder)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        child = Child(order["number"], pid, os.pidfd_open(pid), folder, time.monotonic())
        self._children[child.number] = child
        self._selector.register(child.ended, selectors.EVENT_READ, child)

    def _answer_for(self, child: Child) -> None:
        """Answer how a fork ended, and what it printed, if that was not shown."""
        exit_code, seconds = self._reap(child), time.monotonic() - child.started
        output = ""
        if child.folder:
            output = (child.folder / "log").read_text(encoding="utf-8", errors="replace")
            shutil.rmtree(child.folder, ignore_errors=True)
        self._answer(number=child.number, exit_code=exit_code, seconds=seconds, output=output)

    def _reap(self, child: Child) -> int:
        """Take leave of a fork, which has ended, and return its exit code."""
        _, status = os.waitpid(child.pid, 0)
        del self._children[child.number]
        self._selector.unregister(child.ended)
        os.close(child.ended)
        return os.waitstatus_to_exitcode(status)

    def _answer(self, **facts: Any) -> None:
        with contextlib.suppress(ConnectionError):  # nobody listens: the next reading finds out
            self._channel.sendall(json.dumps(facts).encode() + b"\n")

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _run_in_child(self, order: dict[str, Any], folder: Path | None) -> NoReturn:
        """Be the process of one command."""
        exit_code = 1
        try:
            self._restore_handlers()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            self._selector.close()
            self._channel.close()
            os.close(self._alive[1])
            _leave_exit_functions()
            _end_with(self._alive[0])
            if "enter" in order:
                _enter(order["enter"])
            os.environ |= order.get("variables", {})
            if folder:
                log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                os.dup2(log, 1)
                os.dup2(log, 2)
                os.environ["TMPDIR"] = str(folder / "tmp")
                tempfile.tempdir = None
            _reseed()
            exit_code = _exit_code_of(order["words"])
        except BaseException:  # noqa: BLE001 - a fork must not become a second server
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
            os._exit(exit_code)  # what was imported need not be taken down: that takes long


def _interrupt(_number: int, _frame: object) -> None:
    for number in ENDING:  # a terminal that closes sends several at once
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _enter(place: dict[str, Any]) -> None:
    """Be where a command is to run, with all its variables, and its folder's modules first."""
    os.environ.clear()
    os.environ.update(place["environment"])
    os.chdir(place["folder"])
    searched = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:0] = [os.getcwd(), *searched]  # noqa: PTH109 - as -m does
    tempfile.tempdir = None  # a library may have asked for it before


def _import(modules: Iterable[str]) -> None:
    """Import modules of a project, for all forks."""
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception:  # noqa: BLE001 - each command will say so itself
            traceback.print_exc()
    gc.freeze()  # forks share these objects; collecting them would copy their pages


def _run(words: list[str]) -> None:
    """Be a command: a module in this process, anything else in a child process."""
    if words[:2] != ["python", "-m"]:
        sys.exit(_call(words))
    module, arguments = words[2], words[3:]
    sys.argv = ["-m", *arguments]
    sys.orig_argv = [sys.executable, "-m", module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _exit_code_of(words: list[str]) -> int:
    """Be a command to its end, and return the exit code that Python would end with."""
    exit_code = 0
    try:
        _run(words)
    except SystemExit as end:
        exit_code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)  # noqa: T201 - as Python does
    except BaseException:  # noqa: BLE001 - as Python ends with any error
        traceback.print_exc()
        exit_code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as multiprocessing does
    atexit._run_exitfuncs()  # noqa: SLF001 - as Python does
    return exit_code


def _leave_exit_functions() -> None:
    """Leave to this fork's parent what is to be done at the parent's end."""
    atexit._clear()  # noqa: SLF001 - as multiprocessing does
    multiprocessing = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None:
        atexit.register(multiprocessing._exit_function)  # noqa: SLF001 - as multiprocessing does


def _call(words: list[str]) -> int:
    """Run any other command, which ends when this process is asked to."""

    def end(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        os.killpg(0, number)  # this process leads a session of its own

    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
    code = subprocess.run(words, check=False).returncode
    return code if code >= 0 else 128 - code  # of a signal, as a shell reports it


def _reseed() -> None:
    """Let an unseeded generator give other values than in other forks, as in a new process."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()


def _end_with(descriptor: int) -> None:
    """Interrupt this process when the one at the other end of a descriptor is gone."""

    def wait() -> None:
        os.read(descriptor, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Be the process: import, then do as asked."""
    gc.disable()
    for library in sys.argv[1:]:
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
    gc.freeze()  # what was imported stays: no collection need search it
    gc.enable()
    channel = socket.socket(fileno=os.dup(0))
    with open(os.devnull) as nothing:  # noqa: PTH123 - a descriptor is wanted
        os.dup2(nothing.fileno(), 0)
    server = Server(channel)
    order = None
    try:
        order = server.serve()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    finally:
        server.end()
    if order is not None:
        _enter(order["enter"])
        _end_with(channel.fileno())
        _run(order["words"])


if __name__ == "__main__":
    main()
