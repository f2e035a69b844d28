"""The encoding of a text file: whether it is UTF-8, and which it probably is if not."""

import codecs
import io
from pathlib import Path

SAMPLE_BYTES = 1 << 18
# Encodings to look for, the most likely first; each decodes text of the others without an error.
_ENCODINGS = ["cp1252", "cp1250", "cp1251", "cp1253", "cp932", "gb18030", "big5", "cp949"]


def _wide_encoding(sample: bytes) -> str | None:
    """Return the encoding of text with two bytes for a letter; without a mark, it is no error."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if sample.count(0) * 3 < len(sample):
        return None
    return "utf-16-be" if sample[:1] == b"\0" else "utf-16-le"


def starts_as_utf_8(path: Path) -> bool:
    """Return whether the first bytes of a file are UTF-8, and not merely without an error."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return _wide_encoding(sample) is None


def likely_encoding(path: Path) -> str:
    """Return the encoding that a file which is not UTF-8 seems to have."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    if wide := _wide_encoding(sample):
        return wide
    from charset_normalizer import from_bytes

    matches = from_bytes(sample, cp_isolation=_ENCODINGS)
    best = matches.best()
    if best is None:
        return "cp1252"
    equal = [m for m in matches if (m.chaos, m.coherence) == (best.chaos, best.coherence)]
    western = any("cp1252" in match.could_be_from_charset for match in equal)
    return "cp1252" if western else best.encoding


def is_encoding(name: str) -> bool:
    """Return whether Python knows an encoding of text by this name."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=name)
    except LookupError:
        return False
    return True
