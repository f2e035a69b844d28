"""Stores of files: a folder, or a bucket of any S3."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deploy.server.errors import ServerError

if TYPE_CHECKING:
    from typing import Any

    from deploy.server.settings import Settings

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """A file in a store: its name, its size in bytes, and a mark that changes with its content."""

    name: str
    size: int
    mark: str


class Target(Protocol):
    """A stream to write content to."""

    def write(self, content: bytes, /) -> object:
        """Write the next bytes."""


class Store(Protocol):
    """A store of files by name; names may have slashes."""

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Return the files with a prefix."""

    def read(self, name: str, target: Target) -> None:
        """Write a file's content to a stream; FileNotFoundError if there is none."""

    def write(self, name: str, source: Path) -> None:
        """Store a local file; replace an earlier file with that name."""

    def delete(self, name: str) -> None:
        """Remove a file, if it exists."""


class Folder:
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Return the files with a prefix."""
        for path in sorted((self._path / prefix.rpartition("/")[0]).rglob("*")):
            name = path.relative_to(self._path).as_posix()
            if path.is_file() and name.startswith(prefix):
                about = path.stat()
                yield Entry(name, about.st_size, str(about.st_mtime_ns))

    def read(self, name: str, target: Target) -> None:
        """Write a file's content to a stream."""
        with (self._path / name).open("rb") as source:
            shutil.copyfileobj(source, target, _CHUNK)

    def write(self, name: str, source: Path) -> None:
        """Store a file completely or not at all, readable by its owner only."""
        path = self._path / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".unfinished-")
        try:
            with source.open("rb") as content, os.fdopen(handle, "wb") as target:
                shutil.copyfileobj(content, target, _CHUNK)
                target.flush()
                os.fsync(target.fileno())
            Path(unfinished).replace(path)
        finally:
            Path(unfinished).unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        """Remove a file, if it exists."""
        (self._path / name).unlink(missing_ok=True)


class Bucket:
    """The objects with a prefix in a bucket."""

    def __init__(self, client: "Any", address: str) -> None:
        parts = urlsplit(address)
        self.client = client
        self.name = parts.netloc
        self.prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Return the files with a prefix."""
        pages = self.client.get_paginator("list_objects_v2")
        with self._in_a_line():
            for page in pages.paginate(Bucket=self.name, Prefix=self.prefix + prefix):
                for found in page.get("Contents", ()):
                    mark = f"{found['ETag']} {found['LastModified'].isoformat()}"
                    yield Entry(found["Key"].removeprefix(self.prefix), found["Size"], mark)

    def read(self, name: str, target: Target) -> None:
        """Write an object's content to a stream."""
        with self._in_a_line():
            try:
                body = self.client.get_object(Bucket=self.name, Key=self.prefix + name)["Body"]
            except self.client.exceptions.NoSuchKey:
                raise FileNotFoundError(name) from None
            for chunk in body.iter_chunks(_CHUNK):
                target.write(chunk)

    def write(self, name: str, source: Path) -> None:
        """Store a file, in parts if it is large."""
        with self._in_a_line():
            self.client.upload_file(str(source), self.name, self.prefix + name)

    def delete(self, name: str) -> None:
        """Remove an object, if it exists."""
        with self._in_a_line():
            self.client.delete_object(Bucket=self.name, Key=self.prefix + name)

    @contextlib.contextmanager
    def _in_a_line(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError, boto3.exceptions.Boto3Error) as error:
            raise ServerError(
                f"the bucket {self.name} refused: {error}. Check its name, its endpoint, and "
                "the rights of these credentials."
            ) from None


class Hashing:
    """A stream that passes bytes on to another stream, and computes their SHA-256."""

    def __init__(self, target: Target | None = None) -> None:
        self._target = target
        self._sha256 = hashlib.sha256()

    def write(self, content: bytes, /) -> None:
        """Write the next bytes."""
        self._sha256.update(content)
        if self._target:
            self._target.write(content)

    def hexdigest(self) -> str:
        """Return the SHA-256 of all bytes that were written."""
        return self._sha256.hexdigest()


def s3_client(settings: "Settings", profile: str = "") -> "Any":
    """Return a client of the S3 in the settings, with the server's keys or with a profile."""
    session = boto3.Session(profile_name=profile) if profile else _as_server(settings)
    return client(session, settings.mlflow_s3_endpoint_url, settings.aws_default_region)


def client(session: boto3.Session, endpoint: str, region: str) -> "Any":
    """Return a client of an S3; the endpoint "" means Amazon's."""
    return session.client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=region,
        config=Config(
            max_pool_connections=32,
            # An S3 that is not Amazon's may not know the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def artifacts(settings: "Settings", profile: str = "") -> Bucket:
    """Return the store of the server's artifacts."""
    return Bucket(s3_client(settings, profile), settings.artifacts)


def archive(settings: "Settings", address: str) -> Store:
    """Return the store of backups: `s3://bucket/prefix`, or a folder."""
    if address.startswith("s3://"):
        return Bucket(_client_of_backups(settings), address)
    if not address.startswith("/"):
        raise ServerError(
            f"expected a folder from / on or s3://bucket/prefix for backups, found {address!r}; "
            "set BACKUP_TO, or give --to or --from"
        )
    return Folder(Path(address))


def _client_of_backups(settings: "Settings") -> "Any":
    if not settings.backup_profile:
        return s3_client(settings)
    # The profile may have the `endpoint_url` and the `region` of another S3.
    core = botocore.session.Session(profile=settings.backup_profile)
    try:
        own = core.get_scoped_config()
        return client(
            boto3.Session(botocore_session=core),
            own.get("endpoint_url", settings.mlflow_s3_endpoint_url),
            own.get("region", settings.aws_default_region),
        )
    except BotoCoreError as error:
        raise ServerError(f"BACKUP_PROFILE: {error}; expected it in ~mlflow/.aws") from None


def _as_server(settings: "Settings") -> boto3.Session:
    if not settings.aws_access_key_id:
        return boto3.Session()  # this machine's role
    return boto3.Session(
        aws_access_key_id=settings.aws_access_key_id,
        aws_secret_access_key=settings.aws_secret_access_key.get_secret_value(),
    )
