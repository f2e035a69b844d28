"""A real Dask cluster on loopback, over TLS, with certificates made for it."""

import contextlib
import datetime as dt
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from driving import HOST, Variables, free_port, group, until

if TYPE_CHECKING:
    import subprocess

_PREFIX = "DASK_DISTRIBUTED__COMM__TLS__"


@dataclass(frozen=True)
class Certificates:
    """A certificate authority, and one certificate and key that it has signed."""

    authority: Path
    certificate: Path
    key: Path

    def variables(self) -> dict[str, str]:
        """Return the variables by which Dask finds them, as client, scheduler and worker."""
        found = {f"{_PREFIX}CA_FILE": str(self.authority)}
        for role in ("CLIENT", "SCHEDULER", "WORKER"):
            found |= {f"{_PREFIX}{role}__CERT": str(self.certificate)}
            found |= {f"{_PREFIX}{role}__KEY": str(self.key)}
        return found


def make_certificates(folder: Path) -> Certificates:
    """Make an authority of its own and a certificate for loopback."""
    folder.mkdir(parents=True, exist_ok=True)
    now = dt.datetime.now(dt.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("authority", HOST)
    ]
    files = Certificates(folder / "authority.pem", folder / "own.pem", folder / "own.key")
    for position, path in ((0, files.authority), (1, files.certificate)):
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[position])
            .issuer_name(names[0])
            .public_key(keys[position].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=position == 0, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]),
                critical=False,
            )
        )
        signed = builder.sign(keys[0], hashes.SHA256())
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        keys[1].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


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
