"""Unpack a compressed table into a temporary file, within the limits of size and of ratio."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from reprise.data.table_limits import too_large
from reprise.errors import DataError
from reprise.process import scratch
from reprise.trust import limits
from reprise.trust.documents import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

# What each extension says, for an error.
PACKINGS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "Zstandard", ".zip": "zip"}
_BLOCK_BYTES = 1 << 20
# Of archives: damaged, packed by a method that Python lacks, or with a password.
_FAULTS = (EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError)


@contextmanager
def unpacked(path: Path, suffix: str, name: str, *, allow_large: bool) -> Iterator[Path]:
    """Unpack a file into a temporary file.

    Parameters
    ----------
    path : Path
    suffix : str
        One of `PACKINGS`, or "" of a file that is not packed, which is yielded as it is.
    name : str
        Path or address that the user gave.
    allow_large : bool
        Whether the content may be larger than `limits` allows.

    Yields
    ------
    Path

    Raises
    ------
    DataError
        If the file is damaged, of another kind, or larger than it may be.
    """
    if not suffix:
        yield path
        return
    with scratch.folder() as folder:
        content = Path(folder) / "content"
        try:
            with _opened(path, suffix, name) as packed, content.open("wb") as out:
                for block in _bounded(packed, name, allow_large=allow_large):
                    out.write(block)
        except (*_FAULTS, lzma.LZMAError) as error:
            raise _damaged(suffix, name) from error
        except OSError as error:
            if not error.errno:  # gzip's, bzip2's and Arrow's way to say that it is damaged
                raise _damaged(suffix, name) from error
            raise DataError(f"Expected to read {name}, found: {error}. Check the file.") from error
        yield content


def member(path: Path, name: str) -> str:
    """Return the name of the only file in a zip archive; folders and macOS's own do not count.

    Raises
    ------
    DataError
        If it is no archive, has no or several files, or a password.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = [
                info
                for info in archive.infolist()
                if not info.is_dir() and not info.filename.startswith("__MACOSX/")
            ]
    except (*_FAULTS, OSError) as error:
        raise _damaged(".zip", name) from error
    if len(files) != 1:
        found = ", ".join(sorted(info.filename for info in files)[:5]) or "none"
        more = f" and {len(files) - 5} more" if len(files) > 5 else ""  # noqa: PLR2004 - those named
        raise DataError(
            f"Expected one file in the archive {name}, found {found}{more}. "
            "Unpack it, and give the path of one."
        )
    if files[0].flag_bits & 1:
        raise DataError(
            f"Expected an archive without a password, found one that needs it: {name}. "
            "Unpack it, and give the path of the file."
        )
    return files[0].filename


@contextmanager
def _opened(path: Path, suffix: str, name: str) -> Iterator[IO[bytes]]:
    import pyarrow as pa

    if suffix == ".zip":
        inner = member(path, name)
        with zipfile.ZipFile(path) as archive, archive.open(inner) as file:
            yield file
    elif suffix == ".zst":
        with pa.input_stream(path, compression="zstd") as stream:
            yield stream
    else:
        openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
        with openers[suffix](path, "rb") as file:
            yield cast("IO[bytes]", file)


def _bounded(packed: IO[bytes], name: str, *, allow_large: bool) -> Iterator[bytes]:
    """Read blocks, up to the limit of size."""
    size = 0
    while block := packed.read(_BLOCK_BYTES):
        size += len(block)
        if size > limits.SOURCE_BYTES and not allow_large:
            limit = size_text(limits.SOURCE_BYTES)
            raise too_large(name, "more when unpacked", limit)
        yield block


def _damaged(suffix: str, name: str) -> DataError:
    return DataError(
        f"Expected {PACKINGS[suffix]} as the extension says, found something else or a damaged "
        f"file: {name}. Write it again, or remove {suffix} from the name."
    )
