"""An attacker's repositories, trees and bundles, which git's own commands would refuse to make."""

import hashlib
import os
import struct
import subprocess
import zlib

from plain_git import settings

from reprise.capture.code import UNKNOWN

SOME = "f" * 40
GIT = settings("Ada", "ada@example.org")
NO_ATTACKS = {"test_firing_range.py", "test_matrix.py"}  # files of tests about the others


def run_git(folder, *arguments):
    """Run git as the user or the attacker does, and return what it prints."""
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **GIT},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def commit(name):
    """Return the code of a run that recorded only its commit."""
    return UNKNOWN.model_copy(update={"commit": name})


class Artifact:
    """An artifact that is a local file."""

    def __init__(self, path):
        self._path = path

    def __enter__(self):
        return self._path

    def __exit__(self, *_):
        pass


def hostile_repository(folder, files, *, submodules=None, names=".gitmodules"):
    """Make a bare repository of one commit; return its path and the commit.

    Parameters
    ----------
    folder : Path
        The repository is `<folder>.git`.
    files : mapping of str to str
    submodules : mapping of str to tuple of str, optional
        The address and the commit, by path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    if submodules:
        (folder / names).write_text(modules(submodules), encoding="utf-8")
    run_git(folder, "add", "--all", "--force")
    for path, (_, commit) in (submodules or {}).items():
        run_git(folder, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    run_git(folder, "commit", "--quiet", "--message", "Hostile")
    bare = folder.with_name(f"{folder.name}.git")
    run_git(folder, "clone", "--quiet", "--bare", str(folder), str(bare))
    return bare, run_git(folder, "rev-parse", "HEAD")


def modules(submodules):
    """Return a `.gitmodules` with addresses quoted as git quotes them."""
    return "".join(
        f'[submodule "{path}"]\n\tpath = {path}\n\turl = {quoted(address)}\n'
        for path, (address, _) in submodules.items()
    )


def quoted(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _object(kind, content):
    return hashlib.sha1(b"%s %d\0" % (kind, len(content)) + content).digest(), kind, content


def _packed(objects):
    pack = b"PACK" + struct.pack(">II", 2, len(objects))
    for _, kind, content in objects:
        number = {b"commit": 1, b"tree": 2, b"blob": 3}[kind]
        size = len(content)
        byte, size = (number << 4) | (size & 15), size >> 4
        while size:
            pack += bytes([byte | 128])
            byte, size = size & 127, size >> 7
        pack += bytes([byte]) + zlib.compress(content)
    return pack + hashlib.sha1(pack).digest()


def tree_bundle(entries, *, parent=None, header=()):
    """Make a bundle of one commit with any entries in its tree; return its bytes and the commit.

    Parameters
    ----------
    entries : sequence of (mode, name, content)
        All are bytes; the content of mode `160000` is a commit's id.
    parent : str, optional
        Commit that the bundle builds upon.
    header : sequence of bytes
        More lines for the header.
    """
    blobs = [_object(b"blob", content) for mode, _, content in entries if mode != b"160000"]
    ids = iter(blobs)
    lines = [
        mode + b" " + name + b"\0" + (bytes.fromhex(content) if mode == b"160000" else next(ids)[0])
        for mode, name, content in entries
    ]
    tree = _object(b"tree", b"".join(lines))
    who = b"Mallory <m@example.org> 1700000000 +0000"
    above = b"parent %s\n" % parent.encode() if parent else b""
    commit = _object(
        b"commit",
        b"tree %s\n%sauthor %s\ncommitter %s\n\nHostile\n"
        % (tree[0].hex().encode(), above, who, who),
    )
    name = commit[0].hex()
    top = [b"# v2 git bundle", *header]
    if parent:
        top.append(b"-%s base" % parent.encode())
    top.append(b"%s refs/heads/main" % name.encode())
    return b"\n".join(top) + b"\n\n" + _packed([commit, tree, *blobs]), name
