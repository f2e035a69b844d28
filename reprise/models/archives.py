"""Check zip archives of arrays, such as .skops and .npz files, before anything is unpacked."""

import math
import zipfile
from collections import Counter
from pathlib import PurePosixPath
from typing import IO

from reprise.trust import limits, zips
from reprise.trust.documents import size_text

_ARRAY, _ARCHIVE = b"\x93NUMPY", b"PK"  # first bytes of their files
_SMALL = 1 * limits.MIB  # any ratio is harmless for members of this size


def refuse_bomb(archive: zipfile.ZipFile, *, within: bool = False) -> None:
    """Refuse an archive that is too large, or has arrays that are too large.

    Members that are archives of arrays themselves (.npz) are checked too, but no deeper ones.

    Raises
    ------
    ValueError
        With a text about what was found.
    """
    members = archive.infolist()
    if within and any(archive.open(member).read(len(_ARCHIVE)) == _ARCHIVE for member in members):
        raise ValueError("an archive in an archive in an archive")
    if len(members) > limits.ARCHIVE_MEMBERS:
        raise ValueError(f"{len(members)} members, more than {limits.ARCHIVE_MEMBERS}")
    name, times = Counter(m.filename for m in members).most_common(1)[0] if members else ("", 0)
    if times > 1:
        raise ValueError(f"{times} members with the name {name!r}")
    total = sum(member.file_size for member in members)
    if total > limits.ARCHIVE_BYTES:
        raise ValueError(
            f"{size_text(total)} unpacked, more than {size_text(limits.ARCHIVE_BYTES)}"
        )
    for member in members:
        _refuse_member(member)
        with archive.open(member) as file:
            _refuse_content(member, file)


def _refuse_member(member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in member.filename:
        raise ValueError(f"a member that leads out of the archive: {member.filename!r}")
    if not zips.is_deflated(member):
        raise ValueError(f"a member packed in another way than deflate: {member.filename!r}")
    ratio = member.file_size / max(member.compress_size, 1)
    if member.file_size > _SMALL and ratio > limits.ARCHIVE_RATIO:
        raise ValueError(f"{member.filename!r} packed {ratio:.0f} times, more than any array is")


def _refuse_content(member: zipfile.ZipInfo, file: IO[bytes]) -> None:
    start = file.read(len(_ARRAY))  # its name may be wrong
    file.seek(0)
    if start.startswith(_ARCHIVE):
        with zipfile.ZipFile(file) as inner:
            refuse_bomb(inner, within=True)
    elif start == _ARRAY:
        _refuse_array(member, file)


def _refuse_array(member: zipfile.ZipInfo, file: IO[bytes]) -> None:
    """Refuse an array with a shape of more bytes than the file has: numpy allocates it first."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array of a format that numpy writes for no model: {version}")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError(f"pickled objects in {member.filename!r}")
    claimed = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or claimed > member.file_size:
        raise ValueError(
            f"an array of shape {shape} in {member.filename!r}, which has "
            f"{size_text(member.file_size)}"
        )
    if not dtype.itemsize and math.prod(shape) > member.file_size:
        raise ValueError(f"an array of shape {shape} without values in {member.filename!r}")
