"""The source of a run: one commit, also where the working tree has edits.

A tree with edits is written as a commit object of its own into a temporary object folder, with
a temporary index: the user's index, HEAD, branches, configuration and files are only read.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

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
        top, prefix, head, tree = _git(
            project, "rev-parse", "--show-toplevel", "--show-prefix", "HEAD", "HEAD^{tree}"
        ).split("\n")[:4]
    except CodeError as error:
        if _NOT_A_REPOSITORY in str(error) or _NO_COMMIT in str(error):
            return Code(
                repository=None, project="", commit=None, tree=None, base_commit=None, dirty=True
            )
        raise
    changed = _changed_files(Path(top))
    commit = head
    if changed:
        commit, tree = _snapshot(Path(top), head)
    return Code(
        repository=_origin(project),
        project=prefix.rstrip("/"),
        commit=commit,
        tree=tree,
        base_commit=head,
        dirty=bool(changed),
        changed_files=changed,
    )


def without_credentials(url: str) -> str:
    """Drop `user:password@` from a URL; `git@host:path` and plain paths stay as they are."""
    parts = urlsplit(url)
    if not parts.scheme or "@" not in parts.netloc:
        return url
    user, _, host = parts.netloc.rpartition("@")
    kept = f"{user}@{host}" if parts.scheme == "ssh" and ":" not in user else host
    return urlunsplit(parts._replace(netloc=kept))


def _origin(project: Path) -> str | None:
    """Return the URL of the remote `origin`, else of the first remote, without credentials."""
    remotes = _git(project, "remote").split()
    if not remotes:
        return None
    name = "origin" if "origin" in remotes else remotes[0]
    return without_credentials(_git(project, "remote", "get-url", name).strip())


def _changed_files(top: Path) -> tuple[str, ...]:
    """List files that differ from HEAD, untracked ones included, ignored ones left out."""
    status = _git(top, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames")
    return tuple(sorted(entry[3:] for entry in status.split("\0") if entry))


def _snapshot(top: Path, head: str) -> tuple[str, str]:
    """Return the commit and tree that the working tree would have, leaving nothing behind."""
    git_dir = Path(_git(top, "rev-parse", "--absolute-git-dir").strip())
    objects = Path(_git(top, "rev-parse", "--git-path", "objects").strip())
    with tempfile.TemporaryDirectory(prefix="reprise-") as folder:
        index = Path(folder, "index")
        if (git_dir / "index").is_file():
            shutil.copy(git_dir / "index", index)
        temporary = {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": str(Path(folder, "objects")),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(top / objects),
        }
        Path(folder, "objects").mkdir()
        _git(top, "add", "--all", environment=temporary)
        tree = _git(top, "write-tree", environment=temporary).strip()
        commit = _git(
            top,
            *("commit-tree", tree, "-p", head, "-m", "Working tree of a run"),
            environment=temporary | _IDENTITY,
        ).strip()
    return commit, tree


def _git(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run git in a folder, in English, taking no locks, and return what it prints."""
    base = {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**os.environ, **base, **(environment or {})},
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
