"""What the URI of a project names: a repository, a commit of it, and a folder within.

`<uri>#<folder>` means what it means to MLflow. `<uri>#<commit>` and `<uri>#<commit>:<folder>` name
a commit by its id, whole or short, a tag or a branch. Without a colon, a folder of that name wins.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from reprise.capture.code import UNKNOWN
from reprise.errors import CheckoutError, CodeError, ProjectError
from reprise.git import git, is_full_sha, remote, succeeds
from reprise.projects import checkout
from reprise.urls import without_credentials
from reprise.visible import is_text

_HEAD = "HEAD"
_SHORT_SHA = re.compile(r"[0-9a-f]{4,64}", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """A project's URI, taken apart; "" stands for what it does not name.

    Attributes
    ----------
    base : str
        URI of the repository, or a local folder.
    commit : str
        Name of a commit: an id, a tag or a branch.
    folder : str
        Folder within.
    either : str
        A folder or a commit: only the repository knows.
    fragment : str
        All that stands after `#`.
    """

    base: str
    commit: str = ""
    folder: str = ""
    either: str = ""
    fragment: str = ""

    @cached_property
    def path(self) -> Path | None:
        """Where it is on this machine; None: elsewhere."""
        parts = urlsplit(self.base) if self.base.startswith("file://") else None
        path = Path(unquote(parts.path) if parts else self.base)
        # Path's own raises for a name that is too long.
        return path.resolve() if os.path.exists(path) else None  # noqa: PTH110

    @cached_property
    def local(self) -> Path | None:
        """The local folder with the project's files; None: there are only commits, to be cloned."""
        return self.path if self.path and self.path.is_dir() and not _is_bare(self.path) else None

    @property
    def repository(self) -> str:
        """The URI before `#`, as it may be recorded: without credentials."""
        return f"file://{self.path}" if self.path else without_credentials(self.base)

    @property
    def shown(self) -> str:
        """The whole URI, as it may be recorded."""
        return f"{self.repository}#{self.fragment}" if self.fragment else self.repository


def parse(uri: str, version: str | None = None) -> Address:
    """Take a project's URI apart.

    Parameters
    ----------
    uri : str
        With a folder, a commit or both after `#`.
    version : str, optional
        A commit, given apart from the URI.

    Raises
    ------
    ProjectError
        If it is no URI, or names two commits.
    """
    base, _, fragment = uri.strip("'\"").partition("#")
    try:
        urlsplit(base)
    except ValueError as error:
        raise ProjectError(
            f"expected the URI of a project, found {base} ({error}). Correct it."
        ) from None
    if not is_text(uri + (version or "")):
        raise ProjectError(
            f"expected the URI of a project in UTF-8 without NUL bytes, found {uri}. Correct it."
        )
    name, colon, folder = fragment.partition(":")
    if version and colon and name:
        raise ProjectError(
            f"expected one commit, found {name!r} in the URI and --version {version!r}. "
            "Leave out one of them."
        )
    if version:
        folder = (folder if colon else fragment).strip("/")
        shown = f"{version}:{folder}" if folder else version
        return Address(base, commit=version, folder=folder, fragment=shown)
    if colon:
        return Address(base, commit=name, folder=folder.strip("/"), fragment=fragment)
    return Address(base, either=fragment.strip("/"), fragment=fragment)


@contextmanager
def opened(address: Address) -> Iterator[Path]:
    """Have the project's folder, at the commit that is named, for the time of a `with` block.

    A local folder without a commit is the folder itself, edits included. Everything else is
    checked out in a temporary folder: nothing is ever checked out in the user's own.

    Raises
    ------
    CheckoutError
        If there is no such repository, commit or folder.
    """
    local = address.local
    if local is None:
        relative = address.path is not None and "://" not in address.base
        with checkout.clone(str(address.path) if relative else address.base) as clone:
            name, folder = _chosen(address, clone, _tree_has)
            with _checked_out(address, clone, name or _HEAD, folder) as project:
                yield project
        return
    name, folder = _chosen(address, local, lambda at, within: (at / within).is_dir())
    if not name:
        yield _existing(local / folder, address)
        return
    if not succeeds(local, "rev-parse", "--git-dir"):
        raise CheckoutError(
            f"expected a folder of {address.repository}, or a git repository there, found neither: "
            f"{name!r} cannot be looked up. Check the name."
        )
    within = git(local, "rev-parse", "--show-prefix").removesuffix("\n")
    with _checked_out(address, local, name, f"{within}{folder}".strip("/")) as project:
        yield project


def resolve(repository: Path, name: str) -> str | None:
    """Return the full id of the commit that a name stands for; None: it stands for none.

    Parameters
    ----------
    repository : Path
        A folder in it.
    name : str
        A commit's id, whole or short, a tag (annotated or not), or a branch, the remote's too.

    Raises
    ------
    CheckoutError
        If a tag and a branch of that name are different commits.
    """
    if is_full_sha(name):
        return _commit(repository, name) or name  # the remote may have it all the same
    if name == _HEAD:
        return _commit(repository, name)
    tag, branch = (_commit(repository, f"refs/{kind}/{name}") for kind in ("tags", "heads"))
    if tag and branch and tag != branch:
        raise CheckoutError(
            f"expected one commit named {name}, found a tag, {tag}, and a branch, {branch}. "
            "Name it by its id."
        )
    commit = tag or branch or _commit(repository, f"refs/remotes/{remote(repository)}/{name}")
    if commit is None and _SHORT_SHA.fullmatch(name):
        return _commit(repository, name)
    return commit


def _chosen(address: Address, at: Path, has_folder: Callable[[Path, str], bool]) -> tuple[str, str]:
    """Return what stands after `#` without a colon: a folder, or else a commit."""
    if not address.either:
        return address.commit, address.folder
    if has_folder(at, address.either):
        return "", address.either
    return address.either, ""


@contextmanager
def _checked_out(address: Address, at_hand: Path, name: str, folder: str) -> Iterator[Path]:
    """Check a commit out beside the current repository."""
    commit = resolve(at_hand, name)
    with checkout.repository(at_hand) as repository:
        if commit is None or repository.find(commit) is None:
            what = (
                "a folder, commit, tag or branch" if address.either else "a commit, tag or branch"
            )
            raise CheckoutError(
                f"expected {what} of {address.repository}, found none named "
                f"{name!r}. Check the name; a commit must be pushed, or in a local folder fetched."
            )
        repository.follow_origin()
        root = repository.check_out(UNKNOWN.model_copy(update={"commit": commit}))
        yield _existing(root / folder, address, within=root)


def _existing(folder: Path, address: Address, *, within: Path | None = None) -> Path:
    leads_out = within and not folder.resolve().is_relative_to(within.resolve())
    if leads_out or not folder.is_dir():
        raise CheckoutError(
            f"expected the folder {address.folder or folder.name!r} in {address.shown}, found none "
            "there. Check its name."
        )
    return folder


def _tree_has(repository: Path, folder: str) -> bool:
    """Return whether the default commit of a clone without files has a folder."""
    return bool(_answer(repository, "ls-tree", "-d", _HEAD, "--", folder))


def _commit(repository: Path, name: str) -> str | None:
    """Return the commit that a reference or an id leads to; None: none."""
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return _answer(repository, *words) or None


def _is_bare(path: Path) -> bool:
    return _answer(path, "--git-dir=.", "rev-parse", "--is-bare-repository") == "true"


def _answer(folder: Path, *arguments: str) -> str:
    """Return what git says; "" where it refuses."""
    try:
        return git(folder, *arguments).strip()
    except CodeError:
        return ""
