"""A verdict looks both ways, compares bits, and names the inputs that differ."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.record.schema import Code, Environment, InputData, Numerics, Outputs, RunRecord, Step
from reprise.record.verdict import Cause, Difference, Judgement, Verdict, differences, judge, worst

A, B = "a" * 64, "b" * 64
NAN = math.nan
_DIGESTS = st.sampled_from([A, B, "c" * 64])
_NAMES = st.sampled_from(["labels", "probabilities", "accuracy", "loss", "train"])
OUTPUTS = st.builds(
    Outputs,
    metrics=st.dictionaries(_NAMES, st.floats()),
    model=st.none() | _DIGESTS,
    predictions=st.dictionaries(_NAMES, _DIGESTS),
    artifacts=st.dictionaries(_NAMES, _DIGESTS),
)
USUAL = RunRecord(
    code=Code(
        repository=None,
        project="",
        commit="1" * 40,
        tree="2" * 40,
        base_commit="1" * 40,
        dirty=False,
    ),
    step=Step(
        entry_point="train",
        raw_parameters={"depth": "3"},
        parameters={"depth": 3, "seed": 1, "data": "iris", "allow_untracked": None},
        locations=("data",),
    ),
    inputs=(InputData(name="train", uri="runs:/1/train", sha256=A),),
    environment=Environment(
        python="3.11.7",
        implementation="CPython",
        manager="uv",
        platform="Linux",
        lock_sha256=A,
        deviations=(),
        packages={"numpy": "2.4.6", "pandas": "3.0.0"},
    ),
    numerics=Numerics(
        baseline=True,
        variables={"OPENBLAS_CORETYPE": "Haswell", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
        threads=1,
        blas=("openblas 0.3.30 Haswell",),
        simd=("AVX2", "FMA3"),
        cpu="one",
        architecture="x86_64",
        c_library="glibc 2.36",
        float_bits=64,
    ),
    seeds={"seed": 1},
)


def made(outputs, **changes):
    """Return a finished run; `numerics={"threads": 2}` changes a field of its numerics."""
    below = {
        name: getattr(USUAL, name).model_copy(update=change)
        for name, change in changes.items()
        if isinstance(change, dict) and name != "seeds"
    }
    return USUAL.model_copy(update={**changes, **below, "outputs": outputs})


def metrics(**values):
    return Outputs(metrics=values)


def judged(recorded, found, tolerance=None):
    return judge(made(recorded), made(found), tolerance=tolerance)


def causes_of(old=None, new=None):
    """Return the causes between two runs that differ in the result and in the given fields."""
    judgement = judge(made(metrics(a=1.0), **(old or {})), made(metrics(a=2.0), **(new or {})))
    return [str(cause) for cause in judgement.causes]


class TestIdentical:
    @given(OUTPUTS)
    def test_a_run_is_identical_to_itself(self, outputs):
        judgement = judged(outputs, outputs)

        assert judgement.verdict is Verdict.IDENTICAL
        assert (judgement.differences, judgement.causes) == ((), ())

    @given(OUTPUTS)
    def test_a_run_is_identical_to_its_record_after_a_round_trip(self, outputs):
        run = made(outputs)

        assert judge(run, RunRecord.from_json(run.to_json())).verdict is Verdict.IDENTICAL

    def test_equal_results_have_no_causes_whatever_was_not_the_same(self):
        outputs = metrics(a=1.0)

        judgement = judge(made(outputs), made(outputs, environment={"python": "3.12.0"}))

        assert (judgement.verdict, judgement.causes) == (Verdict.IDENTICAL, ())

    def test_not_a_number_equals_not_a_number_whatever_its_bits(self):
        assert judged(metrics(a=NAN), metrics(a=-NAN)).verdict is Verdict.IDENTICAL

    def test_counts_the_outputs_of_either_run(self):
        recorded = Outputs(metrics={"a": 1.0, "b": 1.0}, model=A, predictions={"labels": A})
        found = Outputs(metrics={"b": 1.0, "c": 1.0}, artifacts={"train": A})

        assert judged(recorded, found).compared == 6

    def test_the_count_is_zero_if_nothing_was_compared(self):
        assert judged(metrics(), metrics()).compared == 0


class TestDifferent:
    @pytest.mark.parametrize(
        ("recorded", "found"),
        [
            (0.0, -0.0),
            (NAN, 1.0),
            (1.0, NAN),
            (math.inf, -math.inf),
            (0.3, 0.1 + 0.2),
            (1.0, math.nextafter(1.0, 2.0)),
            (5e-324, 0.0),
        ],
    )
    def test_another_float_is_a_difference_down_to_the_last_bit(self, recorded, found):
        judgement = judged(metrics(a=recorded), metrics(a=found))

        assert judgement.verdict is Verdict.DIFFERENT
        assert [(d.kind, d.name) for d in judgement.differences] == [("metric", "a")]

    @pytest.mark.parametrize(
        ("recorded", "found"),
        [
            (metrics(a=1.0), metrics()),
            (metrics(a=NAN), metrics()),
            (Outputs(metrics={}, model=A), metrics()),
            (Outputs(metrics={}, predictions={"labels": A}), metrics()),
            (Outputs(metrics={}, artifacts={"train": A}), metrics()),
        ],
        ids=["metric", "metric that is NaN", "model", "predictions", "artifact"],
    )
    def test_an_output_of_only_one_run_is_a_difference_both_ways(self, recorded, found):
        for a, b in ((recorded, found), (found, recorded)):
            assert judged(a, b).verdict is Verdict.DIFFERENT
            assert judged(a, b, tolerance=1e9).verdict is Verdict.DIFFERENT

    @given(OUTPUTS, OUTPUTS)
    def test_looking_from_the_other_side_mirrors_every_difference(self, a, b):
        mirrored = [
            Difference(kind=d.kind, name=d.name, recorded=d.found, found=d.recorded)
            for d in differences(b, a)
        ]

        assert list(map(repr, differences(a, b))) == list(map(repr, mirrored))

    @given(OUTPUTS, OUTPUTS)
    def test_there_is_one_wherever_the_records_are_not_the_same_text(self, a, b):
        same = made(a).to_json() == made(b).to_json()

        assert same == (differences(a, b) == ())

    def test_names_of_different_kinds_are_different_things(self):
        recorded = Outputs(metrics={}, predictions={"labels": A})
        found = Outputs(metrics={}, artifacts={"labels": A})

        assert [d.kind for d in differences(recorded, found)] == ["artifact", "predictions"]


class TestEquivalent:
    def test_needs_a_tolerance(self):
        assert judged(metrics(a=1.0), metrics(a=1.0 + 1e-15)).verdict is Verdict.DIFFERENT

    @pytest.mark.parametrize(
        ("recorded", "found", "tolerance"),
        [
            (1000.0, 1001.0, 1e-3),  # of the larger
            (1001.0, 1000.0, 1e-3),
            (0.0, 0.001, 0.001),  # absolutely
            (0.0, -0.0, 0.0),
        ],
    )
    def test_holds_at_the_tolerance(self, recorded, found, tolerance):
        judgement = judged(metrics(a=recorded), metrics(a=found), tolerance)

        assert judgement.verdict is Verdict.EQUIVALENT
        assert len(judgement.differences) == 1

    @pytest.mark.parametrize(
        ("recorded", "found", "tolerance"),
        [
            (1000.0, 1001.01, 1e-3),
            (0.0, 0.0011, 0.001),
            (1.0, math.nextafter(1.0, 2.0), 0.0),
            (NAN, 1.0, 1e9),
            (math.inf, 1e308, 1.0),
            (math.inf, -math.inf, 1e9),
        ],
    )
    def test_does_not_hold_beyond_it(self, recorded, found, tolerance):
        verdict = judged(metrics(a=recorded), metrics(a=found), tolerance).verdict

        assert verdict is Verdict.DIFFERENT

    def test_one_metric_beyond_the_tolerance_is_enough(self):
        found = judged(metrics(a=1.0, b=1.0), metrics(a=1.0 + 1e-9, b=2.0), 1e-6)

        assert found.verdict is Verdict.DIFFERENT

    @pytest.mark.parametrize(
        ("recorded", "found", "verdict"),
        [
            ({"model": A}, {"model": B}, Verdict.EQUIVALENT),
            ({"model": A}, {}, Verdict.DIFFERENT),
            (
                {"predictions": {"probabilities": A}},
                {"predictions": {"probabilities": B}},
                Verdict.EQUIVALENT,
            ),
            ({"predictions": {"probabilities": A}}, {}, Verdict.DIFFERENT),
            ({"predictions": {"labels": A}}, {"predictions": {"labels": B}}, Verdict.DIFFERENT),
            ({"artifacts": {"train": A}}, {"artifacts": {"train": B}}, Verdict.DIFFERENT),
            (
                {"artifacts": {"probabilities": A}},
                {"artifacts": {"probabilities": B}},
                Verdict.DIFFERENT,
            ),
        ],
    )
    def test_digests_of_floats_may_differ_and_of_classes_and_content_may_not(
        self, recorded, found, verdict
    ):
        a, b = Outputs(metrics={}, **recorded), Outputs(metrics={}, **found)

        assert judged(a, b, 1e-6).verdict is verdict
        assert judged(b, a, 1e-6).verdict is verdict

    @given(OUTPUTS, OUTPUTS, st.floats(min_value=0, max_value=1))
    def test_is_the_same_from_either_side(self, a, b, tolerance):
        assert judged(a, b, tolerance).verdict is judged(b, a, tolerance).verdict

    @given(OUTPUTS, OUTPUTS)
    def test_a_tolerance_never_makes_a_verdict_worse(self, a, b):
        strict, lenient = judged(a, b).verdict, judged(a, b, 0.5).verdict

        assert worst([strict, lenient]) is strict


class TestCauses:
    def test_there_are_none_where_everything_was_the_same(self):
        assert causes_of() == []

    @pytest.mark.parametrize(
        ("change", "cause"),
        [
            (
                {"code": {"tree": "3" * 40, "commit": "4" * 40}},
                f"code: commit was {'1' * 40}, is {'4' * 40}",
            ),
            ({"code": {"tree": None, "commit": None}}, f"code: commit was {'1' * 40}, is absent"),
            ({"step": {"parameters": {"depth": 5}}}, "parameter: depth was 3, is 5"),
            ({"step": {"parameters": {}}}, "parameter: depth was 3, is absent"),
            ({"seeds": {"seed": 2}}, "seed: seed was 1, is 2"),
            ({"inputs": ()}, f"data: train was {A}, is absent"),
            (
                {"inputs": (USUAL.inputs[0].model_copy(update={"sha256": B}),)},
                f"data: train was {A}, is {B}",
            ),
            ({"environment": {"python": "3.11.8"}}, "Python was 3.11.7, is 3.11.8"),
            (
                {"environment": {"packages": {"numpy": "2.4.5", "pandas": "3.0.0"}}},
                "package: numpy was 2.4.6, is 2.4.5",
            ),
            (
                {"numerics": {"blas": ("openblas 0.3.30 Zen",)}},
                "CPU kernel: BLAS was openblas 0.3.30 Haswell, is openblas 0.3.30 Zen",
            ),
            ({"numerics": {"simd": ("AVX2",)}}, "CPU kernel: SIMD was AVX2 FMA3, is AVX2"),
            (
                {"numerics": {"architecture": "aarch64"}},
                "CPU kernel: architecture was x86_64, is aarch64",
            ),
            ({"numerics": {"float_bits": 32}}, "CPU kernel: float was 64 bits, is 32 bits"),
            ({"numerics": {"threads": 2}}, "threads was 1, is 2"),
            ({"numerics": {"c_library": "musl 1.2"}}, "C library was glibc 2.36, is musl 1.2"),
        ],
    )
    def test_each_thing_that_was_not_the_same_is_one(self, change, cause):
        assert causes_of(new=change) == [cause]

    @pytest.mark.parametrize(
        ("name", "cause"),
        [
            ("OPENBLAS_CORETYPE", "CPU kernel: OPENBLAS_CORETYPE was Haswell, is absent"),
            ("OMP_NUM_THREADS", "threads: OMP_NUM_THREADS was 1, is absent"),
            ("PYTHONHASHSEED", "seed: PYTHONHASHSEED was 0, is absent"),
        ],
    )
    def test_a_variable_is_reported_as_the_cause_that_it_decides(self, name, cause):
        variables = {n: v for n, v in USUAL.numerics.variables.items() if n != name}

        assert causes_of(new={"numerics": {"variables": variables}}) == [cause]

    @pytest.mark.parametrize(
        "change",
        [
            {"code": {"commit": "5" * 40}},  # of the same tree
            {"step": {"parameters": {**USUAL.step.parameters, "data": "elsewhere"}}},
            {"step": {"parameters": {**USUAL.step.parameters, "allow_untracked": "true"}}},
            {"step": {"raw_parameters": {"depth": "3.0"}}},
            {"inputs": (USUAL.inputs[0].model_copy(update={"uri": "runs:/2/train"}),)},
            {"environment": {"packages": {**USUAL.environment.packages, "rich": "1"}}},
            {"environment": {"manager": "conda", "platform": "other"}},
            {"numerics": {"cpu": "another"}},
            {"numerics": {"blas": (*USUAL.numerics.blas, "openblas 0.3.31 Haswell")}},
        ],
        ids=[
            *("commit", "place of the data", "what was carried", "spelling", "place of an input"),
            *("further package", "manager", "cpu", "further BLAS"),
        ],
    )
    def test_a_value_that_decides_no_result_is_no_cause(self, change):
        assert causes_of(new=change) == []
        assert causes_of(old=change) == []

    def test_unknown_trees_are_compared_by_their_commits(self):
        unknown = {"code": {"tree": None}}

        assert causes_of(old=unknown, new=unknown) == []
        assert len(causes_of(old=unknown, new={"code": {"tree": None, "commit": "9" * 40}})) == 1

    def test_several_causes_are_all_reported(self):
        change = {"seeds": {"seed": 2}, "numerics": {"threads": 2}}

        assert [c.split()[0] for c in causes_of(new=change)] == ["seed:", "threads"]

    def test_a_cause_without_values_is_its_kind_and_its_name(self):
        bare = Cause(kind="unknown", name="", recorded="", found="")

        assert str(bare) == "unknown"
        assert str(bare.model_copy(update={"name": "two agree"})) == "unknown: two agree"


class TestJudgement:
    @pytest.mark.parametrize("unfinished", ["original", "replay"])
    def test_is_of_finished_runs_only(self, unfinished):
        runs = {"original": made(metrics()), "replay": made(metrics())}
        runs[unfinished] = made(None)

        with pytest.raises(ValueError, match="only finished runs"):
            judge(**runs)

    def test_survives_being_written_and_read(self):
        judgement = judged(metrics(a=1.0), metrics(b=2.0))

        assert Judgement.model_validate_json(judgement.model_dump_json()) == judgement


class TestWorst:
    @given(st.permutations(list(Verdict)))
    def test_is_that_which_a_replay_ends_in_last(self, verdicts):
        assert worst(verdicts) is Verdict.NOT_REPLAYABLE

    @pytest.mark.parametrize(
        ("verdicts", "expected"),
        [
            ([], Verdict.IDENTICAL),
            ([Verdict.IDENTICAL, Verdict.EQUIVALENT], Verdict.EQUIVALENT),
            ([Verdict.DIFFERENT, Verdict.EQUIVALENT], Verdict.DIFFERENT),
        ],
        ids=["of none", "equivalent", "different"],
    )
    def test_of_some(self, verdicts, expected):
        assert worst(verdicts) is expected
