"""The record of a run before its process starts: code, step, environment, numerics."""

import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reprise.capture import distributions, environment, numerics
from reprise.console import warn
from reprise.errors import EnvironmentMismatchError
from reprise.git import repository_root
from reprise.projects import locks
from reprise.record.schema import (
    Code,
    Environment,
    Numerics,
    Observation,
    RunRecord,
    Step,
)
from reprise.urls import without_credentials

OF_PROJECT = "<project>"  # stands for the repository in the origin of an editable install
_EDITABLE = "editable "  # what the origin of one begins with
_SCRIPT = Path(distributions.__file__)


def begin(
    code: Code,
    step: Step,
    *,
    folder: Path,
    python: Path,
    variables: Mapping[str, str],
    replays: str | None = None,
) -> RunRecord:
    """Describe what a process is about to run with.

    Parameters
    ----------
    code : Code
    step : Step
    folder : Path
        The project's.
    python : Path
        The interpreter that the command finds first.
    variables : mapping of str to str
        Those that the process is started with.
    replays : str, optional
        Id of the original run.
    """
    return RunRecord(
        code=code,
        step=step,
        environment=described(python, folder),
        numerics=_numerics(variables),
        replays=replays,
        observed=Observation(),
    )


def described(python: Path, folder: Path) -> Environment:
    """Describe the interpreter of a command, and all that is installed there.

    Raises
    ------
    EnvironmentMismatchError
        If it is no Python that can be started.
    """
    facts: dict[str, Any] = (
        distributions.facts() if python == Path(sys.executable) else _asked(python)
    )
    installed = facts["distributions"]
    others = {name: each for name, each in installed.items() if name not in environment.OWN}
    packages = {name: version for name, (version, _, _) in others.items()}
    lock, deviations = _lock(folder, facts["python"], packages)
    return Environment(
        python=facts["python"],
        implementation=facts["implementation"],
        manager=environment.environment_manager(Path(facts["prefix"])),
        platform=facts["platform"],
        lock=lock.name if lock and lock.name != environment.LOCK else "",
        lock_sha256=lock.sha256 if lock else None,
        deviations=deviations,
        packages=packages,
        origins=_origins({name: origin for name, (_, origin, _) in others.items()}, folder),
        # The list of an editable install has its folder in it.
        files={n: files for n, (_, url, files) in others.items() if files and _EDITABLE not in url},
    )


def _lock(
    folder: Path, python: str, packages: Mapping[str, str]
) -> tuple[locks.Lock | None, tuple[str, ...]]:
    """Return the lock of a project, and where the packages are not those that it pins."""
    lock = locks.of(folder)
    if lock is None:
        return None, ()
    if lock.name == environment.LOCK:
        text = lock.path.read_text(encoding="utf-8", errors="replace")
        return lock, environment.deviations(environment.locked_packages(text), packages)
    try:
        return lock, lock.deviations(python, packages)
    except EnvironmentMismatchError as error:
        warn(f"recorded without the project's lock: {error}")
        return None, ()


def _origins(origins: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return what came from elsewhere than an index; the repository's own folder by a word."""
    root = repository_root(folder).resolve().as_uri()
    shown = {name: without_credentials(url) for name, url in origins.items() if url}
    return {
        name: url.replace(root, OF_PROJECT)
        if url.removeprefix("editable ").startswith(root)
        else url
        for name, url in shown.items()
    }


def _asked(python: Path) -> dict[str, Any]:
    """Ask another interpreter, which need not have this package."""
    done = subprocess.run([str(python), str(_SCRIPT)], capture_output=True, text=True, check=False)
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        raise EnvironmentMismatchError(
            f"expected {python} to say what is installed, found that it cannot: "
            f"{done.stderr.strip()[-300:]} Repair that environment."
        ) from None


def _numerics(variables: Mapping[str, str]) -> Numerics:
    """Describe what is known before a library is loaded: the pins, and this machine."""
    cpuinfo = numerics.read_cpuinfo()
    return Numerics(
        baseline=False,  # the libraries have not said so yet
        variables={
            name: variables.get(name, "") for name in numerics.pins(numerics.cpu_flags(cpuinfo))
        },
        threads=0,
        blas=(),
        simd=(),
        cpu=numerics.cpu_name(cpuinfo),
        architecture=platform.machine(),
        c_library=" ".join(platform.libc_ver()),
        float_bits=64,
    )
