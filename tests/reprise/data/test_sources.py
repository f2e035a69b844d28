"""Data sources are read once and hashed; a fault of a source gives one line."""

import gzip
import hashlib
import io
import os
import socket
import subprocess
import sys
import threading
import traceback
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from reprise import urls
from reprise.data import sources
from reprise.data.sources import fetch
from reprise.errors import DataError, NotAllowedError
from reprise.trust import permissions

CSV = b"length,species\n5.1,setosa\n6.4,virginica\n"
SECRETS = ("s3cr3t", "AKIAEXAMPLE")


def refusal(call, *args, **kwargs):
    """Text of the DataError that a call raises: one line, without credentials."""
    with pytest.raises(DataError) as caught:
        call(*args, **kwargs)
    text = str(caught.value)
    assert "\n" not in text
    traced = "".join(traceback.format_exception(caught.value))
    assert not any(secret in traced for secret in SECRETS)
    return text


def printed_by(code, *arguments):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def fetched(source, **kwargs):
    with fetch(source, **kwargs) as found:
        return found, found.path.read_bytes()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch, tmp_path):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(sources, "_ATTEMPTS", 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "downloads"))
    (tmp_path / "downloads").mkdir()


@pytest.fixture
def downloads(tmp_path):
    return tmp_path / "downloads"


class TestLocalFiles:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, monkeypatch):
        (tmp_path / "iris.csv").write_bytes(CSV)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))

    @pytest.mark.parametrize("form", ["iris.csv", "./iris.csv", "~/iris.csv", "{}", "file://{}"])
    def test_are_hashed_and_keep_the_address_the_user_gave(self, form, tmp_path):
        address = form.format(tmp_path / "iris.csv")

        source, content = fetched(address)

        assert content == CSV
        assert source.uri == address
        assert source.kind == "file"
        assert source.sha256 == hashlib.sha256(CSV).hexdigest()
        assert source.size == len(CSV)
        assert source.path.resolve() == tmp_path / "iris.csv"
        assert source.version_id is None

    def test_with_special_characters_are_found_by_file_address(self, tmp_path):
        (tmp_path / "my data?.csv").write_bytes(CSV)

        _, content = fetched(f"file://{tmp_path}/my%20data%3F.csv")

        assert content == CSV

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("data/nothing.csv", ["found nothing at data/nothing.csv", "Check the path"]),
            ("~nobody-here/x.csv", ["found nothing at ~nobody-here/x.csv"]),
            ("file://elsewhere/x.csv", ["found a host", "file:///path"]),
            (".", ["found a directory", "Name one file"]),
            ("/dev/null", ["device or pipe"]),
            ("iris.csv/x.csv", ["Not a directory", "Check the path"]),
            ("empty.csv", ["found an empty file: empty.csv"]),
            ("", ["found an empty value"]),
            ("ftp://u:s3cr3t@host/x.csv", ["found ftp://", "https://", "s3://"]),
        ],
    )
    def test_that_cannot_be_read_are_refused(self, source, words, tmp_path):
        (tmp_path / "empty.csv").touch()

        text = refusal(fetched, source)

        assert all(word in text for word in words)

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("irsi", ["iris, wine", "Did you mean iris?"]),
            ("Iris", ["Did you mean iris?"]),
            ("breastcancer", ["Did you mean breast_cancer?"]),
            ("titanic", ["iris, wine", "Check the name."]),
            ("irsi.csv", ["found nothing at irsi.csv"]),
        ],
    )
    def test_that_look_like_a_known_name_bring_a_suggestion(self, source, words):
        text = refusal(fetched, source, known=("iris", "wine", "breast_cancer"))

        assert all(word in text for word in words)

    def test_without_permission_are_refused(self, tmp_path):
        (tmp_path / "iris.csv").chmod(0)
        if os.geteuid() == 0:  # root reads everything, so be someone else for a moment
            try:
                os.seteuid(65534)
            except PermissionError:
                pytest.skip("root may not change its user here")
        try:
            text = refusal(fetched, str(tmp_path / "iris.csv"))
        finally:
            os.seteuid(os.getuid())

        assert "found no permission" in text
        assert "Change the file's permissions" in text

    def test_that_change_while_they_are_read_are_refused(self, tmp_path):
        def read_while_it_grows():
            with fetch("iris.csv"), (tmp_path / "iris.csv").open("ab") as stream:
                stream.write(b"5.9,setosa\n")

        assert "found it changed" in refusal(read_while_it_grows)

    def test_that_vanish_while_they_are_read_are_refused(self, tmp_path):
        def read_while_it_vanishes():
            with fetch("iris.csv"):
                (tmp_path / "iris.csv").unlink()

        assert "found nothing at iris.csv" in refusal(read_while_it_vanishes)

    def test_let_an_error_of_the_reader_through(self, tmp_path):
        def fail_after_it_vanished():
            with fetch("iris.csv"):
                (tmp_path / "iris.csv").unlink()
                raise KeyError

        with pytest.raises(KeyError):
            fail_after_it_vanished()


class Answers(BaseHTTPRequestHandler):
    """Answers by path: /404/... with that status, /data/... with the file, and so on."""

    def do_GET(self):
        self.server.requests.append(self)
        kind = self.path.split("/")[1]
        body = gzip.compress(CSV, mtime=0) if self.path.split("?")[0].endswith(".gz") else CSV
        if kind == "redirect":
            self.send_response(302)
            self.send_header("Location", "/data/iris.csv?X-Amz-Signature=s3cr3t")
            self.end_headers()
            return
        if kind == "flaky" and len(self.server.requests) == 1:
            kind = "503"
        self.send_response(int(kind) if kind.isdigit() else 200)
        if kind == "encoded":
            self.send_header("Content-Encoding", "gzip")
            body = body if body != CSV else gzip.compress(body)
        self.send_header("Content-Length", str(len(body) + (99 if kind == "cut" else 0)))
        self.end_headers()
        self.wfile.write(b"" if kind == "empty" else body)

    def log_message(self, *args):
        pass


class TestHttp:
    @pytest.fixture
    def server(self):
        with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
            server.requests = []
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            yield server
            server.shutdown()
            thread.join()

    @pytest.fixture
    def address(self, server):
        return f"127.0.0.1:{server.server_port}"

    @pytest.mark.parametrize("path", ["data/iris.csv", "redirect/iris.csv", "encoded/iris.csv"])
    def test_downloads_are_hashed_and_removed_at_the_end(self, path, address, downloads):
        source, content = fetched(f"http://{address}/{path}")

        assert content == CSV
        assert source.uri == f"http://{address}/{path}"
        assert source.kind == "http"
        assert source.sha256 == hashlib.sha256(CSV).hexdigest()
        assert source.size == len(CSV)
        assert not any(downloads.iterdir())

    @pytest.mark.parametrize("path", ["data/iris.csv.gz", "encoded/iris.csv.gz?v=1"])
    def test_downloads_of_gzip_files_stay_gzip(self, path, address):
        _, content = fetched(f"http://{address}/{path}")

        assert gzip.decompress(content) == CSV

    def test_downloads_are_removed_after_an_error_too(self, address, downloads):
        def fail_to_read():
            with fetch(f"http://{address}/data/iris.csv"):
                assert any(downloads.iterdir())
                raise KeyError

        with pytest.raises(KeyError):
            fail_to_read()

        assert not any(downloads.iterdir())

    def test_credentials_are_used_and_not_recorded(self, address, server):
        source, _ = fetched(f"http://ann:s3cr3t@{address}/data/x.csv?token=s3cr3t&sheet=2#s3cr3t")

        (request,) = server.requests
        assert request.headers["Authorization"].startswith("Basic ")
        assert request.path == "/data/x.csv?token=s3cr3t&sheet=2"
        assert source.uri == f"http://{address}/data/x.csv?sheet=2"

    @pytest.mark.parametrize(
        "parameter",
        [
            "X-Amz-Signature",
            "X-Amz-Credential",
            "x-amz-security-token",
            "X-Goog-Signature",
            "Signature",
            "sig",
            "key",
            "token",
            "access_token",
            "accessToken",
            "api_key",
            "apikey",
            "api-key",
            "AWSAccessKeyId",
            "Key-Pair-Id",
            "Policy",
            "password",
            "client_secret",
            "Authorization",
            "s%69g",
        ],
    )
    def test_parameters_that_sign_an_address_are_dropped(self, parameter):
        address = f"https://host/x.csv?{parameter}=s3cr3t&rows=9"

        assert urls.public(address) == "https://host/x.csv?rows=9"

    @pytest.mark.parametrize(
        "query", ["design=a&keyword=b", "v=1%2F2&v=3", "format=csv", "monkey=1&versionId=4", ""]
    )
    def test_other_parameters_are_recorded_as_they_are(self, query):
        address = f"https://host:8080/x.csv?{query}".removesuffix("?")

        assert urls.public(address) == address

    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("401/x.csv", ["HTTP 401", "needs a login"]),
            ("403/x.csv", ["HTTP 403", "needs permission"]),
            ("404/x.csv", ["HTTP 404", "nothing is there", "Check the address"]),
            ("418/x.csv", ["HTTP 418", "the request was refused"]),
            ("500/x.csv", ["HTTP 500", "the server failed", "Try again"]),
            ("503/x.csv", ["HTTP 503", "the server failed", "Try again"]),
            ("cut/x.csv", ["broke off before the end"]),
            ("empty/x.csv", ["broke off before the end"]),
        ],
    )
    def test_a_refusal_names_status_and_address(self, path, words, address, downloads):
        text = refusal(fetched, f"http://ann:s3cr3t@{address}/{path}?sig=s3cr3t")

        assert f"http://{address}/{path}," in text
        assert all(word in text for word in words)
        assert not any(downloads.iterdir())

    def test_a_busy_server_is_asked_again(self, address, server, monkeypatch):
        monkeypatch.setattr(sources, "_ATTEMPTS", 2)

        _, content = fetched(f"http://{address}/flaky/x.csv")

        assert content == CSV
        assert len(server.requests) == 2

    def test_a_refused_connection_is_named(self):
        with closing(socket.create_server(("127.0.0.1", 0))) as closed:
            port = closed.getsockname()[1]

        text = refusal(fetched, f"http://ann:s3cr3t@127.0.0.1:{port}/x.csv")

        assert "the server cannot be reached" in text
        assert "Check the address and the network" in text

    def test_an_unknown_host_is_named(self):
        text = refusal(fetched, "https://ann:s3cr3t@nothing.invalid/x.csv?token=s3cr3t")

        assert text.startswith("Expected data at https://nothing.invalid/x.csv, found that")
        assert "the host name is not known" in text

    def test_a_silent_server_is_named(self, monkeypatch):
        monkeypatch.setattr(sources, "_READ_SECONDS", 0.01)
        with closing(socket.create_server(("127.0.0.1", 0))) as silent:
            text = refusal(fetched, f"http://127.0.0.1:{silent.getsockname()[1]}/x.csv")

        assert "the server timed out" in text

    def test_an_unknown_certificate_is_named(self, address):
        text = refusal(fetched, f"https://{address}/x.csv")

        assert "TLS" in text

    @pytest.mark.parametrize(
        "address", ["http://ann:s3cr3t/x@host/x.csv", "http://[s3cr3t/x.csv", "https:///x.csv"]
    )
    def test_an_address_that_is_not_valid_is_refused(self, address):
        assert "not valid" in refusal(fetched, address)

    def test_a_full_disk_is_named(self, address, monkeypatch):
        save = sources._save
        monkeypatch.setattr(sources, "_save", lambda chunks, _: save(chunks, Path("/dev/full")))

        text = refusal(fetched, f"http://{address}/data/x.csv")

        assert "No space left" in text
        assert "TMPDIR" in text


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class TestS3:
    @pytest.fixture(autouse=True)
    def _environment(self, endpoint, monkeypatch, tmp_path):
        for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_S3_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", endpoint)

    @pytest.fixture
    def s3(self, endpoint):
        requests.post(f"{endpoint}/moto-api/reset", timeout=10)
        s3 = boto3.client("s3", endpoint_url=endpoint)
        for bucket in ("plain", "versioned"):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
        return s3

    def test_objects_are_hashed_and_removed_at_the_end(self, s3, downloads):
        s3.put_object(Bucket="plain", Key="a/iris 1#.csv", Body=CSV)

        source, content = fetched("s3://plain/a/iris 1#.csv")

        assert content == CSV
        assert source.uri == "s3://plain/a/iris 1#.csv"
        assert source.kind == "s3"
        assert source.sha256 == hashlib.sha256(CSV).hexdigest()
        assert source.size == len(CSV)
        assert source.version_id is None
        assert not any(downloads.iterdir())

    def test_objects_of_a_versioned_bucket_record_the_version_read(self, s3):
        old = s3.put_object(Bucket="versioned", Key="x.csv", Body=b"old")["VersionId"]
        new = s3.put_object(Bucket="versioned", Key="x.csv", Body=b"new")["VersionId"]

        source, content = fetched("s3://versioned/x.csv")

        assert old != new
        assert content == b"new"
        assert source.version_id == new
        assert source.uri == f"s3://versioned/x.csv?versionId={new}"

    def test_a_recorded_version_is_read_again_after_a_newer_one(self, s3):
        s3.put_object(Bucket="versioned", Key="x.csv", Body=b"old")
        first, _ = fetched("s3://versioned/x.csv")
        s3.put_object(Bucket="versioned", Key="x.csv", Body=b"new")

        again, content = fetched(first.uri)

        assert content == b"old"
        assert (again.uri, again.version_id) == (first.uri, first.version_id)

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("s3://plain/nothing.csv", ["s3://plain/nothing.csv", "no such object"]),
            ("s3://nowhere/x.csv", ["s3://nowhere/x.csv", "the bucket does not exist"]),
            ("s3://versioned/x.csv?versionId=abc", ["?versionId=abc", "no such version"]),
            ("s3://plain/empty.csv", ["found an empty file"]),
            ("s3://plain", ["s3://bucket/key", "missing"]),
            ("s3:///x.csv", ["s3://bucket/key"]),
            ("s3://[plain/x.csv", ["not valid"]),
            ("s3://plain/x.csv?X-Amz-Signature=s3cr3t", ["s3://bucket/key?versionId=..."]),
            ("s3://AKIAEXAMPLE:s3cr3t@plain/x.csv", ["Give credentials as AWS_ACCESS_KEY_ID"]),
        ],
    )
    def test_a_refusal_names_the_cause(self, source, words, s3, downloads):
        s3.put_object(Bucket="plain", Key="empty.csv", Body=b"")
        s3.put_object(Bucket="versioned", Key="x.csv", Body=CSV)

        text = refusal(fetched, source)

        assert all(word in text for word in words)
        assert not any(downloads.iterdir())

    def test_denied_access_is_named(self, s3, endpoint, monkeypatch):
        s3.put_object(Bucket="plain", Key="x.csv", Body=CSV)
        iam = boto3.client("iam", endpoint_url=endpoint)
        iam.create_user(UserName="ann")
        key = iam.create_access_key(UserName="ann")["AccessKey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        requests.post(f"{endpoint}/moto-api/reset-auth", data=b"0", timeout=10)
        try:
            text = refusal(fetched, "s3://plain/x.csv")
        finally:
            requests.post(f"{endpoint}/moto-api/reset-auth", data=b"inf", timeout=10)

        assert "access is denied" in text
        assert "s3:GetObject" in text
        assert key["SecretAccessKey"] not in text

    def test_absent_credentials_are_named(self, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

        text = refusal(fetched, "s3://plain/x.csv")

        assert "Expected credentials for s3://plain/x.csv" in text
        assert "Set AWS_ACCESS_KEY_ID" in text

    def test_an_unreachable_endpoint_is_named(self, monkeypatch):
        with closing(socket.create_server(("127.0.0.1", 0))) as closed:
            port = closed.getsockname()[1]
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{port}")

        assert "the server cannot be reached" in refusal(fetched, "s3://plain/x.csv")

    def test_an_endpoint_that_is_not_an_address_is_named(self, monkeypatch):
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "minio")

        assert "MLFLOW_S3_ENDPOINT_URL" in refusal(fetched, "s3://plain/x.csv")

    def test_an_object_that_ends_early_is_refused(self):
        from botocore.response import StreamingBody

        chunks = sources._s3_chunks(StreamingBody(io.BytesIO(CSV), 99), "s3://plain/x.csv")

        assert "broke off before the end" in refusal(list, chunks)


def test_importing_sources_loads_no_heavy_library():
    code = "import sys, reprise.data.sources; print(*sys.modules)"

    assert not {"numpy", "pyarrow", "boto3", "requests", "urllib3"} & set(printed_by(code).split())


class TestLinkToWhatGitIgnores:
    """A checkout has the link, and the file lies in the user's repository alone."""

    @pytest.fixture
    def checkout(self, tmp_path, monkeypatch):
        for folder in ("project", "checkout"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "latest.csv").symlink_to("data/2026.csv")
        (tmp_path / "project" / "data").mkdir()
        (tmp_path / "project" / "data" / "2026.csv").write_text("a,b\n1,2\n")
        monkeypatch.chdir(tmp_path / "checkout")
        monkeypatch.setenv("REPRISE_DATA_FOLDER", str(tmp_path / "project"))
        return tmp_path / "checkout"

    def test_is_read_where_it_leads_to_a_file(self, checkout):
        with sources.fetch("latest.csv") as source:
            assert source.path.read_text() == "a,b\n1,2\n"

    def test_is_read_in_the_checkout_where_that_has_the_file(self, checkout):
        (checkout / "data").mkdir()
        (checkout / "data" / "2026.csv").write_text("c\n3\n")

        with sources.fetch("latest.csv") as source:
            assert source.path.read_text() == "c\n3\n"

    def test_is_found_for_a_plan_of_runs_too(self, checkout):
        assert sources.located("latest.csv").is_file()

    def test_is_refused_in_a_replay_where_it_leads_out_of_the_project(self, checkout, monkeypatch):
        (checkout.parent / "outside.csv").write_text("secret\n")
        link = checkout.parent / "project" / "latest.csv"
        link.unlink()
        link.symlink_to("../outside.csv")
        permitted = permissions.of_replay(checkout, checkout.parent / "project", ())
        monkeypatch.setenv("REPRISE_PERMISSIONS", permitted.to_json())

        with pytest.raises(NotAllowedError, match="outside the project"):
            sources.located("latest.csv")
