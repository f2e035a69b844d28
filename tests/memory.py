"""Keeps the temporary files of a run of the tests in memory, where the machine has room for them.

SQLite and git wait for the disk at each commit, 10 ms and more, and the tests make thousands.
"""

import os
import shutil
import tempfile
from pathlib import Path

FOLDER = Path("/dev/shm")
_BYTES_NEEDED = 8 * 2**30  # drills with large artifacts and backups among them


def temporary_folder(folder):
    """Make a folder in memory; None where there is too little of it, or nothing can be executed."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    has_room = found.f_bavail * found.f_frsize >= _BYTES_NEEDED
    if not has_room or found.f_flag & os.ST_NOEXEC or not os.access(folder, os.W_OK):
        return None
    made = Path(tempfile.mkdtemp(prefix="reprise-tests-", dir=folder))
    made.chmod(0o711)  # PostgreSQL has an account of its own
    return made


def use(config):
    """Let this process, and what it starts, have their temporary files there, to the end."""
    if "TMPDIR" in os.environ or hasattr(config, "workerinput"):  # it is somebody's choice
        return
    if made := temporary_folder(FOLDER):
        os.environ["TMPDIR"] = str(made)
        tempfile.tempdir = None
        config.add_cleanup(lambda: shutil.rmtree(made, ignore_errors=True))
