"""Start programs, wait for them, and end them by their pid."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

HOST = "127.0.0.1"
PATIENCE = 300  # seconds; only something that hangs takes that long


class StackError(Exception):
    """A part of the stack could not be started; the text says what to do."""


class Process:
    """A program in a process group of its own, which ends with this process even after SIGKILL.

    Parameters
    ----------
    command : sequence of str
        Program and its arguments.
    log : Path
        File that its output is added to.
    account : str
        Account of the program if this process is root; "" for this process's account.
    end : Signals
        Signal for an orderly end.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        account: str = "",
        end: signal.Signals = signal.SIGTERM,
    ) -> None:
        self._log = log
        self._end = end
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*as_account(account, end), *command],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its group."""
        return self._process.pid

    def until(self, ready: Callable[[], bool], what: str) -> None:
        """Wait until it is ready, or raise an error with the end of its log."""
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                output = self._log.read_text(errors="replace").splitlines()[-20:]
                raise StackError("\n".join([f"{what} did not start; the end of its log:", *output]))
            time.sleep(0.05)

    def kill(self) -> None:
        """End the whole group at once, as a crash would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it in order, then kill the remaining processes of its group."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self._end)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=20)
        self.kill()


def as_account(account: str, end: signal.Signals = signal.SIGTERM) -> list[str]:
    """Return the prefix of a command that runs as an account and ends with this process."""
    words = ["setpriv", f"--pdeathsig={end.name.removeprefix('SIG')}"]
    if account and os.geteuid() == 0:
        words += [f"--reuid={account}", f"--regid={account}", "--init-groups"]
    return [*words, "--"]


def give(path: Path, account: str) -> None:
    """Let an account own a path, if this process is root."""
    if os.geteuid() == 0:
        shutil.chown(path, account, pwd.getpwnam(account).pw_gid)


def free_port() -> int:
    """Return a free port of loopback."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Return whether a program accepts connections on a port of loopback."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False
