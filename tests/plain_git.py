"""Git as on a machine on which nobody has set it up, and a daemon that serves repositories."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deploy.dev.processes import HOST, free_port


def settings(name: str, email: str, *, config: Path | str = os.devnull) -> dict[str, str]:
    """Return the variables of a person who uses git.

    Parameters
    ----------
    name, email : str
        Of author and committer.
    config : Path or str
        The person's settings: an own file where a test writes to them, as git replaces that file.
    """
    roles = ("AUTHOR", "COMMITTER")
    return {
        **{f"GIT_{role}_NAME": name for role in roles},
        **{f"GIT_{role}_EMAIL": email for role in roles},
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_NOSYSTEM": "1",
    }


@contextlib.contextmanager
def daemon(folder: Path) -> Iterator[str]:
    """Serve the repositories below a folder by git's own protocol; yield the URL."""
    port = free_port()
    command = ["git", "daemon", "--export-all", "--verbose", "--log-destination=stderr"]
    command += [f"--listen={HOST}", f"--port={port}", f"--base-path={folder}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as server:
        assert any(b"Ready to rumble" in line for line in server.stderr)
        try:
            yield f"git://{HOST}:{port}"
        finally:
            os.killpg(server.pid, signal.SIGTERM)
