"""Back up the server while it runs: the database first, the artifacts second.

In that order every run in the dump has its files. Artifacts are stored by their content, each
content once for all backups, so that a backup only copies what is new since the last one.
"""

import datetime as dt
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from deploy.server import database, stores
from deploy.server.errors import ServerError
from deploy.server.manifest import DUMP, FILE_NAME, NAME, Artifact, Manifest, blob, load, names
from deploy.server.settings import Settings
from deploy.server.stores import Entry, Hashing, Store

THREADS = 8

T = TypeVar("T")
R = TypeVar("R")


def backup(settings: Settings, archive: Store, *, now: dt.datetime) -> Manifest:
    """Store a dump of the database and every artifact, then the manifest.

    A backup without a manifest did not finish, and no command uses it.

    Raises
    ------
    ServerError
        If the database, the bucket or the archive refuses, or the database is empty.
    """
    name = now.astimezone(dt.UTC).strftime(NAME)
    with tempfile.TemporaryDirectory(prefix="mlflow-backup-") as folder:
        dump = Path(folder, DUMP)
        with database.connected(settings) as connection:
            snapshot = database.export_snapshot(connection)
            database.dump(settings, snapshot, dump)
            digests = database.digests(connection)
        if not digests:
            raise ServerError("the database has no tables; has the server ever run?")
        with dump.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        archive.write(f"backups/{name}/{DUMP}", dump)
        manifest = Manifest(
            name=name,
            mlflow=version("mlflow"),
            dump=digest,
            database=digests,
            artifacts=_copy(stores.artifacts(settings), archive, Path(folder)),
        )
        last = Path(folder, FILE_NAME)
        last.write_text(manifest.model_dump_json(), encoding="utf-8")
        archive.write(f"backups/{name}/{FILE_NAME}", last)
    return manifest


def prune(archive: Store, *, keep_days: int, now: dt.datetime) -> list[str]:
    """Delete backups older than some days, but never the newest; return their names.

    Backups that did not finish are deleted too, and files that no other backup needs.
    """
    oldest = (now.astimezone(dt.UTC) - dt.timedelta(days=keep_days)).strftime(NAME)
    files: dict[str, list[str]] = {}
    for entry in archive.entries("backups/"):
        files.setdefault(entry.name.split("/")[1], []).append(entry.name)
    finished = sorted(name for name in files if f"backups/{name}/{FILE_NAME}" in files[name])
    old = sorted(
        name for name in files if _is_backup(name) and name < oldest and name not in finished[-1:]
    )
    if not old:
        return []
    needed = {
        digest for name in finished if name not in old for digest in load(archive, name).blobs()
    }
    for name in old:  # the manifest first: a half-deleted backup must not be used
        for file in sorted(files[name], key=lambda file: not file.endswith(f"/{FILE_NAME}")):
            archive.delete(file)
    for entry in list(archive.entries("blobs/")):
        if entry.name.rpartition("/")[2] not in needed:
            archive.delete(entry.name)
    return old


def _is_backup(name: str) -> bool:
    """Return whether a name is that of a backup, finished or not, and not another file."""
    try:
        dt.datetime.strptime(name, NAME)  # noqa: DTZ007
    except ValueError:
        return False
    return True


def at_once(function: Callable[[T], R], items: Iterable[T]) -> Sequence[R]:
    """Call a function on each item, several at a time; the first error ends the calls."""
    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _copy(source: Store, archive: Store, folder: Path) -> dict[str, Artifact]:
    """Copy the artifacts that the archive lacks, and return the entry of each artifact."""
    finished = names(archive)
    known = load(archive, finished[-1]).artifacts if finished else {}
    kept = {entry.name for entry in archive.entries("blobs/")}

    def copy(entry: Entry) -> tuple[str, Artifact] | None:
        before = known.get(entry.name)
        same = before and (before.size, before.mark) == (entry.size, entry.mark)
        if before and same and blob(before.sha256) in kept:
            return entry.name, before
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            hashing = Hashing(file)
            try:
                source.read(entry.name, hashing)
            except FileNotFoundError:
                return None  # deleted since it was listed, with its run
            file.flush()
            digest = hashing.hexdigest()
            if blob(digest) not in kept:
                archive.write(blob(digest), Path(file.name))
        return entry.name, Artifact(size=entry.size, mark=entry.mark, sha256=digest)

    return dict(filter(None, at_once(copy, source.entries())))


def run(settings: Settings, to: str) -> None:
    """Back up, delete old backups, and print what was done."""
    to = to or settings.backup_to
    now = dt.datetime.now(dt.UTC)
    archive = stores.archive(settings, to)
    with database.alone(settings, database.Lock.BACKUPS):
        made = backup(settings, archive, now=now)
        gone = prune(archive, keep_days=settings.backup_keep_days, now=now)
    size = sum(artifact.size for artifact in made.artifacts.values())
    print(
        f"backup {made.name}: {len(made.database.get('runs', ()))} runs, "
        f"{len(made.artifacts)} artifacts, {size / 1e6:.1f} MB"
        + (f"; deleted {len(gone)} older than {settings.backup_keep_days} days" if gone else "")
    )
    print(f"check it against the server: mlflow-server verify --from {to}")
