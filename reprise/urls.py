"""Addresses: which may be passed to git as a repository, and which of their parts may be recorded.

An address often comes from others: a record, a tag, a `.gitmodules`. Git reads some addresses as
options (`--upload-pack=…`) or programs to run (`ext::…`). A `RepositoryUrl` is neither.
"""

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, unquote_plus, urlsplit, urlunsplit

from reprise.errors import CheckoutError, DataError

SCHEMES = ("file", "git", "http", "https", "ssh")
EXPECTED = "a repository's URL (https, http, ssh, git or file), user@host:path, or a path"
_DEFAULT_PORTS = {"git": "9418", "http": "80", "https": "443", "ssh": "22"}
_HELPER = re.compile(r"[A-Za-z0-9+.-]*::")  # "name::rest" starts the program git-remote-name
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(.*)", re.DOTALL)
_HOST = re.compile(r"(\w[\w.-]*|\[[0-9A-Fa-f:.]+\])(?::(\d{0,5}))?")
_SCP_LIKE = re.compile(r"(?:([^@/:]+)@)?([^/:]+):(?!//)(.*)", re.DOTALL)

_LOGIN = re.compile(r"^([a-z][a-z0-9+.-]*)://([^/]*)@", re.IGNORECASE)
_LOGIN_WITHIN = re.compile(r"(?<=://)[^/\s@]*:[^/\s]*@|(?<=(?<!ssh)://)[^/\s]*@")
_ANY_LOGIN_WITHIN = re.compile(r"(?<=://)[^/\s]*@")
# Query parameters that grant access; they stay out of records and messages.
_CREDENTIAL = re.compile(
    r"x-(amz|goog)-.*|expires|policy|googleaccessid"
    r"|.*(token|signature|secret|passw|credential|apikey|accesskey|authorization).*"
    r"|(.*[-_.])?(sig|key|auth|pwd|jwt|sas)([-_.].*)?"
)


@dataclass(frozen=True)
class RepositoryUrl:
    """A repository's address that is safe to pass to git: no option, no program, no control code.

    Attributes
    ----------
    text : str
        The text to pass to git.
    scheme : str
        One of `SCHEMES`; ssh for `user@host:path`, file for a path.
    host, port : str
        Empty for a repository on this machine. Without a port in the address, the scheme's own.
    path : str
    """

    text: str
    scheme: str
    host: str
    port: str
    path: str

    @classmethod
    def parse(cls, text: str) -> "RepositoryUrl":
        """Read an address.

        Raises
        ------
        CheckoutError
            If it is not an address of a repository. The message lacks the text: it may hold a
            password.
        """
        _refuse(text.startswith("-"), "an option of git")
        _refuse(not text.strip(), "an empty one")
        _refuse(_has_controls(text) or _has_controls(unquote(text)), "control characters in it")
        _refuse(_HELPER.match(text) is not None, "a program to run (name::…)")
        url = _URL.fullmatch(text)
        if url:
            return cls._of_url(text, url[1].lower(), url[2], url[3])
        scp = _SCP_LIKE.fullmatch(text)
        if scp:
            user, host, path = scp.groups()
            _refuse(path.startswith("-"), "an option of ssh")
            return cls(text, "ssh", *_host_and_port(user or "", host), path)
        return cls(text, "file", "", "", text)

    @classmethod
    def _of_url(cls, text: str, scheme: str, authority: str, path: str) -> "RepositoryUrl":
        _refuse(scheme not in SCHEMES, f"the scheme {scheme}")
        if scheme == "file":
            _refuse(authority not in ("", "localhost"), "a host in a file:// address")
            return cls(text, scheme, "", "", path)
        user, _, host = authority.rpartition("@")
        name, port = _host_and_port(user, host)
        return cls(text, scheme, name, port or _DEFAULT_PORTS[scheme], path)

    @property
    def is_local(self) -> bool:
        """Whether the repository is a path on this machine."""
        return self.scheme == "file"

    @property
    def shown(self) -> str:
        """The address as it may be recorded: without a password."""
        return without_credentials(self.text)

    def absolute(self, folder: Path) -> "RepositoryUrl":
        """Return this address with a relative path resolved against a folder."""
        if not self.is_local or "://" in self.text:
            return self
        return RepositoryUrl.parse(os.path.normpath(folder / self.text))

    def is_at_server_of(self, other: "RepositoryUrl") -> bool:
        """Whether both are on one server: same host, and the same port or the protocol's own."""
        if self.is_local or other.is_local or self.host != other.host:
            return False
        same = self.scheme == other.scheme and self.port == other.port
        return same or self.port in ("", _DEFAULT_PORTS[self.scheme])

    def joined(self, relative: str) -> "RepositoryUrl":
        """Resolve an address from this repository's `.gitmodules`.

        As in git, only `./…` and `../…` are relative to this repository.

        Raises
        ------
        CheckoutError
            If it is not an address of a repository, or leads out of the server's folders.
        """
        if not relative.startswith(("./", "../")):
            return RepositoryUrl.parse(relative)
        parts = [part for part in self.path.split("/") if part]
        for step in (step for step in relative.split("/") if step not in ("", ".")):
            if step != "..":
                parts.append(step)
                continue
            _refuse(not parts, "a relative one that leads out of the server's folders")
            parts.pop()
        before = self.text.rstrip("/").removesuffix(self.path.rstrip("/"))
        rooted = "/" if "://" in self.text or self.path.startswith("/") else ""
        return RepositoryUrl.parse(f"{before}{rooted}{'/'.join(parts)}")


def _host_and_port(user: str, authority: str) -> tuple[str, str]:
    found = _HOST.fullmatch(authority)
    if found is None or unquote(user).startswith("-"):
        raise _refusal("an option of ssh, or no host")
    return found[1].lower(), found[2] or ""


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in text)


def _refuse(condition: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    if condition:
        raise _refusal(what)


def _refusal(what: str) -> CheckoutError:
    return CheckoutError(f"expected {EXPECTED}, found {what}. Give the repository's own address.")


def same_repository(a: str, b: str) -> bool:
    """Return whether two URLs name the same repository; protocol and login do not matter."""
    return _place(a) == _place(b)


def _place(url: str) -> str:
    """Return the host and path of a repository's URL: `git@h:a/b.git` and `https://h/a/b` agree."""
    scheme, separator, rest = url.partition("://")
    scp = None if separator else _SCP_LIKE.fullmatch(url)
    if scp:
        _, host, path = scp.groups()
    elif separator and scheme.lower() != "file":
        host, _, path = rest.partition("/")
        host = host.rpartition("@")[2]
        if scheme.lower() in ("ssh", "http", "https"):
            host = host.partition(":")[0]
    else:
        host, path = "", rest if separator else url
    path = path.strip("/").removesuffix(".git").strip("/")
    return f"{host.lower()}/{path}"


def without_credentials(url: str) -> str:
    """Remove `user:password@` from a URL; `git@host:path` and plain paths stay as they are."""
    match = _LOGIN.match(url)
    if match is None:
        return url
    scheme, user = match.groups()
    kept = f"{user}@" if scheme.lower() == "ssh" and ":" not in user else ""
    return f"{scheme}://{kept}{url[match.end() :]}"


def without_login(uri: str) -> str:
    """Remove the login, up to the last `@`, from a server's address: passwords may contain `@`."""
    scheme, separator, rest = uri.partition("://")
    authority = rest.partition("/")[0]
    name, colon, port = authority.rpartition(":")
    # In "user:pass/word@host", the slash in the password looks like the end of the host.
    has_login = "@" in authority or (bool(colon) and not port.isdecimal() and name[:1] != "[")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator and has_login else uri


def without_credentials_within(text: str) -> str:
    """Remove secrets from every URL in a text; the user of `ssh://git@host` is no secret."""
    return _LOGIN_WITHIN.sub("", text)


def without_logins_within(text: str) -> str:
    """Remove user and password from every URL in a text."""
    return _ANY_LOGIN_WITHIN.sub("", text)


def holds_credentials(address: str) -> bool:
    """Return whether an address holds a password or a signature and must not be recorded."""
    # Both sides are normalised: HTTPS://example.org is only another spelling.
    return "://" in address and public(address) != urlunsplit(split(address))


def public(address: str) -> str:
    """Remove what must not be recorded: user and password, signing parameters, the fragment."""
    parts = split(address.partition("#")[0])
    query = "&".join(
        pair
        for pair in parts.query.split("&")
        if not _CREDENTIAL.fullmatch(unquote_plus(pair.partition("=")[0]).lower())
    )
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def split(address: str) -> SplitResult:
    """Split an address into its parts.

    Raises
    ------
    DataError
        If it is not valid. The message lacks the address: a password may be anywhere in it.
    """
    try:
        parts = urlsplit(address, allow_fragments=False)
        _ = parts.port  # checked on access; a stray / in a password ends up here
    except ValueError:
        raise DataError(
            "Expected an address like https://host/path, found one that is not valid. "
            "Percent-encode special characters in it."
        ) from None
    return parts
