"""Reads an archive, which is somebody else's file: all of it is checked before any of it is used.

What it claims of itself comes first: names that stay within, regular files, no more bytes than the
disk takes. Then each file is unpacked into a temporary folder, and its digest compared with the
manifest's.
"""

import hashlib
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reprise import signatures
from reprise.archive import bag
from reprise.archive.contents import CONTENTS, RUN_FILE, Contents, Run, run_folder
from reprise.console import tracked
from reprise.errors import ArchiveError
from reprise.process import scratch
from reprise.record.digest import sha256_bytes
from reprise.signatures import Signature, Signers
from reprise.trust import documents, limits, zips

_PIECE = 1 << 20  # bytes
_SMALL = 16 * limits.MIB  # unpacked: harmless whatever the ratio is
_SPARE = 256 * limits.MIB  # of the disk, for others
_ALTERED = "The archive is damaged or was altered: get it again."


@dataclass(frozen=True)
class Unpacked:
    """A checked archive in a temporary folder.

    Attributes
    ----------
    folder : Path
    contents : Contents
    runs : mapping of str to Run
        By the id in the archive, in its order.
    seal_sha256 : str
        Of the manifest of manifests, and so of the whole.
    signature : Signature
    """

    folder: Path
    contents: Contents
    runs: Mapping[str, Run]
    seal_sha256: str
    signature: Signature

    def path(self, name: str) -> Path:
        """Return the place of a file or folder of the archive."""
        return self.folder / name


@contextmanager
def unpacked(path: Path, *, signers: Signers, allow_large: bool = False) -> Iterator[Unpacked]:
    """Check an archive, and unpack it for the time of a `with` block.

    Parameters
    ----------
    path : Path
    signers : Signers
        Who may have signed it.
    allow_large : bool
        Whether it may be packed more tightly than what runs have.

    Raises
    ------
    ArchiveError
        If it is damaged, altered, or something else.
    """
    with _opened(path) as archive, scratch.folder() as name:
        folder = Path(name)
        members = _checked(archive.infolist(), path, folder, allow_large=allow_large)
        seal = _small(archive, members, bag.SEAL, limits.MANIFEST_BYTES)
        beside = _sealed(archive, members, seal)
        listed = bag.digests(_text(beside[bag.MANIFEST], bag.MANIFEST), where=bag.MANIFEST)
        _compare(listed, [name for name in members if name not in bag.BESIDE], bag.MANIFEST)
        signature = None
        if bag.SIGNATURE in members:
            signature = _small(archive, members, bag.SIGNATURE, signatures.LARGEST)
        for each in tracked(list(listed), "checking files"):
            _unpack(archive, members[each], folder / each, listed[each])
        contents, runs = _documents(folder)
        yield Unpacked(
            folder=folder,
            contents=contents,
            runs=runs,
            seal_sha256=sha256_bytes(seal),
            signature=signatures.verify(seal, signature, signatures.EXPORT, signers=signers),
        )


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        documents.refuse_irregular(path.stat().st_mode)
        with limits.memory(limits.ARCHIVE_DIRECTORY_BYTES):
            archive = zipfile.ZipFile(path)
    except (OSError, documents.DocumentError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ArchiveError(
            f"expected an archive that `reprise export` has written, found {path}: {reason}. "
            "Name another file."
        ) from None
    except (
        zipfile.BadZipFile,
        MemoryError,
        NotImplementedError,
        UnicodeError,
        ValueError,
    ) as error:
        raise ArchiveError(
            f"expected an archive that `reprise export` has written, found that {path} is no whole "
            f"zip archive ({error or 'too many files'}). {_ALTERED}"
        ) from None
    with archive:
        yield archive


def _checked(
    members: Sequence[zipfile.ZipInfo], path: Path, folder: Path, *, allow_large: bool
) -> dict[str, zipfile.ZipInfo]:
    """Return the files of an archive by name, after a check of what it claims of them."""
    if len(members) > limits.ARCHIVE_FILES:
        raise _refused(f"at most {limits.ARCHIVE_FILES} files", f"{len(members)}")
    total = 0
    found: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        _refuse_name(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or member.is_dir():
            raise _refused("regular files", f"{member.filename!a}, which is none")
        if not zips.is_deflated(member):
            raise _refused("files packed by deflate", f"{member.filename!a}, which is not")
        if member.filename in found:
            raise _refused("each file once", f"{member.filename!a} twice")
        found[member.filename] = member
        total += member.file_size
    _refuse_folders_that_are_files(found)
    for name in (bag.SEAL, bag.MANIFEST):
        if name not in found:
            raise _refused(f"a file {name}", "none")
    most = max(_SMALL, path.stat().st_size * limits.ARCHIVE_RATIO)
    if total > most and not allow_large:
        raise ArchiveError(
            f"expected an archive of at most {documents.size_text(most)} unpacked, found that it "
            f"claims {documents.size_text(total)}. If you trust it, add --allow-large."
        )
    free = shutil.disk_usage(folder).free - _SPARE
    if total > free:
        raise ArchiveError(
            f"expected {documents.size_text(total)} of free disk at {folder.parent} to check the "
            f"archive, found {documents.size_text(max(free, 0))}. Free some, or set TMPDIR."
        )
    return found


def _refuse_name(name: str) -> None:
    """Refuse the name of a file that is not below `data/`, or not one that is beside it."""
    parts = name.split("/")
    is_plain = (
        name.isprintable()
        and "\\" not in name
        and len(name) <= limits.ARCHIVE_NAME_CHARACTERS
        and not {"", ".", ".."} & set(parts)
    )
    if not is_plain or not (name in bag.BESIDE or name.startswith(bag.PAYLOAD)):
        raise _refused("the files of an exported archive", f"the name {name!a:.200}")


def _refuse_folders_that_are_files(names: Mapping[str, zipfile.ZipInfo]) -> None:
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    for name in names:
        if name in folders:
            raise _refused("files in folders", f"{name!a} as a file and as a folder")


def _sealed(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], seal: bytes
) -> dict[str, bytes]:
    """Return the files beside the payload, after a comparison with the seal."""
    listed = bag.digests(_text(seal, bag.SEAL), where=bag.SEAL)
    _compare(listed, [name for name in members if name in bag.SEALED], bag.SEAL)
    found = {name: _small(archive, members, name, limits.MANIFEST_BYTES) for name in listed}
    for name, content in found.items():
        if sha256_bytes(content) != listed[name]:
            raise _differs(name, listed[name], sha256_bytes(content), bag.SEAL)
    return found


def _compare(listed: Mapping[str, str], there: Sequence[str], manifest: str) -> None:
    """Refuse an archive whose files are not those of a manifest."""
    more, fewer = set(there) - set(listed), set(listed) - set(there)
    if more:
        raise _refused(f"the files that {manifest} lists", f"{min(more)!a} beside them")
    if fewer:
        raise _refused(f"the files that {manifest} lists", f"no {min(fewer)!a}")


def _small(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], name: str, largest: int
) -> bytes:
    if members[name].file_size > largest:
        size = documents.size_text(members[name].file_size)
        raise _refused(f"at most {documents.size_text(largest)} in {name}", size)
    return b"".join(_pieces(archive, members[name]))


def _pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(member) as file:
            while piece := file.read(_PIECE):
                yield piece
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise _refused(f"{member.filename!a} whole", f"that it is not ({error})") from None


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, to: Path, expected: str) -> None:
    """Write a file of an archive, and compare its digest with that of the manifest."""
    to.parent.mkdir(parents=True, exist_ok=True)
    hasher = hashlib.sha256()
    with to.open("xb") as file:
        for piece in _pieces(archive, member):
            hasher.update(piece)
            file.write(piece)
    if hasher.hexdigest() != expected:
        raise _differs(member.filename, expected, hasher.hexdigest(), bag.MANIFEST)


def _differs(name: str, expected: str, found: str, manifest: str) -> ArchiveError:
    return _refused(f"SHA-256 {expected} of {name!a}, as {manifest} says,", found)


def _documents(folder: Path) -> tuple[Contents, dict[str, Run]]:
    """Read what an archive says of its runs; each must be the one that is named."""
    contents = Contents.from_json(_read(folder, CONTENTS), where=CONTENTS)
    runs = {}
    for run_id in contents.runs:
        name = f"{run_folder(run_id)}/{RUN_FILE}"
        runs[run_id] = Run.from_json(_read(folder, name), where=name)
        if runs[run_id].run_id != run_id:
            raise _refused(f"run {run_id} in {name}", f"run {runs[run_id].run_id}")
    return contents, runs


def _read(folder: Path, name: str) -> str:
    try:
        content = documents.read_bytes(folder / name, largest=limits.JSON_BYTES)
    except FileNotFoundError:
        raise _refused(f"a file {name}", "none") from None
    except documents.DocumentError as error:
        raise _refused(f"a document in {name}", str(error)) from None
    return _text(content, name)


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode()
    except UnicodeError:
        raise _refused(f"UTF-8 in {name}", "something else") from None


def _refused(expected: str, found: str) -> ArchiveError:
    return ArchiveError(f"expected {expected} in the archive, found {found}. {_ALTERED}")
