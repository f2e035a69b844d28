"""The warm process of `forking`: imports the libraries, then is forked for each command.

A command that starts Python itself (a replay's step, a sweep's warm process) would import all over
again. Each command therefore has spare forks, which have run nothing yet: one of them becomes the
first process that the command starts with this Python, with the descriptors, folder, variables and
session that were asked for.
"""

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from becoming import DESCRIPTORS, execute_child, receive, send
from rehearsal import rehearse
from stores import open_stores_quickly

# skops first, as it searches all modules loaded so far.
LIBRARIES = (
    *("skops.io", "mlflow.sklearn", "mlflow.pyfunc", "sklearn.pipeline", "sklearn.tree"),
    *("sklearn.model_selection", "sklearn.linear_model", "pyarrow.parquet", "pyarrow.csv", "git"),
    *("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.tracking.rest_store"),
    *(
        "mlflow.cli",
        "mlflow.projects",
        "mlflow.store.artifact.mlflow_artifacts_repo",
        "rich.console",
    ),
    *("mlflow.tracking.request_header.registry", "scipy.stats", "matplotlib.figure"),
    "mlflow.cli",
)
_SPARES = 2  # for each command; the third process that it starts is an ordinary one
_SCRIPTS = {name: Path(sys.executable).with_name(name) for name in ("mlflow", "reprise")}
_CLOSED_TO = 4096
_AT_START = dict(os.environ)
_SYS_CLONE, _CLONE_PARENT = 56, 0x8000  # of x86-64
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36  # of prctl(2)
_GRACE_SECONDS = 2  # for what a command has left to end by itself


def serve(listening: socket.socket) -> NoReturn:
    """Fork this process for each order, until standard input ends."""
    keepers: list[int] = []
    while True:
        ready, _, _ = select.select([listening, sys.stdin], [], [])
        if sys.stdin in ready:
            for keeper in keepers:
                os.kill(keeper, signal.SIGKILL)
            os._exit(0)
        connection, _ = listening.accept()
        order, descriptors = receive(connection)
        if descriptors:
            _spawn(connection, order, descriptors)
        elif order is not None:
            pid = os.fork()
            if pid == 0:
                listening.close()
                _keep(connection, order)
            keepers.append(pid)
        connection.close()
        keepers = [pid for pid in keepers if os.waitpid(pid, os.WNOHANG) == (0, 0)]


def _spawn(connection: socket.socket, order: Mapping[str, Any], descriptors: list[int]) -> None:
    """Give who asks a child of its own: it has started this process, so it is our parent."""
    pid = _fork_into_parent()
    if pid == 0:
        _become(order, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    connection.sendall(json.dumps({"pid": pid}).encode() + b"\n")


def _keep(connection: socket.socket, order: Mapping[str, Any]) -> NoReturn:
    """Fork a command, wait for its end, answer how it was, and end all that it has left.

    What it leaves in whatever group or session becomes a child of this process.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # no command outlives the warm process
    pid = os.fork()
    if pid == 0:
        libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        connection.close()
        _be_command(order)
    ended = os.pidfd_open(pid)
    ready, _, _ = select.select([ended, connection], [], [], order["timeout"])
    if ended not in ready:  # it is late, or nobody waits for it any more
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    left = _end_children()
    answer = {"exit_code": os.waitstatus_to_exitcode(status), "late": not ready, "left": left}
    with contextlib.suppress(ConnectionError):
        connection.sendall(json.dumps(answer).encode() + b"\n")
    os._exit(0)


def _end_children() -> list[str]:
    """Kill what a command has left; return the names of what did not end by itself."""
    deadline = time.monotonic() + _GRACE_SECONDS
    while (left := _children()) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while children := _children():  # theirs, who are ours now
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return list(left.values())


def _children() -> dict[int, str]:
    """Return ids and names of this process's children that have not ended; forget the others."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    found = {}
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        with contextlib.suppress(OSError):
            found[int(pid)] = Path(f"/proc/{pid}/comm").read_text().strip()
    return found


def _be_command(order: Mapping[str, Any]) -> NoReturn:
    """Be the process of one command, as `python -m` or a script of this environment starts it."""
    os.setsid()
    for number, name in ((1, "stdout"), (2, "stderr")):
        path = f"{order['output']}/{name}"
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    words = order["words"]
    _run(words if words[0] in _SCRIPTS else words[1:], order["folder"], order["environment"])


def _run(words: list[str], folder: str, environment: Mapping[str, str]) -> NoReturn:
    """Do what Python does with `-m module …` or `-c code …`, or what a script does; and end."""
    exit_code = 1
    spares: list[Spare] = []
    try:
        spares += (Spare() for _ in range(_SPARES))
        # as in a process that a terminal starts
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        tempfile.tempdir = None  # a library may have asked for it before
        sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
        sys.stdout.reconfigure(write_through=bool(environment.get("PYTHONUNBUFFERED")))
        found = [*filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
        options = {"-m": str(Path.cwd()), "-c": ""}
        first = options.get(words[0], str(Path(sys.executable).parent))
        sys.path[:1] = [first, *found]
        _customize(found)
        _fork_instead_of_exec(spares)
        exit_code = _exit_code_of(functools.partial(_execute, *words))
    except BaseException:  # noqa: BLE001 - a fork must not go on as the warm process
        traceback.print_exc()
    finally:
        for spare in spares:
            spare.end()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(exit_code)


def _execute(option: str, *arguments: str) -> None:
    if option in _SCRIPTS:
        sys.argv = [str(_SCRIPTS[option]), *arguments]
        sys.orig_argv = [sys.executable, *sys.argv]
        runpy.run_path(sys.argv[0], run_name="__main__")
        return
    what, *arguments = arguments
    sys.argv = [option, *arguments]
    sys.orig_argv = [sys.executable, option, what, *arguments]
    if option == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
        return
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(what, "<string>", "exec"), main.__dict__)


def _exit_code_of(execute: Callable[[], None]) -> int:
    """Execute, and return the exit code with which Python would end."""
    code = 0
    try:
        execute()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - as Python ends with any error
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    return code


class Spare:
    """A fork that has run nothing yet, and may become a process that this one starts."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._channel.close()
            order, descriptors = receive(theirs)
            if order is None:
                os._exit(0)
            _become(order, descriptors)
        theirs.close()
        self.is_used = False

    def become(self, order: Mapping[str, Any], descriptors: tuple[int, ...]) -> int:
        """Let it be a process with what is given as 0, 1 and 2, and return its id."""
        self.is_used = True
        with self._channel:
            send(self._channel, order, descriptors)
        return self.pid

    def end(self) -> None:
        """End it if it has not become anything."""
        if not self.is_used:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def _become(order: Mapping[str, Any], descriptors: list[int]) -> NoReturn:
    """Be a process as `subprocess` starts it: with these three descriptors, and no others."""
    kept = [os.dup(descriptor) for descriptor in descriptors]  # above those to be replaced
    for number, descriptor in enumerate(kept):
        os.dup2(descriptor, number)
    os.closerange(DESCRIPTORS, _CLOSED_TO)
    if order["session"]:
        os.setsid()
    _run(order["words"], order["folder"], order["environment"])


def _fork_into_parent() -> int:
    """Fork as `os.fork`, but let the new process be a child of this one's parent."""
    python = ctypes.PyDLL(None)  # holds Python's lock
    python.PyOS_BeforeFork()
    pid = python.syscall(_SYS_CLONE, _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    return pid


def _customize(folders):
    """Import the `sitecustomize` of a folder on the path, as Python does when it starts."""
    if any(Path(folder, "sitecustomize.py").is_file() for folder in folders):
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")


def _fork_instead_of_exec(spares: list[Spare]) -> None:
    """Let `subprocess` take a spare process where it is asked to start this very Python."""

    def become(order: dict[str, Any], descriptors: tuple[int, ...]) -> int | None:
        spare = next((spare for spare in spares if not spare.is_used), None)
        return spare.become(order, descriptors) if spare else None

    subprocess.Popen._execute_child = execute_child(become, _AT_START)


def main() -> None:
    """Import the libraries, then serve."""
    for library in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
    open_stores_quickly()
    rehearse()
    gc.collect()
    gc.freeze()  # forks share these objects; collecting them would copy their pages
    listening = socket.socket(fileno=int(os.environ.pop("FORK_SERVER")))
    serve(listening)


if __name__ == "__main__":
    main()
