"""The source of a run: one commit, also where the working tree has edits.

A tree with edits is written as a commit object of its own into a temporary object folder, with
a temporary index: the user's index, HEAD, branches, configuration and files are only read.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from reprise.errors import CodeError
from reprise.record import Code

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
# The user's settings that would write into .git, run a program, or change a snapshot's commit id.
_SETTINGS = ("core.splitIndex=false", f"core.hooksPath={os.devnull}", "i18n.commitEncoding=UTF-8")
# What a git hook or a shell sets to point git elsewhere (git rev-parse --local-env-vars).
_ELSEWHERE = frozenset(
    f"GIT_{name}"
    for name in (
        *("DIR", "COMMON_DIR", "WORK_TREE", "IMPLICIT_WORK_TREE", "PREFIX", "NAMESPACE"),
        *("INDEX_FILE", "OBJECT_DIRECTORY", "ALTERNATE_OBJECT_DIRECTORIES", "SHALLOW_FILE"),
        *("GRAFT_FILE", "REPLACE_REF_BASE", "NO_REPLACE_OBJECTS"),
    )
)
_CREDENTIALS = re.compile(r"^([a-z][a-z0-9+.-]*)://([^/]*)@", re.IGNORECASE)
_NOT_A_REPOSITORY = "not a git repository"
_NO_COMMIT = "ambiguous argument 'HEAD'"


def capture(project: Path) -> Code:
    """Describe the source in a folder as it stands now.

    Parameters
    ----------
    project : Path
        The project's folder: a git repository, or a folder within one.

    Raises
    ------
    CodeError
        If it is a repository that git will not read. A folder outside any repository is
        described as such: its runs are traceable by everything but their code.
    """
    try:
        head, tree, prefix = _git(
            project, "rev-parse", "HEAD", "HEAD^{tree}", "--show-prefix"
        ).split("\n", 2)
    except CodeError as error:
        if _NOT_A_REPOSITORY in str(error) or _NO_COMMIT in str(error):
            return Code(
                repository=None, project="", commit=None, tree=None, base_commit=None, dirty=True
            )
        raise
    changed = _changed_files(project)
    commit = head
    if changed:
        commit, tree = _snapshot(project, head)
    return Code(
        repository=_origin(project),
        project=_readable(prefix.removesuffix("\n").removesuffix("/")),
        commit=commit,
        tree=tree,
        base_commit=head,
        dirty=bool(changed),
        changed_files=changed,
    )


def without_credentials(url: str) -> str:
    """Drop `user:password@` from a URL; `git@host:path` and plain paths stay as they are."""
    match = _CREDENTIALS.match(url)
    if match is None:
        return url
    scheme, user = match.groups()
    kept = f"{user}@" if scheme.lower() == "ssh" and ":" not in user else ""
    return f"{scheme}://{kept}{url[match.end() :]}"


def _origin(project: Path) -> str | None:
    """Return the URL of the remote `origin`, else of the first remote, without credentials."""
    remotes = _git(project, "remote").split()
    if not remotes:
        return None
    name = "origin" if "origin" in remotes else remotes[0]
    return without_credentials(_git(project, "remote", "get-url", name).strip())


def _changed_files(project: Path) -> tuple[str, ...]:
    """List files that differ from HEAD, untracked ones included, ignored ones left out.

    Names are relative to the repository's root, whatever folder of it the project is in.
    """
    status = _git(
        project, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"
    )
    return tuple(sorted({_readable(entry[3:]) for entry in status.split("\0") if entry}))


def _snapshot(project: Path, head: str) -> tuple[str, str]:
    """Return the commit and tree that the working tree would have, leaving nothing behind."""
    present, objects = (
        project.absolute() / _git(project, "rev-parse", "--git-path", name).removesuffix("\n")
        for name in ("index", "objects")
    )
    with tempfile.TemporaryDirectory(prefix="reprise-") as folder:
        index = Path(folder, "index")
        if present.is_file():
            shutil.copy2(present, index)  # its time tells git which files to compare
        temporary = {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": str(Path(folder, "objects")),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(objects),
        }
        Path(folder, "objects").mkdir()
        _git(project, "add", "--all", environment=temporary)
        tree = _git(project, "write-tree", environment=temporary).strip()
        commit = _git(
            project,
            *("commit-tree", tree, "-p", head, "-m", "Working tree of a run"),
            environment=temporary | _IDENTITY,
        ).strip()
    return commit, tree


def _quoted(path: Path) -> str:
    """Quote a path for a list that git splits at colons."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _readable(name: str) -> str:
    r"""Write the bytes of a file's name that are not UTF-8 as `\xff`: a record is UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _git(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run git in a folder, in English, taking no locks, and return what it prints."""
    inherited = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    base = {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", *(word for setting in _SETTINGS for word in ("-c", setting)), *arguments],
            cwd=folder,
            env={**inherited, **base, **(environment or {})},
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise CodeError("expected git on PATH, found none. Install git.") from None
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip()
        raise CodeError(
            f"git {arguments[0]} failed in {folder.name}: {reason} "
            "Mend the repository (git status tells more), then run again."
        )
    return done.stdout.decode("utf-8", "surrogateescape")
