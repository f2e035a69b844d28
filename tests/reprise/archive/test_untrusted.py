"""An archive is somebody else's file: what is altered, forged or too large changes nothing here."""

import json
import stat
import struct
import subprocess
import zipfile

import pytest
from archives import document, rewritten

from reprise import tracking
from reprise.archive import bag, reader
from reprise.archive.contents import CONTENTS
from reprise.errors import ArchiveError
from reprise.record.digest import sha256_bytes
from reprise.signatures import Signers
from reprise.trust import limits

RUN = "data/runs/{run}/run.json"


def resealed(members):
    """Write the manifest anew, as somebody does who alters an archive and knows how it is made."""
    digests = {n: sha256_bytes(c) for n, c in members.items() if n.startswith(bag.PAYLOAD)}
    members[bag.MANIFEST] = bag.manifest(digests).encode()
    beside = {n: sha256_bytes(c) for n, c in members.items() if n in bag.SEALED}
    members[bag.SEAL] = bag.manifest(beside).encode()


def with_document(members, name, **changes):
    members[name] = json.dumps(document(members, name) | changes).encode()
    resealed(members)


def with_file(members, name, content=b"text"):
    members[name] = content
    resealed(members)


# What somebody does to an archive of run {run}, and the part of the line that says so.
ALTERED = {
    "a changed byte": (
        lambda m, run: m.update({RUN.format(run=run): m[RUN.format(run=run)] + b" "}),
        "SHA-256",
    ),
    "a file more": (lambda m, run: m.update({"data/more.txt": b""}), "beside them"),
    "a file less": (lambda m, run: m.pop(RUN.format(run=run)), "found no"),
    "no manifest": (lambda m, run: m.pop(bag.MANIFEST), "found none"),
    "no seal": (lambda m, run: m.pop(bag.SEAL), "found none"),
    "a manifest written anew": (lambda m, run: m.update({bag.MANIFEST: b""}), "SHA-256"),
    "another description": (lambda m, run: m.update({bag.CRATE: b"{}"}), "SHA-256"),
    "no description": (lambda m, run: m.pop(bag.CRATE), "found no"),
    "a line that is none": (lambda m, run: m.update({bag.SEAL: b"x\n"}), "lines of a SHA-256"),
    "a manifest that is no text": (lambda m, run: m.update({bag.SEAL: b"\xff"}), "UTF-8"),
    "a name that leads out": (lambda m, run: with_file(m, "data/../../x.txt"), "the name"),
    "an absolute name": (lambda m, run: with_file(m, "/tmp/x.txt"), "the name"),
    "a name with a backslash": (lambda m, run: with_file(m, "data\\..\\x.txt"), "the name"),
    "a name that moves the cursor": (lambda m, run: with_file(m, "data/\x1b[2J"), "the name"),
    "a very long name": (lambda m, run: with_file(m, f"data/{'x' * 5000}"), "the name"),
    "a file beside": (lambda m, run: with_file(m, "run-me.sh"), "the name"),
    "a folder": (lambda m, run: with_file(m, "data/folder/", b""), "the name"),
    "a file below a file": (
        lambda m, run: with_file(m, f"{RUN.format(run=run)}/x"),
        "as a file and as a folder",
    ),
    "another format": (lambda m, run: with_document(m, CONTENTS, format_version=2), "newer"),
    "contents that are none": (lambda m, run: with_file(m, CONTENTS, b"[]"), "bad field"),
    "contents that are deep": (lambda m, run: with_file(m, CONTENTS, b"[" * 10_000), "levels"),
    "a run that is not there": (
        lambda m, run: with_document(m, CONTENTS, runs=[run, "e" * 32]),
        "found none",
    ),
    "an id that is a path": (
        lambda m, run: with_document(m, CONTENTS, runs=["../../../etc"]),
        "bad field runs",
    ),
    "another run": (
        lambda m, run: with_document(m, RUN.format(run=run), run_id="e" * 32),
        f"found run {'e' * 32}",
    ),
    "a time after the last": (
        lambda m, run: with_document(m, RUN.format(run=run), start=10**18),
        "bad field start",
    ),
    "a status that is none": (
        lambda m, run: with_document(m, RUN.format(run=run), status="RUNNING"),
        "bad field status",
    ),
    "a field more": (
        lambda m, run: with_document(m, RUN.format(run=run), command="rm"),
        "bad field command",
    ),
    "a very long tag": (
        lambda m, run: with_document(m, RUN.format(run=run), tags={"x": "x" * 20_000}),
        "bad field tags",
    ),
    "a model's id that is a path": (
        lambda m, run: with_document(
            m, RUN.format(run=run), models=[{"model_id": "m-../..", "name": "x"}]
        ),
        "bad field models",
    ),
    "a model without files": (
        lambda m, run: with_document(
            m, RUN.format(run=run), models=[{"model_id": "m-1", "name": "x"}]
        ),
        "MLmodel",
    ),
    "a record that is no text": (
        lambda m, run: with_file(m, f"data/runs/{run}/artifacts/provenance.json", b"\xff"),
        "expected a record",
    ),
}


@pytest.fixture
def plain(store, exported):
    """Archive of a run without a model, and the run's id."""
    run = store.make_run(params={"alpha": "1"})
    tracking.log_text(run, "notes.bin", "text")  # which is not packed
    return exported(run), run


@pytest.mark.parametrize("name", ALTERED)
def test_what_was_altered_is_refused_in_one_line(
    plain, elsewhere, imported, temporary, tmp_path, name
):
    path, run = plain
    change, said = ALTERED[name]
    altered = rewritten(path, tmp_path / "altered.zip", lambda members: change(members, run))

    with pytest.raises(ArchiveError) as refused:
        imported(altered)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert elsewhere.search_runs(["0", "1"]) == []
    assert list(temporary.iterdir()) == []


class TestZip:
    def test_what_is_no_zip_archive_is_refused(self, tmp_path, imported):
        (tmp_path / "x.zip").write_bytes(b"PK not at all")

        with pytest.raises(ArchiveError, match="no whole zip archive"):
            imported(tmp_path / "x.zip")

    def test_a_truncated_archive_is_refused(self, plain, tmp_path, imported):
        content = plain[0].read_bytes()
        (tmp_path / "x.zip").write_bytes(content[: len(content) // 2])

        with pytest.raises(ArchiveError, match="no whole zip archive"):
            imported(tmp_path / "x.zip")

    def test_a_folder_is_refused(self, tmp_path, imported):
        with pytest.raises(ArchiveError, match="a folder, not a file"):
            imported(tmp_path)

    def test_a_file_that_is_missing_is_named(self, tmp_path, imported):
        with pytest.raises(ArchiveError, match="No such file"):
            imported(tmp_path / "missing.zip")

    def test_damage_within_a_file_is_refused(self, plain, tmp_path, imported):
        content = bytearray(plain[0].read_bytes())
        at = content.index(b"text")
        content[at : at + 4] = b"TEXT"
        (tmp_path / "x.zip").write_bytes(content)

        with pytest.raises(ArchiveError, match="whole"):
            imported(tmp_path / "x.zip")

    def test_a_name_that_stands_twice_is_refused(self, plain, tmp_path, imported):
        path, run = plain
        with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(RUN.format(run=run), "{}")

        with pytest.raises(ArchiveError, match="twice"):
            imported(path)

    def test_a_link_is_refused(self, plain, tmp_path, imported):
        link = zipfile.ZipInfo("data/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(plain[0], "a") as archive:
            archive.writestr(link, "/etc/passwd")

        with pytest.raises(ArchiveError, match="expected regular files"):
            imported(plain[0])

    def test_an_encrypted_file_is_refused(self, plain, imported):
        path, _ = plain
        content = bytearray(path.read_bytes())
        at = content.index(b"PK\x01\x02")  # the first in the list at the end
        content[at + 8 : at + 10] = struct.pack("<H", 1)
        path.write_bytes(content)

        with pytest.raises(ArchiveError, match="packed by deflate"):
            imported(path)

    def test_a_bomb_is_refused_before_it_is_unpacked(
        self, plain, tmp_path, imported, temporary, monkeypatch
    ):
        monkeypatch.setattr(reader, "_SMALL", 1 * limits.MIB)
        path = tmp_path / "bomb.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(3):
                archive.writestr(f"data/{number}", bytes(2 * limits.MIB))
            archive.writestr(bag.MANIFEST, "")
            archive.writestr(bag.SEAL, "")

        with pytest.raises(ArchiveError, match=r"claims 6 MiB.*--allow-large"):
            imported(path)
        assert list(temporary.iterdir()) == []

    def test_more_than_the_disk_takes_is_refused(self, plain, imported, monkeypatch):
        monkeypatch.setattr(reader, "_SPARE", 1 << 60)

        with pytest.raises(ArchiveError, match="of free disk"):
            imported(plain[0])

    def test_too_many_files_are_refused(self, plain, imported, monkeypatch):
        monkeypatch.setattr(limits, "ARCHIVE_FILES", 3)

        with pytest.raises(ArchiveError, match="at most 3 files"):
            imported(plain[0])


class TestTags:
    def test_what_an_archive_says_of_our_process_is_not_taken(
        self, plain, elsewhere, imported, tmp_path
    ):
        path, run = plain
        forged = {
            tracking.PROCESS: "x y z 1:1",
            tracking.SEEN: "1",
            tracking.IMPORTED_AS: "0" * 64,
            tracking.IMPORTED_FROM: "e" * 32,
            tracking.PARENT: "e" * 32,
            "own": "kept",
        }
        altered = rewritten(
            path,
            tmp_path / "altered.zip",
            lambda members: with_document(members, RUN.format(run=run), tags=forged),
        )

        found = imported(altered)

        tags = elsewhere.get_run(found.ids[run]).data.tags
        assert tags["own"] == "kept"
        assert tags[tracking.IMPORTED_FROM] == run
        assert tags[tracking.IMPORTED_AS] != "0" * 64
        assert tracking.PARENT not in tags
        assert tags[tracking.PROCESS] != "x y z 1:1"


class TestSignature:
    @pytest.fixture(scope="class")
    def key(self, tmp_path_factory):
        path = tmp_path_factory.mktemp("keys") / "ada"
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", str(path)]
        subprocess.run(words, check=True)
        return path

    @pytest.fixture
    def signers(self, key, tmp_path):
        path = tmp_path / "allowed_signers"
        path.write_text(f"ada@example.org {key.with_suffix('.pub').read_text()}")
        return Signers(path)

    @pytest.fixture
    def signed(self, store, exported, key):
        return exported(store.make_run(), key=str(key))

    def test_names_who_has_signed(self, signed, signers):
        with reader.unpacked(signed, signers=signers) as archive:
            assert str(archive.signature) == "signed by ada@example.org"

    def test_is_not_trusted_of_a_stranger(self, signed):
        with reader.unpacked(signed, signers=Signers()) as archive:
            assert not archive.signature.is_trusted

    def test_does_not_cover_a_manifest_that_was_written_anew(self, signed, signers, tmp_path):
        def change(members):
            with_file(members, "data/README.txt", b"run this: curl")

        with reader.unpacked(
            rewritten(signed, tmp_path / "altered.zip", change), signers=signers
        ) as archive:
            assert not archive.signature.is_trusted

    def test_is_found_out_by_an_outsider_with_plain_tools(self, signed, signers, tmp_path):
        folder = tmp_path / "outside"
        with zipfile.ZipFile(signed) as archive:
            archive.extractall(folder)

        def says(*words, text=None):
            return subprocess.run(words, cwd=folder, input=text, capture_output=True, check=False)

        seal = (folder / bag.SEAL).read_bytes()
        check = ("sha256sum", "--check", "--quiet", bag.SEAL, bag.MANIFEST)
        verify = (
            *("ssh-keygen", "-Y", "verify", "-f", str(signers.allowed), "-I", "ada@example.org"),
            *("-n", "reprise-export", "-s", bag.SIGNATURE),
        )
        assert says(*check).returncode == 0
        assert says(*verify, text=seal).returncode == 0
        assert says(*verify, text=seal + b" ").returncode != 0
        (folder / "data" / "contents.json").write_text("{}")
        assert says(*check).returncode == 1
