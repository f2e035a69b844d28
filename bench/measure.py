"""Time whole processes in turn, A B A B …, and report medians and the ratios of pairs."""

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Timing:
    """One finished process: wall seconds and peak resident memory in MiB."""

    seconds: float
    peak_mib: float


def run(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> Timing:
    """Run a command to its end; stop the benchmark with its output if it fails."""
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{output}")
    return Timing(seconds, usage.ru_maxrss / 1024)


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    *,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that ignores Ctrl-C, and end its group with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=os.environ | (environment or {}),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def in_turn(
    commands: Mapping[str, tuple[Sequence[str], Path]],
    *,
    rounds: int,
    environment: Mapping[str, str],
) -> dict[str, list[Timing]]:
    """Run all commands once without timing, then `rounds` times in turn."""
    timings: dict[str, list[Timing]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, (command, cwd) in commands.items():
            timing = run(command, cwd=cwd, environment=environment)
            if number:
                timings[name].append(timing)
                print(f"{name}: {timing.seconds:.2f} s", file=sys.stderr)
    return timings


def ratio(a: Sequence[Timing], b: Sequence[Timing]) -> float:
    """Return the median of the pairwise ratios of wall times."""
    return median(x.seconds / y.seconds for x, y in zip(a, b, strict=True))


def seconds(timings: Sequence[Timing]) -> float:
    """Return the median wall time."""
    return median(t.seconds for t in timings)


def row(name: str, a: list[Timing], b: list[Timing], bound: float) -> tuple[str, float, float]:
    """Make a line of the report."""
    return name, ratio(a, b), bound


def report(rows: list[tuple[str, float, float]]) -> None:
    """Print each result and its bound."""
    for name, found, bound in rows:
        print(f"{'ok  ' if found <= bound else 'OVER'} {name}: {found:.3f} (at most {bound})")


def machine() -> str:
    """Describe the machine in one line."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    cpu = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}"
