"""What Python 3.11 has brought, for the 3.10 that is supported too."""

import sys

if sys.version_info >= (3, 11):
    from datetime import UTC
    from enum import StrEnum
    from hashlib import file_digest
    from typing import Self

    import tomllib
else:
    import hashlib
    from datetime import timezone
    from enum import Enum
    from typing import IO, Any

    import tomli as tomllib
    from typing_extensions import Self

    UTC = timezone.utc
    _CHUNK = 1 << 18  # bytes

    class StrEnum(str, Enum):
        """Members that are their values, as text too."""

        __str__ = str.__str__
        __format__ = str.__format__

    def file_digest(file: IO[bytes], name: str) -> Any:
        """Return a hash object of what a file holds."""
        digest = hashlib.new(name)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        return digest


__all__ = ["UTC", "Self", "StrEnum", "file_digest", "tomllib"]
