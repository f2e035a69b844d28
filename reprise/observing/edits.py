"""Files of the commit that were written while a process ran: its code may not be the recorded."""

from pathlib import Path

from reprise.errors import CodeError
from reprise.git import git, readable, repository_root

Stamps = dict[str, tuple[int, int, int]]


def stamps(project: Path) -> Stamps:
    """Return inode, size and time of every file that git knows; nothing outside a repository."""
    try:
        root = repository_root(project)
        names = git(root, "ls-files", "-z").split("\0")
    except CodeError:
        return {}
    found = {}
    for name in filter(None, names):
        path = root / name
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            found[name] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def since(before: Stamps, project: Path) -> tuple[str, ...]:
    """Return the files that were written, or removed, since then."""
    now = stamps(project)
    return tuple(sorted(readable(name) for name, stamp in before.items() if now.get(name) != stamp))
