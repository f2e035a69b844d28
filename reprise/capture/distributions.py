"""Every distribution that an interpreter has: its version, its origin, and the list of its files.

Also run as a script by an interpreter that is not this one; so it needs nothing but Python's own
library, of any version since 3.8.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_KINDS = (".dist-info", ".egg-info")
# What an installer adds differs between installers, and between folders.
_ADDED = re.compile(r"\.\./|[^,]*\.pyc,|[^,]*\.dist-info/(?!METADATA|WHEEL)")


def describe(path: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """Return version, origin and digest of the files of each distribution, by its name.

    Parameters
    ----------
    path : iterable of str
        Folders, in the order in which Python looks for modules.
    """
    found: dict[str, tuple[str, str, str]] = {}
    for entry in filter(Path.is_dir, map(Path, path)):
        for info in sorted(each for each in entry.iterdir() if each.suffix in _KINDS):
            name, _, version = info.stem.rpartition("-")
            if not name or info.suffix != _KINDS[0]:
                name, version = _named_within(info)
            key = re.sub(r"[-_.]+", "-", name).lower()
            if key and key not in found:
                found[key] = (version, _origin(info), _files(info))
    return dict(sorted(found.items()))


def _read(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _named_within(info: Path) -> tuple[str, str]:
    """Return name and version of a distribution whose folder does not say them."""
    lines = (_read(info, "PKG-INFO") or _read(info, "METADATA")).splitlines()[:20]
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    return fields.get("Name", ""), fields.get("Version", "")


def _files(info: Path) -> str:
    """Return the digest of the list of files as the wheel has it: "" where there is none."""
    lines = _read(info, "RECORD").splitlines()
    own = sorted(line for line in lines if "sha256=" in line and not _ADDED.match(line))
    return hashlib.sha256("\n".join(own).encode()).hexdigest() if own else ""


def _origin(info: Path) -> str:
    """Return where a distribution came from, if not from an index: "" from one."""
    text = _read(info, "direct_url.json")
    if not text:
        return ""
    try:
        facts = json.loads(text)
        url = str(facts["url"])
        repository, folder = facts.get("vcs_info") or {}, facts.get("dir_info") or {}
        if repository:
            return f"{repository['vcs']}+{url}@{repository['commit_id']}"
        return f"editable {url}" if folder.get("editable") else url
    except (ValueError, LookupError, TypeError, AttributeError):
        return "unknown"


def facts() -> dict[str, object]:
    """Describe this interpreter."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "prefix": sys.prefix,
        "distributions": describe(sys.path),
    }


if __name__ == "__main__":
    del sys.path[0]  # this file's folder
    json.dump(facts(), sys.stdout)
