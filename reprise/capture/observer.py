"""Reports from inside a process what it reads, writes and connects to, and the runs it makes.

`watch` puts a copy of this file as `sitecustomize.py` on a process's path: Python imports it as it
starts, before the process's own code. So it needs nothing but Python's own library, of any version
since 3.8, and it never prints, and never fails: the process must run as without it. Each fact is
a line of JSON in the file `events` beside it.
"""

# Every file that a process opens passes here: no pathlib, which is slow.
# ruff: noqa: PTH100, PTH109, PTH118, PTH120, PTH123

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.machinery
import importlib.util
import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

_FOLDER = os.path.dirname(os.path.abspath(__file__))
_EVENTS = os.path.join(_FOLDER, "events")
_SHIM = "sitecustomize"
_CLIENT = "mlflow.tracking._tracking_service.client"  # what makes every run, whoever asks for it
_FLUENT = "mlflow.tracking.fluent"  # the functions of `mlflow` itself
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_IN_MEMORY = "/dev/shm/"  # noqa: S108 - files of users, beside the devices
_PACKAGES = "-packages" + os.sep  # what the folder of installed distributions ends with
_LONGEST = 4000  # bytes of a line: longer ones of two processes could mix


class _Reporter:
    """Writes each fact once."""

    def __init__(self) -> None:
        self._file = os.open(_EVENTS, os.O_WRONLY | os.O_APPEND)
        self._reported: set[str] = set()
        of_the_system = {"/proc", "/sys", "/dev", _FOLDER, sys.prefix, sys.base_prefix}
        self._uninteresting = tuple(
            os.path.join(folder, "")
            for path in of_the_system
            for folder in {path, os.path.realpath(path)}
        )

    def report(self, kind: str, *facts: Any) -> None:
        line = json.dumps([kind, os.getpid(), *facts])
        if line not in self._reported and len(line) < _LONGEST:
            self._reported.add(line)
            os.write(self._file, line.encode() + b"\n")

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Be an audit hook."""
        heard = _HEARD.get(event)
        if heard:
            with contextlib.suppress(Exception):
                heard(self, *arguments)

    def opened(self, path: Any, mode: str | None, flags: int) -> None:
        writes = flags & _WRITING if mode is None else not {*"wax+"}.isdisjoint(mode)
        self._path("write" if writes else "read", path)

    def moved(self, _: Any, path: Any, *_others: Any) -> None:
        self._path("write", path)

    def read(self, path: Any) -> None:
        self._path("read", path)

    def looked_up(self, host: Any, *_: Any) -> None:
        if host:
            self.report("host", os.fsdecode(host))

    def _path(self, kind: str, path: Any) -> None:
        if isinstance(path, (str, bytes, os.PathLike)):
            text = os.path.abspath(os.fsdecode(path))
            is_data = text.startswith(_IN_MEMORY) or not text.startswith(self._uninteresting)
            if is_data and not text.endswith(".pyc"):
                self.report(kind, text)

    def watch_client(self, module: ModuleType) -> None:
        """Report every run, and every model without a run, that MLflow makes in this process."""
        client = module.TrackingServiceClient
        self._report_made(client, "create_run", "run", lambda run: run.info.run_id)
        if hasattr(client, "create_logged_model"):  # since MLflow 3
            self._report_made(client, "create_logged_model", "model", _of_no_run)

    def watch_fluent(self, module: Any) -> None:
        """Let a script that sets an experiment of its own have runs there.

        MLflow would refuse: the run that this process was given is in another experiment. It stays
        empty then, and the record has the script's own.
        """
        set_experiment = module.set_experiment

        @functools.wraps(set_experiment)
        def set_own(*arguments: Any, **named: Any) -> Any:
            given = os.environ.get("MLFLOW_EXPERIMENT_ID")  # which MLflow sets anew
            experiment = set_experiment(*arguments, **named)
            if experiment.experiment_id != given:
                os.environ.pop("MLFLOW_RUN_ID", None)
            return experiment

        module.set_experiment = set_own
        package: Any = sys.modules.get("mlflow")
        if getattr(package, "set_experiment", None) is set_experiment:
            package.set_experiment = set_own

    def _report_made(
        self, client: Any, method: str, kind: str, identify: Callable[[Any], str]
    ) -> None:
        make = getattr(client, method)

        def made(this: Any, *arguments: Any, **named: Any) -> Any:
            entity = make(this, *arguments, **named)
            with contextlib.suppress(Exception):
                if identify(entity):
                    self.report(kind, identify(entity), str(this.tracking_uri), os.getcwd())
            return entity

        setattr(client, method, made)

    def end(self) -> None:
        with contextlib.suppress(Exception):
            self.report("numerics", _numerics())
        with contextlib.suppress(Exception):
            for path in _imported():
                self.report("imported", path)


def _of_no_run(model: Any) -> str:
    return "" if model.source_run_id else str(model.model_id)


_HEARD: dict[str, Callable[..., None]] = {
    "open": _Reporter.opened,
    "os.rename": _Reporter.moved,
    "os.link": _Reporter.moved,
    "os.symlink": _Reporter.moved,
    "sqlite3.connect": _Reporter.read,
    "socket.getaddrinfo": _Reporter.looked_up,
}


class _AfterImport:
    """Finds one module, and calls a function with it when it has been imported."""

    def __init__(self, name: str, function: Callable[[ModuleType], None]) -> None:
        self._name, self._function = name, function

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        loader: Any = spec.loader if spec else None
        if loader is None:
            return spec
        execute = loader.exec_module

        def execute_and_call(module: ModuleType) -> None:
            execute(module)
            with contextlib.suppress(Exception):  # another MLflow: its runs have a tag all the same
                self._function(module)

        loader.exec_module = execute_and_call
        return spec


def _numerics() -> dict[str, Any]:
    """Return what the libraries that the process has loaded say of themselves."""
    facts: dict[str, Any] = {}
    cores = ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath")
    core = next((sys.modules[name] for name in cores if name in sys.modules), None)
    if core is not None:
        features = getattr(core, "__cpu_features__", {})
        facts["simd"] = [n for n in getattr(core, "__cpu_dispatch__", ()) if features.get(n)]
    if "threadpoolctl" in sys.modules:
        facts["libraries"] = [
            [
                library["user_api"],
                "{internal_api} {version} {architecture}".format(
                    **{"architecture": None, **library}
                ),
                library["num_threads"],
            ]
            for library in sys.modules["threadpoolctl"].threadpool_info()
        ]
    return facts


def _imported() -> set[str]:
    """Return the files of installed modules and of the shared libraries that they have loaded."""
    files = {getattr(module, "__file__", None) for module in [*sys.modules.values()]}
    with contextlib.suppress(OSError), open("/proc/self/maps", errors="surrogateescape") as maps:
        files |= {"/" + line.rstrip("\n").partition("/")[2] for line in maps}
    return {path for path in files if isinstance(path, str) and _PACKAGES in path}


def start_here() -> _Reporter:
    """Report what this process reads from now on; its caller does the rest."""
    reporter = _Reporter()
    reporter.report("python", sys.executable, sys.version.split()[0])
    sys.addaudithook(reporter.hear)
    return reporter


def _start() -> None:
    reporter = start_here()
    for name, watch in ((_CLIENT, reporter.watch_client), (_FLUENT, reporter.watch_fluent)):
        if name in sys.modules:  # a fork of a process that has it
            watch(sys.modules[name])
        else:
            sys.meta_path.insert(0, _AfterImport(name, watch))
    atexit.register(reporter.end)


def _import_users_own() -> None:
    """Import the `sitecustomize` that this one hides."""
    path = [folder for folder in sys.path if os.path.abspath(folder) != _FOLDER]
    spec = importlib.machinery.PathFinder.find_spec(_SHIM, path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules[_SHIM] = module
        spec.loader.exec_module(module)


if __name__ == _SHIM:
    with contextlib.suppress(Exception):
        _start()
    _import_users_own()
