"""Archives: equal where names and contents of their members are; times and packing do not count."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable

from reprise.record.digest import canonical_json
from reprise.trust import limits

Member = Callable[[bytes, str], bytes]  # content and name -> digest
_LARGEST = 1 * limits.GIB  # unpacked, of all members; larger archives are compared by their bytes
_TAR_MAGIC = slice(257, 262)


def is_zip(data: bytes) -> bool:
    """Return whether bytes begin as a zip archive does."""
    return data[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def is_tar(data: bytes) -> bool:
    """Return whether bytes begin as a tar archive does."""
    return data[_TAR_MAGIC] == b"ustar"


def unzipped(data: bytes) -> bytes:
    """Return what a gzip file holds.

    Raises
    ------
    ValueError
        If that is too large.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError("too large to be unpacked")
    return content


def zipped(data: bytes, member: Member) -> bytes:
    """Return the names and digests of a zip archive's members."""
    return canonical_json(digests_of_zip(data, member)).encode()


def digests_of_zip(data: bytes, member: Member) -> list[list[str]]:
    """Return name and digest of each member of a zip archive, by name.

    Raises
    ------
    ValueError
        If it is damaged, or too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = [each for each in archive.infolist() if not each.is_dir()]
            if sum(each.file_size for each in files) > _LARGEST:
                raise ValueError("too large to be unpacked")
            return sorted(
                [each.filename, member(archive.read(each), each.filename).decode()]
                for each in files
            )
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # encrypted, say
        raise ValueError(str(error)) from None


def tarred(data: bytes, member: Member) -> bytes:
    """Return the names, links and digests of a tar archive's members."""
    found = []
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for each in archive:
                file = archive.extractfile(each) if each.isfile() else None
                content = member(file.read(), each.name).decode() if file else each.linkname
                found.append([each.name, content])
    except tarfile.TarError as error:
        raise ValueError(str(error)) from None
    return canonical_json(sorted(found)).encode()
