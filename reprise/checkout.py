"""The code of a run, checked out in a folder of its own that leaves nothing behind.

A temporary repository borrows the objects of the repository at hand and receives what that one
lacks: from its remote by full commit id, from a repository that the user names, or from the bundle
that the run carries. The user's repository is only read. A run's record is somebody else's words:
what is neither of the repository at hand nor of a named one is refused.
"""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import unquote

from reprise import code as source
from reprise.errors import CheckoutError, CodeError, TrackingError
from reprise.git import git, is_full_sha, remote, same_repository, succeeds, without_credentials
from reprise.record import Code
from reprise.visible import option

OpenBundle = Callable[[str], AbstractContextManager[Path]]
_PREREQUISITE = re.compile(rb"-([0-9a-f]{40,64})\b")
_POINTER = b"version https://git-lfs"


class Repository:
    """A temporary repository beside the one at hand, to look for commits and check them out.

    Parameters
    ----------
    folder : Path
        Empty folder to work in.
    at_hand : Path
        A folder in the user's repository.
    allowed : str, optional
        URL of one more repository whose code may be run.
    """

    def __init__(self, folder: Path, at_hand: Path, *, allowed: str | None = None) -> None:
        self._store = folder / "repository"
        self._at_hand = at_hand
        self._allowed = allowed
        if succeeds(at_hand, "rev-parse", "--git-dir"):
            source.beside(at_hand, self._store)
            self._remote = remote(at_hand)
        else:
            self._store.mkdir()
            git(self._store, "init", "--quiet")
            self._remote = None

    def obtain(self, code: Code, open_bundle: OpenBundle) -> str:
        """Have the commit of a run here, and say where it came from.

        Parameters
        ----------
        code : Code
            Of the run.
        open_bundle : callable
            Fetches an artifact by its URI for the time of a `with` block.

        Raises
        ------
        CheckoutError
            If nobody has it, or it may not be run.
        """
        commit = code.commit
        if commit is None or not is_full_sha(commit):
            raise CheckoutError(
                "expected a run that was made with a commit, found one made outside git, or with "
                "use_git_version switched off. Its code cannot be brought back."
            )
        where = self._find(code, commit, open_bundle)
        tree = git(self._store, "rev-parse", f"{commit}^{{tree}}").strip()
        if code.tree is not None and code.tree != tree:
            raise CheckoutError(
                f"expected tree {code.tree} in commit {commit}, found {tree}. "
                "The record was altered."
            )
        return where

    def find(self, commit: str) -> str | None:
        """Have a commit here from this clone or its remote, and say from which; None: neither."""
        if self._has(commit):
            return "this clone"
        if self._remote and self._fetched(self._remote, commit):
            return self._remote
        return None

    def follow_origin(self) -> None:
        """Know the remote and its branches as the repository at hand does, as a clone would.

        A step that runs in the checkout then records where its commit is from, and carries what
        the remote may not serve later.
        """
        if self._remote is None:
            return
        url = git(self._at_hand, "remote", "get-url", self._remote).strip()
        git(self._store, "remote", "add", "origin", url)
        pattern = "create refs/remotes/origin/%(refname:lstrip=3) %(objectname)"
        of_remote = f"refs/remotes/{self._remote}"
        branches = git(self._at_hand, "for-each-ref", f"--format={pattern}", of_remote)
        git(self._store, "update-ref", "--stdin", text=branches)

    def check_out(self, code: Code) -> Path:
        """Write the files of a run's commit, submodules and LFS files included.

        Returns
        -------
        Path
            The project's folder.
        """
        git(self._store, "checkout", "--quiet", "--detach", "--force", str(code.commit))
        self._check_out_submodules()
        self._check_lfs()
        return inside(self._store, code.project)

    def diff(self, old: str, new: str) -> str:
        """Return the patch from one commit to another."""
        text = git(self._store, *source.DIFF, old, new)
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def _find(self, code: Code, commit: str, open_bundle: OpenBundle) -> str:
        nearby = self.find(commit)
        if nearby:
            return nearby
        if self._allowed and self._fetched(self._allowed, commit):
            return without_credentials(self._allowed)
        self._refuse_foreign(code)
        if code.bundle is None:
            raise CheckoutError(
                f"expected commit {commit} in this clone or at its remote, found it in neither, "
                "and the run carries no bundle of it: it was at the remote when the run was made, "
                f"and is gone since. {self._advice()}"
            )
        try:
            with open_bundle(code.bundle) as path:
                self._unbundle(path, commit)
        except TrackingError as error:
            raise CheckoutError(str(error)) from None
        return "the run's own bundle"

    def _has(self, commit: str) -> bool:
        return succeeds(self._store, "cat-file", "-e", f"{commit}^{{tree}}")

    def _fetched(self, remote_or_url: str, commit: str) -> bool:
        """Fetch a commit alone, with the login that the user's own repository is set up for."""
        settings: tuple[str, ...] = ()
        if remote_or_url == self._remote:
            common = git(self._at_hand, "rev-parse", "--git-common-dir").removesuffix("\n")
            path = (self._at_hand.absolute() / common / "config").resolve()
            settings = ("-c", f"include.path={path}")
        fetch = ("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules")
        return succeeds(self._store, *settings, *fetch, remote_or_url, commit) and self._has(commit)

    def _refuse_foreign(self, code: Code) -> None:
        """Refuse code that a run says is of another repository than the one at hand."""
        if code.repository is None:
            return
        known = [self._allowed] if self._allowed else []
        if succeeds(self._at_hand, "rev-parse", "--git-dir"):
            names = git(self._at_hand, "remote").split()
            known += [git(self._at_hand, "remote", "get-url", name).strip() for name in names]
        if not any(same_repository(code.repository, url) for url in known):
            raise CheckoutError(
                f"expected a run of the repository at hand, found one of {code.repository}, whose "
                "code is not run unasked. Replay it in a clone of that repository, or, if you "
                f"trust it, with: {option('allow_repository', code.repository)}"
            )

    def _unbundle(self, path: Path, commit: str) -> None:
        """Take in a bundle that builds upon the repository at hand."""
        needed = _prerequisites(path)
        for base in needed:
            places = filter(None, (self._remote, self._allowed))
            if not self._has(base) and not any(self._fetched(place, base) for place in places):
                raise CheckoutError(
                    f"expected commit {base}, which the run's bundle builds upon, in this clone "
                    f"or at its remote, found it in neither. {self._advice()}"
                )
            git(self._store, "update-ref", f"refs/heads/base/{base}", base)
        try:
            git(self._store, "bundle", "unbundle", str(path))
        except CodeError as error:
            raise CheckoutError(
                f"expected a git bundle with commit {commit}, found a damaged one ({error})"
            ) from None
        if not self._has(commit):
            raise CheckoutError(
                f"expected commit {commit} in the run's bundle, found others. It was replaced."
            )
        if not needed and not self._related(commit):
            raise CheckoutError(
                "expected a bundle that shares its history with the repository at hand, found one "
                "that shares none. Replay the run in a clone of its own repository."
            )

    def _related(self, commit: str) -> bool:
        """Tell whether a commit and HEAD of the repository at hand have a common first commit."""
        first = ("rev-list", "--max-parents=0")
        try:
            here = set(git(self._at_hand, *first, "HEAD").split())
        except CodeError:
            return False
        return bool(here & set(git(self._store, *first, commit).split()))

    def _advice(self) -> str:
        return (
            "Replay it in a clone that has the commit, or name a repository that has it: "
            "-P allow_repository=<url>."
        )

    def _check_out_submodules(self) -> None:
        listed = git(self._store, "ls-files", "--stage", "-z").split("\0")
        links = [entry.partition("\t") for entry in listed if entry.startswith("160000 ")]
        if not links:
            return
        settings = ["-c", "protocol.file.allow=always"]
        if self._remote:  # what an address like ../library.git is relative to
            url = git(self._at_hand, "remote", "get-url", self._remote).strip()
            settings += ["-c", f"remote.origin.url={url}"]
        commits = {path: description.split()[1] for description, _, path in links}
        try:
            self._borrow_submodules(commits)
            git(self._store, *settings, "submodule", "update", "--init", "--recursive", "--quiet")
        except CodeError as error:
            raise CheckoutError(
                f"expected the submodules of the run's commit, found that they cannot be had: "
                f"{error}"
            ) from None

    def _borrow_submodules(self, commits: Mapping[str, str]) -> None:
        """Take submodules, given by path and commit, from those at hand that have the commit."""
        if not succeeds(self._at_hand, "rev-parse", "--show-toplevel"):
            return
        root = Path(git(self._at_hand, "rev-parse", "--show-toplevel").removesuffix("\n"))
        options = ("--file", ".gitmodules", "--null", "--get-regexp", r"^submodule\..*\.path$")
        for entry in filter(None, git(self._store, "config", *options).split("\0")):
            key, _, path = entry.partition("\n")
            here, commit = root / path, commits.get(path)
            if commit and here.is_dir() and succeeds(here, "cat-file", "-e", f"{commit}^{{tree}}"):
                objects = git(here, "rev-parse", "--absolute-git-dir").removesuffix("\n")
                git(self._store, "config", f"{key.removesuffix('.path')}.url", objects)

    def _check_lfs(self) -> None:
        for name in git(self._store, "ls-files", "-z", ":(attr:filter=lfs)").split("\0"):
            path = self._store / name
            if name and path.is_file() and path.read_bytes()[: len(_POINTER)] == _POINTER:
                raise CheckoutError(
                    f"expected the content of {name}, found a git-LFS pointer to it. "
                    "Install git-lfs (git lfs install; git lfs pull), then replay again."
                )


def inside(folder: Path, name: str) -> Path:
    """Return what a recorded name means in a checked-out folder; it must be there, and within.

    Raises
    ------
    CheckoutError
        If it is not.
    """
    path = folder / name
    if not path.exists() or not path.resolve().is_relative_to(folder.resolve()):
        raise CheckoutError(
            f"expected {name!r} in the run's commit, found none there. The record was altered."
        )
    return path


def working_folder(folder: Path, name: str) -> Path:
    """Return the folder in which a script was started, made anew where the commit has no files.

    Raises
    ------
    CheckoutError
        If it is not within the checked-out folder.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()) or path.is_file():
        raise CheckoutError(
            f"expected the name of a folder in the project, found {name!r}. The record was altered."
        )
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def repository(at_hand: Path, *, allowed: str | None = None) -> Iterator[Repository]:
    """Make a temporary repository beside the one at hand, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="reprise-", ignore_cleanup_errors=True) as folder:
        yield Repository(Path(folder), at_hand, allowed=allowed)


@contextmanager
def clone(url: str) -> Iterator[Path]:
    """Clone a repository whole, without its files, into a temporary folder removed at the end.

    Raises
    ------
    CheckoutError
        If it cannot be cloned; the URL is shown without the credentials in it.
    """
    login = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    with tempfile.TemporaryDirectory(prefix="reprise-", ignore_cleanup_errors=True) as name:
        options = ("--quiet", "--no-checkout", "--template=")
        try:
            git(Path(name), "clone", *options, "--", url, "clone")
        except CodeError as error:
            said = error.said
            for secret in (login, unquote(login)):
                said = said.replace(f"{secret}@", "") if secret else said
            raise CheckoutError(
                f"expected a git repository at {without_credentials(url)}, found that it cannot be "
                f"cloned: {said} Check the address, and your login there."
            ) from None
        yield Path(name, "clone")


def _prerequisites(bundle: Path) -> list[str]:
    """Return the commits that a bundle builds upon, from its header."""
    found = []
    with bundle.open("rb") as file:
        for line in file:
            if line == b"\n":
                break
            match = _PREREQUISITE.match(line)
            if match:
                found.append(match[1].decode("ascii"))
    return found
