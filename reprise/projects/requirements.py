"""Reads a lock: the releases that it pins, by digest. What else it asks for is refused.

A requirements file is a list of orders to an installer: which index to ask, which files to fetch,
what to build. Of another's lock only its pins are taken, and written anew for the installer.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from reprise.errors import EnvironmentMismatchError

_CONTINUED = re.compile(r"\\\r?\n")
_COMMENT = re.compile(r"(^|\s)#.*")
_HASH = re.compile(r"\s--hash[=\s]\s*(\S+)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_INDEX = re.compile(r"(-i|--index-url|--extra-index-url)(?:\s*=\s*|\s+)(\S+)")
_LOGIN = re.compile(r"(?<=://)[^/\s@]*@")
_RELEASE = re.compile(r"[0-9A-Za-z.!+_-]+")
_SHOWN = 100  # characters of a line


@dataclass(frozen=True)
class Pin:
    """One release of a package.

    Attributes
    ----------
    name : str
        Normalised.
    requirement : str
        `name[extras]==version`, with its marker.
    hashes : tuple of str
        Of the files that may be installed, as `sha256:…`.
    """

    name: str
    requirement: str
    hashes: tuple[str, ...]

    @property
    def version(self) -> str:
        """The release."""
        return self.requirement.partition("==")[2].partition(";")[0].strip()

    def line(self) -> str:
        """Write it as a line of a lock."""
        return " ".join([self.requirement, *(f"--hash={digest}" for digest in self.hashes)])


def pins(lock: str, *, indexes: Collection[str] = ()) -> tuple[Pin, ...]:
    """Read the text of a lock.

    Parameters
    ----------
    lock : str
    indexes : collection of str
        URLs of the package indexes that the user has set: a lock may name these.

    Raises
    ------
    EnvironmentMismatchError
        If a line is no pin of a release with its hashes, in a line that shows it.
    """
    known = {url.rstrip("/") for url in indexes}
    found = []
    for number, line in _lines(lock):
        index = _INDEX.fullmatch(line)
        if index is None:
            found.append(_pin(number, line))
        elif index[2].rstrip("/") not in known:
            raise EnvironmentMismatchError(
                f"expected a lock that leaves the package index to the user, found "
                f"{_shown(line)} in line {number}. Its index is not asked. If you trust it, name "
                "it yourself: set the variable UV_EXTRA_INDEX_URL to it."
            )
    return tuple(found)


def _lines(lock: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, without comments, and with their numbers."""
    number = 1
    for line in _CONTINUED.sub("\\\\\0", lock).split("\n"):
        said = _COMMENT.sub("", line.replace("\\\0", " ")).strip()
        if said:
            yield number, said
        number += 1 + line.count("\\\0")


def _pin(number: int, line: str) -> Pin:
    hashes = tuple(_HASH.findall(line))
    try:
        requirement = Requirement(_HASH.sub("", line).strip())
    except InvalidRequirement:
        raise _refusal(number, line) from None
    specifiers = list(requirement.specifier)
    pinned = (
        len(specifiers) == 1
        and specifiers[0].operator == "=="
        and _RELEASE.fullmatch(specifiers[0].version) is not None
        and requirement.url is None
        and hashes != ()
        and all(map(is_digest, hashes))
    )
    if not pinned:
        raise _refusal(number, line)
    return Pin(canonicalize_name(requirement.name), str(requirement), hashes)


def is_digest(text: str) -> bool:
    """Return whether a text names the content of a file, as `sha256:…`."""
    return _DIGEST.fullmatch(text) is not None


def _refusal(number: int, line: str) -> EnvironmentMismatchError:
    return EnvironmentMismatchError(
        "expected a lock of releases, each `name==version` with its hashes, found "
        f"{_shown(line)} in line {number}. Only such a lock is installed: lock the project with "
        "`uv pip compile --generate-hashes`."
    )


def _shown(line: str) -> str:
    """Return a line for people: short, on one line, and without a password."""
    return ascii(_LOGIN.sub("", line)[:_SHOWN])
