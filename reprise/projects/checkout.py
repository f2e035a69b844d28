"""The code of a run, checked out in a folder of its own that leaves nothing behind.

A temporary repository borrows the objects of the current repository and receives what that one
lacks: from its remote by full commit id, from a repository that the user names, or from the bundle
that the run carries. The user's repository is only read. A run's record is somebody else's words:
what is neither of the current repository nor of a named one is refused.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import unquote

from reprise.capture import code, conversion
from reprise.errors import CheckoutError, CodeError, TrackingError
from reprise.git import contact, git, is_full_sha, readable, remote, succeeds
from reprise.process import scratch, transfer
from reprise.projects import submodules
from reprise.projects.bundles import Bundle
from reprise.projects.containment import inside
from reprise.projects.fetching import fetch
from reprise.record.schema import Code
from reprise.urls import RepositoryUrl, same_repository, without_credentials
from reprise.visible import option

OpenBundle = Callable[[str], AbstractContextManager[Path]]
_POINTER = b"version https://git-lfs"


class Repository:
    """A temporary repository beside the current one, to look for commits and check them out.

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
        self._allowed = RepositoryUrl.parse(allowed).absolute(Path.cwd()) if allowed else None
        self._from_allowed = False
        self._reasons: dict[str, str] = {}  # why a place did not give a commit
        self.missing_submodules: tuple[str, ...] = ()
        is_repository = succeeds(at_hand, "rev-parse", "--git-dir")
        self._clone = at_hand if is_repository else None
        if is_repository:
            code.beside(at_hand, self._store)
            self._remote = remote(at_hand)
        else:
            self._store.mkdir()
            git(self._store, "init", "--quiet", "--template=")
            self._remote = None

    @property
    def store(self) -> Path:
        """The folder of the temporary repository."""
        return self._store

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
        if self._remote and self._fetched_from_remote(commit):
            return self._remote
        return None

    def follow_origin(self) -> None:
        """Know the remote and its branches as the current repository does, as a clone would.

        A step that runs in the checkout then records where its commit is from, and carries what
        the remote may not serve later.
        """
        if self._remote is None:
            return
        for address in submodules.remote_of(self._at_hand):
            is_there = "origin" in git(self._store, "remote").split()  # of a partial clone's
            git(self._store, "remote", "set-url" if is_there else "add", "origin", address.text)
        pattern = "create refs/remotes/origin/%(refname:lstrip=3) %(objectname)"
        of_remote = f"refs/remotes/{self._remote}"
        branches = git(self._at_hand, "for-each-ref", f"--format={pattern}", of_remote)
        git(self._store, "update-ref", "--stdin", text=branches)

    def check_out(self, code: Code, *, may_contact: bool = True) -> Path:
        """Write the files of a run's commit, submodules and LFS files included.

        Parameters
        ----------
        code : Code
            Of the run.
        may_contact : bool
            Whether the servers of submodules may be asked; if not, `missing_submodules` names
            those that are not in this clone.

        Returns
        -------
        Path
            The project's folder.
        """
        (self._store / ".git" / "info").mkdir(exist_ok=True)
        text = conversion.attributes(self._spelled(code, code.unconverted))
        content = text.encode("utf-8", "surrogateescape")
        (self._store / ".git" / "info" / "attributes").write_bytes(content)
        filters = conversion.filters_of(self._at_hand)
        conversion.check_out(self._store, str(code.commit), code.line_ends, filters)
        self._check_out_submodules(code, may_contact=may_contact)
        self._check_lfs()
        return inside(self._store, *self._spelled(code, [code.project]))

    def _spelled(self, code: Code, recorded: Sequence[str]) -> Sequence[str]:
        """Return recorded names as the commit has them: a record has only UTF-8."""
        if not any("\\x" in name for name in recorded):
            return recorded
        words = ("ls-tree", "-r", "-t", "-z", "--name-only", str(code.commit))
        names = {readable(name): name for name in git(self._store, *words).split("\0")}
        return [names.get(name, name) for name in recorded]

    def read(self, commit: str, name: str) -> str | None:
        """Return a file of a commit that is here as text; None if it has no such file."""
        try:
            return git(self._store, "cat-file", "blob", f"{commit}:{name}")
        except CodeError:
            return None

    def write_bundle(self, path: Path, branches: Mapping[str, str]) -> None:
        """Write commits that are here, with all their history, as a bundle that can be cloned.

        Parameters
        ----------
        path : Path
        branches : mapping of str to str
            Name of a branch, by commit; the last is the bundle's HEAD.

        Raises
        ------
        CheckoutError
            If this clone has not all of the history.
        """
        if (self._store / ".git" / "shallow").is_file():
            raise CheckoutError(
                "expected a clone with all the history of its commits, found a shallow one. "
                "Fetch the rest: git fetch --unshallow"
            )
        references = {f"refs/heads/{name}": commit for commit, name in branches.items()}
        created = "".join(f"create {name} {commit}\n" for name, commit in references.items())
        git(self._store, "update-ref", "--stdin", text=created)
        git(self._store, "symbolic-ref", "HEAD", list(references)[-1])
        words = ("-c", "pack.threads=1", "bundle", "create", "--quiet", str(path))
        git(self._store, *words, "HEAD", *references)

    def diff(self, old: str, new: str) -> str:
        """Return the patch from one commit to another."""
        text = git(self._store, *code.DIFF, old, new)
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def _find(self, code: Code, commit: str, open_bundle: OpenBundle) -> str:
        """Have a commit here; a bundle that has it spares asking a server."""
        if self._has(commit):
            return "this clone"
        foreign = self._foreign(code)
        damaged = None
        if code.bundle is not None and not foreign:
            try:
                with open_bundle(code.bundle) as path:
                    self._unbundle(path, commit)
            except (CheckoutError, TrackingError) as error:
                damaged = str(error)
            else:
                return "the run's own bundle"
        if self._remote and self._fetched_from_remote(commit):
            return self._remote
        if self._allowed and self._fetched(self._allowed.text, commit):
            self._from_allowed = True
            return self._allowed.shown
        raise CheckoutError(foreign or damaged or self._nowhere(commit))

    def _nowhere(self, commit: str) -> str:
        reasons = "; ".join(f"{place}: {reason}" for place, reason in self._reasons.items())
        return (
            f"expected commit {commit} in this clone or at its remote, found it in neither"
            f"{f' ({reasons})' if reasons else ''}, and the run carries no bundle of it: it was at "
            f"the remote when the run was made. {self._advice()}"
        )

    def _has(self, commit: str) -> bool:
        return succeeds(self._store, "cat-file", "-e", f"{commit}^{{tree}}")

    def _fetched_from_remote(self, commit: str) -> bool:
        """Fetch a commit with the login that the user's own repository is set up for."""
        addresses = submodules.remote_of(self._at_hand)
        if not addresses or self._remote is None:
            self._reasons[str(self._remote)] = "its URL is none that is contacted"
            return False
        # A remote's path may be relative to the clone, which git reads it from no longer.
        place = addresses[0].text if addresses[0].is_local else self._remote
        return self._fetched(place, commit, is_remote=True)

    def _fetched(self, place: str, commit: str, *, is_remote: bool = False) -> bool:
        """Fetch a commit alone, or note why that cannot be done; a place is asked once in vain."""
        shown = without_credentials(place)
        if transfer.SILENT in self._reasons.get(shown, ""):
            return False
        try:
            fetch(self._store, place, commit, clone=self._clone, is_remote=is_remote)
        except CodeError as error:
            self._reasons[shown] = error.said
            return False
        return self._has(commit)

    def _foreign(self, code: Code) -> str:
        """Say why code is not run that a run says is of another repository; "": it is not."""
        if code.repository is None:
            return ""
        known = [self._allowed.text] if self._allowed else []
        if succeeds(self._at_hand, "rev-parse", "--git-dir"):
            names = git(self._at_hand, "remote").split()
            known += [git(self._at_hand, "remote", "get-url", "--", name).strip() for name in names]
        if any(same_repository(code.repository, url) for url in known):
            return ""
        try:
            url = RepositoryUrl.parse(code.repository)
        except CheckoutError:
            return (
                "expected a run of the current repository, found one of something that is no "
                f"repository, {code.repository!r}. The record was altered."
            )
        return (
            f"expected a run of the current repository, found one of {url.shown}, whose "
            "code is not run unasked. Replay it in a clone of that repository, or, if you "
            f"trust it, with: {option('allow_repository', url.shown)}"
        )

    def _unbundle(self, path: Path, commit: str) -> None:
        """Take in a bundle that builds upon the current repository."""
        bundle = Bundle.read(path)
        for base in bundle.prerequisites:
            if not self._has(base) and not self._fetched_base(base):
                raise CheckoutError(
                    f"expected commit {base}, which the run's bundle builds upon, in this clone "
                    f"or at its remote, found it in neither. {self._advice()}"
                )
            git(self._store, "update-ref", f"refs/heads/base/{base}", base)
        apart = self._store.with_name("incoming")  # what is refused must not be found later
        shutil.rmtree(apart, ignore_errors=True)
        code.beside(self._store, apart)
        bundle.unpack(apart)
        if not succeeds(apart, "cat-file", "-e", f"{commit}^{{tree}}"):
            raise CheckoutError(
                f"expected commit {commit} in the run's bundle, found others. It was replaced."
            )
        if not bundle.prerequisites and not self._related(apart, commit):
            raise CheckoutError(
                "expected a bundle that shares its history with the current repository, found one "
                "that shares none. Replay the run in a clone of its own repository."
            )
        for pack in (apart / ".git" / "objects" / "pack").iterdir():
            pack.rename(self._store / ".git" / "objects" / "pack" / pack.name)

    def _fetched_base(self, base: str) -> bool:
        if self._remote and self._fetched_from_remote(base):
            return True
        return self._allowed is not None and self._fetched(self._allowed.text, base)

    def _related(self, store: Path, commit: str) -> bool:
        """Return whether a commit in a store and the current repository have a common first one."""
        first = ("rev-list", "--max-parents=0")
        try:
            here = set(git(self._at_hand, *first, "--all", "HEAD", "--").split())
        except CodeError:
            return False
        return bool(here & set(git(store, *first, commit, "--").split()))

    def _advice(self) -> str:
        return (
            "Replay it in a clone that has the commit, or name a repository that has it: "
            "-P allow_repository=<url>."
        )

    def _check_out_submodules(self, code: Code, *, may_contact: bool) -> None:
        at_hand = None
        if succeeds(self._at_hand, "rev-parse", "--show-toplevel"):
            at_hand = Path(git(self._at_hand, "rev-parse", "--show-toplevel").removesuffix("\n"))
        known = [*submodules.remote_of(at_hand)]
        if self._allowed:
            known.insert(0 if self._from_allowed else len(known), self._allowed)
        places = submodules.Places(at_hand, known, may_contact)
        missing = submodules.check_out(self._store, places, code)
        self.missing_submodules = tuple(missing)

    def _check_lfs(self) -> None:
        for name in git(self._store, "ls-files", "-z", ":(attr:filter=lfs)").split("\0"):
            path = self._store / name
            if name and not path.is_symlink() and _begins_with(path, _POINTER):
                raise CheckoutError(
                    f"expected the content of {name}, found a git-LFS pointer to it. "
                    "Install git-lfs (git lfs install; git lfs pull), then replay again."
                )


@contextmanager
def repository(at_hand: Path, *, allowed: str | None = None) -> Iterator[Repository]:
    """Make a temporary repository beside the current one, and remove it at the end."""
    with scratch.folder(ignore_cleanup_errors=True) as folder:
        yield Repository(Path(folder), at_hand, allowed=allowed)


@contextmanager
def clone(url: str) -> Iterator[Path]:
    """Clone a repository whole, without its files, into a temporary folder removed at the end.

    Raises
    ------
    CheckoutError
        If it cannot be cloned; the URL is shown without the credentials in it.
    """
    address = RepositoryUrl.parse(url).absolute(Path.cwd())
    login = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    with scratch.folder(ignore_cleanup_errors=True) as name:
        options = ("--progress", "--no-checkout", "--no-local", "--template=")
        try:
            contact(Path(name), "clone", *options, "--", address.text, "clone")
        except CodeError as error:
            said = error.said
            for secret in (login, unquote(login)):
                said = said.replace(f"{secret}@", "") if secret else said
            raise CheckoutError(
                f"expected a git repository at {address.shown}, found that it cannot be "
                f"cloned: {said} Check the address, and your login there."
            ) from None
        yield Path(name, "clone")


def _begins_with(path: Path, beginning: bytes) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(beginning)) == beginning
