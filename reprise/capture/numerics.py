"""Pins what decides the last bits of a floating-point result: threads, CPU kernels, hash seed.

The same wheels give other bits with other BLAS kernels, other SIMD code paths and other thread
counts. Every x86-64 CPU with AVX2 and FMA can run OpenBLAS's Haswell kernels and NumPy's AVX2
paths, so that is the baseline everywhere. The pins are environment variables that libraries read
when they load, and Python when it starts: `restart_pinned` starts a process again, once, before
anything heavy is imported.

Sources: OpenBLAS's documented `OPENBLAS_CORETYPE`; NumPy's "Runtime dispatch" build options page.
"""

import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path

from reprise.errors import NumericsError

THREADS = 1
_SINGLE_THREAD = {
    "OPENBLAS_NUM_THREADS": str(THREADS),
    "OMP_NUM_THREADS": str(THREADS),
    "MKL_NUM_THREADS": str(THREADS),
    "BLIS_NUM_THREADS": str(THREADS),
    "PYTHONHASHSEED": "0",
}
_KERNELS = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
# These override the pins, or switch code paths of the C library and of scikit-learn.
_UNSET = ("NPY_ENABLE_CPU_FEATURES", "GLIBC_TUNABLES", "SCIPY_ARRAY_API")
_VALUE = re.compile(r"[\w ,.-]{1,200}")
_MANY = re.compile(r"[0-9]{5}")  # threads
_HASH_SEED = "PYTHONHASHSEED"
# What this process was started with, and whether NumPy had read it before anything was pinned.
_AT_START = {name: os.environ.get(name, "") for name in (*_SINGLE_THREAD, *_KERNELS)}
NUMPY_PRELOADED = "numpy" in sys.modules
_NEEDED_FLAGS = frozenset({"avx2", "fma"})


def cpu_flags(cpuinfo: str) -> frozenset[str]:
    """Return the feature flags of the first processor in the text of `/proc/cpuinfo`."""
    for line in cpuinfo.splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def cpu_name(cpuinfo: str) -> str:
    """Return the model name of the first processor in the text of `/proc/cpuinfo`."""
    for line in cpuinfo.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def pins(flags: frozenset[str], *, threads: int = THREADS) -> dict[str, str]:
    """Return the variables to set on a CPU with these flags.

    Kernel pins need AVX2 and FMA: forced on a CPU without them, they would crash the process.
    """
    counts = {name: str(threads) for name in _SINGLE_THREAD if name.endswith("_NUM_THREADS")}
    return _SINGLE_THREAD | counts | (_KERNELS if flags >= _NEEDED_FLAGS else {})


def pinned(environment: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Return whether an environment holds all pins and nothing that overrides them."""
    return all(environment.get(k) == v for k, v in wanted.items()) and not any(
        name in environment for name in _UNSET
    )


def baseline(
    environment: Mapping[str, str] = os.environ, *, threads: int = THREADS
) -> dict[str, str]:
    """Return an environment's variables with all pins, for a process to be started with."""
    kept = {name: value for name, value in environment.items() if name not in _UNSET}
    return kept | pins(cpu_flags(read_cpuinfo()), threads=threads)


def pin(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the pins for what this process imports, and starts, from now on.

    The record tells from the libraries themselves what they really do.
    """
    for name in _UNSET:
        environment.pop(name, None)
    environment.update(pins(cpu_flags(read_cpuinfo())))


def restart_pinned() -> None:
    """Pin this process, and start it again where it was not: Python reads the hash seed first.

    For a process that is just starting, and is what its command line says.
    """
    if pinned(os.environ, pins(cpu_flags(read_cpuinfo()))):
        return
    pin()
    if "numpy" not in sys.modules:
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], dict(os.environ))


def recorded(variables: Mapping[str, str]) -> dict[str, str]:
    """Return a run's pins out of its recorded variables, to reproduce it with.

    Raises
    ------
    NumericsError
        If a value is not of that kind: a record is somebody else's words.
    """
    here = pins(cpu_flags(read_cpuinfo()))  # kernels that this CPU lacks would crash the process
    pinned = {name: value for name, value in variables.items() if value and name in here}
    for name, value in pinned.items():
        if not _VALUE.fullmatch(value) or (name.endswith("_THREADS") and _MANY.search(value)):
            raise NumericsError(
                f"expected a value of {name} that a run can have had, found {value[:60]!a}. "
                "The record was altered."
            )
    return pinned


def stale_variables() -> dict[str, str]:
    """Return the variables that were read before they could be pinned, as they were then.

    A process that is not restarted has the hash seed that it was started with; and where NumPy was
    loaded before this package, its kernels and threads too.
    """
    return {n: v for n, v in _AT_START.items() if NUMPY_PRELOADED or n == _HASH_SEED}


def read_cpuinfo() -> str:
    """Return the text of `/proc/cpuinfo`, or nothing where there is none."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def is_baseline(blas: Iterable[str], simd: Iterable[str], threads: int) -> bool:
    """Return whether libraries that report this compute as on every CPU with AVX2 and FMA."""
    haswell = all(name.endswith(" Haswell") for name in blas)
    switched_off = _KERNELS["NPY_DISABLE_CPU_FEATURES"].split()
    return haswell and set(simd).isdisjoint(switched_off) and threads == THREADS


def describe() -> dict[str, object]:
    """Say what decides the bits in this process, asking the loaded libraries.

    Returns
    -------
    dict
        Fields of `reprise.record.schema.Numerics`.
    """
    import numpy as np
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__  # type: ignore[import-not-found]
    from threadpoolctl import threadpool_info

    cpuinfo = read_cpuinfo()
    wanted = pins(cpu_flags(cpuinfo))
    libraries = threadpool_info()
    blas = sorted(
        {
            f"{x['internal_api']} {x['version']} {x.get('architecture')}"
            for x in libraries
            if x["user_api"] == "blas"
        }
    )
    threads = max((x["num_threads"] for x in libraries), default=THREADS)
    simd = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    return {
        "baseline": (
            "OPENBLAS_CORETYPE" in wanted
            and pinned(os.environ, wanted)
            and is_baseline(blas, simd, threads)
            and not sys.flags.hash_randomization
        ),
        "variables": {
            name: os.environ.get(name, "") for name in sorted({*_SINGLE_THREAD, *_KERNELS})
        },
        "threads": threads,
        "blas": blas,
        "simd": simd,
        "cpu": cpu_name(cpuinfo),
        "architecture": platform.machine(),
        "c_library": " ".join(platform.libc_ver()),
        "float_bits": int(np.finfo(float).bits),
    }
