"""Which process makes the child runs of a run, and whether it still does.

On the same machine the process itself is looked for. Of another machine's only its sign of life
tells: it says every minute that it is there.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.process.periodic import periodic

if TYPE_CHECKING:
    from mlflow.entities import Run

DRIVER = "reprise.driver"
LAST_SEEN = "reprise.driver_seen"  # seconds since 1970
_EVERY_SECONDS = 60
_SILENT_SECONDS = 300


@contextlib.contextmanager
def heartbeat(run_id: str) -> Iterator[None]:
    """Say at the server that this process makes the child runs of a run, and that it still does."""
    tracking.log(run_id, tags={DRIVER: present(), **_now()})

    def still_here() -> bool:
        with contextlib.suppress(Exception):  # a server that is away: the next sign will do
            tracking.log(run_id, tags=_now())
        return True

    with periodic(still_here, every=_EVERY_SECONDS):
        yield


def is_alive(run: "Run") -> bool:
    """Return whether the process that makes the child runs of a run may still do so."""
    tags: dict[str, str] = run.data.tags
    machine, _, process = tags.get(DRIVER, "").rpartition(" ")
    here, _, _ = present().rpartition(" ")
    if machine == here:
        pid, _, started = process.partition(":")
        return _started(int(pid)) == started
    return time.time() - float(tags.get(LAST_SEEN, 0)) < _SILENT_SECONDS


def present() -> str:
    """Name this process as no other on any machine, at any time, is named."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    namespace = Path("/proc/self/ns/pid").readlink()  # of a container
    return f"{boot} {namespace} {os.getpid()}:{_started(os.getpid())}"


def _started(pid: int) -> str:
    """Return when a process was started, in the kernel's own count; "" where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *rest = fields.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]


def _now() -> dict[str, str]:
    return {LAST_SEEN: str(int(time.time()))}
