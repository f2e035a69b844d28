"""The source of a run: one commit, also where the working tree has edits, and how it is carried.

A tree with edits is written as a commit object of its own into a temporary repository beside the
user's: the user's index, HEAD, branches, configuration and files are only read. What `origin` may
not be able to serve later is carried by the run as a git bundle.
"""

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprise.backports import Self
from reprise.capture.untracked import ALL, objections
from reprise.errors import CodeError
from reprise.git import git, remote, succeeds
from reprise.record.schema import Code
from reprise.trust import limits
from reprise.urls import without_credentials
from reprise.visible import option

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


@dataclass(frozen=True)
class Changes:
    """Files that differ from HEAD, by their names from the repository's root."""

    files: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    edited_submodules: tuple[str, ...] = ()


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
        return _readable(git(store, *DIFF, before, commit))

    def holds(self, text: str) -> bool:
        """Tell whether a file of the commit has a text in it."""
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
    code, changes = _described(project)
    if code.commit is None:
        yield Captured(code, None, ())
        return
    if code.dirty:
        root = Path(git(project, "rev-parse", "--show-toplevel").removesuffix("\n"))
        _refuse_what_cannot_be_carried(root, changes, allow_untracked)
    with tempfile.TemporaryDirectory(prefix="reprise-") as name:
        store = Path(name, "repository")
        beside(project, store)
        if code.dirty:
            commit, tree = _snapshot(project, store, code.commit)
            code = code.model_copy(update={"commit": commit, "tree": tree})
        yield Captured(code, store, _served(project))


def describe(project: Path) -> Code:
    """Describe the source in a folder without taking its edits down: of a dirty tree, HEAD."""
    code, _ = _described(project)
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
    (information / "alternates").write_bytes(os.fsencode(quoted(objects)) + b"\n")
    if shallow.is_file():
        shutil.copy(shallow, store / ".git" / "shallow")


def quoted(path: Path) -> str:
    """Quote a path for a list of object folders, in which git reads quotes and escapes."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _described(project: Path) -> tuple[Code, Changes]:
    """Describe HEAD of a repository, and what differs from it."""
    try:
        head, tree, prefix = git(
            project, "rev-parse", "HEAD", "HEAD^{tree}", "--show-prefix"
        ).split("\n", 2)
    except CodeError as error:
        if _NO_COMMIT in str(error):
            return UNKNOWN, Changes()
        if _NOT_A_REPOSITORY not in str(error):
            raise
        refuse_unreadable(project)
        return UNKNOWN, Changes()
    changes = _changes(project)
    return Code(
        repository=_origin(project),
        project=_readable(prefix.removesuffix("\n").removesuffix("/")),
        commit=head,
        tree=tree,
        base_commit=head,
        dirty=bool(changes.files),
        changed_files=tuple(sorted(_readable(name) for name in changes.files)),
    ), changes


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


def _changes(project: Path) -> Changes:
    """List files that differ from HEAD, untracked ones included, ignored ones left out.

    Names are relative to the repository's root, whatever folder of it the project is in.
    """
    options = ("--untracked-files=all", "--no-renames", "--ignore-submodules=none")
    status = git(project, "status", "--porcelain=v2", "-z", *options)
    files, untracked, submodules = set(), [], []
    for entry in filter(None, status.split("\0")):
        kind = entry[0]
        if kind == "#":  # a header that a setting has asked for: "# stash 1"
            continue
        # "1 XY sub mH mI mW hH hI path", "u XY sub m1 m2 m3 mW h1 h2 h3 path", "? path"
        name = entry.split(" ", {"1": 8, "u": 10, "?": 1}[kind])[-1]
        files.add(name)
        if kind == "?":
            untracked.append(name)
        elif entry[5] == "S" and entry[7:9] != "..":
            submodules.append(name)
    return Changes(tuple(sorted(files)), tuple(untracked), tuple(submodules))


def _refuse_what_cannot_be_carried(root: Path, changes: Changes, allowed: Sequence[str]) -> None:
    """Stop before a snapshot would miss something, or give something away."""
    if len(changes.untracked) > limits.UNTRACKED_FILES and ALL not in allowed:
        folders = Counter(name.partition("/")[0] for name in changes.untracked)
        fullest = _readable(folders.most_common(1)[0][0])
        raise CodeError(
            f"expected at most {limits.UNTRACKED_FILES} untracked files to travel with the run, "
            f"found {len(changes.untracked)}, most of them in {fullest}. "
            "Add them to .gitignore, or carry all with -P allow_untracked=true."
        )
    for name in changes.edited_submodules:
        raise CodeError(
            f"expected the submodule {_readable(name)} as one of its commits, found edits in it. "
            "Commit them there, then run again."
        )
    for name in changes.untracked:
        if name.endswith("/"):
            raise CodeError(
                f"expected files, found {_readable(name)}, which is a git repository of its own. "
                "Add it to .gitignore, or make it a submodule (git submodule add)."
            )
    found = objections(root, changes.untracked, allowed)
    if found:
        names = ", ".join(f"{_readable(name)} {what}" for name, what in found)
        allowing = option("allow_untracked", ",".join(_readable(name) for name, _ in found))
        raise CodeError(
            f"expected untracked files that may travel with the run, found: {names}. Add to "
            f".gitignore what must not, or carry it with {allowing} "
            "(of a script: the key allow_untracked of its configuration)."
        )


def _snapshot(project: Path, store: Path, head: str) -> tuple[str, str]:
    """Write the working tree as a commit into a repository beside; return commit and tree."""
    present, objects = (
        project.absolute() / git(project, "rev-parse", "--git-path", name).removesuffix("\n")
        for name in ("index", "objects")
    )
    index = store / "index"
    if present.is_file():
        shutil.copy2(present, index)  # its time tells git which files to compare
    temporary = {
        "GIT_INDEX_FILE": str(index),
        "GIT_OBJECT_DIRECTORY": str(store / ".git" / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(objects),
    }
    git(project, "add", "--all", environment=temporary)
    tree = git(project, "write-tree", environment=temporary).strip()
    commit = git(
        project,
        *("commit-tree", tree, "-p", head, "-m", "Working tree of a run"),
        environment=temporary | _IDENTITY,
    ).strip()
    return commit, tree


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
        if succeeds(project, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}"):
            return [*commits, git(project, "rev-parse", f"{reference}^{{commit}}").strip()]
    every = git(project, "for-each-ref", "--format=%(objectname)", f"refs/remotes/{name}")
    return [*commits, *every.split()]


def _readable(name: str) -> str:
    r"""Write the bytes of a file's name that are not UTF-8 as `\xff`: a record is UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
