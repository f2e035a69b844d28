"""Read data sources: local files, HTTP and S3, hashed as they are read, and the tables in them."""

from __future__ import annotations

import csv
import difflib
import gzip
import hashlib
import os
import re
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import SplitResult, unquote_plus, urlsplit, urlunsplit
from urllib.request import url2pathname

from reprise.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

FORMATS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")

_CHUNK_BYTES = 1 << 20
_CSV_BLOCK_BYTES = 4 << 20  # a row of a CSV file has to fit
_ATTEMPTS = 3
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0

# Query parameters that let their bearer in; they stay out of records and messages.
_CREDENTIAL = re.compile(
    r"x-(amz|goog)-.*|expires|policy|googleaccessid"
    r"|.*(token|signature|secret|passw|credential|apikey|accesskey|authorization).*"
    r"|(.*[-_.])?(sig|key|auth|pwd|jwt|sas)([-_.].*)?"
)
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
    """Bytes of a data source as they were read.

    Attributes
    ----------
    uri : str
        Where they came from, free of credentials, with the version read where S3 keeps versions.
    kind : {"file", "http", "s3"}
        How they were read.
    sha256 : str
        SHA-256 of the bytes, in hexadecimal.
    size : int
        Number of bytes.
    path : Path
        Local file that holds them; of a remote source a temporary one.
    version_id : str or None
        Version of the S3 object, where its bucket keeps versions.
    """

    uri: str
    kind: Literal["file", "http", "s3"]
    sha256: str
    size: int
    path: Path
    version_id: str | None = None


@contextmanager
def fetch(source: str, *, known: Sequence[str] = ()) -> Iterator[Source]:
    """Read a data source once, hash it, and hold its bytes in a local file meanwhile.

    Parameters
    ----------
    source : str
        A path, ``file://``, ``http://`` or ``https://`` address, or
        ``s3://bucket/key[?versionId=...]``. S3 is asked as MLflow asks it: by the ``AWS_*``
        variables and ``MLFLOW_S3_ENDPOINT_URL``.
    known : sequence of str
        Names that mean something else to the caller, suggested for a file that does not exist.

    Yields
    ------
    Source
        The bytes. A download is removed at the end.

    Raises
    ------
    DataError
        If the source cannot be read, is empty, or is a local file that changes meanwhile.
    """
    scheme = source.partition("://")[0].lower() if "://" in source else "file"
    version_id = None
    if scheme == "file":
        with _local(source, known) as local:
            yield local
        return
    if scheme in ("http", "https"):
        uri = _public(source)
        chunks = _http_chunks(source, uri)
    elif scheme == "s3":
        uri, version_id, chunks = _s3_object(source)
    else:
        raise DataError(
            f"Expected a path, or an address that starts with https://, http:// or s3://, "
            f"found {scheme}://. Download the file and give its path."
        )
    with tempfile.TemporaryDirectory(prefix="reprise-") as folder:
        path = Path(folder) / "source"
        sha256, size = _save(chunks, path)
        _refuse_empty(uri, size)
        kind: Literal["http", "s3"] = "s3" if scheme == "s3" else "http"
        yield Source(uri, kind, sha256, size, path, version_id)


@contextmanager
def _local(source: str, known: Sequence[str]) -> Iterator[Source]:
    path = _local_path(source)
    try:
        before = path.stat()
        if path.is_dir():
            raise DataError(f"Expected a file, found a directory: {source}. Name one file in it.")
        if not path.is_file():
            raise DataError(f"Expected a regular file, found a device or pipe: {source}. Save it.")
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _local_error(source, error, known) from error
    _refuse_empty(source, before.st_size)
    yield Source(source, "file", sha256, before.st_size, path)
    try:
        after = path.stat()
    except OSError as error:
        raise _local_error(source, error, ()) from error
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise DataError(
            f"Expected {source} to stay as it is while it is read, found it changed. "
            "Run again when nothing writes to it."
        )


def _local_path(source: str) -> Path:
    if not source.strip():
        raise DataError("Expected a path or an address of data, found an empty value. Give one.")
    if not source.lower().startswith("file://"):
        return Path(os.path.expanduser(source))  # noqa: PTH111 - Path's raises for unknown users
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
            for chunk in chunks:  # their failures are DataErrors, so an OSError is the disk's
                digest.update(chunk)
                size += stream.write(chunk)
    except OSError as error:
        raise DataError(
            f"Expected room for a temporary copy, found: {error.strerror}. "
            "Free disk space, or set TMPDIR to a larger disk."
        ) from error
    return digest.hexdigest(), size


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address, allow_fragments=False)
        _ = parts.port  # checked when asked for; a stray / in a password ends up here
    except ValueError:
        # The address itself is not shown: nobody can say where in it a password stands.
        raise DataError(
            "Expected an address like https://host/path, found one that is not valid. "
            "Percent-encode special characters in it."
        ) from None
    return parts


def _public(address: str) -> str:
    """Drop what must not be recorded: user and password, signing parameters, the fragment."""
    parts = _split(address.partition("#")[0])
    query = "&".join(
        pair
        for pair in parts.query.split("&")
        if not _CREDENTIAL.fullmatch(unquote_plus(pair.partition("=")[0]).lower())
    )
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def _http_chunks(address: str, uri: str) -> Iterator[bytes]:
    import requests
    import urllib3

    retry = urllib3.Retry(
        _ATTEMPTS - 1,
        backoff_factor=0.5,
        status_forcelist=(502, 503, 504),
        raise_on_status=False,
        respect_retry_after_header=False,  # a server may ask for hours
    )
    try:
        with requests.Session() as session:
            for prefix in ("http://", "https://"):
                session.mount(prefix, requests.adapters.HTTPAdapter(max_retries=retry))
            with session.get(
                address,
                stream=True,
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                headers={"Accept-Encoding": "identity"},  # the digest is of the file's own bytes
            ) as response:
                if not response.ok:
                    raise _http_error(uri, response.status_code)
                packed = urlsplit(uri).path.lower().endswith(".gz")
                yield from response.raw.stream(_CHUNK_BYTES, decode_content=not packed)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _network_error(uri, error) from error


def _http_error(uri: str, status: int) -> DataError:
    words = _HTTP_STATUS.get(status, f"the request was refused. {_ADVICE}")
    if status >= 500:  # noqa: PLR2004 - where server errors start
        words = "the server failed. Try again later."
    return DataError(f"Expected data at {uri}, found HTTP {status}: {words}")


def _network_error(uri: str, error: Exception) -> DataError:
    """Name the cause by its class, since texts of these errors hold whole addresses."""
    cause = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    names = [kind.__name__ for e in (cause, error) for kind in type(e).__mro__]
    words = next((_NETWORK[name] for name in names if name in _NETWORK), type(error).__name__)
    return DataError(
        f"Expected data at {uri}, found that {words}. "
        "Check the address and the network, then try again."
    )


def _s3_object(source: str) -> tuple[str, str | None, Iterator[bytes]]:
    from botocore.exceptions import BotoCoreError, ClientError

    parts = _split(source)
    bucket, key = parts.netloc, parts.path.removeprefix("/")
    asked = re.fullmatch(r"(?:versionId=([^&]+))?", parts.query)
    if not bucket or "@" in bucket or not key or asked is None:
        raise DataError(
            "Expected s3://bucket/key or s3://bucket/key?versionId=..., found "
            f"s3://{bucket.rpartition('@')[2]}/{key} with something missing or more than that. "
            "Give credentials as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    uri = f"s3://{bucket}/{key}"
    version: dict[str, Any] = {"VersionId": asked[1]} if asked[1] else {}
    try:
        answer = _s3_client().get_object(Bucket=bucket, Key=key, **version)
    except (BotoCoreError, ClientError) as error:
        raise _s3_error(f"{uri}?{parts.query}".removesuffix("?"), error) from error
    version_id = asked[1] or answer.get("VersionId")
    if version_id == "null" and not asked[1]:
        version_id = None  # S3's name for an object that was stored without versions
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
        return boto3.Session().client(  # the default session keeps credentials it once found
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


def read_table(path: Path, *, name: str) -> pa.Table:
    """Read a table from a CSV, TSV or Parquet file; the first row of a CSV file names the columns.

    The type of a CSV column is the narrowest that all its values have, wherever they stand:
    integer, boolean, ISO date or timestamp, float, text. An empty value, ``NA``, ``NaN`` and
    ``null`` are missing values, in text too.

    Parameters
    ----------
    path : Path
        The file, under any name.
    name : str
        Path or address that the user gave; its extension decides how to read.

    Returns
    -------
    pyarrow.Table
        At least one row; column names are unique and not blank.

    Raises
    ------
    DataError
        If the format is not supported, or the file is not a sound table.
    """
    file = (urlsplit(name).path if "://" in name else name).lower()
    suffix = next((suffix for suffix in FORMATS if file.endswith(suffix)), None)
    if suffix is None:
        found = Path(file).suffix or "no extension"
        raise DataError(
            f"Expected a table in {', '.join(FORMATS)}, found {found}: {name}. "
            "Convert it, or give it the extension of what it is."
        )
    if suffix == ".parquet":
        table = _read_parquet(path, name)
    else:
        table = _CsvFile(
            path, name, suffix.endswith(".gz"), "," if ".csv" in suffix else "\t"
        ).read()
    _refuse_columns(table.column_names, name)
    if table.num_rows == 0:
        raise _no_rows(name)
    return table


def _no_rows(name: str) -> DataError:
    return DataError(
        f"Expected rows of data below the column names, found none: {name}. Check the file."
    )


def _refuse_columns(names: list[str], source: str) -> None:
    blank = [str(i) for i, name in enumerate(names, 1) if not name.strip()]
    if blank:
        raise DataError(
            f"Expected a name for every column of {source}, found none for column "
            f"{', '.join(blank)}. Name it; pandas writes one for its index unless index=False."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"Expected different column names in {source}, found more than one "
            f"{', '.join(twice)}. Rename them."
        )
    if len(names) == 1 and (found := re.search(r"[;|\t,]", names[0])):
        separator = "tabs" if found[0] == "\t" else repr(found[0])
        raise DataError(
            f"Expected commas (.csv) or tabs (.tsv) between the columns of {source}, "
            f"found {separator}. Convert it, or give it the extension of what it is."
        )


def _read_parquet(path: Path, name: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            # pandas adds an unnamed index as a last column, which nobody means as data
            names = [n for n in file.schema_arrow.names if not re.match(r"__index_level_\d+__$", n)]
            return file.read(columns=names)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"Expected Parquet as the extension says, found something else or a damaged file: "
            f"{name}. Write it again, or give it the extension of what it is."
        ) from error


@dataclass(frozen=True)
class _CsvFile:
    """A CSV file, and what is wrong with it: Arrow says that, Python's slow reader says where."""

    path: Path
    name: str
    packed: bool
    delimiter: str

    def read(self) -> pa.Table:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        try:
            with pa.input_stream(self.path, compression="gzip" if self.packed else None) as stream:
                # read_csv, unlike open_csv, widens a type for a later block and converts again
                table = arrow_csv.read_csv(
                    stream,
                    arrow_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES),
                    arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                    arrow_csv.ConvertOptions(strings_can_be_null=True),
                )
            _ = table.column_names  # decoded only now
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise self._fault() or self._unknown(error) from error
        except OSError as error:
            raise self._unreadable(error) from error
        doubtful = pa.binary() in table.schema.types or _ends_in_line_break(table)
        if doubtful and (fault := self._fault()):
            raise fault
        return table

    def _fault(self) -> DataError | None:
        """Find the first line that is at fault, if any."""
        opener = gzip.open if self.packed else open
        with cast("gzip.GzipFile", opener(self.path, "rb")) as lines:
            for number, line in enumerate(lines, 1):
                if number == 1 and re.match(rb"\s*<(!doctype|html)", line.lower()):
                    return DataError(
                        f"Expected a table, found a web page: {self.name}. "
                        "Use the address of the file itself, and check that it needs no login."
                    )
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    return DataError(
                        f"Expected UTF-8 text, found byte 0x{line[error.start]:02x} in line "
                        f"{number}, byte {error.start + 1}: {self.name}. Save it as UTF-8."
                    )
        return self._misshapen_row()

    def _misshapen_row(self) -> DataError | None:
        opener = gzip.open if self.packed else open
        with opener(self.path, "rt", encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text, delimiter=self.delimiter, strict=True)
            width, line, found = 0, 1, 0
            try:
                for row in rows:
                    width = width or len(row)
                    if row and len(row) != width:
                        return DataError(
                            f"Expected {width} columns as in the header, found {len(row)} in line "
                            f"{line}: {self.name}. Mend that line; quote values with separators."
                        )
                    line, found = rows.line_num + 1, found + bool(row)
            except csv.Error as error:
                return DataError(
                    f"Expected every quoted value to end, found one in the row of line {line} "
                    f"that does not ({error}): {self.name}. Close the quote."
                )
        return _no_rows(self.name) if found < 2 else None  # noqa: PLR2004 - names and a row

    def _unknown(self, error: Exception) -> DataError:
        return DataError(
            f"Expected a CSV table, found what Arrow cannot read: {self.name} "
            f"({str(error)[:100]}). Write it again."
        )

    def _unreadable(self, error: OSError) -> DataError:
        if self.packed and not error.errno:
            return DataError(
                f"Expected gzip as the extension says, found something else or a damaged file: "
                f"{self.name}. Write it again, or remove .gz from the name."
            )
        return DataError(f"Expected to read {self.name}, found: {error}. Check the file.")


def _ends_in_line_break(table: pa.Table) -> bool:
    """Tell whether a quote may have swallowed the end of the file, which Arrow lets pass."""
    last = table.column(-1)[-1].as_py() if table.num_rows else None
    return isinstance(last, str) and bool({"\n", "\r"} & set(last))
