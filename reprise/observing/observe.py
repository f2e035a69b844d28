"""Runs a process that does not record itself, and records it: before it starts, and at its end.

A process that has a recorder of its own writes its record in the place of the one begun here; then
there is nothing to complete.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from reprise import tracking
from reprise.backports import Self
from reprise.capture import numerics
from reprise.capture.opened import OpenedFiles, watching_folders
from reprise.capture.watch import Seen, watching
from reprise.console import warn
from reprise.errors import RepriseError, TrackingError
from reprise.observing import altered, edits, inputs, kept, outputs, written_lock
from reprise.observing.kept import NOTHING, Keeping
from reprise.process.launcher import Ended
from reprise.record.description import Facts, describe
from reprise.record.schema import FILE_NAME, InputData, Numerics, Observation, Outputs, RunRecord

_NO_REPORT = "what the process read, and what its libraries did: no Python of it could report"
_NO_NUMERICS = "which kernels and threads the libraries used"
_THIS_MACHINE = ("localhost", "::1", "::", "")
_TELEMETRY = ("config.mlflow-telemetry.io", "api.mlflow-telemetry.io")  # gives the process nothing
_NATIVE = "files that no Python code opened: by C++ readers, or by other programs"
_NATIVE_ELSEWHERE = "files outside the project that no Python code opened, such as by C++ readers"


@dataclass(frozen=True)
class Process:
    """A process to be observed, and the run that it is for.

    Attributes
    ----------
    run_id : str
    folder : Path
        The project's, which the process has as its working folder or above it.
    python : Path
        The interpreter that its command finds first.
    environment : mapping of str to str
        Its variables.
    declared : mapping of str to str
        Parameters that were logged for it, as they were logged.
    provided : frozenset of Path
        Inputs of the original run that a replay was given: git need not ignore them there.
    keeping : Keeping
        Which inputs go with the run.
    """

    run_id: str
    folder: Path
    python: Path
    environment: Mapping[str, str]
    declared: Mapping[str, str]
    provided: frozenset[Path] = frozenset()
    keeping: Keeping = NOTHING


def observe(
    process: Process, begun: RunRecord, start: Callable[[Mapping[str, str]], Ended]
) -> Ended:
    """Run a process to its end, and put on its run's record what can be seen of it.

    Parameters
    ----------
    process : Process
    begun : RunRecord
        What it runs with.
    start : callable
        Runs it with the given variables to its end.
    """
    write(process.run_id, begun)
    before = Before.of(process.folder, provided=process.provided, since_ns=time.time_ns())
    # Of a replay nobody needs one: the original has it.
    lock = written_lock.WrittenLock(begun.environment) if begun.replays is None else None
    folders = {*inputs.folders_of_data(process.folder)}
    folders |= {path.parent for path in process.provided if path.parent.is_dir()}
    with tracking.beating(process.run_id), watching() as watch:
        context = tracking.process_context(process.run_id, process.environment)
        variables = watch.variables({**process.environment, **context})
        exit_code = None
        try:
            with watching_folders(folders) as opened:
                ended = start(variables)
                exit_code = ended.exit_code
        finally:
            complete(process, begun, before, After(watch.seen(), opened, exit_code))
            if lock and (text := lock.text()):
                tracking.log_text(process.run_id, written_lock.NAME, text)
    return ended


def write(run_id: str, record: RunRecord) -> None:
    """Store a record as it is so far."""
    tracking.log_text(run_id, FILE_NAME, record.to_json())


@dataclass(frozen=True)
class Before:
    """What was known before the process started: its files, and the time."""

    stamps: edits.Stamps
    own: frozenset[Path]
    time_ns: int

    @classmethod
    def of(cls, folder: Path, *, since_ns: int, provided: frozenset[Path] = frozenset()) -> Self:
        """Look at the files of a project; see `Process` for those that are provided."""
        return cls(edits.stamps(folder), inputs.own_files(folder) - provided, since_ns)


@dataclass(frozen=True)
class After:
    """What is known when the process has ended."""

    seen: Seen
    opened: OpenedFiles | None  # None: nobody has watched
    exit_code: int | None  # None: it was interrupted
    gaps: tuple[str, ...] = ()  # what else is not known


def complete(process: Process, begun: RunRecord, before: Before, after: After) -> None:
    """Complete the record that was begun, unless the process has written its own."""
    if _is_replaced(process.run_id, begun):
        return
    seen, exit_code = after.seen, after.exit_code
    read, not_known = inputs.read(
        seen,
        process.folder,
        before.own,
        named=map(str, begun.step.parameters.values()),
        opened=after.opened.files() if after.opened else (),
        started_ns=before.time_ns,
    )
    read, unkept = _kept(process, read)
    not_known += unkept
    runs, unreadable = outputs.of_others(
        process.run_id,
        seen.runs,
        folder=process.folder,
        status="FINISHED" if exit_code == 0 else "FAILED",
    )
    not_known += unreadable
    logged: Outputs | None = None
    if exit_code == 0:
        try:
            logged = outputs.of_run(
                process.run_id,
                folder=process.folder,
                declared=process.declared,
                others=[run.run_id for run in runs],
                models=seen.models,
            )
        except RepriseError as error:
            not_known.append(str(error))
            warn(f"run {process.run_id} is recorded without its outputs: {error}")
    observed = Observation(
        exit_code=exit_code,
        runs=runs,
        edited=edits.since(before.stamps, process.folder),
        hosts=_others(seen.hosts),
        not_known=(*not_known, *_not_known(process.python, after)),
    )
    completed = {
        "inputs": read,
        "environment": begun.environment.model_copy(
            update={"altered": altered.altered(seen.imported)}
        ),
        "numerics": _with(begun.numerics, seen),
        "outputs": logged,
        "observed": observed,
    }
    record = begun.model_copy(update=completed)
    write(process.run_id, record)
    _describe(process.run_id, record, exit_code)


def _describe(run_id: str, record: RunRecord, exit_code: int | None) -> None:
    """Describe a run for people; that the server does not take it is no failure of the process."""
    how = "interrupted" if exit_code is None else f"its command ended with exit code {exit_code}"
    facts = Facts(
        run_id,
        record,
        metrics=record.outputs.metrics if record.outputs else {},
        error="" if exit_code == 0 else how,
    )
    try:
        with tracking.translating_errors():
            tracking.log(run_id, tags=tracking.describing(run_id, describe(facts)))
    except RepriseError as error:
        warn(f"run {run_id} is not described in the MLflow UI: {error}")


def _kept(process: Process, read: tuple[InputData, ...]) -> tuple[tuple[InputData, ...], list[str]]:
    """Keep inputs with the run; that the store does not take them is no failure of the process."""
    try:
        with tracking.translating_errors():
            return kept.keep(process.run_id, read, process.folder, process.keeping)
    except RepriseError as error:
        warn(f"run {process.run_id} is recorded without the content of its inputs: {error}")
        return read, [f"the content of the inputs, which is not kept: {error}"]


def _is_replaced(run_id: str, begun: RunRecord) -> bool:
    """Return whether the process has written a record of its own in the place of this one."""
    try:
        with tracking.artifact(run_id, FILE_NAME, allow_large=True) as path:
            return path.read_text(encoding="utf-8", errors="replace") != begun.to_json()
    except TrackingError:  # it has deleted it
        return False


def _others(hosts: Sequence[str]) -> tuple[str, ...]:
    """Return the hosts that are neither this machine, nor the tracking server, nor MLflow's own."""
    own = (urlsplit(tracking.address()).hostname, *_THIS_MACHINE, *_TELEMETRY)
    return tuple(host for host in hosts if host not in own and not host.startswith("127."))


def _not_known(python: Path, after: After) -> list[str]:
    if not after.seen.pythons:
        return [*after.gaps, _NO_REPORT]
    numerics_known = bool(after.seen.numerics.get("libraries"))
    found = dict.fromkeys(Path(executable) for executable, _ in after.seen.pythons)
    return [
        *(f"what {each} has installed" for each in found if each.parent != python.parent),
        *([] if numerics_known else [_NO_NUMERICS]),
        _NATIVE_ELSEWHERE if after.opened and after.opened.is_complete else _NATIVE,
        *after.gaps,
    ]


def _with(begun: Numerics, seen: Seen) -> Numerics:
    """Add to the numerics what the libraries have reported."""
    libraries = seen.numerics.get("libraries", [])
    simd = tuple(seen.numerics.get("simd", ()))
    blas = tuple(sorted({shown for api, shown, _ in libraries if api == "blas"}))
    threads = max((number for *_, number in libraries), default=0)
    return begun.model_copy(
        update={
            "blas": blas,
            "simd": simd,
            "threads": threads,
            "baseline": bool(blas) and numerics.is_baseline(blas, simd, threads),
        }
    )
