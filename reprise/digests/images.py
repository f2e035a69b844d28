"""Images: equal where the picture is; who made it, when, and ids that were drawn do not count."""

import re
import struct
import zlib

_PNG = b"\x89PNG\r\n\x1a\n"
_PICTURE = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"sRGB", b"acTL", b"fcTL", b"fdAT"})
_DATE = re.compile(rb"<dc:date>.*?</dc:date>", re.DOTALL)
_SVG_ID = re.compile(rb"""(?:\bid="|#)([A-Za-z_][\w.-]*)""")
_PDF_FACTS = re.compile(
    rb"/(?:CreationDate|ModDate|Producer|Creator)\s*\((?:\\.|[^\\)])*\)|/ID\s*\[\s*<[^>]*>\s*<[^>]*>\s*\]"
)


def png(data: bytes) -> bytes:
    """Return the picture of a PNG file, unpacked, without its texts and times.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not data.startswith(_PNG):
        raise ValueError("not a PNG file")
    kept, packed, at = [], b"", len(_PNG)
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        content = data[at + 8 : at + 8 + length]
        if kind == b"IDAT":
            packed += content
        elif kind in _PICTURE:
            kept.append(kind + content)
        at += length + 12
    return b"\0".join([*kept, zlib.decompress(packed)])


def svg(data: bytes) -> bytes:
    """Return an SVG file without its date, and with its ids numbered in their order.

    Raises
    ------
    ValueError
        If it is none.
    """
    if b"<svg" not in data:
        raise ValueError("not an SVG file")
    data = _DATE.sub(b"", data)
    numbers: dict[bytes, int] = {}

    def numbered(match: re.Match[bytes]) -> bytes:
        number = numbers.setdefault(match[1], len(numbers))
        return match[0][: -len(match[1])] + b"%d" % number

    return _SVG_ID.sub(numbered, data).replace(b"\r\n", b"\n")


def pdf(data: bytes) -> bytes:
    """Return a PDF file without its dates, its maker and its id.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not data.startswith(b"%PDF"):
        raise ValueError("not a PDF file")
    return _PDF_FACTS.sub(b"", data)
