"""The submodules of a checked-out commit: from the current clone, else from where they may be.

A `.gitmodules` is part of the commit, and so somebody else's words. What it names is fetched only
from the server that the repository itself is on, or if the user's own clone names it too.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reprise.capture import code, conversion
from reprise.errors import CheckoutError, CodeError
from reprise.git import git, quoted, readable, remote, succeeds
from reprise.projects.fetching import fetch
from reprise.record.schema import Code
from reprise.urls import RepositoryUrl

_DEEPEST = 10
_LINK = "160000"
_FILES = frozenset({"100644", "100755"})
_MODULES = ".gitmodules"
_SHA1_DIGITS = 40


@dataclass(frozen=True)
class Places:
    """Where submodules may be had from.

    Attributes
    ----------
    at_hand : Path or None
        Working tree of the user's clone; None: there is none.
    repositories : sequence of RepositoryUrl
        The clone's remote, and the repository that the user has named.
    may_contact : bool
        Whether servers may be asked at all.
    """

    at_hand: Path | None
    repositories: Sequence[RepositoryUrl]
    may_contact: bool = True


def check_out(
    store: Path, places: Places, source: Code, *, within: tuple[str, ...] = ()
) -> list[str]:
    """Check out the submodules of a repository that is checked out, and theirs.

    Parameters
    ----------
    store : Path
        Root of the checked-out repository.
    places : Places
    source : Code
        Of the run, whose absent submodules are left out.
    within : tuple of str
        Names of the submodules that this repository is within.

    Returns
    -------
    list of str
        Submodules that are not there, since no server may be asked.

    Raises
    ------
    CheckoutError
        If one cannot be had, or only from elsewhere.
    """
    entries = [line.partition("\t") for line in _listed(store)]
    links = {name: fields.split() for fields, _, name in entries if fields.startswith(_LINK)}
    if not links:
        return []
    if len(within) == _DEEPEST:
        raise _refusal(f"{_DEEPEST} levels of them, one within the other")
    addresses = _addresses(store, entries)
    missing = []
    for name, (_, commit, _) in links.items():
        if readable("/".join([*within, name])) in source.absent:
            continue
        here = _at_hand(places.at_hand, name)
        folder = store / name
        if not folder.resolve().is_relative_to(store.resolve()):
            raise _refusal(f"one that leads out of the checkout, {name!r}")
        if name not in addresses:
            raise _refusal(f"one without an address in {_MODULES}, {name!r}")
        address = None
        _make(folder, here, commit)
        if here is None:
            _borrow(folder, places.at_hand, addresses[name].name)
        if not _has(folder, commit):
            if not places.may_contact:
                missing.append(name)
                continue
            address = _fetched(folder, name, addresses[name], places, commit)
        filters = conversion.filters_of(here or folder)
        conversion.check_out(folder, commit, source.line_ends, filters)
        own = [address] if address else remote_of(here)
        places_within = Places(here, (*own, *places.repositories), places.may_contact)
        inner = check_out(folder, places_within, source, within=(*within, name))
        missing += [f"{name}/{each}" for each in inner]
    return missing


def _listed(store: Path) -> list[str]:
    return list(filter(None, git(store, "ls-files", "--stage", "-z").split("\0")))


@dataclass(frozen=True)
class _Address:
    """The address of a submodule, as its repository has it, and the name that it goes by there."""

    name: str
    url: str


def _addresses(store: Path, entries: Sequence[tuple[str, str, str]]) -> dict[str, _Address]:
    """Return the address of each submodule, by its path, as the commit's own file has it."""
    for fields, _, name in entries:
        mode, blob, _ = fields.split()
        if name == _MODULES and mode in _FILES:
            return _read(store, "--blob", blob)
    return {}


def _read(folder: Path, *source: str) -> dict[str, _Address]:
    """Return the addresses in a `.gitmodules`, or in a clone's settings, by path, else by name."""
    pattern = r"^submodule\..*\.(path|url)$"
    try:
        listed = git(folder, "config", *source, "--null", "--get-regexp", pattern)
    except CodeError:  # there are none
        return {}
    found: dict[str, dict[str, str]] = {}
    for entry in filter(None, listed.split("\0")):
        key, _, value = entry.partition("\n")
        name, _, field = key.removeprefix("submodule.").rpartition(".")
        found.setdefault(name, {})[field] = value
    return {
        fields.get("path", name): _Address(name, fields["url"])
        for name, fields in found.items()
        if "url" in fields
    }


def _at_hand(root: Path | None, name: str) -> Path | None:
    """Return the folder of a submodule of the user's clone; None: it has none of that name."""
    if root is None:
        return None
    here = root / name
    is_link = git(root, "ls-files", "--stage", "--", f":(literal){name}").startswith(_LINK)
    if not is_link or not here.is_dir() or not here.resolve().is_relative_to(root.resolve()):
        return None
    try:
        top = git(here, "rev-parse", "--show-toplevel").removesuffix("\n")
    except CodeError:
        return None
    return here if Path(top).resolve() == here.resolve() else None


def _make(folder: Path, here: Path | None, commit: str) -> None:
    """Make the repository of a submodule, which borrows the objects of the current one."""
    if here:
        code.beside(here, folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    hashed = "sha1" if len(commit) == _SHA1_DIGITS else "sha256"
    git(folder, "init", "--quiet", "--template=", f"--object-format={hashed}")


def _borrow(folder: Path, root: Path | None, name: str) -> None:
    """Borrow the objects that the user's clone still has of a submodule: its files are gone."""
    if root is None:
        return
    common = git(root, "rev-parse", "--git-common-dir").removesuffix("\n")
    modules = (root / common / "modules").resolve()
    objects = (modules / name / "objects").resolve()
    if objects.is_dir() and objects.is_relative_to(modules):
        information = folder / ".git" / "objects" / "info"
        information.mkdir(exist_ok=True)
        (information / "alternates").write_bytes(os.fsencode(quoted(str(objects))) + b"\n")


def _has(folder: Path, commit: str) -> bool:
    return succeeds(folder, "cat-file", "-e", f"{commit}^{{tree}}")


def _fetched(
    folder: Path, path: str, address: _Address, places: Places, commit: str
) -> RepositoryUrl:
    """Fetch the commit of a submodule; return where it was: where the user's clone says, or else.

    Raises
    ------
    CheckoutError
        If it cannot be had, or only from elsewhere.
    """
    users = _read(places.at_hand).get(address.name) if places.at_hand else None
    if users and users.url != address.url:
        with contextlib.suppress(CheckoutError):
            own = RepositoryUrl.parse(users.url).absolute(places.at_hand or Path())
            _fetch(folder, path, own, commit, places.at_hand)
            return own
    permitted = _permitted(path, address.url, places)
    _fetch(folder, path, permitted, commit, places.at_hand)
    return permitted


def _permitted(name: str, text: str, places: Places) -> RepositoryUrl:
    """Return the address of a submodule that may be fetched from there."""
    try:
        if not places.repositories:
            address = RepositoryUrl.parse(text)
        else:
            address = places.repositories[0].joined(text)
    except CheckoutError as error:
        raise _refusal(f"{name!r} with an address that is none: {error}") from None
    trusted = any(
        address.is_at_server_of(each) or address.text == each.text for each in places.repositories
    )
    if not trusted and address.text not in _named_by_the_user(places):
        raise _refusal(
            f"{name!r} at {address.shown}, which is neither on the server of the repository nor a "
            "submodule of this clone. If you trust it, add it here (git submodule add)"
        )
    return address


def _named_by_the_user(places: Places) -> set[str]:
    """Return the addresses of submodules that the user's clone has set up, or checked out."""
    root = places.at_hand
    if root is None:
        return set()
    texts = list(_read(root).values())
    if (root / _MODULES).is_file():
        texts += _read(root, "--file", _MODULES).values()
    bases = remote_of(root)
    found = set()
    for each in texts:
        with contextlib.suppress(CheckoutError):
            parsed = bases[0].joined(each.url) if bases else RepositoryUrl.parse(each.url)
            found.add(parsed.text)
    return found


def remote_of(folder: Path | None) -> list[RepositoryUrl]:
    """Return the address of a clone's remote, if it has one that may be used."""
    name = remote(folder) if folder else None
    if folder is None or name is None:
        return []
    text = git(folder, "remote", "get-url", "--", name).removesuffix("\n")
    try:
        address = RepositoryUrl.parse(text)
    except CheckoutError:
        return []
    root = git(folder, "rev-parse", "--show-toplevel").removesuffix("\n")
    return [address.absolute(Path(root))]


def _fetch(
    folder: Path, name: str, address: RepositoryUrl, commit: str, clone: Path | None
) -> None:
    try:
        fetch(folder, address.text, commit, clone=clone)
    except CodeError as error:
        raise _refusal(f"that {name!r} cannot be had from {address.shown}: {error.said}") from None
    if not _has(folder, commit):
        raise _refusal(f"no commit {commit} of {name!r} at {address.shown}")


def _refusal(what: str) -> CheckoutError:
    return CheckoutError(f"expected the submodules of the run's commit, found {what}.")
