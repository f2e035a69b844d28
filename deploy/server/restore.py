"""Restore a backup into an empty database and an empty bucket."""

import tempfile
from itertools import islice
from pathlib import Path

from deploy.server import database, stores
from deploy.server.backup import at_once
from deploy.server.errors import ServerError
from deploy.server.manifest import DUMP, Manifest, blob, fetch, read
from deploy.server.settings import Settings
from deploy.server.stores import Store


def restore(settings: Settings, archive: Store, manifest: Manifest) -> None:
    """Restore the artifacts and the database, and check each artifact against its digest.

    Raises
    ------
    ServerError
        If the database or the bucket is not empty, or the backup is damaged or refused.
    """
    with (
        database.alone(settings, database.Lock.TABLES),
        tempfile.TemporaryDirectory(prefix="mlflow-restore-") as folder,
    ):
        bucket = stores.artifacts(settings)
        _refuse_what_is_there(settings, bucket)
        dump = Path(folder, DUMP)
        fetch(archive, f"backups/{manifest.name}/{DUMP}", manifest.dump, dump)
        # The artifacts first: until they are complete the database is empty, so a server that is
        # started too early shows no runs without their files.
        at_once(lambda item: _put(archive, bucket, Path(folder), *item), _wanted(manifest))
        database.load(settings, dump)


def _refuse_what_is_there(settings: Settings, bucket: Store) -> None:
    with database.connected(settings) as connection:
        found = database.tables(connection)
    if found:
        raise ServerError(
            f"expected an empty database, found {len(found)} tables in {settings.pgdatabase} at "
            f"{settings.pghost}. Nothing was changed. Restore into a new database, and set "
            "PGDATABASE."
        )
    if any(islice(bucket.entries(), 1)):
        raise ServerError(
            f"expected nothing in {settings.artifacts}, found files there. Nothing was changed. "
            "Restore into a new bucket or prefix, and set ARTIFACTS; what a restore that stopped "
            "has left may be deleted."
        )


def _wanted(manifest: Manifest) -> list[tuple[str, str]]:
    return [(name, artifact.sha256) for name, artifact in manifest.artifacts.items()]


def _put(archive: Store, bucket: Store, folder: Path, name: str, sha256: str) -> None:
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        fetch(archive, blob(sha256), sha256, Path(file.name))
        bucket.write(name, Path(file.name))


def run(settings: Settings, where: str, name: str) -> None:
    """Restore a backup, or the newest one, and print the next step."""
    where = where or settings.backup_to
    archive = stores.archive(settings, where)
    manifest = read(archive, name)
    restore(settings, archive, manifest)
    print(
        f"restored {manifest.name}: {len(manifest.database.get('runs', ()))} runs, "
        f"{len(manifest.artifacts)} artifacts, as written by MLflow {manifest.mlflow}"
    )
    print(f"start the servers, and then: mlflow-server verify --from {where} {manifest.name}")
