"""A real S3 on loopback: Ceph's object gateway, with one monitor and one disk, in a folder.

It checks signatures, enforces bucket policies, and keeps versions over a restart. It has only one
copy of all data: use it for development, never for important data.
"""

import json
import os
import secrets
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import boto3

from deploy.dev.processes import HOST, Process, StackError, free_port, listens
from deploy.server.stores import client

_DISK_BYTES = 20 * 1024**3  # of a sparse file
_MEMORY_BYTES = 939_524_096  # the least that a disk's process takes
_CONFIGURATION = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = [v2:{host}:{monitor},v1:{host}:{old_monitor}]
public addr = {host}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {folder}/keyring
run dir = {folder}/run
admin socket = {folder}/run/$cluster-$name.asok
log file = {folder}/log/$name.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
mon data avail warn = 1
mon max pg per osd = 1000
auth allow insecure global id reclaim = false
osd crush chooseleaf type = 0
osd objectstore = bluestore
bluestore block size = {disk_bytes}
bluestore block create = true
osd memory target = {memory_bytes}
osd data = {folder}/osd
mon data = {folder}/mon
mon osd full ratio = 0.99
mon osd backfillfull ratio = 0.98
mon osd nearfull ratio = 0.97
ms bind ipv6 = false
[client.rgw]
rgw data = {folder}/rgw
rgw thread pool size = 32
rgw dns name = localhost
"""
_PEOPLE = {  # rights in the cluster
    "mon.": ("mon", "allow *"),
    "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
    "client.rgw": ("mon", "allow rw", "osd", "allow rwx", "mgr", "allow rw"),
    "osd.0": ("mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd"),
}


class Ceph:
    """A cluster in a folder, created if it does not exist, and its S3.

    Parameters
    ----------
    folder : Path
        The place of all its data.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[Process] = []
        self.port = free_port()
        made = (folder / "made").exists()
        try:
            if not made:
                self._make()
            self._start("ceph-mon", "--id=a")
            if not made:
                self._make_disk()
            self._start("ceph-osd", "--id=0")
            self._ceph("osd", "unset", "noup")  # returns once the monitor answers
            gateway = self._start(
                "radosgw",
                "--name=client.rgw",
                f"--rgw-frontends=beast endpoint={HOST}:{self.port}",
            )
            gateway.until(lambda: listens(self.port), "Ceph's S3")
        except BaseException:
            self.stop()
            raise
        (folder / "made").touch()

    @property
    def endpoint(self) -> str:
        """URL of the S3."""
        return f"http://{HOST}:{self.port}"

    def user(self, name: str) -> dict[str, str]:
        """Make a user with a new key, or return the key of one, as arguments of boto3."""
        file = self._folder / f"user-{name}.json"
        if not file.exists():
            keys = {
                "aws_access_key_id": secrets.token_hex(10).upper(),
                "aws_secret_access_key": secrets.token_urlsafe(30),
            }
            self._run(
                *("radosgw-admin", "--name=client.rgw", "user", "create"),
                *(f"--uid={name}", f"--display-name={name}"),
                f"--access-key={keys['aws_access_key_id']}",
                f"--secret-key={keys['aws_secret_access_key']}",
            )
            file.touch(mode=0o600)
            file.write_text(json.dumps(keys))
        return dict(json.loads(file.read_text()))

    def client(self, name: str) -> Any:
        """Return a boto3 client of a user."""
        return client(boto3.Session(**self.user(name)), self.endpoint, "us-east-1")  # type: ignore[arg-type]

    def stop(self) -> None:
        """Stop everything, the gateway first."""
        for process in reversed(self._processes):
            process.stop()
        self._processes.clear()

    def _make(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)  # after a start that failed
        for name in ("mon", "osd", "rgw", "run", "log"):
            (self._folder / name).mkdir(parents=True)
        ports = [free_port() for _ in range(2)]
        (self._folder / "ceph.conf").write_text(
            _CONFIGURATION.format(
                fsid=uuid.uuid4(),
                host=HOST,
                monitor=ports[0],
                old_monitor=ports[1],
                folder=self._folder,
                disk_bytes=_DISK_BYTES,
                memory_bytes=_MEMORY_BYTES,
            )
        )
        keyring, monitors = f"{self._folder}/keyring", f"{self._folder}/monmap"
        self._run("ceph-authtool", "--create-keyring", keyring)
        for name, rights in _PEOPLE.items():
            granted = [w for pair in zip(rights[::2], rights[1::2], strict=True) for w in pair]
            words = [w for i in range(0, len(granted), 2) for w in ("--cap", *granted[i : i + 2])]
            self._run("ceph-authtool", keyring, "--gen-key", f"--name={name}", *words)
        addresses = f"[v2:{HOST}:{ports[0]},v1:{HOST}:{ports[1]}]"
        self._run("monmaptool", "--create", "--addv", "a", addresses, monitors)
        self._run("ceph-mon", "--mkfs", "--id=a", f"--monmap={monitors}", f"--keyring={keyring}")

    def _make_disk(self) -> None:
        disk = str(uuid.uuid4())
        self._ceph("osd", "new", disk)
        self._run("ceph-osd", "--mkfs", "--id=0", f"--osd-uuid={disk}")

    def _start(self, program: str, *words: str) -> Process:
        process = Process(
            [program, *words, "--foreground"],
            self._folder / "log" / f"{program}.out",
            environment=self._environment(),
        )
        self._processes.append(process)
        return process

    def _ceph(self, *words: str) -> str:
        return self._run("ceph", "--connect-timeout=60", *words)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"{' '.join(command[:3])} failed: {done.stderr.strip()}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CEPH_CONF": f"{self._folder}/ceph.conf"}
