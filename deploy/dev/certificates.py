"""A new certificate authority, and a certificate that it has signed."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Certificates:
    """Files with a certificate authority, and one certificate and key that it has signed."""

    authority: Path
    certificate: Path
    key: Path


def make(folder: Path, name: str, address: str = "127.0.0.1", *, days: int = 365) -> Certificates:
    """Make an authority and a certificate for a name and an address, or keep existing ones."""
    files = Certificates(folder / "authority.pem", folder / "server.crt", folder / "server.key")
    if files.key.exists():
        return files
    folder.mkdir(parents=True, exist_ok=True)
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Development authority")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName(
        [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(address))]
    )
    both = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    of_authority = _builder(issuer, issuer, authority, days).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    of_server = (
        _builder(issuer, subject, own, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(names, critical=False)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
    )
    for builder, path in ((of_authority, files.authority), (of_server, files.certificate)):
        path.write_bytes(builder.sign(authority, hashes.SHA256()).public_bytes(_PEM))
    files.key.touch(mode=0o600)
    files.key.write_bytes(
        own.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


_PEM = serialization.Encoding.PEM


def _builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + days * _DAY)
    )
