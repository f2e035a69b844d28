"""A Debian 12 with systemd in a container, which shares this machine's network."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from deploy.dev.processes import Process, StackError
from deploy.dev.stack import NAME, ROOT

RELEASE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,ca-certificates"

_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_LONGEST = 600  # seconds of one command in the machine


class Machine:
    """A Debian with systemd in a container, which ends with this process.

    Parameters
    ----------
    root : Path
        Its file system, from `make_root`.
    log : Path
        File for its output while it boots.
    """

    def __init__(self, root: Path, log: Path) -> None:
        self.root = root
        options = ("--quiet", "--register=no", "--keep-unit", f"--directory={root}", "--boot")
        self._container = Process(["systemd-nspawn", *options], log)
        self.until = self._container.until

    def __enter__(self) -> Self:
        """Wait until it has booted."""
        try:
            self.until(self._booted, "the machine")
        except StackError:
            self._container.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Shut it down."""
        self._container.stop()

    @property
    def init(self) -> str:
        """Process id, on this machine, of its systemd, or ""."""
        pid = self._container.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{child}/status").read_text()
                if re.search(r"^NSpid:.*\t1$", status, re.MULTILINE):
                    return child
        return ""

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as root."""
        return subprocess.run(
            ["nsenter", f"--target={self.init}", "--all", "--", *words],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"} | _for_pip(),
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST,
        )

    def bootstrap(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the project's bootstrap in it."""
        return self.run("/opt/project/deploy/server/bootstrap", *words)

    def show(self, unit: str, what: str) -> int:
        """Return a property of a unit that is a number."""
        return int(self.run("systemctl", "show", f"--property={what}", "--value", unit).stdout)

    def answers(self, number: int, account: str = "root") -> bool:
        """Return whether an account of the machine gets an answer on a server's socket."""
        socket = f"/run/mlflow/{number}/socket"
        words = ("curl", "--silent", "--fail", "--unix-socket", socket, f"http://{NAME}/health")
        return self.run("runuser", "-u", account, "--", *words).returncode == 0

    def command_lines(self) -> Iterator[str]:
        """Return the command line of each of its processes."""
        own = Path(f"/proc/{self.init}/ns/pid").readlink()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (folder / "ns" / "pid").readlink() == own:
                    yield (folder / "cmdline").read_text(errors="replace")

    def _booted(self) -> bool:
        if not self.init:
            return False
        state = self.run("systemctl", "is-system-running").stdout.strip()
        return state in {"running", "degraded"}


def apt_source() -> str:
    """Return the address of apt's first source for the current release."""
    release = re.search(
        r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE
    )
    name = release[1] if release else RELEASE
    for file in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        text = file.read_text() if file.suffix in {".list", ".sources"} and file.exists() else ""
        line = re.search(rf"^deb\s+(?:\[.*\]\s+)?(\S+)\s+{name}\s", text, re.MULTILINE)
        if line:
            return line[1]
        for part in text.split("\n\n"):
            address = re.search(r"^URIs:\s*(\S+)", part, re.MULTILINE)
            if address and re.search(rf"^Suites:.*\b{name}(\s|$)", part, re.MULTILINE):
                return address[1]
    raise StackError(f"expected a source of {name} in /etc/apt, found none")


def make_root(root: Path) -> None:
    """Make the file system of a Debian that uses this machine's package sources."""
    made = root.with_suffix(".new")
    shutil.rmtree(made, ignore_errors=True)
    options = ["--variant=minbase", f"--include={PACKAGES}", RELEASE, str(made), apt_source()]
    words = ["unshare", "--mount", "--", "debootstrap", *options]  # what it mounts goes with it
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise StackError(f"debootstrap: {last(ended.stdout + ended.stderr)}")
    for file in Path("/etc/apt/apt.conf.d").iterdir():
        if not file.name.startswith("docker-"):
            shutil.copy(file, made / "etc" / "apt" / "apt.conf.d")
    for name in ("hosts", "resolv.conf"):
        shutil.copy(Path("/etc", name), made / "etc" / name)
    shutil.copy(os.environ.get("SSL_CERT_FILE", f"/{_BUNDLE}"), made / _BUNDLE)
    made.rename(root)


def fill(root: Path) -> None:
    """Copy the project's `deploy` into it, and remove the files of an earlier trial."""
    for old in ("opt/project", "etc/mlflow", "var/backups/mlflow", "var/lib/mlflow"):
        shutil.rmtree(root / old, ignore_errors=True)
    started = root.glob("etc/systemd/system/*.wants/*")
    for file in [*started, root / "etc/nginx/conf.d/mlflow.conf"]:
        if file.name.startswith(("mlflow", "nginx")):
            file.unlink(missing_ok=True)
    shutil.copytree(ROOT / "deploy", root / "opt" / "project" / "deploy")


def install() -> None:
    """Install the missing Debian packages on this machine, after a message."""
    programs = {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container"}
    missing = [package for name, package in programs.items() if shutil.which(name) is None]
    if missing:
        print(f"installing Debian packages: {' '.join(missing)}", flush=True)
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
        words = ["apt-get", "install", "-qq", "--no-install-recommends", *missing]
        subprocess.run(words, check=True, env=quiet, stdout=subprocess.DEVNULL)
    subprocess.run([ROOT / "deploy/dev/install", "postgresql", "nginx", "ceph"], check=True)


def _for_pip() -> dict[str, str]:
    """Return this machine's variables for pip, with the container's copy of the authorities."""
    kept = {n: v for n, v in os.environ.items() if n.startswith("PIP_") and not v.startswith("/")}
    return kept | dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE"), f"/{_BUNDLE}")


def last(text: str) -> str:
    """Return the last line of a text."""
    return (text.strip().splitlines() or [""])[-1].strip()
