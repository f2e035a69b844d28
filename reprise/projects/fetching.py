"""Fetches a commit as the user's clone would, into a repository that lies elsewhere.

How git reaches a server may depend on where the clone lies (`includeIf`), on other names for
addresses (`insteadOf`), and on settings of the clone's own. Git is asked for all of them in the
clone, which is only read, and is given them where it fetches.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprise.errors import CodeError
from reprise.git import contact, git
from reprise.process import scratch

# What a clone's own configuration says about connections; the rest of it is of its files.
_OF_CONNECTIONS = re.compile(
    r"(?:url|remote|http|credential|ssh)\.|(?:core\.(?:sshcommand|askpass|gitproxy)|protocol\.version)\n"
)
_INCLUDED = re.compile(r"include(?:if)?\.")
_USERS = frozenset({"system", "global"})  # scopes; "command" comes by a variable
_OWN = frozenset({"local", "worktree"})
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
# Then a server gives no commit by its id, or none without what is before it.
_GIVES_REFERENCES_ALONE = ("unadvertised object", "does not support shallow")


def fetch(
    store: Path, place: str, commit: str, *, clone: Path | None, is_remote: bool = False
) -> None:
    """Fetch a commit alone; where a server gives none by its id, with all branches and tags.

    Parameters
    ----------
    store : Path
        The repository to fetch into, which gets no reference to the commit alone.
    place : str
        An address, or the name of a remote of the clone.
    commit : str
        Its full id.
    clone : Path or None
        A folder in the clone as which it fetches; None: there is none.
    is_remote : bool
        Whether the place is the clone's remote, which may have the logins in its own settings.

    Raises
    ------
    CodeError
        If the repository does not have it, or cannot be read.
    """
    words = ("fetch", "--progress", "--no-recurse-submodules", "--no-write-fetch-head", "--no-tags")
    with _as_in(clone, is_remote=is_remote) as environment:
        try:
            contact(store, *words, "--depth=1", "--", place, commit, environment=environment)
        except CodeError as error:
            if not any(words in error.said for words in _GIVES_REFERENCES_ALONE):
                raise
            every = (f"+refs/{kind}/*:refs/fetched/{kind}/*" for kind in ("heads", "tags"))
            contact(store, *words, "--", place, *every, environment=environment)


@contextmanager
def _as_in(clone: Path | None, *, is_remote: bool) -> Iterator[dict[str, str]]:
    """Yield variables with which git connects, in any folder, as it does in a clone."""
    if clone is None:
        yield {}
        return
    listed = git(clone, "config", "--null", "--show-scope", "--list").split("\0")
    with scratch.folder(ignore_cleanup_errors=True) as name:
        file = Path(name, "config")
        file.touch(mode=0o600)  # there may be a password in it
        lines = (
            _line(text)
            for scope, text in zip(listed[:-1:2], listed[1::2], strict=True)
            if scope in _USERS or (is_remote and scope in _OWN and _OF_CONNECTIONS.match(text))
        )
        file.write_bytes("".join(lines).encode("utf-8", "surrogateescape"))
        yield {"GIT_CONFIG_GLOBAL": str(file), "GIT_CONFIG_NOSYSTEM": "1"}


def _line(setting: str) -> str:
    """Write a setting as a file of git's; "" for a file's name, whose settings are listed too."""
    key, separator, value = setting.partition("\n")
    if _INCLUDED.match(key):
        return ""
    section, _, rest = key.partition(".")
    subsection, _, name = rest.rpartition(".")
    header = f"[{section} {_quoted(subsection)}]" if subsection else f"[{section}]"
    return f"{header}\n\t{name}{f' = {_quoted(value)}' if separator else ''}\n"


def _quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(character, character) for character in text) + '"'
