"""Read data sources (local files, HTTP and S3), and compute their digest while reading."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import stat
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from reprise import env
from reprise.backports import file_digest
from reprise.data import downloads
from reprise.errors import DataError
from reprise.process import scratch
from reprise.trust import documents, limits, permissions
from reprise.urls import public, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reprise.trust.permissions import Permissions
_CHUNK_BYTES = 1 << 20
_ATTEMPTS = 3
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0

_ADVICE = "Check the address, or download the file and give its path."
_HTTP_STATUS = {
    401: f"it needs a login. {_ADVICE}",
    403: f"it needs permission, or a signed address has expired. {_ADVICE}",
    404: f"nothing is there. {_ADVICE}",
    410: f"nothing is there any more. {_ADVICE}",
}
_S3_CODE = {
    "NoSuchBucket": "the bucket does not exist. Check its name and MLFLOW_S3_ENDPOINT_URL.",
    "NoSuchKey": "the bucket has no such object. Check the key; upper and lower case differ.",
    "NoSuchVersion": "the object has no such version. Check versionId, or leave it out.",
    "AccessDenied": "access is denied. Check AWS_ACCESS_KEY_ID and its right to s3:GetObject.",
}
# Failures to reach a server, by the name of the exception: urllib3's and botocore's agree on most.
_NETWORK = {
    "NameResolutionError": "the host name is not known",
    "NewConnectionError": "the server cannot be reached",
    "EndpointConnectionError": "the server cannot be reached",
    "ConnectTimeoutError": "the connection timed out",
    "ReadTimeoutError": "the server timed out",
    "SSLError": "its TLS certificate cannot be verified",
    "ProxyError": "the proxy refused",
    "ProxyConnectionError": "the proxy refused",
    "TooManyRedirects": "it redirects without end",
    "InvalidURL": "the address is not valid",
    "InvalidSchema": "it redirects to something other than http",
    "IncompleteReadError": "the connection broke off before the end",
    "ConnectionClosedError": "the connection broke off before the end",
    "ResponseStreamingError": "the connection broke off before the end",
    "ProtocolError": "the connection broke off before the end",
}


@dataclass(frozen=True)
class Source:
    """The bytes of a data source.

    Attributes
    ----------
    uri : str
        The address without credentials; with the version that was read if S3 keeps versions.
    kind : {"file", "http", "s3"}
        How the bytes were read.
    sha256 : str
        SHA-256 of the bytes, in hexadecimal.
    size : int
        Number of bytes.
    path : Path
        Local file that holds the bytes; a temporary file for a remote source.
    version_id : str or None
        Version of the S3 object, if its bucket keeps versions.
    private : bool
        Whether a replay must not send the bytes anywhere: they are neither in its commit nor
        public.
    """

    uri: str
    kind: Literal["file", "http", "s3"]
    sha256: str
    size: int
    path: Path
    version_id: str | None = None
    private: bool = False


@contextmanager
def fetch(
    source: str,
    *,
    known: Sequence[str] = (),
    permitted: Permissions | None = None,
    allow_large: bool = False,
) -> Iterator[Source]:
    """Read a data source once, compute its digest, and keep its bytes in a local file.

    Parameters
    ----------
    source : str
        A path, ``file://``, ``http://`` or ``https://`` address, or
        ``s3://bucket/key[?versionId=...]``. S3 is configured as for MLflow: by the ``AWS_*``
        variables and ``MLFLOW_S3_ENDPOINT_URL``.
    known : sequence of str
        Names with a meaning for the caller, to suggest if the file does not exist.
    permitted : Permissions, optional
        What may be read, if a record names the source; by default those of this process.
    allow_large : bool
        Whether a download may be larger than `limits` allows.

    Yields
    ------
    Source
        The bytes. A download is removed at the end.

    Raises
    ------
    DataError
        If the source cannot be read, is empty, too large or too slow, or is a local file that
        changes while it is read.
    NotAllowedError
        If this process is a replay that may not read the source.
    """
    permitted = permitted or permissions.current()
    scheme = source.partition("://")[0].lower() if "://" in source else "file"
    version_id = None
    if scheme == "file":
        with _local(source, known, permitted) as local:
            yield local
        return
    if permitted:
        permitted.refuse(source)
    if scheme in ("http", "https"):
        uri = public(source)
        chunks = _http_chunks(source, uri, permitted)
    elif scheme == "s3":
        uri, version_id, chunks = _s3_object(source)
    else:
        raise DataError(
            f"Expected a path, or an address that starts with https://, http:// or s3://, "
            f"found {scheme}://. Download the file and give its path."
        )
    with scratch.folder() as folder:
        path = Path(folder) / "source"
        largest = None if allow_large else limits.SOURCE_BYTES
        sha256, size = _save(downloads.bounded(chunks, uri, largest=largest), path)
        _refuse_empty(uri, size)
        kind: Literal["http", "s3"] = "s3" if scheme == "s3" else "http"
        private = permitted is not None and permitted.is_private(source, None)
        yield Source(uri, kind, sha256, size, path, version_id, private)


@contextmanager
def _local(source: str, known: Sequence[str], permitted: Permissions | None) -> Iterator[Source]:
    path = _local_path(source)
    if permitted:
        permitted.refuse_file(path, named=source)
    try:
        before = path.stat()
        if path.is_dir():
            raise DataError(f"Expected a file, found a directory: {source}. Name one file in it.")
        if not path.is_file():
            raise DataError(f"Expected a regular file, found a device or pipe: {source}. Save it.")
        with open(path, "rb", opener=documents.open_without_waiting) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise DataError(f"Expected a regular file, found another: {source}. Save it.")
            sha256 = file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _local_error(source, error, known) from error
    _refuse_empty(source, before.st_size)
    private = permitted is not None and permitted.is_private(source, path)
    yield Source(source, "file", sha256, before.st_size, path, private=private)
    try:
        after = path.stat()
    except OSError as error:
        raise _local_error(source, error, ()) from error
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise DataError(
            f"Expected {source} to stay as it is while it is read, found it changed. "
            "Run again when nothing writes to it."
        )


def located(name: str) -> Path:
    """Return the path of a local file that a step reads: in a replay, where the original read it.

    Raises
    ------
    DataError
        If it is no path.
    NotAllowedError
        If this is a replay, which may not read it.
    """
    path = _local_path(name)
    permissions.refuse_file(path)
    return path


def _local_path(source: str) -> Path:
    if not source.strip():
        raise DataError("Expected a path or an address of data, found an empty value. Give one.")
    if "\0" in source:
        raise DataError(
            f"Expected a path of data, found one with a NUL byte: {source}. Correct it."
        )
    if not source.lower().startswith("file://"):
        local = Path(os.path.expanduser(source))  # noqa: PTH111 - Path's raises for unknown users
        elsewhere = Path(os.environ.get(env.DATA_FOLDER, ""), local)
        # A checkout has the link to a file that git ignores, and not the file.
        return elsewhere if os.path.lexists(elsewhere) and not os.path.exists(local) else local  # noqa: PTH110
    host, _, path = source[len("file://") :].partition("/")
    if host not in ("", "localhost"):
        raise DataError(f"Expected file:///path, found a host in {source}. Give the path alone.")
    return Path(url2pathname("/" + path))


def _local_error(source: str, error: OSError, known: Sequence[str]) -> DataError:
    if isinstance(error, PermissionError):
        return DataError(
            f"Expected to be allowed to read {source}, found no permission. "
            "Change the file's permissions, or copy it."
        )
    if not isinstance(error, FileNotFoundError):
        return DataError(f"Expected to read {source}, found: {error.strerror}. Check the path.")
    if not known or not re.fullmatch(r"[\w-]+", source):
        return DataError(f"Expected a file, found nothing at {source}. Check the path.")
    nearest = difflib.get_close_matches(source.lower(), known, n=1)
    advice = f"Did you mean {nearest[0]}?" if nearest else "Check the name."
    return DataError(
        f"Expected a file, an address or one of {', '.join(known)}, found {source!r}. {advice}"
    )


def _refuse_empty(uri: str, size: int) -> None:
    if size == 0:
        raise DataError(f"Expected data, found an empty file: {uri}. Check how it was written.")


def _save(chunks: Iterable[bytes], path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("wb") as stream:
            for chunk in chunks:  # a download fails with DataError; OSError is the disk's
                digest.update(chunk)
                size += stream.write(chunk)
    except OSError as error:
        raise DataError(
            f"Expected room for a temporary copy, found: {error.strerror}. "
            "Free disk space, or set TMPDIR to a larger disk."
        ) from error
    return digest.hexdigest(), size


def _http_chunks(address: str, uri: str, permitted: Permissions | None) -> Iterator[bytes]:
    import requests
    import urllib3

    retry = urllib3.Retry(
        _ATTEMPTS - 1,
        backoff_factor=0.5,
        status_forcelist=(502, 503, 504),
        raise_on_status=False,
        respect_retry_after_header=False,  # a server may ask for hours
    )

    class Adapter(requests.adapters.HTTPAdapter):
        """Checks each address in a chain of redirects."""

        def send(self, request: requests.PreparedRequest, *args: Any, **named: Any) -> Any:
            if permitted:
                permitted.refuse_host(str(request.url))
            return super().send(request, *args, **named)

    try:
        with requests.Session() as session:
            for prefix in ("http://", "https://"):
                session.mount(prefix, Adapter(max_retries=retry))
            with session.get(
                address,
                stream=True,
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                headers={"Accept-Encoding": "identity"},  # the digest is of the file's bytes
            ) as response:
                if not response.ok:
                    raise _http_error(uri, response.status_code)
                packed = urlsplit(uri).path.lower().endswith(".gz")
                yield from response.raw.stream(_CHUNK_BYTES, decode_content=not packed)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _network_error(uri, error) from None  # its text holds the address with its signature


def _http_error(uri: str, status: int) -> DataError:
    words = _HTTP_STATUS.get(status, f"the request was refused. {_ADVICE}")
    if status >= 500:  # noqa: PLR2004 - where server errors start
        words = "the server failed. Try again later."
    return DataError(f"Expected data at {uri}, found HTTP {status}: {words}")


def _network_error(uri: str, error: Exception) -> DataError:
    """Name the cause by the error's class, as the error's text holds the whole address."""
    cause = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    names = [kind.__name__ for e in (cause, error) for kind in type(e).__mro__]
    words = next((_NETWORK[name] for name in names if name in _NETWORK), type(error).__name__)
    return DataError(
        f"Expected data at {uri}, found that {words}. "
        "Check the address and the network, then try again."
    )


def _s3_object(source: str) -> tuple[str, str | None, Iterator[bytes]]:
    from botocore.exceptions import BotoCoreError, ClientError

    parts = split(source)
    bucket, key = parts.netloc, parts.path.removeprefix("/")
    asked = re.fullmatch(r"(?:versionId=([^&]+))?", parts.query)
    if not bucket or "@" in bucket or not key or asked is None:
        raise DataError(
            "Expected s3://bucket/key or s3://bucket/key?versionId=..., found "
            f"s3://{bucket.rpartition('@')[2]}/{key} with parts that are missing or not allowed. "
            "Give credentials as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    uri = f"s3://{bucket}/{key}"
    version: dict[str, Any] = {"VersionId": asked[1]} if asked[1] else {}
    try:
        answer = _s3_client().get_object(Bucket=bucket, Key=key, **version)
    except (BotoCoreError, ClientError) as error:
        raise _s3_error(f"{uri}?{parts.query}".removesuffix("?"), error) from error
    version_id = asked[1] or answer.get("VersionId")
    if version_id:
        uri += f"?versionId={version_id}"
    return uri, version_id, _s3_chunks(answer["Body"], uri)


def _s3_client() -> Any:
    import boto3
    from botocore.config import Config

    attempts = {} if "AWS_MAX_ATTEMPTS" in os.environ else {"total_max_attempts": _ATTEMPTS}
    options: dict[str, Any] = {
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
        "retries": attempts,
        "s3": {"addressing_style": os.environ.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "auto")},
    }
    insecure = os.environ.get("MLFLOW_S3_IGNORE_TLS", "").lower() in ("true", "1")
    endpoint = os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None
    try:
        return boto3.Session().client(  # the default session keeps old credentials
            "s3",
            endpoint_url=endpoint,
            verify=False if insecure else None,
            config=Config(**options),
        )
    except ValueError as error:
        raise DataError(
            "Expected an address like https://host:port in MLFLOW_S3_ENDPOINT_URL, "
            "found one that is not valid. Correct it."
        ) from error


def _s3_chunks(body: Any, uri: str) -> Iterator[bytes]:
    from botocore.exceptions import BotoCoreError

    try:
        with closing(body):
            yield from body.iter_chunks(_CHUNK_BYTES)
    except BotoCoreError as error:
        raise _network_error(uri, error) from error


def _s3_error(uri: str, error: Exception) -> DataError:
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    if code:
        words = _S3_CODE.get(code, f"S3 answered {code}. Check the address and AWS_* variables.")
        return DataError(f"Expected data at {uri}, found that {words}")
    if "Credential" in type(error).__name__ or "Token" in type(error).__name__:
        return DataError(
            f"Expected credentials for {uri}, found none that work ({type(error).__name__}). "
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
        )
    return _network_error(uri, error)
