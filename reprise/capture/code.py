"""The source of a run: one commit, also where the working tree has edits, and how it is carried.

A tree with edits is written as a commit object of its own into a temporary repository beside the
user's: the user's index, HEAD, branches, configuration and files are only read. What `origin` may
not be able to serve later is carried by the run as a git bundle.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reprise.backports import Self
from reprise.capture import conversion, only_here, untracked, working_tree
from reprise.capture.index import Index
from reprise.capture.working_tree import WorkingTree
from reprise.console import warn
from reprise.errors import CodeError
from reprise.git import git, quoted, readable, remote, succeeds
from reprise.process import scratch
from reprise.record.schema import Code
from reprise.urls import without_credentials

BUNDLE = "snapshot.bundle"
PATCH = "changes.patch"
UNKNOWN = Code(repository=None, project="", commit=None, tree=None, base_commit=None, dirty=False)
# A snapshot's commit id depends on nothing but its tree and its parent.
_IDENTITY = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in {
        "NAME": "reprise",
        "EMAIL": "reprise@localhost",
        "DATE": "1970-01-01T00:00:00+00:00",
    }.items()
}
_BRANCH = "refs/heads/snapshot"
# A patch for people to read, whatever the user has set git to.
DIFF = (
    *("-c", "core.quotePath=false", "diff", "--no-color", "--no-ext-diff", "--no-textconv"),
    *("--find-renames", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short"),
)
_NOT_A_REPOSITORY = "not a git repository"
_NO_COMMIT = "ambiguous argument 'HEAD'"


class Captured:
    """The source in a folder as it stood, for as long as it is needed to carry it."""

    def __init__(self, code: Code, store: "Path | None", base: Sequence[str]) -> None:
        self.code = code
        self._store = store  # a repository that has the commit
        self._base = base  # commits that origin will go on serving

    def to_json(self) -> str:
        """Write it for another process, which may use it while this one keeps it."""
        store = None if self._store is None else str(self._store)
        values = {"code": self.code.model_dump(), "store": store, "base": list(self._base)}
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` has written."""
        values = json.loads(text)
        store = None if values["store"] is None else Path(values["store"])
        return cls(Code.model_validate(values["code"]), store, values["base"])

    @property
    def carried(self) -> bool:
        """Whether the commit has to travel with the run, because origin may not serve it."""
        if self._store is None or self.code.commit is None:
            return False
        known = [f"^{commit}" for commit in self._base]
        return bool(git(self._store, "rev-list", "--max-count=1", self.code.commit, *known))

    def write_bundle(self, path: Path) -> None:
        """Write the commit as a git bundle, less what origin will go on serving."""
        store, commit = self._known()
        git(store, "update-ref", _BRANCH, commit)
        known = [f"^{base}" for base in self._base]
        git(store, "bundle", "create", "--quiet", str(path), "HEAD", _BRANCH, *known)

    def patch(self) -> str:
        """Return, for people to read, how the source differs from HEAD, else from origin's."""
        store, commit = self._known()
        before = self.code.base_commit if self.code.dirty else self._last_served(commit)
        if not before:
            return ""
        return readable(git(store, *DIFF, before, commit))

    def holds(self, text: str) -> bool:
        """Return whether a file of the commit has a text in it."""
        if self._store is None or self.code.commit is None:
            return False
        words = ("grep", "--quiet", "--fixed-strings", "-f", "-", self.code.commit)
        try:
            git(self._store, *words, text=text)
        except CodeError:  # it has not
            return False
        return True

    def _known(self) -> tuple[Path, str]:
        if self._store is None or self.code.commit is None:
            raise AssertionError("there is no commit to carry")
        return self._store, self.code.commit

    def _last_served(self, head: str) -> str:
        """Return the newest commit below HEAD that origin has; "" where it has none."""
        if self._store is None or not self._base:
            return ""
        try:
            return git(self._store, "merge-base", head, *self._base).strip()
        except CodeError:  # they share no history
            return ""


@contextmanager
def capture(project: Path, *, allow_untracked: Sequence[str] = ()) -> Iterator[Captured]:
    """Describe the source in a folder as it stands now, ready to be carried.

    Parameters
    ----------
    project : Path
        The project's folder: a git repository, or a folder within one.
    allow_untracked : sequence of str
        Names or patterns of untracked files that may be large or look like secrets.

    Raises
    ------
    CodeError
        If it is a repository that git will not read, or holds what must not be carried. A folder
        outside any repository is described as such: its runs are traceable by all but their code.
    """
    code = _head(project)
    if code.commit is None:
        warn_unknown(project)
        yield Captured(code, None, ())
        return
    with (
        working_tree.opened(project) as tree,
        scratch.folder() as name,
    ):
        store = Path(name, "repository")
        beside(project, store)
        code = _snapshot(tree, store, code, allow_untracked)
        yield Captured(code, store, _served(project))


def warn_unknown(project: Path) -> None:
    """Say that the code of a run will not be on its record."""
    warn(
        f"expected a git repository with a commit at {project}, found none: the code of this run "
        "is not recorded, and the run cannot be reproduced. Make one: git init, then commit."
    )


def describe(project: Path) -> Code:
    """Describe the source in a folder without taking its edits down: of a dirty tree, HEAD."""
    code = _head(project)
    if code.commit is None:
        return code
    with working_tree.opened(project) as tree:
        code = _with(code, tree.changes().files)
    return code.model_copy(update={"tree": None}) if code.dirty else code


def beside(project: Path, store: Path) -> None:
    """Make an empty repository that borrows the objects of a project's; that one is only read."""
    objects, shallow = (
        project.absolute() / git(project, "rev-parse", "--git-path", name).removesuffix("\n")
        for name in ("objects", "shallow")
    )
    store.mkdir(parents=True, exist_ok=True)
    hashed = git(project, "rev-parse", "--show-object-format").strip()
    git(store, "init", "--quiet", f"--template={os.devnull}", f"--object-format={hashed}")
    git(store, "symbolic-ref", "HEAD", _BRANCH)
    information = store / ".git" / "objects" / "info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "alternates").write_bytes(os.fsencode(quoted(str(objects))) + b"\n")
    if shallow.is_file():
        shutil.copy(shallow, store / ".git" / "shallow")
    settings = objects.parent / "config"
    if settings.is_file() and "promisor" in settings.read_text("utf-8", errors="replace"):
        _inherit_promisor(project, store)


def _inherit_promisor(project: Path, store: Path) -> None:
    """Let a repository fetch what a partial clone lacks from where that one would."""
    set_up = conversion.configured(project)
    for name, value in set_up.items():
        remote_name, _, variable = name.removeprefix("remote.").rpartition(".")
        if f"remote.{remote_name}.promisor" not in set_up:
            continue
        if variable == "url":
            url = git(project, "remote", "get-url", remote_name).strip()
            is_path = ":" not in url  # maybe from the clone's folder
            git(store, "config", name, str(project.absolute() / url) if is_path else url)
        elif variable in ("promisor", "partialclonefilter"):
            git(store, "config", name, value)


def _head(project: Path) -> Code:
    """Describe HEAD of the repository that a folder is in; `UNKNOWN` where there is none."""
    try:
        head, tree, prefix = git(
            project, "rev-parse", "HEAD", "HEAD^{tree}", "--show-prefix"
        ).split("\n", 2)
    except CodeError as error:
        if _NO_COMMIT in str(error):
            _refuse_damaged_head(project)
            return UNKNOWN
        if _NOT_A_REPOSITORY not in str(error):
            raise
        refuse_unreadable(project)
        return UNKNOWN
    if prefix != "\n":
        _refuse_ignored(project, prefix.removesuffix("/\n"))
    return Code(
        repository=_origin(project),
        project=readable(prefix.removesuffix("\n").removesuffix("/")),
        commit=head,
        tree=tree,
        base_commit=head,
        dirty=False,
    )


def _refuse_ignored(project: Path, folder: str) -> None:
    """Refuse a project in a folder that git ignores: no commit would have it."""
    if succeeds(project, "check-ignore", "--quiet", ".") and not git(project, "ls-files", "-z"):
        raise CodeError(
            f"expected a project that a commit can have, found {readable(folder)}, which git "
            "ignores. Take it out of .gitignore, or make it a repository of its own: git init, "
            "then commit."
        )


def _refuse_damaged_head(project: Path) -> None:
    """Refuse a repository whose HEAD leads to no commit, unless it never had one."""
    try:
        branch = git(project, "symbolic-ref", "--quiet", "HEAD").strip()
        file = git(project, "rev-parse", "--git-path", branch).removesuffix("\n")
    except CodeError:  # HEAD names a commit itself
        branch, file = "HEAD", ""
    if os.path.lexists(project.absolute() / file):
        raise CodeError(
            f"expected a commit in {branch}, found none that git can read, so that the code would "
            "not be on the record. Repair the repository (git fsck shows more), then run again."
        )


def _with(code: Code, changed: Iterable[str]) -> Code:
    """Describe code with files that are not as HEAD has them."""
    names = tuple(sorted({readable(name) for name in changed}))
    return code.model_copy(update={"dirty": bool(names), "changed_files": names})


def refuse_unreadable(project: Path) -> None:
    """Refuse a folder in which git finds no repository, although there is one or the rest of one.

    A worktree whose repository was moved, or is not mounted in a container, looks like this.

    Raises
    ------
    CodeError
        If the folder or one above it has a `.git` that is a file, a link, or a folder with files;
        above those that GIT_CEILING_DIRECTORIES names, nobody looks, as git does not.
    """
    ceilings = os.environ.get("GIT_CEILING_DIRECTORIES", "").split(os.pathsep)
    stops = {Path(name).resolve() for name in ceilings if name}
    start = project.resolve()
    for folder in (start, *start.parents):
        if folder in stops and folder != start:
            return
        found = folder / ".git"
        if found.is_symlink() or found.is_file() or (found.is_dir() and any(found.iterdir())):
            raise CodeError(
                f"expected a git repository that git can read at {found}, found that git does not "
                "recognise it, so that the code would not be on the record. Repair it (of a moved "
                "worktree: git worktree repair), mount the whole repository, or remove .git."
            )


def _origin(project: Path) -> str | None:
    """Return the URL of the remote, without credentials."""
    name = remote(project)
    if name is None:
        return None
    return without_credentials(git(project, "remote", "get-url", name).strip())


def _snapshot(tree: WorkingTree, store: Path, head: Code, allowed: Sequence[str]) -> Code:
    """Write what differs from HEAD as a commit into a repository beside; describe it."""
    changes = tree.changes()
    if changes.files or changes.unreadable:
        untracked.refuse(tree.root, changes, allowed)
    index = Index(tree, store)
    index.update(changes.files)
    kept = conversion.kept(tree, store, index.environment)
    untracked.refuse(tree.root, index.keep(kept.files), allowed)
    found = _with(head, (*changes.files, *(entry.name for entry in kept.files)))
    if found.dirty:
        written = index.tree()
        commit = git(
            tree.root,
            *("commit-tree", written, "-p", str(head.commit), "-m", "Working tree of a run"),
            environment=index.environment() | _IDENTITY,
        ).strip()
        found = found.model_copy(update={"commit": commit, "tree": written})
    only_here.warn_of(tree, str(found.commit), kept.large, index.environment())
    return found.model_copy(
        update={
            "line_ends": kept.line_ends,
            "unconverted": tuple(map(readable, kept.unconverted)),
            "absent": tuple(map(readable, tree.absent())),
        }
    )


def _served(project: Path) -> list[str]:
    """Return commits that origin has and will keep: its default branch, and what it sent alone.

    Other branches are deleted and rewritten as a matter of course; what only they have travels
    with the run. A shallow clone has its outermost commits from a remote by definition.
    """
    shallow = project.absolute() / git(project, "rev-parse", "--git-path", "shallow").strip()
    commits = shallow.read_text(encoding="ascii").split() if shallow.is_file() else []
    name = remote(project)
    if name is None:
        return commits
    defaults = (f"refs/remotes/{name}/{branch}" for branch in ("HEAD", "main", "master"))
    for reference in defaults:
        with contextlib.suppress(CodeError):  # it has none of that name
            words = ("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
            return [*commits, git(project, *words).strip()]
    every = git(project, "for-each-ref", "--format=%(objectname)", f"refs/remotes/{name}")
    return [*commits, *every.split()]
