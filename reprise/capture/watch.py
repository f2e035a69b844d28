"""Watches a process from outside: what it reads, which runs it makes, what its libraries do.

The process has a module on its path that reports (`observer`); a program that is no Python, or a
Python that was started with -I, -S or -E, reports nothing, and that is said.
"""

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reprise import env
from reprise.process import scratch

_OBSERVER = Path(__file__).with_name("observer.py")
_SHIM = "sitecustomize.py"
_EVENTS = "events"
_PATH = "PYTHONPATH"
_KINDS = ("python", "read", "run", "model", "host", "imported")


@dataclass(frozen=True)
class Made:
    """A run or a model that a process has made, and the store that has it, as a full address."""

    id: str
    store: str


@dataclass(frozen=True)
class Seen:
    """What the processes of a command have reported, each fact once, in their order.

    Attributes
    ----------
    pythons : tuple of (str, str)
        The interpreters, each with its version.
    read : tuple of Path
        Files that were opened before any of the processes had written them.
    written : frozenset of Path
    runs : tuple of Made
    models : tuple of Made
        Those that belong to no run.
    hosts : tuple of str
    imported : tuple of Path
        Installed modules, and shared libraries beside them.
    numerics : mapping
        Of the process that has loaded most: `simd` and `libraries`; empty: none said.
    """

    pythons: tuple[tuple[str, str], ...] = ()
    read: tuple[Path, ...] = ()
    written: frozenset[Path] = frozenset()
    runs: tuple[Made, ...] = ()
    models: tuple[Made, ...] = ()
    hosts: tuple[str, ...] = ()
    imported: tuple[Path, ...] = ()
    numerics: Mapping[str, Any] = field(default_factory=dict)


class Watch:
    """What is watched, while and after it runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._events = folder / _EVENTS

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return a process's variables with those that make it report."""
        inherited = environment.get(_PATH)
        path = os.pathsep.join([str(self._folder), *([inherited] if inherited else [])])
        kept = {name: value for name, value in environment.items() if name != env.CAPTURE}
        return {**kept, _PATH: path}

    def observe_here(self) -> Any:
        """Have this process report, too; return its reporter."""
        spec = importlib.util.spec_from_file_location("_reprise_observer", self._folder / _SHIM)
        if spec is None or spec.loader is None:  # never of a file of Python
            raise ImportError(name=_SHIM)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.start_here()

    def seen(self) -> Seen:
        """Return what was reported so far."""
        text = self._events.read_text(encoding="utf-8", errors="surrogateescape")
        return _read(filter(None, map(_parsed, text.splitlines())))


@contextmanager
def watching() -> Iterator[Watch]:
    """Watch the processes that are started in a `with` block with the variables of the watch."""
    with scratch.folder() as name:
        folder = Path(name)
        shutil.copyfile(_OBSERVER, folder / _SHIM)
        (folder / _EVENTS).touch()
        yield Watch(folder)


def _parsed(line: str) -> list[Any]:
    """Return an event; none where a process was killed while it wrote."""
    try:
        event = json.loads(line)
    except ValueError:
        return []
    return event if isinstance(event, list) else []


def _read(events: Iterator[list[Any]]) -> Seen:
    written: set[Path] = set()
    facts: dict[str, dict[Any, None]] = {n: {} for n in _KINDS}
    numerics: dict[str, Any] = {}
    for kind, _, *values in events:
        if kind == "write":
            written.add(Path(values[0]))
        elif kind == "read":
            if Path(values[0]) not in written:
                facts[kind][Path(values[0])] = None
        elif kind in ("run", "model"):
            facts[kind][Made(values[0], _absolute(values[1], values[2]))] = None
        elif kind == "numerics":
            numerics = max(numerics, values[0], key=_weight)
        elif kind in facts:
            facts[kind][tuple(values) if kind == "python" else values[0]] = None
    return Seen(
        pythons=tuple(facts["python"]),
        read=tuple(facts["read"]),
        written=frozenset(written),
        runs=tuple(facts["run"]),
        models=tuple(facts["model"]),
        hosts=tuple(facts["host"]),
        imported=tuple(map(Path, facts["imported"])),
        numerics=numerics,
    )


def _weight(numerics: Mapping[str, Any]) -> int:
    return sum(len(values) for values in numerics.values()) + len(numerics)


def _absolute(store: str, folder: str) -> str:
    """Return the address of a store of a process that was in a folder."""
    scheme, separator, path = store.partition(":///")
    if separator and scheme.startswith("sqlite") and not path.startswith("/"):
        return f"{scheme}:///{Path(folder, path)}"
    return store if ":" in store or not store else str(Path(folder, store))
