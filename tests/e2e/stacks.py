"""What the team's server needs on this machine, and people who use it."""

import contextlib
import fcntl
import functools
import secrets
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import pytest
import requests
from driving import ROOT

from deploy.dev.stack import Stack

INSTALL = ROOT / "deploy/dev/install"
SERVER_PYTHON = ROOT / ".venv-server/bin/python"  # `make test` installs it
REFUSED = 2  # the exit code of INSTALL where it can do nothing


def installed(*programs: str) -> None:
    """Install servers where they are missing; skip loudly where that cannot be."""
    with INSTALL.open() as script:
        fcntl.flock(script, fcntl.LOCK_EX)  # test files run two at a time
        done = subprocess.run([INSTALL, *programs], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == REFUSED:
        reason = f"NOT TESTED with {', '.join(programs)}: {done.stderr.strip()}"
        warnings.warn(reason, stacklevel=2)  # pytest -q says of a skip only that there is one
        pytest.skip(reason)
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def new_stack() -> Iterator[Stack]:
    """Start a server of one's own, with nothing in it."""
    installed("postgresql", "nginx", "ceph")
    with tempfile.TemporaryDirectory(prefix="mlflow-stack-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL has an account of its own
        with Stack(folder, SERVER_PYTHON, durable=False) as stack:
            yield stack


@dataclass(frozen=True)
class Account:
    """Somebody who may log in."""

    name: str
    password: str
    variables: dict[str, str]

    @property
    def credentials(self) -> tuple[str, str]:
        return self.name, self.password


@functools.cache
def _session(address: str, credentials: tuple[str, str] | None) -> requests.Session:
    """Return the connection of somebody, or of nobody, which keeps nothing of the answers."""
    session = requests.Session()
    session.auth = credentials
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def ask(stack, credentials: tuple[str, str] | None, method: str, path: str, **words):
    """Send one request to the server, as somebody or (with None) as nobody."""
    return _session(stack.address, credentials).request(
        method,
        stack.address + path,
        verify=str(stack.tls.authority),  # here, as the environment's is above the session's
        allow_redirects=False,
        timeout=60,
        **words,
    )


def admin_of(stack) -> tuple[str, str]:
    """Return the admin's name and password."""
    client = stack.client()
    return client["MLFLOW_TRACKING_USERNAME"], client["MLFLOW_TRACKING_PASSWORD"]


def new_account(stack, name: str) -> Account:
    """Make an account, as the admin does."""
    password = secrets.token_urlsafe(18)
    admin = stack.client()
    answer = ask(
        stack,
        admin_of(stack),
        "POST",
        "/api/2.0/mlflow/users/create",
        json={"username": name, "password": password},
    )
    assert answer.ok, answer.text
    own = {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password}
    return Account(name, password, admin | own)
