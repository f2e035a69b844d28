"""Temporary folders; those of a process that was killed are known by their names, and removed."""

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import replace

from reprise.process import identity

_NAME = re.compile(r"reprise-([0-9a-f]{8})-(\d{1,10})-(\d+)-")


def prefix() -> str:
    """Return how the names of this process's temporary folders begin."""
    own = identity.current()
    return f"reprise-{_place(own)}-{own.pid}-{own.started}-"


def folder(*, ignore_cleanup_errors: bool = False) -> "tempfile.TemporaryDirectory[str]":
    """Return a new temporary folder, to be removed at the end of a `with` block.

    Parameters
    ----------
    ignore_cleanup_errors : bool
        Whether other processes may still write there at the end.
    """
    return tempfile.TemporaryDirectory(prefix=prefix(), ignore_cleanup_errors=ignore_cleanup_errors)


def is_name(name: str) -> bool:
    """Return whether a folder's name is that of one of these."""
    return _NAME.match(name) is not None


def remove_left() -> list[str]:
    """Remove the temporary folders of processes of this machine that are gone; return their paths.

    Those of other users, other containers and other machines are left alone.
    """
    own = identity.current()
    removed = []
    with os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            named = _NAME.match(entry.name)
            if not named or named[1] != _place(own) or not _is_own_folder(entry):
                continue
            if replace(own, pid=int(named[2]), started=named[3]).has_ended():
                shutil.rmtree(entry.path, ignore_errors=True)
                removed.append(entry.path)
    return removed


def _place(process: identity.ProcessIdentity) -> str:
    return hashlib.sha256(process.place.encode()).hexdigest()[:8]


def _is_own_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        is_own = entry.stat(follow_symlinks=False).st_uid == os.getuid()
    except FileNotFoundError:  # its process has removed it meanwhile
        return False
    return is_own and entry.is_dir(follow_symlinks=False)
