"""Finds a file's kind, and returns the digest of its content."""

import csv
import io
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from reprise.digests import archives, arrays, documents, images, models, tables
from reprise.record.digest import sha256_bytes, sha256_file
from reprise.trust import limits

_LARGEST = 256 * limits.MIB  # of a file that is parsed; the bytes of a larger one are compared
_PICKLES = (".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill")
_PICKLE = b"\x80"  # first byte, before the protocol's number
_NEWEST_PROTOCOL = 5
_BYTES, _OPAQUE = "bytes", "pickle"
# What a kind's module raises for a file that is not what its name says.
_NOT_OF_ITS_KIND = (
    *(ValueError, TypeError, LookupError, OSError, EOFError, RecursionError, csv.Error),
    *(struct.error, yaml.YAMLError, zlib.error),
)

Normalise = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Content:
    """The content of a file.

    Attributes
    ----------
    sha256 : str
    kind : str
        What was compared: the name of a normaliser, `bytes` or `pickle`.
    """

    sha256: str
    kind: str

    @property
    def is_opaque(self) -> bool:
        """Whether other bytes need not be another content, and nobody can tell."""
        return self.kind == _OPAQUE


def digest(path: Path, name: str, *, replacing: Mapping[str, str] | None = None) -> Content:
    """Return the digest of a file's content.

    Parameters
    ----------
    path : Path
    name : str
        As which it was stored: its end says of what kind it is.
    replacing : mapping of str to str
        Texts that another run has otherwise, such as its id and its folder, with what stands for
        them in texts.
    """
    if path.stat().st_size > _LARGEST:
        return Content(sha256_file(path), _OPAQUE if _is_pickle(name, b"") else _BYTES)
    return of_bytes(path.read_bytes(), name, replacing or {})


def of_bytes(data: bytes, name: str, replacing: Mapping[str, str]) -> Content:
    """Return the digest of the content of a file's bytes; see `digest`."""
    if _is_pickle(name, data):
        return Content(sha256_bytes(data), _OPAQUE)
    kind, normalise = _normaliser(name, data, replacing)
    try:
        return Content(sha256_bytes(normalise(data)), kind)
    except _NOT_OF_ITS_KIND:
        return Content(sha256_bytes(documents.replaced(data, replacing)), _BYTES)


def _is_pickle(name: str, data: bytes) -> bool:
    if PurePosixPath(name.lower()).suffix in _PICKLES:
        return True
    return (
        data[:1] == _PICKLE and len(data) > 1 and data[1] <= _NEWEST_PROTOCOL and data[-1:] == b"."
    )


def _normaliser(name: str, data: bytes, replacing: Mapping[str, str]) -> tuple[str, Normalise]:
    """Return a kind's name, and what makes equal bytes of equal content."""
    last = PurePosixPath(name).name
    suffix = PurePosixPath(last.lower()).suffix

    def member(inner: bytes, inner_name: str) -> bytes:
        return of_bytes(inner, inner_name, replacing).sha256.encode()

    def text(normalise: Normalise) -> Normalise:
        return lambda data: normalise(documents.replaced(data, replacing))

    if last == "MLmodel":
        return "MLmodel", text(models.mlmodel)
    if suffix == ".skops":
        return "skops", lambda data: models.skops(data, member)
    if suffix in (".gz", ".tgz") and data[:2] == b"\x1f\x8b":
        return "gzip", lambda data: member(archives.unzipped(data), last[: -len(suffix)])
    if archives.is_zip(data):
        return "zip", lambda data: archives.zipped(data, member)
    if archives.is_tar(data):
        return "tar", lambda data: archives.tarred(data, member)
    return _SUFFIXES.get(suffix, _plain)(text)


def _plain(text: Callable[[Normalise], Normalise]) -> tuple[str, Normalise]:
    return "text", text(documents.text)


_SUFFIXES: Mapping[str, Callable[[Callable[[Normalise], Normalise]], tuple[str, Normalise]]] = {
    ".json": lambda text: ("JSON", text(documents.json_document)),
    ".ipynb": lambda text: ("notebook", text(documents.notebook)),
    ".yaml": lambda text: ("YAML", text(documents.yaml_document)),
    ".yml": lambda text: ("YAML", text(documents.yaml_document)),
    ".csv": lambda text: ("CSV", text(tables.csv_rows)),
    ".tsv": lambda text: ("CSV", text(tables.tsv_rows)),
    ".parquet": lambda _: ("Parquet", lambda data: tables.parquet(io.BytesIO(data))),
    ".npy": lambda _: ("NumPy", lambda data: arrays.npy(io.BytesIO(data))),
    ".png": lambda _: ("PNG", images.png),
    ".svg": lambda text: ("SVG", text(images.svg)),
    ".pdf": lambda _: ("PDF", images.pdf),
}
