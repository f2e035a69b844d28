"""The layout of an archive: a bag (RFC 8493), whose manifests `sha256sum --check` can read.

One manifest has the files below `data/`. Another, the seal, has what stands beside: the first
manifest, and the descriptions of the whole. A signature is of the seal, and so of every file.

Names stand in the manifest as they are; BagIt would write a percent sign otherwise, which
`sha256sum` does not understand.
"""

import re
from collections.abc import Mapping

from reprise.errors import ArchiveError
from reprise.signatures import SUFFIX

DECLARATION = "bagit.txt"
DESCRIPTION = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
CRATE = "ro-crate-metadata.json"
SEAL = "tagmanifest-sha256.txt"
SIGNATURE = f"{SEAL}{SUFFIX}"
PAYLOAD = "data/"
SEALED = frozenset({DECLARATION, DESCRIPTION, MANIFEST, CRATE})
BESIDE = SEALED | {SEAL, SIGNATURE}  # the payload

DECLARED = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def manifest(digests: Mapping[str, str]) -> str:
    """Return the manifest of files, given the SHA-256 of each by its name."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))


def digests(text: str, *, where: str) -> dict[str, str]:
    """Read a manifest, which stands at a name.

    Raises
    ------
    ArchiveError
        If a line is none of a manifest's, or a name stands twice.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None or match[2] in found:
            raise ArchiveError(
                f"expected lines of a SHA-256 and a name, each name once, in {where}, found "
                f"{line!a:.200}. The archive was altered."
            )
        found[match[2]] = match[1]
    return found
