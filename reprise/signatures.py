"""Sign bytes with the key that git signs with, and verify a signature, by `ssh-keygen` alone.

Keys are those of git's `gpg.format = ssh`: `user.signingkey` signs, and who may have signed stands
in the file that `gpg.ssh.allowedSignersFile` names. Both are the user's settings, which are only
read. Nothing is asked at a terminal, no program that a setting names is run (`gpg.ssh.program`,
`gpg.ssh.defaultKeyCommand`), and no server is contacted. A signature holds for one namespace: that
of one kind of document cannot be shown as another's.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reprise.errors import SignatureError
from reprise.git import git, repository_root, setting
from reprise.process import scratch
from reprise.trust import documents

STATEMENT = "reprise-statement"  # namespace of what `verify` says of runs
PROMOTION = "reprise-promotion"  # namespace of the list of promotions
EXPORT = "reprise-export"  # namespace of the seal of an export
SUFFIX = ".sig"  # of the file that has a document's signature
NONE = "none"  # as a key: do not sign
LARGEST = 1 << 16  # bytes of a signature; one by a certificate has 4 KiB
_SECONDS = 60.0  # a key on a device may wait to be touched
_MOST_SIGNERS = 20  # names that one key may have in the file of allowed signers
_LITERAL = ("key::", "ssh-")  # how git knows a setting that is a public key itself


@dataclass(frozen=True)
class Signature:
    """What is known of who signed a document.

    Attributes
    ----------
    state : str
        "trusted", "not trusted" or "unsigned".
    signer : str
        Name in the file of allowed signers, of a trusted signature.
    reason : str
        Why it is not trusted.
    """

    state: Literal["trusted", "not trusted", "unsigned"]
    signer: str = ""
    reason: str = ""

    @property
    def is_trusted(self) -> bool:
        """Return whether one of the allowed signers has signed just this content."""
        return self.state == "trusted"

    def __str__(self) -> str:
        """Say it in a line."""
        if self.is_trusted:
            return f"signed by {self.signer}"
        return f"{self.state}: {self.reason}" if self.reason else self.state


UNSIGNED = Signature("unsigned")


@dataclass(frozen=True)
class Signers:
    """Whom the user trusts: files of ssh-keygen(1); None: it is not set."""

    allowed: Path | None = None
    revoked: Path | None = None


def signing_key(folder: Path, given: str = "") -> str:
    """Return the key to sign with; "" if there is none.

    Parameters
    ----------
    folder : Path
        Whose git settings count.
    given : str
        Path of a key, or `none` to sign nothing; else the key is git's.
    """
    if given:
        return "" if given == NONE else str(Path(given).expanduser().absolute())
    if setting(folder, "gpg.format") != "ssh":
        return ""
    return _literal(setting(folder, "user.signingkey")) or _path(folder, "user.signingkey")


def allowed_signers(folder: Path, given: str = "") -> Signers:
    """Return whom the user trusts to sign.

    Parameters
    ----------
    folder : Path
        Whose git settings count. A relative path of a setting begins at the repository's root.
    given : str
        Path of a file of allowed signers; else it is git's.
    """
    given = str(Path(given).expanduser().absolute()) if given else ""
    allowed = given or _path(folder, "gpg.ssh.allowedSignersFile")
    revoked = _path(folder, "gpg.ssh.revocationFile")
    return Signers(Path(allowed) if allowed else None, Path(revoked) if revoked else None)


def sign(content: bytes, key: str, namespace: str) -> bytes:
    """Sign a document.

    Parameters
    ----------
    content : bytes
    key : str
        As `signing_key` returns it: the path of a private key, the path of a public key that the
        ssh-agent has the private one of, or such a public key itself.
    namespace : str
        Kind of the document.

    Returns
    -------
    bytes
        The signature, armored, as `ssh-keygen -Y verify -s` reads it.

    Raises
    ------
    SignatureError
        If the key is missing, or cannot be used without asking for its passphrase.
    """
    with scratch.folder() as name:
        path, literal = key, _literal(key)
        agent = ["-U"] if literal else []  # the private key is with the agent
        if literal:
            path = str(Path(name, "key.pub"))
            Path(path).write_text(f"{literal}\n", encoding="utf-8")
        elif not Path(key).is_file():
            raise SignatureError(f"expected a key to sign with, found no file {key}. Name another.")
        done = _keygen("sign", "-n", namespace, "-f", path, *agent, content=content)
    if done.returncode != 0 or not done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise SignatureError(
            f"expected to sign with the key {key}, found: {_said(done)}. If it has a passphrase, "
            "add it to the agent (ssh-add); or name another key."
        )
    return done.stdout


def verify(
    content: bytes, signature: bytes | None, namespace: str, *, signers: Signers
) -> Signature:
    """Return whether one of the allowed signers has signed a document, and who.

    Parameters
    ----------
    content : bytes
        Just the bytes that were signed.
    signature : bytes or None
        None: there is none.
    namespace : str
        Kind of the document; a signature for another kind is not trusted.
    signers : Signers
        Of which those count that may sign now.

    Raises
    ------
    SignatureError
        If a file of theirs cannot be read, or there is no `ssh-keygen`.
    """
    if signature is None:
        return UNSIGNED
    if signers.allowed is None:
        return _not_trusted("git's gpg.ssh.allowedSignersFile is not set")
    if len(signature) > LARGEST:
        return _not_trusted(f"its signature has more than {documents.size_text(LARGEST)}")
    for file in filter(None, (signers.allowed, signers.revoked)):
        _refuse_unreadable(file)
    with scratch.folder() as name:
        path = Path(name, "signature")
        path.write_bytes(signature)
        return _verified(content, path, namespace, signers)


def _verified(content: bytes, signature: Path, namespace: str, signers: Signers) -> Signature:
    files = ("-s", str(signature), "-f", str(signers.allowed))
    found = _keygen("find-principals", *files)
    if found.returncode != 0:
        return _not_trusted(f"its key is not among the allowed signers ({_said(found)})")
    revoked = ("-r", str(signers.revoked)) if signers.revoked else ()
    said = found
    for signer in _lines(found.stdout)[:_MOST_SIGNERS]:
        said = _keygen(
            *("verify", *files, "-n", namespace, "-I", signer, *revoked), content=content
        )
        if said.returncode == 0:
            return Signature("trusted", signer=signer)
    return _not_trusted(_said(said))


def _literal(key: str) -> str:
    """Return the public key that a setting holds itself; "" if it holds a path."""
    return key.removeprefix("key::") if key.startswith(_LITERAL) else ""


def _path(folder: Path, name: str) -> str:
    """Return a setting that is a path, absolute; "" if it is not set."""
    if not setting(folder, name):
        return ""
    path = git(folder, "config", "--type=path", "--get", name).removesuffix("\n")
    return str(repository_root(folder).absolute() / path)


def _refuse_unreadable(path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as error:
        raise SignatureError(
            f"expected a file of signers, found that {path} cannot be read ({error.strerror}). "
            "Correct git's gpg.ssh settings, or name another file."
        ) from None


def _not_trusted(reason: str) -> Signature:
    return Signature("not trusted", reason=reason)


def _keygen(verb: str, *words: str, content: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Run `ssh-keygen -Y`: it has no terminal to ask at, and a limit of time."""
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", verb, *words],
            input=content,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"},
        )
    except FileNotFoundError:
        raise SignatureError(
            "expected ssh-keygen on PATH, found none. Install OpenSSH 8.2 or newer."
        ) from None
    except subprocess.TimeoutExpired:
        raise SignatureError(
            f"expected ssh-keygen to end in {_SECONDS:g} s, found that it did not. "
            "Is the key on a device that waits for you? Run again."
        ) from None


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    lines = _lines(done.stderr) or _lines(done.stdout)
    return " ".join(lines).rstrip(".") or f"exit code {done.returncode}"


def _lines(output: bytes) -> Sequence[str]:
    return [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
