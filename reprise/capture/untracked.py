"""What may not travel with a run by accident: large untracked files, and what looks like a secret.

A snapshot of a working tree takes in files that nobody has added to git. Once on the tracking
server, a password is everybody's and a data set is a copy for good; so these stop the run first.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

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


def names(text: str) -> list[str]:
    """Read the names or patterns of `allow_untracked`, separated by commas and maybe spaces.

    Parameters
    ----------
    text : str
        What the user wrote; "" for none.
    """
    return [name for name in map(str.strip, text.split(",")) if name]


def objections(
    root: Path, untracked: Iterable[str], allowed: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """List the untracked files that must not be carried unasked, each with what it is.

    Parameters
    ----------
    root : Path
        Folder of the repository.
    untracked : iterable of str
        Names relative to it.
    allowed : sequence of str
        Names or patterns (as of `fnmatch`) of files that may be carried all the same.
    """
    found = []
    for name in untracked:
        if ALL in allowed or name in allowed or any(fnmatchcase(name, p) for p in allowed):
            continue
        what = _objection(root / name)
        if what:
            found.append((name, what))
    return found


def _objection(path: Path) -> str:
    """Say what speaks against a file; "" where nothing does."""
    if path.is_symlink() or not path.is_file():
        return ""
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        return f"is large ({size / 2**20:.0f} MiB)"
    name = path.name.lower()
    named = any(fnmatchcase(name, pattern) for pattern in SECRET_NAMES)
    if named and not any(fnmatchcase(name, pattern) for pattern in _EXAMPLES):
        return "looks like a secret, by its name"
    if _SECRET_TEXT.search(path.read_bytes()):
        return "looks like a secret, by what is in it"
    return ""
