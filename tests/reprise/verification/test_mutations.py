"""Whatever a replay had otherwise than its original is caught, with the right cause, by a policy.

The records are made up, but their digests are of real tables; what a real process reads and records
is tested where it is recorded.
"""

import json

import pyarrow as pa
import pytest
from evidences import evidence

from reprise.record.digest import sha256_table
from reprise.record.schema import RunRecord
from reprise.record.verdict import judge
from reprise.replay.replay import _explained
from reprise.replay.verdicts import Replay
from reprise.signatures import UNSIGNED
from reprise.verification.evidence import Compared
from reprise.verification.judging import Result
from reprise.verification.judging import judge as judge_evidence
from reprise.verification.policy import Policy

RUN = "a" * 32
TABLE = pa.table({"x": [1.0, 2.0, 3.0], "y": ["a", "b", "a"]})


def record(*, accuracy=0.5, table=TABLE, **changes):
    """A finished run; `numerics={"threads": 2}` changes a field of its numerics."""
    values = {
        "format_version": 2,
        "code": {
            "repository": None,
            "project": "",
            "commit": "1" * 40,
            "tree": "2" * 40,
            "base_commit": "1" * 40,
            "dirty": False,
        },
        "step": {
            "entry_point": "train",
            "raw_parameters": {},
            "parameters": {"seed": 1, "cv": 5, "stratify": True, "max_iter": 100},
        },
        "inputs": [{"name": "train", "uri": "runs:/1/train", "sha256": sha256_table(table)}],
        "environment": {
            "python": "3.11.7",
            "implementation": "CPython",
            "manager": "uv",
            "platform": "Linux",
            "lock_sha256": "e" * 64,
            "deviations": [],
            "packages": {"numpy": "2.4.6"},
        },
        "numerics": {
            "baseline": True,
            "variables": {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "1"},
            "threads": 1,
            "blas": ["openblas 0.3.30 Haswell"],
            "simd": ["AVX2"],
            "cpu": "one",
            "architecture": "x86_64",
            "c_library": "glibc 2.36",
            "float_bits": 64,
        },
        "seeds": {"seed": 1},
        "outputs": {"metrics": {"accuracy": accuracy}},
    }
    for name, change in changes.items():
        values[name] = {**values[name], **change}
    return RunRecord.from_json(json.dumps(values))


def parameters(**changed):
    return {"step": {"parameters": {**USUAL.step.parameters, **changed}}}


def variables(**changed):
    return {**USUAL.numerics.variables, **changed}


USUAL = record()
SWAPPED = TABLE.take([1, 0, 2])
REORDERED = TABLE.select(["y", "x"])
MUTATIONS = {
    "seed + 1": ({"seeds": {"seed": 2}}, "seed: seed was 1, is 2"),
    "a relaxed pin": (
        {"environment": {"packages": {"numpy": "2.4.5"}, "lock_sha256": "f" * 64}},
        "package: numpy was 2.4.6, is 2.4.5",
    ),
    "stratify off": (parameters(stratify=False), "parameter: stratify was True, is False"),
    "folds + 1": (parameters(cv=6), "parameter: cv was 5, is 6"),
    "one swapped row": ({"table": SWAPPED}, "data: train was "),
    "a reordered column": ({"table": REORDERED}, "data: train was "),
    "another BLAS kernel": (
        {"numerics": {"variables": variables(OPENBLAS_CORETYPE="SkylakeX")}},
        "CPU kernel: OPENBLAS_CORETYPE was Haswell, is SkylakeX",
    ),
    "another BLAS": (
        {"numerics": {"blas": ["openblas 0.3.30 SkylakeX"]}},
        "CPU kernel: BLAS was openblas 0.3.30 Haswell, is openblas 0.3.30 SkylakeX",
    ),
    "an edited file in site-packages": (
        {"environment": {"altered": {"numpy/linalg.py": "0" * 64}}},
        "package: numpy/linalg.py (edited) was absent, is ",
    ),
    "a default of the code": (
        {"code": {"commit": "3" * 40, "tree": "4" * 40}},
        f"code: commit was {'1' * 40}, is {'3' * 40}",
    ),
    "a default of the MLproject": (
        parameters(max_iter=200),
        "parameter: max_iter was 100, is 200",
    ),
    "another thread count": ({"numerics": {"threads": 2}}, "threads was 1, is 2"),
}


def outcome(judgement):
    """What the default policy says of a replay."""
    compared = Compared(name="train", run_id=RUN, replayed_by="b" * 32, judgement=judgement)
    return judge_evidence(Policy(), evidence(compared), UNSIGNED)


def test_without_a_mutation_it_is_met():
    assert outcome(judge(USUAL, record())).result is Result.MET


@pytest.mark.parametrize(("change", "cause"), MUTATIONS.values(), ids=MUTATIONS)
def test_a_mutation_is_caught_and_is_the_only_cause(change, cause):
    judgement = judge(USUAL, record(accuracy=0.75, **change))

    found = outcome(judgement)

    assert found.result is Result.NOT_MET
    assert f"differs in metric accuracy; causes: {cause}" in found.reasons[0]
    assert len(judgement.causes) == 1


def test_a_variable_that_the_step_reads_is_something_that_is_not_recorded():
    """Two replays without it agree with each other: the step is deterministic."""
    replays = [
        Replay("train", RUN, new, judge(USUAL, record(accuracy=0.75))) for new in ("b" * 32, None)
    ]

    found = outcome(_explained(*replays).judgement)

    assert found.result is Result.NOT_MET
    assert "something else does, such as an environment variable" in found.reasons[0]


def test_a_step_that_is_not_deterministic_is_named():
    replays = [
        Replay("train", RUN, "b" * 32, judge(USUAL, record(accuracy=accuracy)))
        for accuracy in (0.75, 0.25)
    ]

    found = outcome(_explained(*replays).judgement)

    assert "causes: a step that is not deterministic" in found.reasons[0]


def test_every_mutation_of_data_is_another_digest():
    digests = {sha256_table(table) for table in (TABLE, SWAPPED, REORDERED)}

    assert len(digests) == 3
