"""The script that installs the server's Debian packages, where it has nothing to do or cannot."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from stacks import INSTALL, REFUSED

NOBODY = 65534


def installed(programs, *, path, user=None):
    """Run the script as where PostgreSQL's programs are in a folder, and commands in a path."""
    with INSTALL.open() as script:
        return subprocess.run(
            [shutil.which("bash"), "-s", "postgresql"],
            stdin=script,
            env={"PG_ROOT": str(programs), "PATH": str(path)},
            user=user,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )


def test_the_script_does_nothing_where_the_programs_are(tmp_path):
    initdb = tmp_path / "15/bin/initdb"
    initdb.parent.mkdir(parents=True)
    initdb.touch()

    done = installed(tmp_path, path=tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_script_refuses_where_there_is_no_apt_get(tmp_path):
    done = installed(tmp_path, path=tmp_path)

    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert "no apt-get" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_script_refuses_who_is_not_root():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # pytest's folders are closed to others
        apt_get = Path(folder, "apt-get")
        apt_get.write_text("#!/bin/sh\nexit 1\n")
        apt_get.chmod(0o755)

        done = installed(folder, path=folder, user=NOBODY if os.geteuid() == 0 else None)

    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert "only root" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_script_knows_what_it_can_install():
    done = subprocess.run([INSTALL, "mysql"], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "expected postgresql, nginx or ceph, found mysql" in done.stderr
