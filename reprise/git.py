"""Runs git, in English, taking no locks and prompting for nothing; names repositories."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from reprise.errors import CodeError

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
_QUIET = {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
_CREDENTIALS = re.compile(r"^([a-z][a-z0-9+.-]*)://([^/]*)@", re.IGNORECASE)
_CREDENTIALS_WITHIN = re.compile(r"(?<=://)[^/\s@]*:[^/\s]*@|(?<=(?<!ssh)://)[^/\s]*@")
_SCP_LIKE = re.compile(r"^(?:[^@/:]+@)?([^/:]+):(?!//)(.*)$")
_FULL_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def git(
    folder: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    text: str | bytes = b"",
) -> str:
    """Run git in a folder and return what it prints.

    Parameters
    ----------
    folder : Path
    *arguments : str
    environment : mapping of str to str, optional
        More variables.
    text : str or bytes
        Standard input.

    Raises
    ------
    CodeError
        If git is missing, or refuses; with what it said, less the credentials in it.
    """
    for word in arguments:
        if not _can_be_given(word):
            raise CodeError(
                f"expected a name that git can be given, found {word}, with a character that no "
                "command line has. Correct it."
            )
    inherited = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    try:
        done = subprocess.run(
            ["git", *(word for setting in _SETTINGS for word in ("-c", setting)), *arguments],
            cwd=folder,
            env={**inherited, **_QUIET, **(environment or {})},
            input=text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise CodeError("expected git on PATH, found none. Install git.") from None
    if done.returncode != 0:
        command = next(word for word in arguments if not word.startswith("-") and "=" not in word)
        said = _CREDENTIALS_WITHIN.sub("", done.stderr.decode(errors="replace").strip())
        raise CodeError(
            f"git {command} failed in {folder.name}: {said or f'exit code {done.returncode}'} "
            "Mend the repository (git status tells more), then run again.",
            said=said,
        )
    return done.stdout.decode("utf-8", "surrogateescape")


def _can_be_given(word: str) -> bool:
    """Tell whether a word may stand on a command line: no NUL, nothing that is no bytes."""
    try:
        return b"\0" not in os.fsencode(word)
    except UnicodeEncodeError:
        return False


def succeeds(folder: Path, *arguments: str) -> bool:
    """Tell whether git does something, where its refusal is an answer."""
    try:
        git(folder, *arguments)
    except CodeError:
        return False
    return True


def remote(folder: Path) -> str | None:
    """Return the name of the remote `origin`, else of the first remote."""
    names = git(folder, "remote").split()
    return "origin" if "origin" in names else next(iter(names), None)


def is_full_sha(name: str) -> bool:
    """Tell whether a name is a whole commit id: what it names can never change."""
    return _FULL_SHA.fullmatch(name) is not None


def without_credentials(url: str) -> str:
    """Drop `user:password@` from a URL; `git@host:path` and plain paths stay as they are."""
    match = _CREDENTIALS.match(url)
    if match is None:
        return url
    scheme, user = match.groups()
    kept = f"{user}@" if scheme.lower() == "ssh" and ":" not in user else ""
    return f"{scheme}://{kept}{url[match.end() :]}"


def same_repository(a: str, b: str) -> bool:
    """Tell whether two URLs name one repository, whatever the protocol and the login."""
    return _place(a) == _place(b)


def _place(url: str) -> str:
    """Return the host and path of a repository's URL: `git@h:a/b.git` and `https://h/a/b` agree."""
    scheme, separator, rest = url.partition("://")
    scp = None if separator else _SCP_LIKE.match(url)
    if scp:
        host, path = scp.groups()
    elif separator and scheme.lower() != "file":
        host, _, path = rest.partition("/")
        host = host.rpartition("@")[2]
        if scheme.lower() in ("ssh", "http", "https"):
            host = host.partition(":")[0]
    else:
        host, path = "", rest if separator else url
    path = path.strip("/").removesuffix(".git").strip("/")
    return f"{host.lower()}/{path}"
