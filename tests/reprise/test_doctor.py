"""The doctor: a real server with accounts and TLS, and in front of it a proxy that misbehaves."""

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
    """Serve connections on a port of their own in a thread; yields the port."""
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
    """The port of what takes connections, and never says anything."""
    kept = []
    with listening(kept.append) as port:
        yield port
    for taken in kept:
        taken.close()


@contextlib.contextmanager
def speaking_tls(files, *, newest=None):
    """Shake hands with a certificate, and no more; yields the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    if newest:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest

    def shake(taken):
        with contextlib.suppress(OSError), context.wrap_socket(taken, server_side=True) as channel:
            channel.recv(1)

    with listening(shake) as port:
        yield port


# --- a server with accounts, and a proxy before it


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
        """Ask its REST API something as a user."""
        token = base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/api/{path}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
            method=method,
        )
        context = ssl.create_default_context(cafile=self.authority)
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        with urllib.request.build_opener(*handlers).open(request, timeout=20) as response:
            return json.loads(response.read() or b"{}")

    def make_experiment(self, name, *, user):
        made = self.call("2.0/mlflow/experiments/create", user=user, name=name)
        return made["experiment_id"]

    def stored(self):
        """Files that are in its folder of artifacts."""
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
    """Passes requests on to a server, and changes what it was told to.

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
        context = ssl.create_default_context(cafile=self.server.authority)
        way = http.client.HTTPSConnection(HOST, self.server.port, context=context, timeout=20)
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


# --- the whole of it


def test_a_machine_that_is_well_gets_a_line_for_each_check_and_leaves_nothing(
    server, project, temporary
):
    process = doctor(server, project)
    stdout, stderr = process.communicate(timeout=LIMIT_SECONDS)

    lines = stdout.splitlines()
    assert (process.returncode, stderr) == (0, "")
    assert [row.split()[:2] for row in lines[:-3]] == [
        ["ok", name] for name in [*CHECKED, "clean-up"]
    ]
    assert lines[-1].strip() == "mlflow run . --env-manager local -e train_dt"
    assert "3 MB written, read back the same and deleted" in stdout
    assert PASSWORD not in stdout
    assert server.stored() == []
    assert list(temporary.iterdir()) == []


def test_a_wrong_password_is_told_first_and_what_stands_on_it_is_skipped(server, project):
    process = doctor(server, project, MLFLOW_TRACKING_PASSWORD="Wrong-horse-1")
    stdout, stderr = process.communicate(timeout=LIMIT_SECONDS)

    found = {row.split()[1]: row.split()[0] for row in stdout.splitlines()[:-1]}
    expected = dict.fromkeys(CHECKED, "ok")
    expected |= dict.fromkeys(("versions", "permission", "transfers", "artifacts"), "skipped")
    assert (process.returncode, stderr) == (1, "")
    assert found == expected | {"login": "FAILED"}
    assert "stands on login, which failed" in stdout
    assert stdout.splitlines()[-1].startswith("Mend first: login. Do: export MLFLOW_TRACKING_")
    assert "Wrong-horse" not in stdout


def test_ctrl_c_in_the_middle_of_a_transfer_leaves_nothing(server, proxy, project, temporary):
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


def test_no_check_takes_longer_than_it_may(silent, tmp_path):
    findings = list(examine(to(f"https://{HOST}:{silent}", tmp_path), seconds=0.3))

    assert [f.check for f in findings] == CHECKED
    assert [f.status for f in findings[:3]] == [OK, FAILED, SKIPPED]
    assert findings[1].found.startswith("no end in")


def test_without_a_server_only_what_is_local_is_checked(tmp_path):
    visit = to("sqlite:///mlflow.db", tmp_path)

    findings = list(examine(visit))

    assert [f.check for f in findings] == ["address", "pickle", "git"]
    assert findings[0].status == OK
    assert "no server to check" in findings[0].found
    assert leave(visit) is None


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
def test_an_address_that_cannot_be_right_fails(uri, words):
    finding = connection.address(to(uri))

    assert finding.status == FAILED
    assert words in finding.found
    assert finding.advice


def test_a_port_where_nobody_is_fails():
    finding = connection.address(to(f"https://{HOST}:{free_port()}"))

    assert finding.status == FAILED
    assert "refused" in finding.found


def test_a_login_in_the_address_is_warned_of_and_not_shown(silent):
    finding = connection.address(to(f"https://alice:{PASSWORD}@{HOST}:{silent}"))

    assert finding.status == WARNING
    assert PASSWORD not in line(finding, width=0)


def test_the_login_of_a_database_is_not_shown():
    finding = connection.address(to(f"postgresql://alice:{PASSWORD}@db/mlflow"))

    assert finding.status == OK
    assert PASSWORD not in line(finding, width=0)


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
def test_a_certificate_is_looked_at_as_the_client_would(
    authority, monkeypatch, terms, status, words
):
    with speaking_tls(authority.issue(**terms)) as port:
        finding = handshake(port, authority, monkeypatch)

    assert finding.status == status
    assert words in finding.found


def test_a_certificate_of_an_unknown_authority_fails(authority, monkeypatch, tmp_path):
    other = new_authority(tmp_path / "other")

    with speaking_tls(authority.issue()) as port:
        finding = handshake(port, other, monkeypatch)
        monkeypatch.delenv("MLFLOW_TRACKING_SERVER_CERT_PATH")
        by_default = connection.certificate(to(f"https://{HOST}:{port}"))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
        by_bundle = connection.certificate(to(f"https://{HOST}:{port}"))

    assert (finding.status, by_default.status, by_bundle.status) == (FAILED, FAILED, OK)
    assert "an authority that MLFLOW_TRACKING_SERVER_CERT_PATH does not know" in finding.found
    assert "an authority that certifi does not know" in by_default.found


def test_a_server_of_old_tls_only_fails(authority, monkeypatch):
    with speaking_tls(authority.issue(), newest=ssl.TLSVersion.TLSv1_1) as port:
        finding = handshake(port, authority, monkeypatch)

    assert finding.status == FAILED
    assert "expected TLS 1.2" in finding.found


def test_a_port_that_speaks_http_fails(proxy, authority, monkeypatch):
    finding = handshake(proxy.port, authority, monkeypatch)

    assert finding.status == FAILED
    assert "plain HTTP" in finding.found


def test_a_server_that_never_shakes_hands_fails(silent, authority, monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.2)

    finding = handshake(silent, authority, monkeypatch)

    assert finding.status == FAILED
    assert "no TLS comes of it" in finding.found


def test_a_missing_file_of_authorities_fails(silent, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "/nowhere/ca.pem")

    finding = connection.certificate(to(f"https://{HOST}:{silent}"))

    assert finding.status == FAILED
    assert "unset MLFLOW_TRACKING_SERVER_CERT_PATH" in finding.advice


def test_unverified_tls_fails_and_no_password_is_sent(silent, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")

    finding = connection.certificate(to(f"https://{HOST}:{silent}"))

    assert finding.status == FAILED
    assert finding.advice == "Do: unset MLFLOW_TRACKING_INSECURE_TLS"


# --- login


def test_without_a_login_it_fails(proxy):
    finding = account.login(to(proxy.url))

    assert finding.status == FAILED
    assert "found none" in finding.found


def write_credentials(home, mode):
    file = home / ".mlflow" / "credentials"
    file.parent.mkdir()
    lines = f"mlflow_tracking_username = {ALICE}\nmlflow_tracking_password = {PASSWORD}\n"
    file.write_text(f"[mlflow]\n{lines}")
    file.chmod(mode)
    return file


@pytest.mark.parametrize(("mode", "status"), [(0o600, OK), (0o640, WARNING), (0o604, WARNING)])
def test_a_file_with_the_login_must_be_ones_own(proxy, tmp_path, mode, status):
    write_credentials(tmp_path / "home", mode)

    finding = account.login(to(proxy.url))

    assert finding.status == status
    assert "alice (of ~/.mlflow/credentials) is let in" in finding.found


def test_a_garbled_file_with_the_login_fails_and_is_not_shown(proxy, tmp_path):
    write_credentials(tmp_path / "home", 0o600).write_text(PASSWORD)

    finding = account.login(to(proxy.url))

    assert finding.status == FAILED
    assert PASSWORD not in line(finding, width=0)


def test_a_server_that_lets_anybody_in_is_warned_of(proxy, as_alice):
    proxy.login = "Basic " + base64.b64encode(f"{ADMIN}:{PASSWORD}".encode()).decode()

    finding = account.login(to(proxy.url))

    assert finding.status == WARNING
    assert "no accounts" in finding.found


def test_a_foreign_host_name_is_told_from_a_refusal(proxy, as_alice):
    proxy.host = "evil.example"

    finding = account.login(to(proxy.url))

    assert finding.status == FAILED
    assert "foreign Host" in finding.found


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
def test_what_stands_before_the_server_is_named(proxy, as_alice, status, body, words):
    proxy.before = lambda _: (status, {}, body)

    finding = account.login(to(proxy.url))

    assert finding.status == FAILED
    assert words in finding.found


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
        (None, WARNING, "does not tell its time"),
    ],
)
def test_the_clocks_must_agree(proxy, ahead, status, words):
    told = {} if ahead is None else {"Date": formatdate(time.time() + ahead, usegmt=True)}
    proxy.before = lambda _: (200, told, b"OK")

    finding = connection.clock(to(proxy.url))

    assert finding.status == status
    assert words in finding.found


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (b"3.16.0", FAILED),
        (b"2.22.1", FAILED),
        (b"3.16.1", WARNING),
        (b"3.17.0", OK),
        (b"4.0.0", OK),
        (b"<html>", WARNING),
    ],
)
def test_the_server_must_not_be_too_old(proxy, as_alice, monkeypatch, told, status):
    monkeypatch.setattr(account.mlflow, "__version__", "3.17.2")
    proxy.before = lambda _: (200, {}, told)

    assert account.versions(to(proxy.url)).status == status


# --- permission


@pytest.fixture
def tidy():
    """Visits whose runs are deleted afterwards."""
    visits = []

    def begin(uri):
        visits.append(to(uri))
        return visits[-1]

    yield begin
    for visit in visits:
        transfer.clean_up(visit)


@pytest.fixture
def trusting(server, monkeypatch):
    """The server's address, whose CA is known."""
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(server.authority))
    return server.url


def test_another_users_experiment_of_that_name_is_left_alone(tidy, trusting, as_user):
    named = []
    for user in (ALICE, BOB):
        as_user(user)
        visit = tidy(trusting)
        finding = account.permission(visit)
        named.append(finding.found)
        assert finding.status == OK
        assert transfer.clean_up(visit).status == OK
        visit.run = None

    assert f"'{account.EXPERIMENT}-{BOB}'" in named[1]


def test_a_run_is_made_where_runs_would_go_to(tidy, server, trusting, as_alice, monkeypatch):
    name = "of alice"
    experiment_id = server.make_experiment(name, user=ALICE)

    places = []
    for variable, value in (("NAME", name), ("ID", experiment_id)):
        monkeypatch.setenv(f"MLFLOW_EXPERIMENT_{variable}", value)
        visit = tidy(trusting)
        assert account.permission(visit).status == OK
        places.append(visit.run.info.experiment_id)
        monkeypatch.delenv(f"MLFLOW_EXPERIMENT_{variable}")

    assert places == [experiment_id] * 2


def test_an_experiment_that_is_not_there_is_told(tidy, trusting, as_alice, monkeypatch):
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

    finding = account.permission(tidy(trusting))

    assert finding.status == FAILED
    assert "two experiments" in finding.found


def test_a_deleted_experiment_fails(tidy, server, trusting, as_alice, monkeypatch):
    experiment_id = server.make_experiment("deleted", user=ALICE)
    MlflowClient(trusting).delete_experiment(experiment_id)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "deleted")

    finding = account.permission(tidy(trusting))

    assert finding.status == FAILED
    assert "is deleted" in finding.found


def shared(server, permission, user=ALICE):
    """Make an experiment of Bob's, on which a user has a permission."""
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


def test_a_user_who_may_only_read_is_told_whom_to_ask(
    tidy, server, trusting, as_alice, monkeypatch
):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", shared(server, "READ"))

    finding = account.permission(tidy(trusting))

    assert finding.status == FAILED
    assert "alice may not make runs" in finding.found
    assert "EDIT" in finding.advice


def test_what_may_be_written_and_not_deleted_is_not_written_large(
    server, trusting, as_alice, monkeypatch
):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", shared(server, "EDIT"))
    visit = to(trusting)

    findings = [account.permission(visit), transfer.artifacts(visit), transfer.clean_up(visit)]

    left = server.stored()
    assert [f.status for f in findings] == [OK, WARNING, WARNING]
    assert "not deleted (HTTP 403)" in findings[1].found
    assert visit.run.info.run_id in findings[2].found
    assert sum(path.stat().st_size for path in left) < 100
    for path in left:
        path.unlink()


# --- transfers


@pytest.fixture
def visiting(tidy, proxy, as_alice):
    """A visit by way of the proxy, that has a run."""
    visit = tidy(proxy.url)
    assert account.permission(visit).status == OK
    return visit


def presigning(proxy, url):
    """Make a proxy tell of a server that signs URLs, and sign this one."""

    def after(handler, answer):
        status, headers, body = answer
        if handler.path.endswith("/server-info"):
            told = {"multipart_downloads_enabled": True, "multipart_uploads_enabled": True}
            return status, headers, json.dumps(json.loads(body) | told).encode()
        if "/mlflow-artifacts/presigned/" in handler.path:
            return 200, {}, json.dumps({"url": url, "headers": {}, "file_size": 15}).encode()
        return answer

    proxy.after = after


def test_a_server_without_another_way_is_gone_through(visiting):
    finding = transfer.transfers(visiting)

    assert finding.status == OK
    assert "as it offers no other way" in finding.found


def test_an_object_store_out_of_reach_fails_and_is_gone_around(
    proxy, visiting, silent, monkeypatch
):
    monkeypatch.setattr(transfer, "CONNECT_SECONDS", 0.2)
    presigning(proxy, f"http://{HOST}:{silent}/bucket/small?X-Amz-Signature=secret")
    for name in transfer.BY_SERVER:  # so that it is put back
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
    assert "as the variables say here" in after.found


def test_an_object_store_without_an_answer_at_all_fails(proxy, visiting, monkeypatch):
    presigning(proxy, f"http://{HOST}:{free_port()}/bucket/small")
    for name in transfer.BY_SERVER:
        monkeypatch.setenv(name, "true")

    finding = transfer.transfers(visiting)

    assert finding.status == FAILED
    assert "no connection" in finding.found


def test_an_object_store_within_reach_is_well(proxy, visiting):
    presigning(proxy, f"{proxy.url}/bucket/small?X-Amz-Signature=secret")
    proxy.before = lambda handler: (
        (200, {}, transfer._SMALL) if handler.path.startswith("/bucket/") else None
    )

    finding = transfer.transfers(visiting)

    assert finding.status == OK
    assert f"downloads and uploads go straight to {HOST}:{proxy.port}" in finding.found


def test_variables_that_ask_for_what_the_server_cannot_are_warned_of(visiting, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")

    finding = transfer.transfers(visiting)

    assert finding.status == WARNING
    assert "the server knows no such way (HTTP 501)" in finding.found


def test_artifacts_in_a_folder_of_this_machine_fail(store):
    visit = to(store.uri)
    visit.run = store.client.create_run(store.experiment_id)

    assert transfer.transfers(visit).status == FAILED


# --- artifacts


def of_large(method, answer):
    """Answer in place of the server to what is done with the large artifact."""

    def before(handler):
        wanted = handler.command == method and handler.path.endswith("/large")
        return answer(handler) if wanted else None

    return before


def breaking(handler):
    """End a connection in the middle of what is sent."""
    handler.rfile.read(1000)
    handler.connection.shutdown(socket.SHUT_RDWR)
    return 200, {}, b""


@pytest.mark.parametrize(
    ("method", "answer", "words", "advice"),
    [
        ("PUT", lambda _: (413, {}, b""), "HTTP 413", "client_max_body_size"),
        ("PUT", breaking, "it ended halfway", "client_max_body_size"),
        ("PUT", lambda _: (500, {}, b""), "its store, HTTP 500", "a missing bucket"),
        ("PUT", lambda _: (403, {}, b""), "read only", "EDIT"),
        ("GET", lambda _: (500, {}, b""), "cannot be read", "its log"),
        ("GET", lambda _: (200, {}, b"other"), "came back altered", "proxy"),
        ("DELETE", lambda _: (200, {}, b"{}"), "still listed", "policy"),
    ],
)
def test_what_is_wrong_with_the_store_is_named(proxy, visiting, method, answer, words, advice):
    proxy.before = of_large(method, answer)

    finding = transfer.artifacts(visiting)

    assert finding.status == FAILED
    assert words in finding.found
    assert advice in finding.advice


def test_a_missing_bucket_is_named(proxy, visiting):
    presigning(proxy, f"{proxy.url}/bucket/small")

    def before(handler):  # as a server says of an S3 without the bucket
        if handler.command == "PUT":
            return 500, {}, b"Internal Server Error"
        if "/mlflow-artifacts/artifacts?" in handler.path:
            said = "Failed to list artifacts in s3://b/a: The specified bucket does not exist"
            told = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": said}
            return 404, {}, json.dumps(told).encode()
        return None

    proxy.before = before

    findings = [
        look(visiting) for look in (transfer.transfers, transfer.artifacts, transfer.clean_up)
    ]

    assert [f.status for f in findings] == [WARNING, FAILED, OK]
    assert "bucket does not exist" in findings[1].found


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

    finding = local.pickle(to(""))

    assert finding.status == status
    export = "Do: export MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false"
    assert finding.advice == ("" if status == OK else export)


def look_at(folder):
    return local.repository(to("", folder))


def test_a_published_commit_is_well(project):
    assert look_at(project).status == OK


def test_a_commit_that_only_this_clone_has_is_warned_of(project):
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


def test_a_commit_below_one_that_this_clone_has_not_fetched_is_well(project, tmp_path):
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(tmp_path / "origin.git"), str(other))
    (other / "train.py").write_text("depth = 6\n")
    commit_all(other)
    git(other, "push", "--quiet", "origin", "main")

    assert look_at(project).status == OK


def test_a_repository_without_a_commit_is_warned_of(tmp_path, project):
    git(tmp_path, "init", "--quiet", "new")
    git(tmp_path / "new", "remote", "add", "origin", str(tmp_path / "origin.git"))

    assert look_at(tmp_path / "new").status == WARNING


def test_a_folder_without_git_fails(tmp_path, plain_git):
    finding = look_at(tmp_path)

    assert finding.status == FAILED
    assert "is no git repository" in finding.found


def test_a_repository_without_origin_is_warned_of(project):
    git(project, "remote", "remove", "origin")

    assert look_at(project).status == WARNING


def test_a_login_in_the_url_of_origin_fails_and_is_not_shown(project):
    git(project, "remote", "set-url", "origin", f"https://alice:{PASSWORD}@example.org/p.git")

    finding = look_at(project)

    assert finding.status == FAILED
    assert finding.advice == "Do: git remote set-url origin https://example.org/p.git"
    assert PASSWORD not in line(finding, width=0)


def test_an_origin_that_is_gone_fails(project, tmp_path):
    git(project, "remote", "set-url", "origin", str(tmp_path / "gone.git"))

    finding = look_at(project)

    assert finding.status == FAILED
    assert "does not answer" in finding.found


def test_an_origin_that_wants_a_password_fails_without_asking(project, proxy):
    proxy.before = lambda _: (401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
    git(project, "remote", "set-url", "origin", f"{proxy.url}/p.git")

    finding = look_at(project)

    assert finding.status == FAILED
    assert "could not read Username" in finding.found


def test_an_origin_that_never_answers_is_given_up(project, silent, monkeypatch):
    git(project, "remote", "set-url", "origin", f"http://{HOST}:{silent}/p.git")

    assert local._heads(project, "origin", seconds=0.3) == (
        [],
        "nothing came from the server in 0.3 s",
    )


# --- what is printed


def test_a_finding_is_one_line():
    finding = failed("login", "found\nthis.", "Do that")

    assert line(finding, width=8) == "FAILED   login    found this. Do that"
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
