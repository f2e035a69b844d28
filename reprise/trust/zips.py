"""Members of zip archives from others."""

import zipfile

_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1


def is_deflated(member: zipfile.ZipInfo) -> bool:
    """Return whether a member is packed by deflate, or not at all, and has no password."""
    return member.compress_type in _PACKINGS and not member.flag_bits & _ENCRYPTED
