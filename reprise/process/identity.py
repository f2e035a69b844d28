"""Names a process as no other on any machine, at any time, is named, and looks whether it exists.

A process id alone is not enough: the kernel gives it again to a later process, another container
of the same machine counts from 1 too, and so does another machine.
"""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

_UNKNOWN = "-"  # where there is no /proc
_FORM = re.compile(r"(\S+) (\S+) (\S+) ([0-9]{1,10}):(\S+)")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process.

    Attributes
    ----------
    host : str
        The machine's name, for people.
    boot : str
        Id of the kernel since its last start.
    namespace : str
        That of its process id: each container has its own.
    pid : int
    started : str
        When it was started, in the kernel's own count.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: str

    @property
    def place(self) -> str:
        """Where process ids mean the same: a machine since its last start, and a container."""
        return f"{self.boot} {self.namespace}"

    def __str__(self) -> str:
        """Return it as text; see `parse`."""
        return f"{self.host} {self.place} {self.pid}:{self.started}"

    @classmethod
    def parse(cls, text: str) -> "ProcessIdentity | None":
        """Read what `str` has written; None if it is something else."""
        words = _FORM.fullmatch(text)
        return cls(words[1], words[2], words[3], int(words[4]), words[5]) if words else None

    def has_ended(self) -> bool | None:
        """Return whether it exists no more; None if that cannot be seen from this process."""
        if self.place != current().place or _UNKNOWN in (self.boot, self.namespace):
            return None
        started = _started(self.pid)
        return None if started is None else started != self.started


def current() -> ProcessIdentity:
    """Return the identity of this process."""
    pid = os.getpid()
    boot, namespace = _place()  # not kept: this module is sent to workers by value
    return ProcessIdentity(_host(), boot, namespace, pid, _started(pid) or _UNKNOWN)


def _host() -> str:
    return "".join(platform.node().split()) or _UNKNOWN


def _place() -> tuple[str, str]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return boot, str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return _UNKNOWN, _UNKNOWN


def _started(pid: int) -> str | None:
    """Return when a process was started; "" if it does not exist, None if that is hidden."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None if _is_hidden(pid) else ""
    except PermissionError:
        return None
    state, *rest = fields.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]


def _is_hidden(pid: int) -> bool:
    """Return whether a process exists that /proc does not show, as those of others (`hidepid`)."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
