"""Runs `python -m …` commands in forks of one warm process: a fork costs milliseconds, Python and
its libraries cost seconds.

A command sees what it would see in a process of its own: its folder, variables, arguments, output,
a process group, and the modules of its own project, none of which the warm process has imported.
"""

import contextlib
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# skops first, as it searches all modules loaded so far.
LIBRARIES = (
    *("skops.io", "mlflow.sklearn", "mlflow.pyfunc", "sklearn.pipeline", "sklearn.tree"),
    *("sklearn.model_selection", "sklearn.linear_model", "pyarrow.parquet", "pyarrow.csv", "git"),
    *("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.tracking.rest_store"),
    *("mlflow.projects", "mlflow.store.artifact.mlflow_artifacts_repo", "rich.console"),
    *("mlflow.tracking.request_header.registry", "scipy.stats", "matplotlib.figure"),
)
_GRACE_SECONDS = 10


@dataclass(frozen=True)
class Finished:
    """How a command ended, what it printed, and the processes that it has left running."""

    exit_code: int
    stdout: str
    stderr: str
    left_processes: list[str]


class WarmProcess:
    """A process that has imported the libraries, and forks itself for each command."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**environment},
                start_new_session=True,
            )
        self._lock = threading.Lock()
        self._answers = self._channel.makefile("r", encoding="utf-8")

    def run(
        self,
        words: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        timeout: float = 120,
    ) -> Finished:
        """Run `python -m module arguments` to its end.

        Parameters
        ----------
        words : sequence of str
            `python`, `-m`, the module and its arguments.
        folder : Path
        environment : mapping of str to str
            All variables of the command.
        timeout : float
            Seconds after which it is killed, and the test fails.
        """
        assert list(words[:2]) == ["python", "-m"], words
        with tempfile.TemporaryDirectory() as output:
            order = {
                "words": list(words),
                "folder": str(folder),
                "environment": dict(environment),
                "output": output,
                "timeout": timeout,
            }
            with self._lock:
                self._channel.sendall(json.dumps(order).encode() + b"\n")
                answer = json.loads(self._answers.readline())
            stdout, stderr = (
                Path(output, name).read_bytes().decode("utf-8", "replace")
                for name in ("stdout", "stderr")
            )
        assert not answer["late"], f"{words} did not end in {timeout} s:\n{stdout}\n{stderr}"
        return Finished(answer["exit_code"], stdout, stderr, answer["left"])

    def close(self) -> None:
        """End the process."""
        self._answers.close()
        self._channel.close()
        self._process.terminate()  # it has nothing to save, and may still be importing
        self._process.wait(timeout=_GRACE_SECONDS)


def main() -> None:
    """Import the libraries, then run each command that is asked for, one after the other."""
    for library in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
    channel = socket.socket(fileno=int(sys.argv[1]))
    for line in channel.makefile("r", encoding="utf-8"):
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            channel.close()
            _be_command(order)
        channel.sendall(json.dumps(_ended(pid, order["timeout"])).encode() + b"\n")


def _ended(pid: int, timeout: float) -> dict[str, object]:
    """Wait for a command's end, and end what it has left in its process group."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        os.kill(pid, signal.SIGKILL)

    timer = threading.Timer(timeout, kill)
    timer.start()
    _, status = os.waitpid(pid, 0)
    timer.cancel()
    left = _living_in_group(pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    return {"exit_code": os.waitstatus_to_exitcode(status), "late": late.is_set(), "left": left}


def _living_in_group(group: int) -> list[str]:
    """Names of the processes of a group that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # "pid (name) state parent group …"; a name may hold spaces
            before, _, after = path.read_text(encoding="utf-8", errors="replace").rpartition(")")
            state, _, of = after.split()[:3]
            if int(of) == group and state not in "ZX":
                found.append(before.partition("(")[2])
    return found


def _be_command(order: dict[str, object]) -> None:
    """Be the process of one command, as `python -m` starts it."""
    exit_code = 1
    try:
        os.setsid()
        for number, name in ((1, "stdout"), (2, "stderr")):
            path = f"{order['output']}/{name}"
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        tempfile.tempdir = None
        exit_code = _run(order["words"][2], order["words"][3:])
    except BaseException:  # noqa: BLE001 - a fork must not go on as the warm process
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(exit_code)


def _run(module: str, arguments: list[str]) -> int:
    sys.path[0] = str(Path.cwd())
    sys.argv = ["-m", *arguments]
    sys.orig_argv = [sys.executable, "-m", module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, int | None):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001 - as Python ends with any error
        traceback.print_exc()
        return 1
    threading._shutdown()
    return 0


if __name__ == "__main__":
    main()
