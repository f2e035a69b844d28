"""`deploy.dev.trial` runs `deploy/server/bootstrap` on a new Debian."""

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.drill("deploy/server", "deploy/dev")
@pytest.mark.timeout(3600)  # it installs a system
def test_bootstrap_makes_a_server_of_a_new_debian():
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        reason = "NOT TESTED: bootstrap needs root on Debian to make a machine"
        warnings.warn(reason, stacklevel=1)  # pytest -q prints no reason of a skip
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="mlflow-machine-") as folder:
        words = [sys.executable, "-m", "deploy.dev.trial", "--folder", folder]

        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "all checks passed"
