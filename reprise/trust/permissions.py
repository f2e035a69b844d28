"""What a replay may read: the project's files, the public web, and what the user names.

A record names the data that a run read, and whoever can write to the tracking server can forge a
record. So a replay reads another file of this machine, a host in its network, or a bucket with the
user's own rights only if the user has named that place on the command line.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from reprise import env
from reprise.errors import NotAllowedError
from reprise.trust.hosts import is_public

_WEB = ("http", "https")


@dataclass(frozen=True)
class Permissions:
    """Places that a replay may read.

    Attributes
    ----------
    code : str
        Folder with the checkout of the replay's commit.
    project : str
        Root of the current repository, with the files that git ignores.
    allowed : tuple of str
        Places that the user has named: absolute paths of files or folders, and address prefixes.
    """

    code: str
    project: str
    allowed: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return these permissions as JSON, for another process."""
        return json.dumps(asdict(self))

    def refuse(self, source: str, *, folders: Sequence[Path] = (Path(),)) -> None:
        """Refuse a source from a record, if it may not be read.

        Parameters
        ----------
        source : str
            A path or an address; any other text is accepted.
        folders : sequence of Path
            Folders that a relative path may start from.

        Raises
        ------
        NotAllowedError
            If the source is outside the project, and the user has not named it.
        """
        scheme = _scheme(source)
        if scheme in _WEB:
            self.refuse_host(source)
        elif scheme not in ("", "file"):
            if not self._allows_address(source):
                raise _refusal(source, "is read with your rights")
        else:
            for path in _paths(source, folders):
                self.refuse_file(path, named=source)

    def refuse_file(self, path: Path, *, named: str | None = None) -> None:
        """Refuse a file that is outside the project when links are followed; see `refuse`."""
        if self._has(path) or self._allows_file(path):
            return
        raise _refusal(named or str(path), "is outside the project")

    def refuse_host(self, address: str) -> None:
        """Refuse a web address on this machine or in its network; see `refuse`."""
        try:
            host = urlsplit(address).hostname or ""
        except ValueError:
            host = ""
        if host and (is_public(host) or self._allows_address(address)):
            return
        raise _refusal(address, "is in the network of this machine")

    def refuse_values(self, values: Iterable[str], *, folders: Sequence[Path]) -> None:
        """Refuse parameters or arguments that contain a source that may not be read."""
        for value in values:
            for part in {value, value.partition("=")[2], *value.split(",")}:
                self.refuse(part.strip(), folders=folders)

    def is_private(self, source: str, path: Path | None) -> bool:
        """Return whether a source is neither in the commit nor public, and must not be sent.

        Parameters
        ----------
        source : str
        path : Path or None
            The path of a local source.
        """
        if path is not None:
            return not _within(path, self.code)
        if _scheme(source) in _WEB:
            return not is_public(urlsplit(source).hostname or "")
        return True

    def _has(self, path: Path) -> bool:
        """Return whether a file is in the project, and not in git's own folder."""
        for root in (self.code, self.project):
            if root and _within(path, root):
                inner = Path(os.path.realpath(path)).relative_to(os.path.realpath(root)).parts
                return ".git" not in inner or ".git/annex/objects" in "/".join(inner)
        return False

    def _allows_file(self, path: Path) -> bool:
        return any(_within(path, place) for place in self.allowed if not _scheme(place))

    def _allows_address(self, address: str) -> bool:
        return any(
            address == place or address.startswith(f"{place.rstrip('/')}/")
            for place in self.allowed
            if _scheme(place)
        )


def current() -> Permissions | None:
    """Return the permissions of this process; None if it is no replay and may read everything."""
    text = os.environ.get(env.PERMISSIONS)
    if not text:
        return None
    values = json.loads(text)
    return Permissions(values["code"], values["project"], tuple(values["allowed"]))


def refuse_file(path: Path) -> None:
    """Refuse a file that a replay may not read; outside a replay, accept every file."""
    permitted = current()
    if permitted:
        permitted.refuse_file(path)


def elsewhere(code: Path) -> dict[str, str]:
    """Return the variable for a process of this replay with its code in another folder."""
    permitted = current()
    moved = permitted and replace(permitted, code=os.path.realpath(code))
    return {env.PERMISSIONS: moved.to_json()} if moved else {}


def of_replay(code: Path, at_hand: Path, allowed: Iterable[str]) -> Permissions:
    """Return the permissions of a replay.

    Parameters
    ----------
    code : Path
        Root of the checked-out commit.
    at_hand : Path
        Root of the user's repository.
    allowed : iterable of str
        Paths and addresses that the user has named.
    """
    places = tuple(
        place if _scheme(place) not in ("", "file") else os.path.realpath(_path(place))
        for place in allowed
        if place
    )
    return Permissions(os.path.realpath(code), os.path.realpath(at_hand), places)


def named_places(text: str | None) -> tuple[str, ...]:
    """Read a comma-separated list of paths and addresses."""
    return tuple(filter(None, (place.strip() for place in (text or "").split(","))))


def without_sources(
    permitted: Permissions,
    values: Mapping[str, str],
    *,
    stored: Mapping[str, str],
    folders: Sequence[Path],
) -> dict[str, str]:
    """Return the parameters, with stored data in place of a source that may not be read.

    Parameters
    ----------
    permitted : Permissions
    values : mapping of str to str
        Raw parameters.
    stored : mapping of str to str
        The replacement for a parameter that may not be read.
    folders : sequence of Path
        Where a relative path may lead from.

    Raises
    ------
    NotAllowedError
        If another parameter names a source that may not be read.
    """
    given = dict(values)
    for name, value in values.items():
        try:
            permitted.refuse_values([value], folders=folders)
        except NotAllowedError:
            if name not in stored:
                raise
            given[name] = stored[name]
    return given


def _refusal(source: str, why: str) -> NotAllowedError:
    shown = f"{source!a:.300}"
    return NotAllowedError(
        f"expected data of the project or of the public web, found {shown}, which {why}: the "
        "record names it, not you. If you trust that, add -P allow_path= with it, or its folder."
    )


def _scheme(source: str) -> str:
    """Return the scheme of an address in lower case, or "" for a path."""
    before, separator, _ = source.partition("://")
    if separator and before.replace("+", "").replace("-", "").replace(".", "").isalnum():
        return before.lower()
    return "file" if source[:5].lower() == "file:" else ""


def _path(source: str) -> str:
    if _scheme(source) == "file":
        return unquote("/" + source[len("file:") :].lstrip("/").removeprefix("localhost/"))
    return os.path.expanduser(source)  # noqa: PTH111 - Path's raises for unknown users


def _paths(source: str, folders: Sequence[Path]) -> Iterator[Path]:
    """Return the paths that a text may name; none if nothing exists there and it stays inside."""
    path = Path(_path(source.replace("\0", "")))
    leads_out = path.is_absolute() or ".." in path.parts
    for folder in folders:
        if leads_out:
            yield folder / path
        elif os.path.lexists(folder / path):
            yield folder / path
            if os.path.exists(folder / path):  # noqa: PTH110 - Path's raises for a long name
                return


def _within(path: Path | str, folder: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
