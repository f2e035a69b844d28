"""What decides a result's last bits is pinned before NumPy loads, and told as it really is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reprise.capture import numerics
from reprise.capture.numerics import cpu_flags, cpu_name, pin, pinned, pins
from reprise.record.schema import Numerics

pytestmark = pytest.mark.slow  # starts processes

ROOT = Path(__file__).parents[3]
HASWELL = frozenset({"avx2", "fma", "sse4_2"})
PINNED_HERE = pins(cpu_flags(numerics.read_cpuinfo()))
on_baseline_cpu = pytest.mark.skipif(
    "OPENBLAS_CORETYPE" not in PINNED_HERE, reason="this CPU has no AVX2 and FMA"
)
on_avx512_cpu = pytest.mark.skipif(
    "avx512f" not in cpu_flags(numerics.read_cpuinfo()), reason="this CPU has no AVX512"
)
# Of each variable one at least: that none is overlooked, `test_an_environment_…` asks one by one.
SHELLS = {
    "bare": {},
    "other kernels and threads": {
        "OPENBLAS_CORETYPE": "SkylakeX",
        "OPENBLAS_NUM_THREADS": "2",
        "OMP_NUM_THREADS": "2",
        "NPY_DISABLE_CPU_FEATURES": "AVX512_SPR",
    },
    "what overrides": {
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_ENABLE_CPU_FEATURES": "AVX512_SPR",
        "PYTHONHASHSEED": "7",
        "GLIBC_TUNABLES": "glibc.malloc.check=0",
        "SCIPY_ARRAY_API": "1",
    },
}
every_shell = pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
LOAD = (
    "import numpy, scipy.linalg, sklearn.linear_model; "
    "from reprise.capture.numerics import describe; "
)
TELL = (
    "import json, sys; "
    "print(json.dumps({**describe(), 'argv': sys.argv[1:], 'orig': sys.orig_argv[1:]}))"
)


def told(arguments, shell, folder):
    """What a fresh Python, started from a shell with these variables, prints as JSON."""
    names = {*numerics._SINGLE_THREAD, *numerics._KERNELS, *numerics._UNSET}
    clean = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**clean, "PYTHONPATH": str(ROOT), **shell},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture
def package(tmp_path):
    """A package that pins as `steps` does, with one module to run."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "__init__.py").write_text("from reprise.runtime import startup\nstartup.prepare()\n")
    (folder / "step.py").write_text(LOAD + TELL + "\n")
    return tmp_path


def test_a_cpu_with_avx2_and_fma_gets_the_haswell_kernels():
    found = pins(HASWELL)

    assert found["OPENBLAS_CORETYPE"] == "Haswell"
    assert found["NPY_DISABLE_CPU_FEATURES"] == "X86_V4 AVX512_ICL AVX512_SPR"


@pytest.mark.parametrize("flags", ["", "avx2", "fma", "avx asimd"])
def test_a_cpu_without_avx2_or_fma_keeps_its_own_kernels(flags):
    found = pins(frozenset(flags.split()))

    assert "OPENBLAS_CORETYPE" not in found
    assert "NPY_DISABLE_CPU_FEATURES" not in found


@pytest.mark.parametrize("flags", [frozenset(), HASWELL], ids=["any", "avx2"])
def test_every_cpu_gets_one_thread_and_a_fixed_hash_seed(flags):
    found = pins(flags)

    assert {name: value for name, value in found.items() if name.endswith("_THREADS")} == {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "BLIS_NUM_THREADS": "1",
    }
    assert found["PYTHONHASHSEED"] == "0"


def test_an_environment_with_all_pins_is_pinned():
    assert pinned({"HOME": "anywhere", **pins(HASWELL)}, pins(HASWELL))


@pytest.mark.parametrize("name", pins(HASWELL))
def test_an_environment_without_any_one_pin_is_not_pinned(name):
    environment = {key: value for key, value in pins(HASWELL).items() if key != name}

    assert not pinned(environment, pins(HASWELL))


@pytest.mark.parametrize("name", pins(HASWELL))
def test_an_environment_with_another_value_of_a_pin_is_not_pinned(name):
    environment = {**pins(HASWELL), name: "2"}

    assert not pinned(environment, pins(HASWELL))


@pytest.mark.parametrize("name", ["NPY_ENABLE_CPU_FEATURES", "GLIBC_TUNABLES", "SCIPY_ARRAY_API"])
def test_an_environment_with_what_overrides_the_pins_is_not_pinned(name):
    assert not pinned({**pins(HASWELL), name: ""}, pins(HASWELL))


def test_outside_a_module_command_pinning_only_sets_variables():
    environment = {"HOME": "anywhere", "OPENBLAS_CORETYPE": "SkylakeX", "GLIBC_TUNABLES": "x"}

    pin(environment)

    assert pinned(environment, PINNED_HERE)
    assert environment["HOME"] == "anywhere"
    assert "GLIBC_TUNABLES" not in environment


def test_pinning_twice_changes_nothing_more():
    environment = {}
    pin(environment)
    once = dict(environment)

    pin(environment)

    assert environment == once


def test_a_processors_flags_and_name_are_read():
    cpuinfo = (
        "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz: fast\nflags\t\t: fpu avx2 fma\n\n"
        "processor\t: 1\nmodel name\t: Other\nflags\t\t: fpu\n"
    )

    assert cpu_flags(cpuinfo) == {"fpu", "avx2", "fma"}
    assert cpu_name(cpuinfo) == "Some CPU @ 2.0GHz: fast"


@pytest.mark.parametrize("cpuinfo", ["", "processor\t: 0\nFeatures\t: fp asimd\n"])
def test_a_processor_of_another_kind_has_no_flags_and_some_name(cpuinfo):
    assert cpu_flags(cpuinfo) == frozenset()
    assert cpu_name(cpuinfo) != ""


@on_baseline_cpu
@every_shell
def test_a_module_command_is_on_the_baseline_from_any_shell(package, shell):
    found = told(["-m", "tiny.step"], shell, package)

    assert found["baseline"] is True
    assert found["variables"] == PINNED_HERE
    assert found["threads"] == 1
    assert found["blas"] != []
    assert all(name.endswith(" Haswell") for name in found["blas"])
    assert not {"X86_V4", "AVX512_ICL", "AVX512_SPR"} & set(found["simd"])


def test_restarting_keeps_the_arguments_and_pythons_own_options(package):
    arguments = ["--a", "", "two words", "ümläut", "$(x)", "-dash", "--", "a\nb"]

    found = told(["-X", "utf8", "-W", "ignore", "-m", "tiny.step", *arguments], {}, package)

    assert found["argv"] == arguments
    assert found["orig"] == ["-X", "utf8", "-W", "ignore", "-m", "tiny.step", *arguments]


def test_a_pinned_process_is_not_started_again(package):
    (package / "tiny" / "__init__.py").write_text(
        "import os, sys\n"
        "def refuse(*_): sys.exit('started again')\n"
        "os.execve = refuse\n"
        "from reprise.runtime import startup\nstartup.prepare()\n"
    )

    found = told(["-m", "tiny.step"], PINNED_HERE, package)

    assert found["variables"] == {**dict.fromkeys(numerics._KERNELS, ""), **PINNED_HERE}


def test_what_is_told_is_what_a_record_holds(package):
    found = told(["-m", "tiny.step"], {}, package)

    record = Numerics.model_validate({k: v for k, v in found.items() if k not in ("argv", "orig")})

    assert record.float_bits == 64
    assert record.architecture == os.uname().machine
    assert record.cpu == cpu_name(numerics.read_cpuinfo())


def test_a_command_that_is_no_module_has_the_pins_but_not_the_hash_seed(tmp_path):
    shell = SHELLS["other kernels and threads"]

    found = told(["-c", "import steps; " + LOAD + TELL], shell, tmp_path)

    assert found["threads"] == 1
    assert all(found["variables"][name] == value for name, value in PINNED_HERE.items())
    assert found["baseline"] is False


@on_baseline_cpu
def test_a_command_whose_shell_fixed_the_hash_seed_is_on_the_baseline(tmp_path):
    shell = {"PYTHONHASHSEED": "0", "OPENBLAS_CORETYPE": "Nehalem"}

    found = told(["-c", "import steps; " + LOAD + TELL], shell, tmp_path)

    assert found["baseline"] is True


@pytest.mark.parametrize(
    "change",
    [{"OPENBLAS_CORETYPE": "Nehalem"}, {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}],
    ids=["kernels", "threads"],
)
def test_pins_that_come_after_numpy_are_seen_through(tmp_path, change):
    shell = {**PINNED_HERE, **change}

    found = told(["-c", "import numpy, scipy.linalg, steps; " + LOAD + TELL], shell, tmp_path)

    assert all(found["variables"][name] == value for name, value in PINNED_HERE.items())
    assert found["baseline"] is False


@on_avx512_cpu
def test_numpy_that_loaded_with_avx512_is_seen_through(tmp_path):
    shell = {name: v for name, v in PINNED_HERE.items() if name != "NPY_DISABLE_CPU_FEATURES"}

    found = told(["-c", "import numpy, scipy.linalg, steps; " + LOAD + TELL], shell, tmp_path)

    assert "X86_V4" in found["simd"]
    assert found["baseline"] is False


@on_baseline_cpu
def test_a_python_that_ignores_the_hash_seed_is_seen_through(package):
    (package / "tiny" / "__init__.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from reprise.runtime import startup\nstartup.prepare()\n"
    )

    found = told(["-E", "-m", "tiny.step"], {}, package)

    assert found["baseline"] is False
