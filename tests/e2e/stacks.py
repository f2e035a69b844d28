"""What the team's server needs on this machine, and people who use it."""

import fcntl
import secrets
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from driving import ROOT, base_environment

INSTALL = ROOT / "deploy/dev/install"
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


def server_python() -> Path:
    """Return Python with what the server's lock names, installed if need be."""
    with (ROOT / "Makefile").open() as makefile:
        fcntl.flock(makefile, fcntl.LOCK_EX)
        made = subprocess.run(
            ["make", "--quiet", ".venv-server/.installed"],
            cwd=ROOT,
            env=base_environment(Path("/tmp")),
            capture_output=True,
            text=True,
            check=False,
        )
    assert made.returncode == 0, made.stderr
    return ROOT / ".venv-server/bin/python"


@dataclass(frozen=True)
class Account:
    """Somebody who may log in."""

    name: str
    password: str
    variables: dict[str, str]

    @property
    def credentials(self) -> tuple[str, str]:
        return self.name, self.password


def new_account(stack, name: str) -> Account:
    """Make an account, as the admin does."""
    password = secrets.token_urlsafe(18)
    admin = stack.client()
    answer = requests.post(
        f"{stack.address}/api/2.0/mlflow/users/create",
        json={"username": name, "password": password},
        auth=(admin["MLFLOW_TRACKING_USERNAME"], admin["MLFLOW_TRACKING_PASSWORD"]),
        verify=str(stack.tls.authority),
        timeout=60,
    )
    assert answer.ok, answer.text
    own = {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password}
    return Account(name, password, admin | own)
