"""The submodules of a checked-out commit: from the current clone, else from where they may be.

A `.gitmodules` is part of the commit, and so somebody else's words. What it names is fetched only
from the server that the repository itself is on, or if the user's own clone names it too.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reprise.capture import code, conversion
from reprise.errors import CheckoutError, CodeError
from reprise.git import fetch, git, readable, remote, succeeds
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
        if not succeeds(folder, "cat-file", "-e", f"{commit}^{{tree}}"):
            if not places.may_contact:
                missing.append(name)
                continue
            address = _permitted(name, addresses[name], places)
            _fetch(folder, name, address, commit)
        filters = conversion.filters_of(here or folder)
        conversion.check_out(folder, commit, source.line_ends, filters)
        own = [address] if address else remote_of(here)
        places_within = Places(here, (*own, *places.repositories), places.may_contact)
        inner = check_out(folder, places_within, source, within=(*within, name))
        missing += [f"{name}/{each}" for each in inner]
    return missing


def _listed(store: Path) -> list[str]:
    return list(filter(None, git(store, "ls-files", "--stage", "-z").split("\0")))


def _addresses(store: Path, entries: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    """Return the address of each submodule, by its path, as the commit's own file has it."""
    for fields, _, name in entries:
        mode, blob, _ = fields.split()
        if name == _MODULES and mode in _FILES:
            return _read(store, "--blob", blob)
    return {}


def _read(folder: Path, *source: str) -> dict[str, str]:
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
        fields.get("path", name): fields["url"] for name, fields in found.items() if "url" in fields
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
    for text in texts:
        with contextlib.suppress(CheckoutError):
            found.add((bases[0].joined(text) if bases else RepositoryUrl.parse(text)).text)
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


def _fetch(folder: Path, name: str, address: RepositoryUrl, commit: str) -> None:
    try:
        fetch(folder, address.text, commit)
    except CodeError as error:
        raise _refusal(f"that {name!r} cannot be had from {address.shown}: {error.said}") from None
    if not succeeds(folder, "cat-file", "-e", f"{commit}^{{tree}}"):
        raise _refusal(f"no commit {commit} of {name!r} at {address.shown}")


def _refusal(what: str) -> CheckoutError:
    return CheckoutError(f"expected the submodules of the run's commit, found {what}.")
