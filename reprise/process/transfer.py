"""Runs a program that talks to a server, and ends it where nothing comes any more.

It has a session of its own: it can ask at no terminal, and ends with all that it has started.
"""

import contextlib
import os
import re
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

IDLE_SECONDS = 30  # without a byte of output: git shows its progress every second
TOTAL_SECONDS = 600
SILENT = "nothing came from the server"
_CHUNK = 1 << 16
# What git shows of its progress, and a server of its own.
_PROGRESS = re.compile(r"(remote: )?[A-Z][\w ]+: +(\d+%? ?\(|\d+\b).*|remote: Total .*|remote:\s*")
_UNATTENDED = (
    *("-oBatchMode=yes", f"-oConnectTimeout={IDLE_SECONDS // 2}"),
    *(f"-oServerAliveInterval={IDLE_SECONDS // 3}", "-oServerAliveCountMax=2"),
)


@dataclass(frozen=True)
class Transferred:
    """How a program ended, what it printed, and what it said on stderr, less its progress."""

    exit_code: int
    output: str
    said: str


def ssh_command(users: str) -> str:
    """Return the user's ssh command such that it asks for nothing and notices a dead server."""
    if Path(users.split(maxsplit=1)[0]).name != "ssh":  # another program has other options
        return users
    return f"{users} {shlex.join(_UNATTENDED)}"


def run(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    idle: float | None = None,
    total: float | None = None,
) -> Transferred:
    """Run a program to its end, or to that of its time.

    Parameters
    ----------
    words : sequence of str
    folder : Path
    environment : mapping of str to str
        All its variables.
    idle, total : float, optional
        Seconds without output, and of all; else `IDLE_SECONDS` and `TOTAL_SECONDS`.
    """
    idle = IDLE_SECONDS if idle is None else idle
    total = TOTAL_SECONDS if total is None else total
    with subprocess.Popen(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr, fault = _read(process, idle, total)
            if not fault:
                process.wait(idle)
        except subprocess.TimeoutExpired:  # it has closed its output, and goes on
            fault = f"it did not end in {idle:g} s"
        finally:
            _end_group(process)
    said = _without_progress(stderr.decode(errors="replace"))
    return Transferred(
        1 if fault else process.returncode,
        stdout.decode("utf-8", "surrogateescape"),
        "\n".join(filter(None, (said, fault))),
    )


def _read(
    process: "subprocess.Popen[bytes]", idle: float, total: float
) -> tuple[bytes, bytes, str]:
    """Read both streams to their end; or say why they were not."""
    end = time.monotonic() + total
    parts: dict[int, list[bytes]] = {1: [], 2: []}
    fault = ""
    with selectors.DefaultSelector() as selector:
        for number, stream in ((1, process.stdout), (2, process.stderr)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, number)
        while selector.get_map() and not fault:
            left = end - time.monotonic()
            ready = selector.select(min(idle, left)) if left > 0 else []
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK)
                parts[key.data].append(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            if not ready:
                fault = (
                    f"the transfer was not done in {total:g} s, and was ended"
                    if left <= idle and any(parts.values())
                    else f"{SILENT} in {min(idle, total):g} s"
                )
    return b"".join(parts[1]), b"".join(parts[2]), fault


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End what is left of a program, and all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _without_progress(text: str) -> str:
    lines = (part.strip() for part in re.split(r"[\r\n]", text))
    return "\n".join(line for line in lines if line and not _PROGRESS.fullmatch(line))
