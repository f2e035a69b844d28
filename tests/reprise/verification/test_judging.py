"""A policy judges what a replay has shown: every demand of it is looked at."""

import pytest
from evidences import ARRAYS, CHILD, FAR, NEARLY, PLOT, RUN, SEED, TIME, compared, evidence

from reprise.record.basis import FROM_LOCK
from reprise.record.verdict import Verdict
from reprise.signatures import UNSIGNED, Signature
from reprise.verification.judging import Result, judge
from reprise.verification.policy import Allowed, Equivalent, Policy

SIGNED = Signature("trusted", signer="ada@example.org")


def equivalent(tolerance, **metrics):
    return Policy(verdict=Equivalent(equivalent=True, tolerance=tolerance, metrics=metrics))


def test_an_identical_replay_meets_the_default():
    assert judge(Policy(), evidence(), UNSIGNED).result is Result.MET


def test_a_difference_is_named_with_its_cause():
    outcome = judge(Policy(), evidence(compared(FAR, causes=(SEED,))), UNSIGNED)

    assert outcome.result is Result.NOT_MET
    assert outcome.reasons == (
        f"run {RUN} differs in metric accuracy; causes: seed: seed was 1, is 2",
    )


def test_a_difference_of_a_child_run_counts():
    outcome = judge(Policy(), evidence(compared(), compared(FAR, run_id=CHILD)), UNSIGNED)

    assert outcome.result is Result.NOT_MET
    assert outcome.reasons[0].startswith(f"run {CHILD} differs")


@pytest.mark.parametrize("policy", [Policy(), equivalent(1.0)], ids=["identical", "equivalent"])
def test_a_run_that_could_not_be_reproduced_is_not_judged(policy):
    lost = compared(verdict=Verdict.NOT_REPLAYABLE, reason="its commit is gone", number=0, basis="")

    outcome = judge(policy, evidence(lost), UNSIGNED)

    assert outcome.result is Result.NOT_JUDGED
    assert outcome.reasons == (f"run {RUN} could not be reproduced: its commit is gone",)


def test_a_child_run_that_could_not_be_reproduced_leaves_the_whole_not_judged():
    lost = compared(run_id=CHILD, verdict=Verdict.NOT_REPLAYABLE, reason="gone", number=0)

    assert judge(Policy(), evidence(compared(), lost), UNSIGNED).result is Result.NOT_JUDGED


def test_nothing_to_compare_is_not_identical():
    assert judge(Policy(), evidence(compared(number=0)), UNSIGNED).result is Result.NOT_JUDGED


def test_a_policy_that_leaves_everything_out_judges_nothing():
    policy = Policy(allow=(Allowed(metric="*", reason="lazy"),))

    outcome = judge(policy, evidence(compared(FAR, number=1)), UNSIGNED)

    assert outcome.result is Result.NOT_JUDGED


def test_what_the_policy_leaves_out_is_listed_with_its_reason():
    policy = Policy(
        allow=(
            Allowed(metric="*_seconds", reason="measures time"),
            Allowed(artifact="plots/*", reason="drawn otherwise"),
        )
    )

    outcome = judge(policy, evidence(compared(TIME, PLOT)), UNSIGNED)

    assert outcome.result is Result.MET
    assert outcome.left_out == ("fit_seconds (measures time)", "plots/tree.png (drawn otherwise)")


def test_what_the_policy_does_not_leave_out_still_differs():
    policy = Policy(allow=(Allowed(metric="*_seconds", reason="measures time"),))

    outcome = judge(policy, evidence(compared(TIME, FAR)), UNSIGNED)

    assert outcome.result is Result.NOT_MET
    assert "accuracy" in outcome.reasons[0]
    assert "fit_seconds" not in outcome.reasons[0]


@pytest.mark.parametrize(
    ("policy", "differences", "result"),
    [
        (equivalent(1e-9), [NEARLY], Result.MET),
        (equivalent(1e-9), [NEARLY, ARRAYS], Result.MET),
        (equivalent(1e-15), [NEARLY], Result.NOT_MET),
        (equivalent(1e-15, accuracy=1e-9), [NEARLY], Result.MET),
        (equivalent(1.0, accuracy=1e-15), [NEARLY], Result.NOT_MET),
        (equivalent(1.0), [PLOT], Result.NOT_MET),
        (Policy(), [NEARLY], Result.NOT_MET),
    ],
)
def test_a_tolerance_is_of_metrics_alone(policy, differences, result):
    assert judge(policy, evidence(compared(*differences)), UNSIGNED).result is result


def test_a_run_without_results_is_not_met():
    bare = compared(verdict=Verdict.DIFFERENT, reason="the original run has no results")

    outcome = judge(Policy(), evidence(bare), UNSIGNED)

    assert outcome.reasons == (f"run {RUN}: the original run has no results",)


def test_clean_code_is_demanded():
    outcome = judge(Policy(clean=True), evidence(clean=False), UNSIGNED)

    assert outcome.result is Result.NOT_MET
    assert "expected clean code" in outcome.reasons[0]


@pytest.mark.parametrize(
    ("basis", "result"),
    [
        (f"1 metric, {FROM_LOCK}", Result.MET),
        ("1 metric, environment as recorded (9 distributions)", Result.NOT_MET),
        ("1 metric, another environment (numpy)", Result.NOT_MET),
        ("", Result.NOT_MET),
    ],
)
def test_the_environment_of_the_lock_is_demanded(basis, result):
    found = evidence(compared(basis=basis))

    assert judge(Policy(environment="lock"), found, UNSIGNED).result is result


@pytest.mark.parametrize(
    ("signature", "result"),
    [
        (SIGNED, Result.MET),
        (UNSIGNED, Result.NOT_MET),
        (Signature("not trusted", reason="its key is not allowed"), Result.NOT_MET),
    ],
)
def test_a_signature_is_demanded(signature, result):
    assert judge(Policy(require_signature=True), evidence(), signature).result is result


def test_evidence_always_says_its_basis_and_what_was_not_compared():
    lost = compared(verdict=Verdict.NOT_REPLAYABLE, reason="gone", number=0, basis="")

    assert evidence().not_compared == ("nothing that is recorded",)
    assert evidence(lost).basis == "no replay that could be compared"
    assert evidence(lost).not_compared == ("what could not be reproduced",)
    assert evidence(compared(), compared(run_id=CHILD)).basis.endswith("and 1 child run")
