"""Writes an archive: file by file, and last their manifest. Equal runs give equal bytes."""

import hashlib
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

from reprise import signatures
from reprise.archive import bag
from reprise.backports import Self
from reprise.errors import ArchiveError
from reprise.record.digest import sha256_bytes, sha256_text

_PIECE = 1 << 20  # bytes
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip archive can have
_FILE = 0o100644 << 16  # a regular file that its owner may write
_PACKED = (".json", ".txt", ".html", ".csv", ".patch", ".svg", ".yaml", ".py", "MLmodel")


class Writer:
    """Writes the files of an archive, then what describes them.

    Parameters
    ----------
    path : Path
        The archive, which is there when all of it is written, and not before.
    key : str
        Signs the archive; "" for none. See `signatures.signing_key`.
    """

    def __init__(self, path: Path, *, key: str = "") -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._key = key
        self._digests: dict[str, str] = {}
        self._bytes = 0
        self._archive: zipfile.ZipFile

    def __enter__(self) -> Self:
        self._archive = zipfile.ZipFile(self._part, "x", allowZip64=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._archive.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink()

    @property
    def files(self) -> Mapping[str, str]:
        """SHA-256 of each file that was written, by name."""
        return self._digests

    def text(self, name: str, text: str) -> None:
        """Add a file of UTF-8 text."""
        content = text.encode()
        with self._member(name) as file:
            file.write(content)
        self._add(name, sha256_bytes(content), len(content))

    def file(self, name: str, path: Path) -> None:
        """Add a file."""
        hasher, size = hashlib.sha256(), 0
        with path.open("rb") as source, self._member(name) as file:
            while piece := source.read(_PIECE):
                hasher.update(piece)
                size += file.write(piece)
        self._add(name, hasher.hexdigest(), size)

    def folder(self, name: str, folder: Path) -> None:
        """Add the files of a folder, those in folders below it too."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.file(f"{name}/{path.relative_to(folder).as_posix()}", path)

    def end(self, crate: str) -> bool:
        """Add what stands beside the files: their description, the manifest, and its seal.

        Parameters
        ----------
        crate : str
            The description as an RO-Crate.

        Returns
        -------
        bool
            Whether the seal is signed.

        Raises
        ------
        SignatureError
            If it cannot be signed.
        """
        count = f"Payload-Oxum: {self._bytes}.{len(self._digests)}\n"  # bytes and files
        beside = {
            bag.DECLARATION: bag.DECLARED,
            bag.DESCRIPTION: count,
            bag.CRATE: crate,
            bag.MANIFEST: bag.manifest(self._digests),
        }
        seal = bag.manifest({name: sha256_text(text) for name, text in beside.items()})
        for name, text in (beside | {bag.SEAL: seal}).items():
            with self._member(name) as file:
                file.write(text.encode())
        if self._key:
            signature = signatures.sign(seal.encode(), self._key, signatures.EXPORT)
            with self._member(bag.SIGNATURE) as file:
                file.write(signature)
        return bool(self._key)

    @contextmanager
    def _member(self, name: str) -> Iterator[IO[bytes]]:
        entry = zipfile.ZipInfo(name, _DATE)
        entry.external_attr = _FILE
        entry.create_system = 3  # as on Linux, whatever this is
        entry.compress_type = zipfile.ZIP_DEFLATED if name.endswith(_PACKED) else zipfile.ZIP_STORED
        with self._archive.open(entry, "w", force_zip64=True) as file:
            yield file

    def _add(self, name: str, digest: str, size: int) -> None:
        if name in self._digests:
            raise AssertionError(f"{name} was added before")
        self._digests[name] = digest
        self._bytes += size


def refuse_existing(path: Path) -> None:
    """Refuse the path of an archive that is there, or whose folder is not.

    Raises
    ------
    ArchiveError
        Where nothing can be written, or something would be replaced.
    """
    if path.exists() or path.is_symlink():
        raise ArchiveError(f"expected a new file to write, found {path}. Give another: -o NAME.zip")
    if not path.absolute().parent.is_dir():
        raise ArchiveError(
            f"expected a folder for {path.name}, found none at {path.absolute().parent}. Make it."
        )
    if not os.access(path.absolute().parent, os.W_OK):
        raise ArchiveError(
            f"expected a folder that can be written, found {path.absolute().parent}. "
            "Give another path: -o"
        )
