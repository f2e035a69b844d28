"""What one of the allowed signers has signed is trusted; all else says why it is not."""

import shutil
import subprocess
from pathlib import Path

import pytest
from repositories import git as plainly
from repositories import make_repository

from reprise import signatures
from reprise.errors import SignatureError
from reprise.signatures import EXPORT, STATEMENT, UNSIGNED, Signers

pytestmark = pytest.mark.usefixtures("plain_git")
CONTENT = b'{"verdict": "identical"}\n'


def make_key(folder: Path, name: str, *, passphrase: str = "") -> Path:
    """Make a pair of keys; return the path of the private one."""
    key = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", str(key)],
        check=True,
    )
    return key


def allow(folder: Path, **keys: Path) -> Signers:
    """Write a file of allowed signers: name to key."""
    lines = [
        f"{name}@example.org {key.with_suffix('.pub').read_text()}" for name, key in keys.items()
    ]
    path = folder / "allowed_signers"
    path.write_text("".join(lines), encoding="utf-8")
    return Signers(path)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return {name: make_key(folder, name) for name in ("ada", "eve")}


@pytest.fixture
def signers(tmp_path, keys):
    return allow(tmp_path, ada=keys["ada"])


@pytest.fixture
def repository(tmp_path):
    return make_repository(tmp_path / "project")


class TestVerify:
    def test_an_allowed_signer_is_named(self, keys, signers):
        signature = signatures.sign(CONTENT, str(keys["ada"]), STATEMENT)

        found = signatures.verify(CONTENT, signature, STATEMENT, signers=signers)

        assert found.is_trusted
        assert str(found) == "signed by ada@example.org"

    def test_without_a_signature_it_is_unsigned(self, signers):
        found = signatures.verify(CONTENT, None, STATEMENT, signers=signers)

        assert found == UNSIGNED
        assert str(found) == "unsigned"

    def test_another_content_is_not_trusted(self, keys, signers):
        signature = signatures.sign(CONTENT, str(keys["ada"]), STATEMENT)

        found = signatures.verify(CONTENT + b" ", signature, STATEMENT, signers=signers)

        assert str(found) == "not trusted: Signature verification failed: incorrect signature"

    def test_a_signature_of_another_kind_of_document_is_not_trusted(self, keys, signers):
        signature = signatures.sign(CONTENT, str(keys["ada"]), EXPORT)

        found = signatures.verify(CONTENT, signature, STATEMENT, signers=signers)

        assert found.state == "not trusted"
        assert "namespace" in found.reason

    def test_a_key_that_is_not_allowed_is_not_trusted(self, keys, signers):
        signature = signatures.sign(CONTENT, str(keys["eve"]), STATEMENT)

        found = signatures.verify(CONTENT, signature, STATEMENT, signers=signers)

        assert str(found).startswith("not trusted: its key is not among the allowed signers")

    def test_a_signer_who_may_sign_commits_only_is_not_trusted(self, keys, tmp_path):
        path = allow(tmp_path, ada=keys["ada"]).allowed
        path.write_text(path.read_text().replace(" ssh-", ' namespaces="git" ssh-'))
        signature = signatures.sign(CONTENT, str(keys["ada"]), STATEMENT)

        found = signatures.verify(CONTENT, signature, STATEMENT, signers=Signers(path))

        assert found.state == "not trusted"

    def test_a_signer_whose_time_is_over_is_not_trusted(self, keys, tmp_path):
        path = allow(tmp_path, ada=keys["ada"]).allowed
        path.write_text(path.read_text().replace(" ssh-", ' valid-before="20200101" ssh-'))
        signature = signatures.sign(CONTENT, str(keys["ada"]), STATEMENT)

        found = signatures.verify(CONTENT, signature, STATEMENT, signers=Signers(path))

        assert found.state == "not trusted"

    def test_a_revoked_key_is_not_trusted(self, keys, signers):
        signature = signatures.sign(CONTENT, str(keys["ada"]), STATEMENT)
        revoked = Signers(signers.allowed, keys["ada"].with_suffix(".pub"))

        found = signatures.verify(CONTENT, signature, STATEMENT, signers=revoked)

        assert found.state == "not trusted"

    def test_nobody_is_trusted_where_no_file_says_so(self, keys):
        signature = signatures.sign(CONTENT, str(keys["ada"]), STATEMENT)

        found = signatures.verify(CONTENT, signature, STATEMENT, signers=Signers())

        assert str(found) == "not trusted: git's gpg.ssh.allowedSignersFile is not set"

    @pytest.mark.parametrize(
        "signature",
        [
            b"",
            b"\0\xff" * 50,
            b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n",
            b"-----BEGIN SSH SIGNATURE-----\n" + b"A" * signatures.LARGEST,
        ],
        ids=["empty", "bytes", "cut", "huge"],
    )
    def test_what_is_no_signature_is_not_trusted(self, signature, signers):
        found = signatures.verify(CONTENT, signature, STATEMENT, signers=signers)

        assert found.state == "not trusted"

    def test_a_missing_file_of_signers_is_refused_in_one_line(self, keys, tmp_path):
        signature = signatures.sign(CONTENT, str(keys["ada"]), STATEMENT)

        with pytest.raises(SignatureError, match=r"cannot be read \(No such file or directory\)"):
            signatures.verify(CONTENT, signature, STATEMENT, signers=Signers(tmp_path / "missing"))

    def test_without_ssh_keygen_it_is_refused(self, keys, signers, monkeypatch, tmp_path):
        signature = signatures.sign(CONTENT, str(keys["ada"]), STATEMENT)
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(SignatureError, match="expected ssh-keygen on PATH"):
            signatures.verify(CONTENT, signature, STATEMENT, signers=signers)


class TestSign:
    def test_a_missing_key_is_refused_in_one_line(self, tmp_path):
        with pytest.raises(SignatureError, match="found no file"):
            signatures.sign(CONTENT, str(tmp_path / "missing"), STATEMENT)

    def test_a_key_with_a_passphrase_is_refused_at_once(self, tmp_path, monkeypatch):
        monkeypatch.setenv("SSH_ASKPASS", shutil.which("cat"))
        key = make_key(tmp_path, "locked", passphrase="a secret")

        with pytest.raises(SignatureError, match=r"add it to the agent \(ssh-add\)"):
            signatures.sign(CONTENT, str(key), STATEMENT)

    def test_a_public_key_that_no_agent_knows_is_refused(self, keys, monkeypatch):
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        literal = keys["ada"].with_suffix(".pub").read_text().strip()

        with pytest.raises(SignatureError, match="expected to sign with the key ssh-ed25519"):
            signatures.sign(CONTENT, literal, STATEMENT)

    def test_nothing_is_left_behind(self, keys, signers, temporary):
        signature = signatures.sign(CONTENT, str(keys["ada"]), STATEMENT)
        signatures.verify(CONTENT, signature, STATEMENT, signers=signers)

        assert list(temporary.iterdir()) == []


class TestSettings:
    def test_the_key_is_that_of_git(self, repository, keys):
        plainly(repository, "config", "gpg.format", "ssh")
        plainly(repository, "config", "user.signingkey", str(keys["ada"]))

        assert signatures.signing_key(repository) == str(keys["ada"])

    def test_a_key_below_the_home_folder_is_found(self, repository, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        plainly(repository, "config", "gpg.format", "ssh")
        plainly(repository, "config", "user.signingkey", "~/.ssh/id")

        assert signatures.signing_key(repository) == str(tmp_path / ".ssh" / "id")

    @pytest.mark.parametrize("prefix", ["", "key::"])
    def test_a_setting_may_hold_the_public_key_itself(self, repository, prefix):
        plainly(repository, "config", "gpg.format", "ssh")
        plainly(repository, "config", "user.signingkey", f"{prefix}ssh-ed25519 AAAA")

        assert signatures.signing_key(repository) == "ssh-ed25519 AAAA"

    def test_a_key_of_gpg_is_none(self, repository):
        plainly(repository, "config", "user.signingkey", "0123456789ABCDEF")

        assert signatures.signing_key(repository) == ""

    def test_a_given_key_comes_first_and_none_signs_nothing(self, repository, keys):
        plainly(repository, "config", "gpg.format", "ssh")
        plainly(repository, "config", "user.signingkey", str(keys["ada"]))

        assert signatures.signing_key(repository, str(keys["eve"])) == str(keys["eve"])
        assert signatures.signing_key(repository, signatures.NONE) == ""

    def test_allowed_signers_are_those_of_git(self, repository):
        plainly(repository, "config", "gpg.ssh.allowedSignersFile", ".allowed")
        plainly(repository, "config", "gpg.ssh.revocationFile", "/revoked")

        found = signatures.allowed_signers(repository)

        assert found == Signers(repository / ".allowed", Path("/revoked"))

    def test_a_given_file_of_signers_comes_first(self, repository, tmp_path):
        plainly(repository, "config", "gpg.ssh.allowedSignersFile", ".allowed")

        found = signatures.allowed_signers(repository, str(tmp_path / "mine"))

        assert found.allowed == tmp_path / "mine"

    def test_outside_a_repository_and_without_settings_nobody_is_trusted(self, tmp_path):
        assert signatures.allowed_signers(tmp_path) == Signers()
        assert signatures.signing_key(tmp_path) == ""
