"""The manifest: a file with the content of a backup."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.server.errors import ServerError
from deploy.server.stores import Hashing, Store

FILE_NAME = "manifest.json"
DUMP = "database.dump"
NAME = "%Y-%m-%dT%H%M%S.%fZ"  # name of a backup: its start in UTC; sorts by time

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Artifact(BaseModel):
    """A file of the artifact store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    mark: str
    sha256: Sha256


class Manifest(BaseModel):
    """The content of a backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    name: str
    mlflow: str
    dump: Sha256
    database: Mapping[str, Mapping[str, str]]  # table -> run, model, … -> SHA-256 of its rows
    artifacts: Mapping[str, Artifact]

    def blobs(self) -> set[str]:
        """Return the digests of the files that this backup needs."""
        return {artifact.sha256 for artifact in self.artifacts.values()}


def blob(sha256: str) -> str:
    """Return the name of a file in the archive: its digest, so that each content is stored once."""
    return f"blobs/{sha256[:2]}/{sha256}"


def names(archive: Store) -> list[str]:
    """Return the names of all finished backups, the oldest first."""
    parts = (entry.name.split("/") for entry in archive.entries("backups/"))
    return sorted(p[1] for p in parts if p[2:] == [FILE_NAME])


def read(archive: Store, name: str = "") -> Manifest:
    """Read the manifest of a backup, or of the newest one.

    Raises
    ------
    ServerError
        If there is no such backup, or its manifest is of a newer format or damaged.
    """
    found = names(archive)
    if not found or name not in {"", *found}:
        raise ServerError(
            f"expected {'the backup ' + name if name else 'a backup'} there, found "
            f"{', '.join(found[-3:]) or 'none'}"
        )
    return load(archive, name or found[-1])


def load(archive: Store, name: str) -> Manifest:
    """Read the manifest of an existing backup.

    Raises
    ------
    ServerError
        If the manifest is of a newer format or damaged.
    """
    path = f"backups/{name}/{FILE_NAME}"
    content = io.BytesIO()
    archive.read(path, content)
    try:
        return Manifest.model_validate_json(content.getvalue())
    except (ValidationError, ValueError) as error:
        raise ServerError(
            f"{path} is damaged or from a newer version: {str(error).splitlines()[0]}"
        ) from None


def fetch(archive: Store, name: str, sha256: str, target: Path) -> None:
    """Copy a file of a backup, and check its content.

    Raises
    ------
    ServerError
        If the file is missing, or its digest is not the recorded one.
    """
    with target.open("wb") as file:
        hashing = Hashing(file)
        try:
            archive.read(name, hashing)
        except FileNotFoundError:
            raise ServerError(f"the backup lacks {name}; take another backup") from None
    if hashing.hexdigest() != sha256:
        raise ServerError(
            f"{name} of the backup is damaged: expected SHA-256 {sha256}, found "
            f"{hashing.hexdigest()}; take another backup"
        )
