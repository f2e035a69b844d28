"""Checks of the connection to the server: its address, its certificate, its clock."""

import http.client
import ipaddress
import os
import socket
import ssl
import threading
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import certifi
from requests.utils import get_environ_proxies, select_proxy

from reprise.doctor.context import CONNECT_SECONDS, PORTS, TRACKING_URI, Context
from reprise.doctor.result import CheckResult, failed, ok, quoted, warning
from reprise.errors import TrackingError

CERTIFICATE_VARIABLES = (
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
CLIENT_CERTIFICATE = "MLFLOW_TRACKING_CLIENT_CERT_PATH"
INSECURE = "MLFLOW_TRACKING_INSECURE_TLS"
SOON_DAYS = 14
SKEW_FAILS_SECONDS = 300  # S3 refuses signed requests at 900
SKEW_WARNS_SECONDS = 30
_DAY_SECONDS = 86_400
_TRUE = ("true", "1")
_EXPIRED, _NOT_YET = 10, 9  # OpenSSL's X509_V_ERR_...
_OTHER_NAME = (62, 64)
_OLD_TLS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "VERSION_TOO_LOW")
_SET_ADDRESS = f"Do: export {TRACKING_URI}=https://<your server>"


def address(context: Context) -> CheckResult:
    """Check that the address is set and safe, that its name resolves and its port answers."""
    name = "address"
    if not context.has_server:
        bare = context.bare_uri
        return ok(name, f"{bare} is a store without a server: there is no server to check")
    fault = _misset(context)
    if fault:
        return failed(name, *fault)
    host, port, by = _way(context)
    unreached = _unreached(host, port)
    if unreached:
        return failed(name, f"{context.bare_uri}{by}: {unreached[0]}", unreached[1])
    if "@" in context.parts.netloc:
        return warning(
            name,
            f"{context.bare_uri} answers, but {TRACKING_URI} holds a login, which logs would show",
            "Remove it, and do: export MLFLOW_TRACKING_USERNAME=… MLFLOW_TRACKING_PASSWORD=…",
        )
    return ok(name, f"{context.bare_uri} answers{by}")


def _misset(context: Context) -> tuple[str, str] | None:
    """Return what is wrong with the text of the address and what to do, or None."""
    if not context.uri:
        return f"expected {TRACKING_URI}, found none: runs would stay here", _SET_ADDRESS
    try:
        host, _ = context.parts.hostname, context.parts.port
    except ValueError as error:
        return f"{context.bare_uri}: {error}", _SET_ADDRESS
    if not host:
        return f"{context.bare_uri}: expected a host, found none", _SET_ADDRESS
    if context.parts.scheme == "http" and not is_loopback(host):
        found = f"{context.bare_uri}: expected https, found http: passwords would go in clear"
        return found, f"Do: export {TRACKING_URI}=https://{host}"
    return None


def _way(context: Context) -> tuple[str, int, str]:
    """Return the host and port of the server or its proxy, and how to name the proxy."""
    proxy = select_proxy(context.bare_uri, get_environ_proxies(context.bare_uri, no_proxy=None))
    if not proxy:
        host, port = context.parts.hostname, context.parts.port
        return host or "", port or PORTS[context.parts.scheme], ""
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    port = parts.port or PORTS.get(parts.scheme, PORTS["http"])
    return parts.hostname or "", port, f" by the proxy {parts.hostname}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine: requests to it stay off the network."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _unreached(host: str, port: int) -> tuple[str, str] | None:
    """Return why a port cannot be reached, and what to do; None if it can."""
    resolved: list[bool] = []

    def resolve() -> None:
        try:
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            resolved.append(False)
        else:
            resolved.append(True)

    resolving = threading.Thread(target=resolve, daemon=True)  # it has no time limit
    resolving.start()
    resolving.join(CONNECT_SECONDS)
    if resolved != [True]:
        advice = f"Check the spelling in {TRACKING_URI}, and that VPN and DNS are up"
        return f"expected a name that resolves, found that {host} does not", advice
    try:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except TimeoutError:
        found = f"no answer on port {port} in {CONNECT_SECONDS} s"
        return found, "Connect to the VPN, or ask for your network to be added to the allowed ones"
    except OSError as error:
        advice = f"Check the port in {TRACKING_URI}, and that the server runs"
        return f"port {port} of {host} cannot be reached ({error.strerror or error})", advice
    return None


def certificate(context: Context) -> CheckResult:
    """Check the server's certificate, as MLflow's client would."""
    name = "certificate"
    if os.environ.get(INSECURE, "").lower() in _TRUE:
        found = f"{INSECURE} is set: anybody on the network can read the password"
        return failed(name, found, f"Do: unset {INSECURE}")
    if context.parts.scheme == "http":
        return ok(name, "none is needed: the server is on this machine")
    variable, bundle = trusted()
    by = variable or "certifi"
    try:
        version, expires = _handshake(context, bundle)
    except (OSError, http.client.HTTPException) as error:
        return failed(name, *_no_handshake(error, context, by))
    days = int((expires - time.time()) // _DAY_SECONDS)
    found = f"{version}, trusted by {by}, {days} days left"
    if days < SOON_DAYS:
        return warning(name, found, "Ask the administrator to renew the server's certificate")
    return ok(name, found)


def trusted() -> tuple[str, str]:
    """Return the variable (or "") and the file or folder of the trusted certificates."""
    for variable in CERTIFICATE_VARIABLES:
        if os.environ.get(variable):
            return variable, os.environ[variable]
    return "", certifi.where()


def _handshake(context: Context, bundle: str) -> tuple[str, float]:
    """Return the version of TLS and the time at which the certificate expires."""
    is_folder = Path(bundle).is_dir()
    tls = ssl.create_default_context(
        cafile=None if is_folder else bundle, capath=bundle if is_folder else None
    )
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    if os.environ.get(CLIENT_CERTIFICATE):
        tls.load_cert_chain(os.environ[CLIENT_CERTIFICATE])
    host, port, by = _way(context)
    connection = http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=tls)
    if by:
        connection.set_tunnel(context.parts.hostname or "", context.parts.port or PORTS["https"])
    try:
        connection.connect()
        channel: ssl.SSLSocket = connection.sock
        expires = str((channel.getpeercert() or {})["notAfter"])
        return channel.version() or "", ssl.cert_time_to_seconds(expires)
    finally:
        connection.close()


def _no_handshake(error: Exception, context: Context, by: str) -> tuple[str, str]:
    """Return why TLS could not be set up, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, context, by)
    if isinstance(error, FileNotFoundError):
        found = f"expected certificates in the file of {by}, found none"
        return found, f"Correct or unset {by} (and {CLIENT_CERTIFICATE}, if it is set)"
    if not isinstance(error, ssl.SSLError):
        found = f"the server accepts the connection, but TLS fails ({quoted(str(error))})"
        return found, "Ask the administrator whether the server is up"
    if error.reason in _OLD_TLS:
        found = "expected TLS 1.2 or newer, found that the server has only older versions"
        return found, "Ask the administrator for `ssl_protocols TLSv1.2 TLSv1.3;`"
    if error.reason == "WRONG_VERSION_NUMBER":
        return "expected TLS, found that the port speaks plain HTTP", f"Check {TRACKING_URI}"
    variables = ", ".join((*CERTIFICATE_VARIABLES, CLIENT_CERTIFICATE))
    found = f"no TLS connection ({quoted(str(error))})"
    return found, f"Ask the administrator, and check the files of {variables}"


def _untrusted(error: ssl.SSLCertVerificationError, context: Context, by: str) -> tuple[str, str]:
    """Return what is wrong with a certificate, and what to do."""
    if error.verify_code in (_EXPIRED, _NOT_YET):
        state = "has expired" if error.verify_code == _EXPIRED else "is not valid yet"
        advice = "Ask the administrator to renew it, or set this machine's clock if that is wrong"
        return f"the certificate {state}", advice
    if error.verify_code in _OTHER_NAME:
        found = f"the certificate is for another name than {context.parts.hostname}"
        return found, f"Use the name of the certificate in {TRACKING_URI}"
    found = f"the certificate's authority is not known to {by} ({error.verify_message})"
    variable = CERTIFICATE_VARIABLES[0]
    return found, f"Get the CA's file from the administrator, and do: export {variable}=<file>"


def clock(context: Context) -> CheckResult:
    """Check this machine's clock against the server's."""
    name = "clock"
    before = time.time()
    try:
        date = context.ask("/health", anonymous=True).headers.get("Date", "")
    except TrackingError as error:
        return failed(name, str(error), "Ask the administrator whether the server is up")
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except ValueError:
        found = "the server does not report its time"
        return warning(name, found, "Check this machine's clock yourself")
    off = round((before + time.time()) / 2 - theirs)
    found = f"{abs(off)} s {'ahead of' if off > 0 else 'behind'} the server's"
    advice = "Set this machine's clock: sudo timedatectl set-ntp true"
    if abs(off) > SKEW_FAILS_SECONDS:
        return failed(name, f"{found}; signed requests to S3 fail at 15 minutes", advice)
    if abs(off) > SKEW_WARNS_SECONDS:
        return warning(name, found, advice)
    return ok(name, f"within {max(abs(off), 1)} s of the server's")
