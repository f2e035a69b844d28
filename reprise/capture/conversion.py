"""Files of which git keeps other bytes than the working tree has: line ends, filters, `$Id$`.

A commit gives back what a checkout makes of its objects, and that depends on settings of a clone. A
replay's checkout knows the commit's own attributes and no settings; what this would not give back
as it lies in the working tree is found here, and kept in the snapshot byte by byte.
"""

import filecmp
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprise.capture.working_tree import WorkingTree
from reprise.git import git, quoted
from reprise.process import scratch

_CRLF = "crlf"
_LINE_ENDS = {"": ("core.autocrlf=false", "core.eol=lf"), _CRLF: ("core.autocrlf=true",)}
# Nothing but the commit decides about a checkout, and the filters that the user has set up.
_NO_ATTRIBUTES = f"core.attributesFile={os.devnull}"
_ENVIRONMENT = {"GIT_ATTR_NOSYSTEM": "1"}
_ATTRIBUTES = ("text", "crlf", "eol", "ident", "filter", "working-tree-encoding")
_OFF = frozenset({"unspecified", "unset"})
_LARGE_FILES = "lfs"  # its pointer holds the digest of the content
_FILE_MODES = ("100644", "100755")


@dataclass(frozen=True)
class Entry:
    """A file in an index: its mode, the id of its content, and its name."""

    mode: str
    blob: str
    name: str


@dataclass(frozen=True)
class Kept:
    """What a snapshot has to keep as it lies there.

    Attributes
    ----------
    line_ends : str
        `crlf`, where a checkout has to write these, as the clone is set to; else "".
    files : tuple of Entry
        Files to keep byte by byte.
    unconverted : tuple of str
        Those of them that a checkout must not convert.
    large : tuple of Entry
        Files of git-LFS, whose content is not in the commit.
    """

    line_ends: str = ""
    files: tuple[Entry, ...] = ()
    unconverted: tuple[str, ...] = ()
    large: tuple[Entry, ...] = ()


def _settings(line_ends: str, filters: Mapping[str, str]) -> list[str]:
    """Return the options of a git that checks out what a commit gives.

    Parameters
    ----------
    line_ends : str
        A key of `_LINE_ENDS`.
    filters : mapping of str to str
        Of `filters_of`.
    """
    named = (f"{name}={value}" for name, value in filters.items())
    values = (*named, *_LINE_ENDS[line_ends], _NO_ATTRIBUTES)
    return [word for value in values for word in ("-c", value)]


def check_out(repository: Path, commit: str, line_ends: str, filters: Mapping[str, str]) -> None:
    """Check a commit out as it was compared: by its own attributes, and by no setting but these."""
    words = ("checkout", "--quiet", "--detach", "--force", commit, "--")
    git(repository, *_settings(line_ends, filters), *words, environment=_ENVIRONMENT)


def filters_of(folder: Path) -> dict[str, str]:
    """Return the settings of the filters that a clone has."""
    return _filters(configured(folder))


def kept(tree: WorkingTree, store: Path, environment: Callable[[], Mapping[str, str]]) -> Kept:
    """Find the files that a checkout would not give back as they lie in the working tree.

    Parameters
    ----------
    tree : WorkingTree
    store : Path
        A repository that has the objects of the index.
    environment : callable
        Returns the variables with which git uses the index of what would be checked out.
    """
    set_up = configured(tree.root)
    automatic = _is_automatic(set_up)
    if not automatic and not _has_attributes(tree, set_up):  # then git converts nothing
        return Kept()
    index = environment()
    text, converted, large = _candidates(tree.root, _entries(tree.root, index), automatic=automatic)
    of_lfs = tuple(large)
    checkout = _Checkout(tree.root, store, index, _filters(set_up))
    differing = [*_resized(tree.root, store, text), *checkout.differing(converted, "")]
    if not differing:
        return Kept(large=of_lfs)
    as_set = checkout.differing([*text, *converted], _CRLF) if automatic else differing
    if len(as_set) < len(differing):
        return Kept(_CRLF, tuple(as_set), tuple(entry.name for entry in as_set), of_lfs)
    names = {entry.name for entry in converted}
    unconverted = tuple(entry.name for entry in differing if entry.name in names)
    return Kept("", tuple(differing), unconverted, of_lfs)


def attributes(unconverted: Iterable[str]) -> str:
    """Write the lines of an attributes file that keep git from converting files."""
    return "".join(
        f"{_pattern(name)} -text -ident -filter -working-tree-encoding !eol !crlf\n"
        for name in unconverted
    )


class _Checkout:
    """Checks files out of an index into a folder of their own, to compare them."""

    def __init__(
        self, root: Path, store: Path, index: Mapping[str, str], filters: Mapping[str, str]
    ) -> None:
        self._root = root
        self._store = store
        self._index = index
        self._filters = filters

    def differing(self, entries: Sequence[Entry], line_ends: str) -> list[Entry]:
        """Return the files that would not be as they are in the working tree."""
        if not entries:
            return []
        with scratch.folder() as name:
            folder = Path(name)
            words = ("checkout-index", "--quiet", "-z", "--stdin")
            git(
                folder,
                *(*_settings(line_ends, self._filters), *words),
                environment={
                    **_ENVIRONMENT,
                    **self._index,
                    "GIT_DIR": str(self._store / ".git"),
                    "GIT_WORK_TREE": name,
                },
                text="".join(f"{entry.name}\0" for entry in entries),
            )
            return [
                entry
                for entry in entries
                if not filecmp.cmp(folder / entry.name, self._root / entry.name, shallow=False)
            ]


def configured(folder: Path) -> dict[str, str]:
    """Return a clone's settings, names in lower case but for what stands between the dots."""
    listed = git(folder, "config", "--null", "--list").split("\0")
    return dict(entry.partition("\n")[::2] for entry in listed if entry)


def _is_automatic(set_up: Mapping[str, str]) -> bool:
    return set_up.get("core.autocrlf", "").lower() in ("true", "input", "yes", "on", "1")


def _filters(set_up: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of filters, as far as an option can name them."""
    return {n: v for n, v in set_up.items() if n.startswith("filter.") and "=" not in n}


def _has_attributes(tree: WorkingTree, set_up: Mapping[str, str]) -> bool:
    """Return whether a file of git, or of the user, gives attributes to files here."""
    if "\t.gitattributes\0" in tree.listing or "/.gitattributes\0" in tree.listing:
        return True
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111
    users = set_up.get("core.attributesfile", f"{base}/git/attributes")
    own = git(tree.root, "rev-parse", "--git-path", "info/attributes").removesuffix("\n")
    places = (users, str(tree.root / own), str(tree.root / ".gitattributes"), "/etc/gitattributes")
    return any(Path(place).expanduser().is_file() for place in places)


def _entries(root: Path, index: Mapping[str, str]) -> list[Entry]:
    """List the files of an index that are in the working tree."""
    found = []
    for line in filter(None, git(root, "ls-files", "--stage", "-z", environment=index).split("\0")):
        fields, _, name = line.partition("\t")
        mode, blob, stage = fields.split()
        path = root / name
        if mode in _FILE_MODES and stage == "0" and path.is_file() and not path.is_symlink():
            found.append(Entry(mode, blob, name))
    return found


def _candidates(
    root: Path, entries: Sequence[Entry], *, automatic: bool
) -> tuple[list[Entry], list[Entry], list[Entry]]:
    """Return files of which git may change line ends alone, all else, and those of git-LFS."""
    text, converted, large = [], [], []
    for entry, values in zip(entries, _values(root, entries), strict=True):
        filtered, encoding = values["filter"], values["working-tree-encoding"]
        if filtered == _LARGE_FILES:
            large.append(entry)
            continue
        by_program = filtered not in _OFF or encoding not in _OFF or values["ident"] == "set"
        if by_program or values["eol"] == _CRLF:
            converted.append(entry)
        elif not (values["text"] == "unset" or values["crlf"] == "unset") and (
            automatic or any(values[name] not in _OFF for name in ("text", "crlf", "eol"))
        ):
            text.append(entry)
    return text, converted, large


def _values(root: Path, entries: Sequence[Entry]) -> Iterator[dict[str, str]]:
    """Yield the attributes of files, in their order."""
    names = "".join(f"{entry.name}\0" for entry in entries)
    said = git(root, "check-attr", "-z", "--stdin", *_ATTRIBUTES, text=names).split("\0")
    values = said[2::3]  # of: name, attribute, value
    for start in range(0, len(values), len(_ATTRIBUTES)):
        yield dict(zip(_ATTRIBUTES, values[start : start + len(_ATTRIBUTES)], strict=True))


def _resized(root: Path, store: Path, entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield the text files that git keeps in another size: line ends are all that it changes."""
    if not entries:
        return
    ids = "".join(f"{entry.blob}\n" for entry in entries)
    sizes = git(store, "cat-file", "--batch-check=%(objectsize)", text=ids).split()
    for entry, size in zip(entries, sizes, strict=True):
        if (root / entry.name).stat().st_size != int(size):
            yield entry


def _pattern(name: str) -> str:
    """Write a file's name as a pattern that means it alone."""
    return quoted("".join(f"\\{c}" if c in "*?[\\" else c for c in f"/{name}"))
