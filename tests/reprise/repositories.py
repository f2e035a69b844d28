"""Real git repositories for tests, and a check that nothing in them has changed."""

import hashlib
import os
import stat
import subprocess

DATE = "2024-01-01T00:00:00+00:00"


def git(folder, *arguments):
    """Run git as a user does, and return its output."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def make_repository(folder):
    """Make a repository of one commit: text, a script, a binary and a file in a sub-folder."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / ".gitignore").write_text("*.log\n__pycache__/\n")
    (folder / "train.py").write_text("depth = 3\n")
    (folder / "score.py").write_text("metric = 'accuracy'\n" * 20)
    (folder / "run.sh").write_text("echo hello\n")
    (folder / "weights.bin").write_bytes(bytes(range(256)))
    (folder / "sub").mkdir()
    (folder / "sub" / "MLproject").write_text("name: sub\n")
    commit_all(folder, "first")
    return folder


def commit_all(folder, message="next"):
    """Commit the whole tree of a repository, and return the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", f"--message={message}")
    return git(folder, "rev-parse", "HEAD")


def publish(folder, url):
    """Make a bare repository at a path: the origin of a repository, with its main branch."""
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(url))
    git(folder, "remote", "add", "origin", str(url))
    git(folder, "push", "--quiet", "--set-upstream", "origin", "main")
    git(folder, "remote", "set-head", "origin", "main")


def add_submodule(folder, library, path="lib"):
    """Add a repository as a submodule, and commit it."""
    allow = ("-c", "protocol.file.allow=always")
    git(folder, *allow, "submodule", "--quiet", "add", str(library), path)
    return commit_all(folder, f"add {path}")


def fingerprint(*folders):
    """Return every path in folders with its mode and bytes, all of .git and the index included."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            mode = stat.filemode(path.lstat().st_mode)
            if path.is_symlink():
                content = str(path.readlink())
            else:
                content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[os.fsencode(path)] = (mode, content)
    return found


def clone(url, folder, *options):
    """Clone a repository, and return the clone."""
    git(folder.parent, "clone", "--quiet", *options, str(url), str(folder))
    return folder
