"""The doctor, against a real server with accounts and TLS, behind a proxy that misbehaves."""

import base64
import contextlib
import datetime as dt
import http.client
import importlib.util
import ipaddress
import itertools
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
import urllib.request
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from mlflow import MlflowClient
from repositories import commit_all, git, make_repository, publish

from reprise.doctor import account, connection, local, transfer
from reprise.doctor.checks import CHECKS, examine, leave
from reprise.doctor.context import _LIMITS, _QUIET, Context, be_brief_and_quiet
from reprise.doctor.result import Status, failed, line, ok, quoted

pytestmark = pytest.mark.slow  # starts processes

ROOT = Path(__file__).resolve().parents[2]
SERVER_VENV = ROOT / ".venv-server" / "bin" / "python"
HOST = "127.0.0.1"
ADMIN, ALICE, BOB = "admin", "alice", "bob"
PASSWORD = "Correct-horse-battery-9"
NOW = dt.datetime.now(dt.UTC)
LIMIT_SECONDS = 120
OK, WARNING, FAILED, SKIPPED = Status
CHECKED = [check.name for check in CHECKS]


# --- certificates


@dataclass(frozen=True)
class Authority:
    """A certificate authority with its certificates in a folder."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    numbers: itertools.count = field(default_factory=itertools.count)

    @property
    def file(self):
        path = self.folder / "ca.pem"
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def issue(self, name=HOST, *, days=20.5):
        """Return the files of a new certificate for an address, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        place = x509.IPAddress(ipaddress.ip_address(name))
        made = signed("a server", key, "a CA", self.key, days=days, extensions=[
            (x509.SubjectAlternativeName([place]), False)])  # fmt: skip
        paths = [self.folder / f"{next(self.numbers)}.{kind}" for kind in ("pem", "key")]
        paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return paths


def signed(subject, key, issuer, signing_key, *, days, extensions):
    """Sign a certificate that ends so many days from now."""
    subject, issuer = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        for name in (subject, issuer)
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=90))
        .not_valid_after(NOW + dt.timedelta(days=days))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signing_key, hashes.SHA256())


def new_authority(folder):
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    rights = (x509.BasicConstraints(ca=True, path_length=None), True)
    return Authority(folder, key, signed("a CA", key, "a CA", key, days=365, extensions=[rights]))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return new_authority(tmp_path_factory.mktemp("authority") / "ca")


@contextlib.contextmanager
def listening(serve):
    """Serve connections on a new port in a thread; yield the port."""
    with socket.create_server((HOST, 0)) as listener:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    serve(listener.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def silent():
    """The port of a server that accepts connections and never answers."""
    kept = []
    with listening(kept.append) as port:
        yield port
    for taken in kept:
        taken.close()


@contextlib.contextmanager
def speaking_tls(files, *, newest=None):
    """Shake hands with a certificate and do nothing more; yield the port."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*files)
    if newest:
        tls.set_ciphers("ALL:@SECLEVEL=0")
        tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        tls.maximum_version = newest

    def shake(taken):
        with contextlib.suppress(OSError), tls.wrap_socket(taken, server_side=True) as channel:
            channel.recv(1)

    with listening(shake) as port:
        yield port


# --- a server with accounts, and a proxy in front of it


def server_python():
    """Return the Python of an environment that can serve accounts."""
    if SERVER_VENV.exists():
        return str(SERVER_VENV)
    if importlib.util.find_spec("flask_wtf") is None:
        pytest.skip("no environment with mlflow[auth]: make .venv-server/.installed")
    return sys.executable


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Server:
    """A tracking server: its port, its CA's file, and its folder of artifacts."""

    port: int
    authority: Path
    artifacts: Path

    @property
    def url(self):
        return f"https://{HOST}:{self.port}"

    def call(self, path, *, method="POST", user=ADMIN, **body):
        """Call its REST API as a user."""
        token = base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/api/{path}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
            method=method,
        )
        tls = ssl.create_default_context(cafile=self.authority)
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
        with urllib.request.build_opener(*handlers).open(request, timeout=20) as response:
            return json.loads(response.read() or b"{}")

    def make_experiment(self, name, *, user):
        made = self.call("2.0/mlflow/experiments/create", user=user, name=name)
        return made["experiment_id"]

    def stored(self):
        """Return the files in its folder of artifacts."""
        return [path for path in self.artifacts.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def server(tmp_path_factory, authority):
    folder = tmp_path_factory.mktemp("server")
    (folder / "auth.ini").write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
        f"database_uri = sqlite:///{folder}/auth.db\nadmin_username = {ADMIN}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        "auth_cache_ttl_seconds = 60\n"
    )
    certificate, key = authority.issue()
    made = Server(free_port(), authority.file, folder / "artifacts")
    kept = {n: v for n, v in os.environ.items() if not n.startswith("MLFLOW_")}
    command = [server_python(), "-m", "mlflow", "server", "--app-name", "basic-auth"]
    command += ["--host", HOST, "--port", str(made.port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(made.artifacts)]
    command += ["--uvicorn-opts", f"--ssl-keyfile {key} --ssl-certfile {certificate}"]
    settings = {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "of-this-test",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with (folder / "log").open("wb") as log, subprocess.Popen(
        command, env=kept | settings, cwd=folder, stdout=log, stderr=log, start_new_session=True
    ) as process:  # fmt: skip
        try:
            wait_for(made, process, folder / "log")
            for user in (ALICE, BOB):
                made.call("2.0/mlflow/users/create", username=user, password=PASSWORD)
            yield made
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(server, process, log):
    end = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            server.call("2.0/mlflow/experiments/get-by-name?experiment_name=Default", method="GET")
            return
        time.sleep(0.1)
    pytest.fail(log.read_text()[-2000:])


@dataclass
class Proxy:
    """Passes requests on to a server, and changes the answers as a test asks.

    `before` takes a handler and returns an answer, or None to pass on; `after` takes a handler and
    an answer. An answer is a status, headers and a body.
    """

    server: Server
    port: int = 0
    host: str = ""
    login: str = ""
    before: object = lambda _: None
    after: object = lambda _, answer: answer

    @property
    def url(self):
        return f"http://{HOST}:{self.port}"

    def pass_on(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        headers = dict(handler.headers.items())
        if self.host:
            headers["Host"] = self.host
        if self.login:
            headers["Authorization"] = self.login
        tls = ssl.create_default_context(cafile=self.server.authority)
        way = http.client.HTTPSConnection(HOST, self.server.port, context=tls, timeout=20)
        with contextlib.closing(way):
            way.request(handler.command, handler.path, body, headers)
            response = way.getresponse()
            return response.status, dict(response.getheaders()), response.read()


@pytest.fixture
def proxy(server):
    made = Proxy(server)

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            found = made.before(self) or made.after(self, made.pass_on(self))
            status, headers, body = found
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815 - http.server's

        def log_message(self, *_):
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_):  # a client that was interrupted
            pass

    with Quiet((HOST, 0), Handler) as listener:
        made.port = listener.server_port
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield made
        listener.shutdown()


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """A user's environment without any settings, and a home without any files."""
    for name in list(os.environ):
        if name.startswith("MLFLOW_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in {**_LIMITS, **_QUIET}:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    be_brief_and_quiet()


@pytest.fixture
def as_user(monkeypatch):
    def as_user(name, password=PASSWORD):
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)

    return as_user


@pytest.fixture
def as_alice(as_user):
    as_user(ALICE)


def to(uri, folder=ROOT):
    return Context(uri, folder, size_mb=1)


def doctor(server, folder, **variables):
    """Start the command as Alice does, in a folder."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MLFLOW_TRACKING_URI": server.url,
        "MLFLOW_TRACKING_SERVER_CERT_PATH": str(server.authority),
        "MLFLOW_TRACKING_USERNAME": ALICE,
        "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        **variables,
    }
    return subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "reprise.doctor", "--size-mb", "3"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def project(tmp_path, plain_git):
    """A repository whose commits its origin has."""
    folder = make_repository(tmp_path / "project")
    publish(folder, tmp_path / "origin.git")
    return folder


# --- the whole command


def test_a_good_machine_gets_a_line_for_each_check_and_nothing_remains_on_the_server(
    server, project, temporary
):
    process = doctor(server, project)
    stdout, stderr = process.communicate(timeout=LIMIT_SECONDS)

    lines = stdout.splitlines()
    assert (process.returncode, stderr) == (0, "")
    assert [row.split()[:2] for row in lines[:-3]] == [
        ["ok", name] for name in [*CHECKED, "clean-up"]
    ]
    assert lines[-1].strip() == "reprise run"
    assert "3 MB written, read back unchanged and deleted" in stdout
    assert PASSWORD not in stdout
    assert server.stored() == []
    assert list(temporary.iterdir()) == []


def test_a_wrong_password_is_reported_first_and_the_checks_that_need_a_login_are_skipped(
    server, project
):
    process = doctor(server, project, MLFLOW_TRACKING_PASSWORD="Wrong-horse-1")
    stdout, stderr = process.communicate(timeout=LIMIT_SECONDS)

    found = {row.split()[1]: row.split()[0] for row in stdout.splitlines()[:-1]}
    expected = dict.fromkeys(CHECKED, "ok")
    expected |= dict.fromkeys(("versions", "permission", "transfers", "artifacts"), "skipped")
    assert (process.returncode, stderr) == (1, "")
    assert found == expected | {"login": "FAILED"}
    assert "needs login, which failed" in stdout
    assert stdout.splitlines()[-1].startswith("Fix first: login. Do: export MLFLOW_TRACKING_")
    assert "Wrong-horse" not in stdout


def test_ctrl_c_in_the_middle_of_a_transfer_leaves_nothing_on_the_server(
    server, proxy, project, temporary
):
    sending, over = threading.Event(), threading.Event()

    def hold(handler):
        if handler.command == "PUT" and handler.path.endswith("/large"):
            sending.set()
            over.wait(LIMIT_SECONDS)
            return 503, {}, b""
        return None

    proxy.before = hold

    process = doctor(server, project, MLFLOW_TRACKING_URI=proxy.url)
    assert sending.wait(LIMIT_SECONDS)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=LIMIT_SECONDS)
    over.set()

    assert (process.returncode, stderr) == (130, "doctor: interrupted\n")
    assert stdout.splitlines()[-1].split()[:2] == ["ok", "clean-up"]
    assert list(temporary.iterdir()) == []
    assert server.stored() == []


def test_no_check_takes_longer_than_its_limit(silent, tmp_path):
    results = list(examine(to(f"https://{HOST}:{silent}", tmp_path), seconds=0.3))

    assert [f.check for f in results] == CHECKED
    assert [f.status for f in results[:3]] == [OK, FAILED, SKIPPED]
    assert results[1].found.startswith("not finished in")


def test_without_a_server_only_local_checks_run(tmp_path):
    context = to("sqlite:///mlflow.db", tmp_path)

    results = list(examine(context))

    assert [f.check for f in results] == ["address", "pickle", "git"]
    assert results[0].status == OK
    assert "no server to check" in results[0].found
    assert leave(context) is None


# --- address


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "expected MLFLOW_TRACKING_URI, found none"),
        ("http://mlflow.example.org", "passwords would go in clear"),
        ("http://192.0.2.1:5000", "passwords would go in clear"),
        ("https://nowhere.invalid", "nowhere.invalid does not"),
        (f"https://{HOST}:99999", "out of range"),
        ("https://", "expected a host"),
    ],
)
def test_a_wrong_address_fails(uri, words):
    result = connection.address(to(uri))

    assert result.status == FAILED
    assert words in result.found
    assert result.advice


def test_a_port_without_a_server_fails():
    result = connection.address(to(f"https://{HOST}:{free_port()}"))

    assert result.status == FAILED
    assert "refused" in result.found


def test_a_login_in_the_address_gets_a_warning_and_is_not_shown(silent):
    result = connection.address(to(f"https://alice:{PASSWORD}@{HOST}:{silent}"))

    assert result.status == WARNING
    assert PASSWORD not in line(result, width=0)


def test_the_login_of_a_database_is_not_shown():
    result = connection.address(to(f"postgresql://alice:{PASSWORD}@db/mlflow"))

    assert result.status == OK
    assert PASSWORD not in line(result, width=0)


# --- certificate


def handshake(port, authority, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(authority.file))
    return connection.certificate(to(f"https://{HOST}:{port}"))


@pytest.mark.parametrize(
    ("terms", "status", "words"),
    [
        ({}, OK, "20 days left"),
        ({"days": 5.5}, WARNING, "5 days left"),
        ({"days": -1}, FAILED, "has expired"),
        ({"name": "127.0.0.2"}, FAILED, f"for another name than {HOST}"),
    ],
)
def test_a_certificate_is_checked_as_the_client_checks_it(
    authority, monkeypatch, terms, status, words
):
    with speaking_tls(authority.issue(**terms)) as port:
        result = handshake(port, authority, monkeypatch)

    assert result.status == status
    assert words in result.found


def test_a_certificate_of_an_unknown_authority_fails(authority, monkeypatch, tmp_path):
    other = new_authority(tmp_path / "other")

    with speaking_tls(authority.issue()) as port:
        result = handshake(port, other, monkeypatch)
        monkeypatch.delenv("MLFLOW_TRACKING_SERVER_CERT_PATH")
        by_default = connection.certificate(to(f"https://{HOST}:{port}"))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
        by_bundle = connection.certificate(to(f"https://{HOST}:{port}"))

    assert (result.status, by_default.status, by_bundle.status) == (FAILED, FAILED, OK)
    assert "is not known to MLFLOW_TRACKING_SERVER_CERT_PATH" in result.found
    assert "is not known to certifi" in by_default.found


def test_a_server_with_only_old_tls_fails(authority, monkeypatch):
    with speaking_tls(authority.issue(), newest=ssl.TLSVersion.TLSv1_1) as port:
        result = handshake(port, authority, monkeypatch)

    assert result.status == FAILED
    assert "expected TLS 1.2" in result.found


def test_a_port_that_speaks_http_fails(proxy, authority, monkeypatch):
    result = handshake(proxy.port, authority, monkeypatch)

    assert result.status == FAILED
    assert "plain HTTP" in result.found


def test_a_server_that_never_shakes_hands_fails(silent, authority, monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.2)

    result = handshake(silent, authority, monkeypatch)

    assert result.status == FAILED
    assert "accepts the connection, but TLS fails" in result.found


def test_a_missing_file_of_authorities_fails(silent, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "/nowhere/ca.pem")

    result = connection.certificate(to(f"https://{HOST}:{silent}"))

    assert result.status == FAILED
    assert "unset MLFLOW_TRACKING_SERVER_CERT_PATH" in result.advice


def test_unverified_tls_fails_and_no_password_is_sent(silent, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")

    result = connection.certificate(to(f"https://{HOST}:{silent}"))

    assert result.status == FAILED
    assert result.advice == "Do: unset MLFLOW_TRACKING_INSECURE_TLS"


# --- login


def test_without_a_login_it_fails(proxy):
    result = account.login(to(proxy.url))

    assert result.status == FAILED
    assert "found none" in result.found


def write_credentials(home, mode):
    file = home / ".mlflow" / "credentials"
    file.parent.mkdir()
    lines = f"mlflow_tracking_username = {ALICE}\nmlflow_tracking_password = {PASSWORD}\n"
    file.write_text(f"[mlflow]\n{lines}")
    file.chmod(mode)
    return file


@pytest.mark.parametrize(("mode", "status"), [(0o600, OK), (0o640, WARNING), (0o604, WARNING)])
def test_only_the_user_may_read_the_file_with_the_login(proxy, tmp_path, mode, status):
    write_credentials(tmp_path / "home", mode)

    result = account.login(to(proxy.url))

    assert result.status == status
    assert "alice (of ~/.mlflow/credentials) is accepted" in result.found


def test_a_garbled_file_with_the_login_fails_and_is_not_shown(proxy, tmp_path):
    write_credentials(tmp_path / "home", 0o600).write_text(PASSWORD)

    result = account.login(to(proxy.url))

    assert result.status == FAILED
    assert PASSWORD not in line(result, width=0)


def test_a_server_without_accounts_gets_a_warning(proxy, as_alice):
    proxy.login = "Basic " + base64.b64encode(f"{ADMIN}:{PASSWORD}".encode()).decode()

    result = account.login(to(proxy.url))

    assert result.status == WARNING
    assert "no accounts" in result.found


def test_a_foreign_host_name_and_a_refusal_have_different_messages(proxy, as_alice):
    proxy.host = "evil.example"

    result = account.login(to(proxy.url))

    assert result.status == FAILED
    assert "foreign Host" in result.found


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, b"<h1>403 Forbidden</h1>", "refuses this machine"),
        (502, b"<h1>502 Bad Gateway</h1>", "the MLflow server behind it does not (HTTP 502)"),
        (500, b"oops", "the server refuses (HTTP 500: oops)"),
        (404, b"", "expected MLflow, found something else"),
        (200, b"<html>Please log in</html>", "expected MLflow, found something else"),
        (401, b"", "does not know alice (of the environment)"),
    ],
)
def test_a_proxy_in_front_of_the_server_is_named(proxy, as_alice, status, body, words):
    proxy.before = lambda _: (status, {}, body)

    result = account.login(to(proxy.url))

    assert result.status == FAILED
    assert words in result.found


def test_a_server_that_never_answers_fails(silent, as_alice, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")

    assert account.login(to(f"http://{HOST}:{silent}")).status == FAILED


# --- clock, versions


@pytest.mark.parametrize(
    ("ahead", "status", "words"),
    [
        (0, OK, "within"),
        (40, WARNING, "s behind the server's"),
        (-40, WARNING, "s ahead of the server's"),
        (400, FAILED, "signed requests to S3"),
        (-400, FAILED, "s ahead of the server's"),
        (None, WARNING, "does not report its time"),
    ],
)
def test_the_two_clocks_must_agree(proxy, ahead, status, words):
    headers = {} if ahead is None else {"Date": formatdate(time.time() + ahead, usegmt=True)}
    proxy.before = lambda _: (200, headers, b"OK")

    result = connection.clock(to(proxy.url))

    assert result.status == status
    assert words in result.found


@pytest.mark.parametrize(
    ("version", "status"),
    [
        (b"3.16.0", FAILED),
        (b"2.22.1", FAILED),
        (b"3.16.1", WARNING),
        (b"3.17.0", OK),
        (b"4.0.0", OK),
        (b"<html>", WARNING),
    ],
)
def test_the_server_must_not_be_too_old(proxy, as_alice, monkeypatch, version, status):
    monkeypatch.setattr(account.mlflow, "__version__", "3.17.2")
    proxy.before = lambda _: (200, {}, version)

    assert account.versions(to(proxy.url)).status == status


# --- permission


@pytest.fixture
def tidy():
    """Contexts whose runs are deleted afterwards."""
    visits = []

    def begin(uri):
        visits.append(to(uri))
        return visits[-1]

    yield begin
    for context in visits:
        transfer.clean_up(context)


@pytest.fixture
def trusting(server, monkeypatch):
    """The server's address; the server's CA is trusted."""
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(server.authority))
    return server.url


def test_another_users_experiment_with_the_doctors_name_is_not_used(tidy, trusting, as_user):
    named = []
    for user in (ALICE, BOB):
        as_user(user)
        context = tidy(trusting)
        result = account.permission(context)
        named.append(result.found)
        assert result.status == OK
        assert transfer.clean_up(context).status == OK
        context.run = None

    assert f"'{account.EXPERIMENT}-{BOB}'" in named[1]


def test_a_run_is_made_in_the_experiment_that_runs_will_use(
    tidy, server, trusting, as_alice, monkeypatch
):
    name = "of alice"
    experiment_id = server.make_experiment(name, user=ALICE)

    places = []
    for variable, value in (("NAME", name), ("ID", experiment_id)):
        monkeypatch.setenv(f"MLFLOW_EXPERIMENT_{variable}", value)
        context = tidy(trusting)
        assert account.permission(context).status == OK
        places.append(context.run.info.experiment_id)
        monkeypatch.delenv(f"MLFLOW_EXPERIMENT_{variable}")

    assert places == [experiment_id] * 2


def test_a_missing_experiment_is_reported(tidy, trusting, as_alice, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of nobody")
    by_name = account.permission(tidy(trusting))
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "987654321")
    by_id = account.permission(tidy(trusting))

    assert (by_name.status, by_id.status) == (WARNING, FAILED)
    assert MlflowClient(trusting).get_experiment_by_name("of nobody") is None


def test_names_of_two_experiments_fail(tidy, server, trusting, as_alice, monkeypatch):
    server.make_experiment("one of two", user=ALICE)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "one of two")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")

    result = account.permission(tidy(trusting))

    assert result.status == FAILED
    assert "two experiments" in result.found


def test_a_deleted_experiment_fails(tidy, server, trusting, as_alice, monkeypatch):
    experiment_id = server.make_experiment("deleted", user=ALICE)
    MlflowClient(trusting).delete_experiment(experiment_id)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "deleted")

    result = account.permission(tidy(trusting))

    assert result.status == FAILED
    assert "is deleted" in result.found


def shared(server, permission, user=ALICE):
    """Make an experiment of Bob's, and give a user a permission on it."""
    experiment_id = server.make_experiment(f"of bob, {permission}", user=BOB)
    server.call(
        "3.0/mlflow/users/permissions/grant",
        user=BOB,
        username=user,
        resource_type="experiment",
        resource_id=experiment_id,
        permission=permission,
    )
    return experiment_id


def test_a_user_who_may_only_read_learns_whom_to_ask(tidy, server, trusting, as_alice, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", shared(server, "READ"))

    result = account.permission(tidy(trusting))

    assert result.status == FAILED
    assert "alice may not make runs" in result.found
    assert "EDIT" in result.advice


def test_no_large_file_is_sent_to_a_store_that_refuses_to_delete(
    server, trusting, as_alice, monkeypatch
):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", shared(server, "EDIT"))
    context = to(trusting)

    results = [account.permission(context), transfer.artifacts(context), transfer.clean_up(context)]

    left = server.stored()
    assert [f.status for f in results] == [OK, WARNING, WARNING]
    assert "not deleted (HTTP 403)" in results[1].found
    assert context.run.info.run_id in results[2].found
    assert sum(path.stat().st_size for path in left) < 100
    for path in left:
        path.unlink()


# --- transfers


@pytest.fixture
def visiting(tidy, proxy, as_alice):
    """A context that uses the proxy and has a run."""
    context = tidy(proxy.url)
    assert account.permission(context).status == OK
    return context


def presigning(proxy, url):
    """Make a proxy answer like a server that signs URLs, and sign this URL."""

    def after(handler, answer):
        status, headers, body = answer
        if handler.path.endswith("/server-info"):
            offer = {"multipart_downloads_enabled": True, "multipart_uploads_enabled": True}
            return status, headers, json.dumps(json.loads(body) | offer).encode()
        if "/mlflow-artifacts/presigned/" in handler.path:
            return 200, {}, json.dumps({"url": url, "headers": {}, "file_size": 15}).encode()
        return answer

    proxy.after = after


def test_a_server_without_direct_transfers_passes_artifacts_on(visiting):
    result = transfer.transfers(visiting)

    assert result.status == OK
    assert "as it offers no other way" in result.found


def test_an_unreachable_object_store_fails_and_the_next_check_avoids_it(
    proxy, visiting, silent, monkeypatch
):
    monkeypatch.setattr(transfer, "CONNECT_SECONDS", 0.2)
    presigning(proxy, f"http://{HOST}:{silent}/bucket/small?X-Amz-Signature=secret")
    for name in transfer.BY_SERVER:  # so that it is restored
        monkeypatch.setenv(name, "true")
        monkeypatch.delenv(name)

    direct = transfer.transfers(visiting)
    sent = transfer.artifacts(visiting)
    after = transfer.transfers(visiting)

    assert [f.status for f in (direct, sent, after)] == [FAILED, OK, OK]
    assert f"{HOST}:{silent}: it cannot be reached from here" in direct.found
    assert "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD=false" in direct.advice
    assert "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD=false" in direct.advice
    assert "secret" not in line(direct, width=0)
    assert "as the variables here require" in after.found


def test_an_object_store_that_never_answers_fails(proxy, visiting, monkeypatch):
    presigning(proxy, f"http://{HOST}:{free_port()}/bucket/small")
    for name in transfer.BY_SERVER:
        monkeypatch.setenv(name, "true")

    result = transfer.transfers(visiting)

    assert result.status == FAILED
    assert "no connection" in result.found


def test_a_reachable_object_store_passes(proxy, visiting):
    presigning(proxy, f"{proxy.url}/bucket/small?X-Amz-Signature=secret")
    proxy.before = lambda handler: (
        (200, {}, transfer._SMALL) if handler.path.startswith("/bucket/") else None
    )

    result = transfer.transfers(visiting)

    assert result.status == OK
    assert f"downloads and uploads go directly to {HOST}:{proxy.port}" in result.found


def test_variables_that_ask_for_direct_transfers_get_a_warning_if_the_server_has_none(
    visiting, monkeypatch
):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")

    result = transfer.transfers(visiting)

    assert result.status == WARNING
    assert "the server does not support this (HTTP 501)" in result.found


def test_artifacts_in_a_folder_of_this_machine_fail(store):
    context = to(store.uri)
    context.run = store.client.create_run(store.experiment_id)

    assert transfer.transfers(context).status == FAILED


# --- artifacts


def of_large(method, answer):
    """Answer requests for the large artifact in place of the server."""

    def before(handler):
        wanted = handler.command == method and handler.path.endswith("/large")
        return answer(handler) if wanted else None

    return before


def breaking(handler):
    """End a connection in the middle of an upload."""
    handler.rfile.read(1000)
    handler.connection.shutdown(socket.SHUT_RDWR)
    return 200, {}, b""


@pytest.mark.parametrize(
    ("method", "answer", "words", "advice"),
    [
        ("PUT", lambda _: (413, {}, b""), "HTTP 413", "client_max_body_size"),
        ("PUT", breaking, "the transfer broke off", "client_max_body_size"),
        ("PUT", lambda _: (500, {}, b""), "its store, HTTP 500", "a missing bucket"),
        ("PUT", lambda _: (403, {}, b""), "read only", "EDIT"),
        ("GET", lambda _: (500, {}, b""), "cannot be read", "its log"),
        ("GET", lambda _: (200, {}, b"other"), "were changed on the way", "proxy"),
        ("DELETE", lambda _: (200, {}, b"{}"), "still listed", "policy"),
    ],
)
def test_a_fault_of_the_store_is_named(proxy, visiting, method, answer, words, advice):
    proxy.before = of_large(method, answer)

    result = transfer.artifacts(visiting)

    assert result.status == FAILED
    assert words in result.found
    assert advice in result.advice


def test_a_missing_bucket_is_named(proxy, visiting):
    presigning(proxy, f"{proxy.url}/bucket/small")

    def before(handler):  # as a server answers if its S3 lacks the bucket
        if handler.command == "PUT":
            return 500, {}, b"Internal Server Error"
        if "/mlflow-artifacts/artifacts?" in handler.path:
            message = "Failed to list artifacts in s3://b/a: The specified bucket does not exist"
            answer = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": message}
            return 404, {}, json.dumps(answer).encode()
        return None

    proxy.before = before

    results = [
        look(visiting) for look in (transfer.transfers, transfer.artifacts, transfer.clean_up)
    ]

    assert [f.status for f in results] == [WARNING, FAILED, OK]
    assert "bucket does not exist" in results[1].found


def test_a_large_file_does_not_fill_the_memory():
    file = Path(os.environ["HOME"]) / "large"

    tracemalloc.start()
    digest = transfer._write(file, 40_000_000)
    read = transfer._digest(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert digest == read
    assert peak < 8_000_000


# --- pickle, git


@pytest.mark.parametrize(
    ("value", "status"), [(None, WARNING), ("true", WARNING), ("false", OK), ("no", FAILED)]
)
def test_pickles_must_be_refused(monkeypatch, value, status):
    if value is not None:
        monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", value)

    result = local.pickle(to(""))

    assert result.status == status
    export = "Do: export MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false"
    assert result.advice == ("" if status == OK else export)


def look_at(folder):
    return local.repository(to("", folder))


def test_a_published_commit_passes(project):
    assert look_at(project).status == OK


def test_a_commit_that_only_this_clone_has_gets_a_warning(project):
    (project / "train.py").write_text("depth = 4\n")
    commit_all(project)

    before = look_at(project)
    git(project, "push", "--quiet", "origin", "main")
    (project / "train.py").write_text("depth = 5\n")
    git(project, "commit", "--quiet", "--all", "--message=third")
    git(project, "push", "--quiet", "origin", "HEAD:refs/heads/other")
    git(project, "reset", "--quiet", "--hard", "HEAD~1")

    assert before.status == WARNING
    assert before.advice == "Do: git push origin HEAD"
    assert look_at(project).status == OK


def test_an_ancestor_of_a_commit_that_this_clone_has_not_fetched_passes(project, tmp_path):
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(tmp_path / "origin.git"), str(other))
    (other / "train.py").write_text("depth = 6\n")
    commit_all(other)
    git(other, "push", "--quiet", "origin", "main")

    assert look_at(project).status == OK


def test_a_repository_without_a_commit_gets_a_warning(tmp_path, project):
    git(tmp_path, "init", "--quiet", "new")
    git(tmp_path / "new", "remote", "add", "origin", str(tmp_path / "origin.git"))

    assert look_at(tmp_path / "new").status == WARNING


def test_a_folder_without_git_fails(tmp_path, plain_git):
    result = look_at(tmp_path)

    assert result.status == FAILED
    assert "is no git repository" in result.found


def test_a_repository_without_origin_gets_a_warning(project):
    git(project, "remote", "remove", "origin")

    assert look_at(project).status == WARNING


def test_a_login_in_the_url_of_origin_fails_and_is_not_shown(project):
    git(project, "remote", "set-url", "origin", f"https://alice:{PASSWORD}@example.org/p.git")

    result = look_at(project)

    assert result.status == FAILED
    assert result.advice == "Do: git remote set-url origin https://example.org/p.git"
    assert PASSWORD not in line(result, width=0)


def test_a_missing_origin_fails(project, tmp_path):
    git(project, "remote", "set-url", "origin", str(tmp_path / "gone.git"))

    result = look_at(project)

    assert result.status == FAILED
    assert "does not answer" in result.found


def test_an_origin_that_wants_a_password_fails_without_asking(project, proxy):
    proxy.before = lambda _: (401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
    git(project, "remote", "set-url", "origin", f"{proxy.url}/p.git")

    result = look_at(project)

    assert result.status == FAILED
    assert "could not read Username" in result.found


def test_an_origin_that_never_answers_fails_after_a_time_limit(project, silent, monkeypatch):
    git(project, "remote", "set-url", "origin", f"http://{HOST}:{silent}/p.git")

    assert local._heads(project, "origin", seconds=0.3) == (
        [],
        "nothing came from the server in 0.3 s",
    )


# --- what is printed


def test_a_result_is_one_line():
    result = failed("login", "found\nthis.", "Do that")

    assert line(result, width=8) == "FAILED   login    found this. Do that"
    assert line(ok("git", "well"), width=4) == "ok       git  well"


def test_secrets_are_not_printed():
    text = (
        "PUT https://alice:hunter2@s3.example.org/b/k?X-Amz-Signature=abc&X-Amz-Date=1 failed "
        "for hunter2 (Caused by Url('/b/k?X-Amz-Signature=abc'))"
    )

    whole = line(failed("c", text.replace("for hunter2", ""), ""), width=1)
    part = quoted(text.replace("(Caused", "("), ["hunter2"])

    for shown in (whole, part):
        assert "hunter2" not in shown
        assert "abc" not in shown
    assert len(quoted("x" * 1000)) < 300
