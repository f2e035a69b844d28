"""What a shell exports for BLAS, NumPy or hashing does not change a bit of a logistic regression.

Without the pins they do: checked by hand on a CPU with AVX512, a plain scikit-learn fit on digits
gave other coefficients with each of SkylakeX, Haswell and Nehalem, with one thread and with two,
and with GLIBC_TUNABLES; other probabilities with NPY_DISABLE_CPU_FEATURES. PYTHONHASHSEED changed
none.
"""

from pathlib import Path

import pytest
from driving import at_once

# Each alone changes results; what is exported together here has nothing in common.
EXPORTED = {
    "newer kernels, two threads, no simd": {
        "OPENBLAS_CORETYPE": "SkylakeX",
        "OPENBLAS_NUM_THREADS": "2",
        "OMP_NUM_THREADS": "2",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    },
    "older kernels, hash seed, c library": {
        "OPENBLAS_CORETYPE": "Nehalem",
        "PYTHONHASHSEED": "7",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA",
    },
}
NEEDED = {"avx2", "fma"}


def cpu_flags():
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    return set(next((line for line in lines if line.startswith("flags")), "").split())


pytestmark = pytest.mark.skipif(not cpu_flags() >= NEEDED, reason="a CPU without AVX2 and FMA")


@pytest.fixture(scope="module")
def records(experiment):
    """Record of the same training, by what the shell had exported."""
    loaded = experiment.step("load_data", source="digits")
    assert loaded.exit_code == 0, loaded.stderr

    def train(variables):
        words = {"data": loaded.run_id, "cv": 2, "max_iter": 30}
        done = experiment.step("train_lr", environment=variables, **words)
        assert done.exit_code == 0, done.stderr
        return experiment.record(done.run_id)

    made = at_once(*(lambda v=v: train(v) for v in [{}, *EXPORTED.values()]))
    return dict(zip(["nothing", *EXPORTED], made, strict=True))


@pytest.mark.parametrize("exported", EXPORTED)
def test_the_model_is_the_same_to_the_bit(records, exported):
    assert records[exported]["outputs"]["model"] == records["nothing"]["outputs"]["model"]


@pytest.mark.parametrize("exported", EXPORTED)
def test_predictions_and_metrics_are_the_same_to_the_bit(records, exported):
    assert records[exported]["outputs"] == records["nothing"]["outputs"]
    assert set(records[exported]["outputs"]["predictions"]) == {"labels", "probabilities"}


@pytest.mark.parametrize("exported", ["nothing", *EXPORTED])
def test_the_record_says_that_it_ran_on_the_baseline(records, exported):
    numerics = records[exported]["numerics"]

    assert numerics["baseline"] is True
    assert numerics["variables"] == records["nothing"]["numerics"]["variables"]
    assert numerics["threads"] == 1
    assert all("Haswell" in library for library in numerics["blas"])
    assert not [feature for feature in numerics["simd"] if "512" in feature or feature == "X86_V4"]
