"""Runs git, in English, taking no locks and prompting for nothing, and obeying no repository.

What a repository could make git do besides reading it is switched off for every call: hooks, a
monitor of files, transports that are programs, replaced objects, a bare repository in a checkout.
So are settings with which git would not notice an edit.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from reprise.errors import CodeError
from reprise.process import transfer
from reprise.urls import SCHEMES, without_credentials_within

# Settings that would write into .git, run a program, trust what was sent, or change a commit id.
_SETTINGS = (
    *("core.splitIndex=false", "i18n.commitEncoding=UTF-8"),
    *(f"core.hooksPath={os.devnull}", "core.fsmonitor=false", "core.alternateRefsCommand=:"),
    *("core.untrackedCache=false", "core.trustctime=true", "core.checkStat=default"),
    *("core.ignoreStat=false", "core.safecrlf=false"),
    *("safe.bareRepository=explicit", "core.protectNTFS=true", "core.protectHFS=true"),
    *("transfer.fsckObjects=true", "transfer.bundleURI=false", "fetch.uriProtocols="),
    *("gc.auto=0", "maintenance.auto=false"),
    *("http.lowSpeedLimit=1", f"http.lowSpeedTime={transfer.IDLE_SECONDS}"),
)
# What old versions of git wrote, and is harmless: many a repository's history has it.
OLD_FORMATS = ("zeroPaddedFilemode", "missingSpaceBeforeDate", "badTimezone", "missingEmail")
_TAKEN = tuple(f"fetch.fsck.{name}=ignore" for name in OLD_FORMATS)
# What a git hook or a shell sets to point git elsewhere (git rev-parse --local-env-vars).
_ELSEWHERE = frozenset(
    f"GIT_{name}"
    for name in (
        *("DIR", "COMMON_DIR", "WORK_TREE", "IMPLICIT_WORK_TREE", "PREFIX", "NAMESPACE"),
        *("INDEX_FILE", "OBJECT_DIRECTORY", "ALTERNATE_OBJECT_DIRECTORIES", "SHALLOW_FILE"),
        *("GRAFT_FILE", "REPLACE_REF_BASE"),
    )
)
_QUIET = {
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NOT_OWNED = re.compile(r"dubious ownership .* safe\.directory (.+)")
_FULL_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def git(
    folder: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    text: str | bytes = b"",
    warned: list[str] | None = None,
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
    warned : list of str, optional
        Takes what it says on stderr, by the line.

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
    try:
        done = subprocess.run(
            command(*arguments),
            cwd=folder,
            env={**variables(), **(environment or {})},
            input=text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise _not_installed() from None
    if done.returncode != 0:
        _refused(folder, arguments, done.returncode, done.stderr.decode(errors="replace"))
    if warned is not None:
        warned += done.stderr.decode("utf-8", "surrogateescape").splitlines()
    return done.stdout.decode("utf-8", "surrogateescape")


def contact(
    folder: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> str:
    """Run a git that may talk to a server, within limits of time; return what it prints.

    Parameters
    ----------
    folder : Path
    *arguments : str
        A command that takes `--progress`: a transfer that shows none has stopped.
    environment : mapping of str to str, optional
        More variables.
    seconds : float, optional
        All its time; else what `transfer` gives.

    Raises
    ------
    CodeError
        As of `git`, or if the server is silent, or slow beyond measure.
    """
    every = {**variables(), **(environment or {})}
    ssh = every.get("GIT_SSH_COMMAND") or setting(folder, "core.sshCommand", environment)
    if "GIT_SSH" not in every or "GIT_SSH_COMMAND" in every:
        every["GIT_SSH_COMMAND"] = transfer.ssh_command(ssh or "ssh")
    try:
        done = transfer.run(command(*arguments), folder, every, idle=seconds, total=seconds)
    except FileNotFoundError:
        raise _not_installed() from None
    if done.exit_code != 0:
        _refused(folder, arguments, done.exit_code, done.said)
    return done.output


def command(*arguments: str) -> list[str]:
    """Return the command line of a git of ours, in which our settings have the last word."""
    theirs = _leading_options(arguments)  # one may include a file
    ours = (word for name in (*_SETTINGS, *_TAKEN) for word in ("-c", name))
    return ["git", *theirs, *ours, *arguments[len(theirs) :]]


def _leading_options(arguments: Sequence[str]) -> list[str]:
    """Return the `-c name=value` pairs that a command line begins with."""
    number = 0
    while arguments[number : number + 1] and arguments[number] == "-c":
        number += 2
    return list(arguments[:number])


def variables() -> dict[str, str]:
    """Return the variables of a git of ours: it is pointed nowhere, and starts no helper."""
    inherited = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    users = os.environ.get("GIT_ALLOW_PROTOCOL")
    allowed = [name for name in SCHEMES if users is None or name in users.split(":")]
    return {**inherited, **_QUIET, "GIT_ALLOW_PROTOCOL": ":".join(allowed)}


def setting(folder: Path, name: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a setting of git; "": it is not set.

    Parameters
    ----------
    folder : Path
    name : str
    environment : mapping of str to str, optional
        More variables.
    """
    try:
        return git(folder, "config", "--get", name, environment=environment).strip()
    except CodeError:
        return ""


def _can_be_given(word: str) -> bool:
    """Return whether a word may stand on a command line: no NUL, nothing that is no bytes."""
    try:
        return b"\0" not in os.fsencode(word)
    except UnicodeEncodeError:
        return False


def succeeds(folder: Path, *arguments: str) -> bool:
    """Return whether git does something, where its refusal is an answer."""
    try:
        git(folder, *arguments)
    except CodeError:
        return False
    return True


def readable(name: str) -> str:
    r"""Write the bytes of a file's name that are not UTF-8 as `\xff`: a record is UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def quoted(name: str) -> str:
    """Write a name in quotes, as git reads it from a list, with escapes."""
    return '"' + "".join(_ESCAPES.get(character, character) for character in name) + '"'


def remote(folder: Path) -> str | None:
    """Return the name of the remote `origin`, else of the first remote."""
    names = git(folder, "remote").split()
    return "origin" if "origin" in names else next(iter(names), None)


def is_full_sha(name: str) -> bool:
    """Return whether a name is a whole commit id: what it names can never change."""
    return _FULL_SHA.fullmatch(name) is not None


def repository_root(folder: Path) -> Path:
    """Return the root of the repository that a folder is in; the folder itself, if of none."""
    try:
        return Path(git(folder, "rev-parse", "--show-toplevel").removesuffix("\n"))
    except CodeError:
        return folder


def _not_installed() -> CodeError:
    return CodeError("expected git on PATH, found none. Install git.")


def _refused(folder: Path, arguments: tuple[str, ...], exit_code: int, stderr: str) -> NoReturn:
    verb = next(word for word in arguments if not word.startswith("-") and "=" not in word)
    said = without_credentials_within(" ".join(stderr.split()))
    trusting = _NOT_OWNED.search(said)
    if trusting:
        raise CodeError(
            "expected a repository that you own, found one of another user, which git does not "
            f"read. If you trust it: git config --global --add safe.directory {trusting[1]}",
            said=said,
        )
    raise CodeError(
        f"git {verb} failed in {folder.name}: {said or f'exit code {exit_code}'} "
        "Repair the repository (git status shows more), then run again.",
        said=said,
    )
