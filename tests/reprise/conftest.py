"""Settings of git, and a temporary folder, that are a test's own."""

import os
import signal
import socket
import subprocess

import pytest
from repositories import DATE


@pytest.fixture
def plain_git(monkeypatch, tmp_path):
    """Git as on a machine on which nobody has set it up, with a person's name."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A Person")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "person@example.org")
        monkeypatch.setenv(f"GIT_{role}_DATE", DATE)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    """The folder that temporary files go to: empty, and to be left so."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def served(tmp_path):
    """URL of a real git server that has the test's folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["git", "daemon", "--export-all", "--verbose", "--log-destination=stderr"]
    command += ["--listen=127.0.0.1", f"--port={port}", f"--base-path={tmp_path}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as server:
        assert any(b"Ready to rumble" in line for line in server.stderr)
        yield f"git://127.0.0.1:{port}"
        os.killpg(server.pid, signal.SIGTERM)
