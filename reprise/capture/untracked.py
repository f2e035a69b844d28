"""What may not travel with a run by accident: large files, and what looks like a secret.

A snapshot of a working tree takes in what no commit has: untracked files, staged ones, edits. Once
on the tracking server, a password is everybody's and a data set is a copy for good; so these stop
the run first. What HEAD has already is the user's own choice.
"""

import mmap
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from reprise.capture.working_tree import Changes
from reprise.errors import CodeError
from reprise.git import git, readable
from reprise.trust import limits
from reprise.visible import option

LARGEST_BYTES = 10 * 2**20
ALL = "true"  # of `allow_untracked`
# Names that tools give to files of secrets, in lower case.
SECRET_NAMES = (
    *(".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".pgpass", ".htpasswd"),
    *(".npmrc", ".pypirc", ".git-credentials", ".dockercfg", ".my.cnf", ".boto", ".s3cfg"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.ppk", "*.p12"),
    *("*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ovpn", "*.gpg"),
    *("credentials", "credentials.*", "*credentials.json", "*credentials.csv", "client_secret*"),
    *("secrets", "secrets.*", "secret.*", "*service_account*.json", "*service-account*.json"),
    *("kubeconfig", "*.tfvars", "*.tfstate", "rootkey.csv", "accesskeys.csv", "token.json"),
)
# Such a name is that of an example to fill in.
_EXAMPLES = ("*.example", "*.sample", "*.template", "*.dist", "*.pub")
# Private keys, and tokens of AWS, GitHub, GitLab, Slack, Google and PyPI, which say what they are.
_SECRET_TEXT = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----"
    rb"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[0-9A-Za-z]{36}|\bgithub_pat_[0-9A-Za-z_]{40}"
    rb"|\bglpat-[0-9A-Za-z_-]{20}|\bxox[abpsr]-[0-9A-Za-z-]{10}|\bAIza[0-9A-Za-z_-]{35}"
    rb"|\bpypi-AgE[0-9A-Za-z_-]{40}"
)
_BY_NAME = "looks like a secret, by its name"
_BY_CONTENT = "looks like a secret, by what is in it"
_UNREADABLE = "cannot be read"


def names(text: str) -> list[str]:
    """Read the names or patterns of `allow_untracked`, separated by commas and maybe spaces.

    Parameters
    ----------
    text : str
        What the user wrote; "" for none.
    """
    return [name for name in map(str.strip, text.split(",")) if name]


def refuse(root: Path, changes: Changes, allowed: Sequence[str]) -> None:
    """Stop before a snapshot would miss something, or give something away.

    Parameters
    ----------
    root : Path
        Folder of the repository.
    changes : Changes
    allowed : sequence of str
        Names or patterns (as of `fnmatch`) of files that may be carried all the same.

    Raises
    ------
    CodeError
        With the names of what is in the way, and what to do about it.
    """
    for name in changes.edited_submodules:
        raise CodeError(
            f"expected the submodule {readable(name)} as one of its commits, found edits in it. "
            "Commit them there, then run again."
        )
    for name in changes.unreadable:
        raise CodeError(
            f"expected folders that can be read, found {readable(name)}, which cannot. Change its "
            "mode, or add it to .gitignore."
        )
    for name in changes.untracked:
        if name.endswith("/"):
            raise CodeError(
                f"expected files, found {readable(name)}, which is a git repository of its own. "
                "Add it to .gitignore, or make it a submodule (git submodule add)."
            )
    _refuse_too_much(root, changes, allowed)
    found = objections(root, changes.files, allowed, committed=changes.committed)
    if found:
        listed = ", ".join(f"{readable(name)} {what}" for name, what in found)
        allowing = option("allow_untracked", ",".join(readable(name) for name, _ in found))
        raise CodeError(
            f"expected untracked files and edits that may travel with the run, found: {listed}. "
            f"Add to .gitignore what must not, or carry it with {allowing} "
            "(of a script: the key allow_untracked of its configuration)."
        )


def objections(
    root: Path,
    files: Iterable[str],
    allowed: Sequence[str] = (),
    *,
    committed: Mapping[str, str] | None = None,
) -> list[tuple[str, str]]:
    """List the files that must not be carried unasked, each with what it is.

    Parameters
    ----------
    root : Path
        Folder of the repository.
    files : iterable of str
        Names relative to it.
    allowed : sequence of str
        Names or patterns (as of `fnmatch`) of files that may be carried all the same.
    committed : mapping of str to str
        Ids of the content that HEAD has under these names.
    """
    found = []
    for name in files:
        if is_allowed(name, allowed):
            continue
        blob = (committed or {}).get(name)
        for what in _objections(root / name):
            if blob is None or not _had(root, blob, what):
                found.append((name, what))
                break
    return found


def is_allowed(name: str, allowed: Sequence[str]) -> bool:
    """Return whether the user lets a file travel whatever it is."""
    return ALL in allowed or name in allowed or any(fnmatchcase(name, p) for p in allowed)


def secret(path: Path, name: str, allowed: Sequence[str]) -> str:
    """Say why a file looks like a secret, whatever its size; "" if it does not, or may travel.

    Parameters
    ----------
    path : Path
    name : str
        From the root of the repository.
    allowed : sequence of str
        Names or patterns of files that may travel all the same.
    """
    if is_allowed(name, allowed):
        return ""
    if any(map(_is_named_secret, (path.name.lower(), path.resolve().name.lower()))):
        return _BY_NAME
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:  # which cannot be mapped
            return ""
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _BY_CONTENT if _SECRET_TEXT.search(content) else ""


def _refuse_too_much(root: Path, changes: Changes, allowed: Sequence[str]) -> None:
    """Refuse more files that no commit has, or larger ones in all, than a run should carry."""
    if ALL in allowed:
        return
    new = [name for name in changes.files if name not in changes.committed]
    if len(new) > limits.UNTRACKED_FILES:
        folders = Counter(name.partition("/")[0] for name in new)
        raise CodeError(
            f"expected at most {limits.UNTRACKED_FILES} untracked files to travel with the run, "
            f"found {len(new)}, most of them in {readable(folders.most_common(1)[0][0])}. "
            "Add them to .gitignore, or carry all with -P allow_untracked=true."
        )
    sizes: Counter[str] = Counter()
    for name in new:
        if os.path.lexists(root / name) and not is_allowed(name, allowed):
            sizes[name.partition("/")[0]] += (root / name).lstat().st_size
    if sizes.total() > limits.UNTRACKED_BYTES:
        raise CodeError(
            f"expected at most {limits.UNTRACKED_BYTES / limits.MIB:.0f} MiB of untracked files to "
            f"travel with the run, found {sizes.total() / limits.MIB:.0f} MiB, most of it in "
            f"{readable(sizes.most_common(1)[0][0])}. Add them to .gitignore, or carry all with "
            "-P allow_untracked=true."
        )


def _objections(path: Path) -> Iterator[str]:
    """Say what speaks against a file."""
    if path.is_symlink() or not path.is_file():
        return
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        yield f"is large ({size / 2**20:.0f} MiB)"
    if _is_named_secret(path.name.lower()):
        yield _BY_NAME
    if not os.access(path, os.R_OK):
        yield _UNREADABLE
    elif size <= LARGEST_BYTES and _SECRET_TEXT.search(path.read_bytes()):
        yield _BY_CONTENT


def _is_named_secret(name: str) -> bool:
    named = any(fnmatchcase(name, pattern) for pattern in SECRET_NAMES)
    return named and not any(fnmatchcase(name, pattern) for pattern in _EXAMPLES)


def _had(root: Path, blob: str, what: str) -> bool:
    """Return whether HEAD's content of a file has the same against it."""
    if what == _UNREADABLE:
        return False
    if what == _BY_NAME:
        return True
    if what == _BY_CONTENT:
        content = git(root, "cat-file", "blob", blob).encode("utf-8", "surrogateescape")
        return _SECRET_TEXT.search(content) is not None
    return int(git(root, "cat-file", "-s", blob)) > LARGEST_BYTES
