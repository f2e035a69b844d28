"""Restore the artifacts of a point in time from the versions in the bucket.

This is for a database that was recovered to that time: its runs get their files back. Nothing is
deleted; artifacts that were stored later stay, but no run of the recovered database refers to them.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from deploy.server import stores
from deploy.server.backup import at_once
from deploy.server.errors import ServerError
from deploy.server.settings import Settings

# Copy in one request up to S3's limit: Ceph 16 refuses to copy an old version in parts.
_WHOLE = TransferConfig(multipart_threshold=5 * 1024**3)


def lost_since(
    time: dt.datetime, versions: Iterable[Mapping[str, Any]], markers: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Return the key and the version of each object that existed at a time, but is missing now.

    Parameters
    ----------
    time : datetime
        A time with a zone.
    versions, markers : iterable of mapping
        As `list_object_versions` returns them: versions, and marks of deletion.
    """
    latest: dict[str, str] = {}
    then: dict[str, tuple[dt.datetime, str, bool]] = {}
    for is_version, entries in ((True, versions), (False, markers)):
        for entry in entries:
            key, modified, version = entry["Key"], entry["LastModified"], entry["VersionId"]
            if entry["IsLatest"]:
                latest[key] = version
            # Times are in seconds. Within one second, the newest version is listed first, and a
            # version is preferred to a deletion: restoring too much loses nothing.
            if modified <= time and (key not in then or modified > then[key][0]):
                then[key] = (modified, version, is_version)
    for key, (_, version, was_there) in sorted(then.items()):
        if was_there and latest.get(key) != version:
            yield key, version


def run(settings: Settings, to: str, profile: str) -> None:
    """Restore each version that was the newest at a time."""
    time = _time(to)
    try:
        bucket = stores.artifacts(settings, profile)
        pages = list(
            bucket.client.get_paginator("list_object_versions").paginate(
                Bucket=bucket.name, Prefix=bucket.prefix
            )
        )
        versions = [each for page in pages for each in page.get("Versions", ())]
        markers = [each for page in pages for each in page.get("DeleteMarkers", ())]
        lost = list(lost_since(time, versions, markers))
        at_once(lambda item: _put_back(bucket, *item), lost)
    except (BotoCoreError, ClientError) as error:
        raise ServerError(
            f"{settings.artifacts} refused: {error}. The server itself may not read old "
            "versions; give --profile with credentials that may."
        ) from None
    print(f"brought back {len(lost)} artifacts as they were at {time.isoformat()}")


def _time(text: str) -> dt.datetime:
    refused = ServerError(f"expected a time like 2026-11-22T16:30:00+00:00, found {text!r}")
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        raise refused from None
    if time.tzinfo is None:
        raise refused
    return time


def _put_back(bucket: stores.Bucket, key: str, version: str) -> None:
    source = {"Bucket": bucket.name, "Key": key, "VersionId": version}
    bucket.client.copy(source, bucket.name, key, Config=_WHOLE)
