"""Which drills run: tests that take minutes, each about some files of the repository.

`pytest -m drill` runs all of them. With `--since origin/main` those run whose test, whose paths, or
whose environment (a lock) changed since then. Where that branch is unknown or ends here, as where
main itself is tested after a push, what the last commit changed counts (of a merge: all that it
brings); and where git knows no commit before, all of them run.
"""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_LOCKS = "requirements*.txt"  # in any folder


def add_option(parser):
    text = "of the drills, only those that are about files which changed since this commit"
    parser.addoption("--since", metavar="COMMIT", help=text)


def deselect(config, items):
    """Leave out the drills that are about nothing that changed, if a commit is given."""
    for item in items:
        missing = [path for path in paths_of(item) if not (ROOT / path).exists()]
        if missing:
            raise pytest.UsageError(
                f"{item.nodeid}: expected files of its drill, found no {missing}"
            )
    since = config.getoption("--since")
    changed = changed_since(since, ROOT) if since else None
    if changed is None:
        return
    left = [item for item in items if is_drill(item) and not is_about(paths_of(item), changed)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def is_drill(item):
    return item.get_closest_marker("drill") is not None


def paths_of(item):
    """Return the files and folders that a drill is about, its own file among them."""
    named = {path for mark in item.iter_markers("drill") for path in mark.args}
    return {item.path.relative_to(ROOT).as_posix(), *named}


def changed_since(commit, folder):
    """Return the paths that differ from where a commit's history and this one part; None: unknown.

    What is edited, staged or not yet known to git is among them.
    """
    base = _base_of(commit, folder)
    if not base:
        return None
    listings = (
        ["git", "diff", "--name-only", "--no-renames", "-z", base],
        ["git", "ls-files", "--others", "--exclude-standard", "-z"],
    )
    listed = (
        subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout
        for words in listings
    )
    return {name for names in listed for name in names.split("\0") if name}


def _base_of(commit, folder):
    """Return the commit to compare with; "": there is none."""
    parting = _git(folder, "merge-base", commit, "HEAD")
    if parting in ("", _git(folder, "rev-parse", "HEAD")):
        return _git(folder, "rev-parse", "--verify", "--quiet", "HEAD~1")
    return parting


def _git(folder, *words):
    """Return what git prints; "" where it fails."""
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def is_about(paths, changed):
    """Return whether something changed that is one of the paths, in one of them, or a lock."""
    return any(
        Path(name).match(_LOCKS) or name == path or name.startswith(f"{path}/")
        for name in changed
        for path in paths
    )
