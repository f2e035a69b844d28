"""A real Dask cluster on loopback, over TLS, with certificates made for it."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from driving import HOST, Variables, group, until

from deploy.dev import certificates
from deploy.dev.processes import free_port

if TYPE_CHECKING:
    import subprocess

_PREFIX = "DASK_DISTRIBUTED__COMM__TLS__"


def certified(folder: Path) -> dict[str, str]:
    """Make certificates, and return the variables by which Dask finds them in any role."""
    files = certificates.make(folder, "localhost")
    found = {f"{_PREFIX}CA_FILE": str(files.authority)}
    for role in ("CLIENT", "SCHEDULER", "WORKER"):
        found |= {f"{_PREFIX}{role}__CERT": str(files.certificate)}
        found |= {f"{_PREFIX}{role}__KEY": str(files.key)}
    return found


@dataclass
class Cluster:
    """A scheduler and its workers."""

    address: str
    scheduler: "subprocess.Popen[bytes]"
    workers: "list[subprocess.Popen[bytes]]"
    folder: Path

    def log(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


@contextlib.contextmanager
def cluster(folder: Path, environment: Mapping[str, str], *, workers: int = 2) -> Iterator[Cluster]:
    """Start a scheduler and workers of one thread, which share an environment's certificates."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    address = f"tls://{HOST}:{port}"
    options = {"cwd": folder, "env": Variables(environment)}
    with contextlib.ExitStack() as stack:

        def start(name: str, *words: str) -> "subprocess.Popen[bytes]":
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            return stack.enter_context(
                group(["dask", *words, "--no-dashboard"], stdout=log, stderr=log, **options)
            )

        scheduler = start(
            "scheduler", "scheduler", "--protocol", "tls", "--host", HOST, "--port", str(port)
        )
        started = Cluster(
            address,
            scheduler,
            [
                start(f"worker-{number}", "worker", address, "--nthreads", "1", "--host", HOST)
                for number in range(workers)
            ],
            folder,
        )
        until(
            lambda: started.log().count("Registered to") >= workers,
            what="the workers to register",
        )
        yield started
