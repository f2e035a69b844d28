"""An earlier verdict is believed for its signature alone, and only about this run, as it is now."""

from datetime import datetime, timedelta

import pytest
from asking import AskingParameters

from reprise import signatures, tracking
from reprise.backports import UTC
from reprise.errors import SignatureError
from reprise.record.basis import FROM_LOCK
from reprise.record.verdict import Difference, Judgement, Verdict
from reprise.replay import original_run
from reprise.replay.verdicts import Replay
from reprise.signatures import Signers
from reprise.verification import statement, statements
from reprise.verification.evidence import Evidence
from reprise.verification.judging import Result
from reprise.verification.policy import Allowed, Policy

DAY = timedelta(days=1)
SAME = Judgement(verdict=Verdict.IDENTICAL, compared=1, basis=f"1 metric, {FROM_LOCK}")
SECONDS = Difference(kind="metric", name="fit_seconds", recorded=1.0, found=2.0)
OTHER = SAME.model_copy(
    update={"verdict": Verdict.DIFFERENT, "differences": (SECONDS,), "compared": 2}
)


@pytest.fixture
def original(recording):
    """A run with a record."""
    with recording(AskingParameters()) as run:
        run.log_metrics({"accuracy": 0.5})
    return original_run.read(run.run_id)


@pytest.fixture
def state(store, signing):
    """Make a replay of a run, and leave its statements as the verifier does, on any day."""

    def state(original, *, key="ada", judgement=SAME, policy=None, **changes):
        replayed_by = store.make_run(tags={tracking.REPLAY_OF: original.run_id})
        made = Replay(original.name, original.run_id, replayed_by, judgement)
        evidence = Evidence.of(original, made).model_copy(update=changes)
        statements.keep(original.record, evidence, policy or Policy(), signing(key))
        return evidence

    return state


@pytest.fixture
def believed(signing):
    """Look for evidence of a run that may be believed."""

    def believed(original):
        return statements.believed(original, DAY, signing().signers)

    return believed


def summary_of(store, evidence, suffix=""):
    folder = store.artifacts(evidence.replayed_by) / statements.FOLDER
    return folder / f"{statement.SUMMARY}{suffix}"


def test_a_signed_verdict_is_believed(original, state, believed):
    evidence = state(original)

    found = believed(original)

    assert found.evidence == evidence
    assert str(found.signature) == "signed by ada@example.org"


def test_the_newest_one_is_believed(original, state, believed):
    state(original)
    newest = state(original, judgement=OTHER)

    assert believed(original).evidence == newest


def test_nothing_is_believed_where_the_policy_gives_no_age(original, state, signing):
    state(original)

    assert statements.believed(original, timedelta(), signing().signers) is None


@pytest.mark.parametrize("days", [-2, 2], ids=["too old", "of the future"])
def test_one_of_another_time_is_not_believed(original, state, believed, days):
    state(original, made=datetime.now(UTC) + timedelta(days=days))

    assert believed(original) is None


@pytest.mark.parametrize("key", ["", "eve"], ids=["unsigned", "of a key that is not allowed"])
def test_one_without_the_signature_of_an_allowed_signer_is_not_believed(
    original, state, believed, key
):
    state(original, key=key)

    assert believed(original) is None


def test_an_altered_one_is_not_believed(store, original, state, believed):
    path = summary_of(store, state(original, judgement=OTHER))
    path.write_text(path.read_text().replace('"different"', '"identical"'))

    assert believed(original) is None


def test_one_with_the_signature_of_another_document_is_not_believed(
    store, original, state, believed
):
    evidence = state(original)
    first = summary_of(store, evidence).with_name(f"{statement.PROVENANCE}.sig")
    summary_of(store, evidence, ".sig").write_bytes(first.read_bytes())

    assert believed(original) is None


@pytest.mark.parametrize("content", [b"", b"\xff\0", b"[" * 100_000, b"{}"])
def test_one_that_is_no_statement_is_not_believed(store, original, state, believed, content):
    summary_of(store, state(original)).write_bytes(content)

    assert believed(original) is None


def test_a_signed_document_of_another_version_is_not_believed(
    store, original, state, believed, keys
):
    evidence = state(original)
    content = summary_of(store, evidence).read_bytes().replace(b"Statement/v1", b"Statement/v9")
    signature = signatures.sign(content, str(keys / "ada"), signatures.STATEMENT)
    summary_of(store, evidence).write_bytes(content)
    summary_of(store, evidence, ".sig").write_bytes(signature)

    assert believed(original) is None


def test_a_tag_alone_is_not_believed(store, original, believed):
    store.client.set_tag(original.run_id, tracking.VERDICT, "identical")
    store.make_run(tags={tracking.REPLAY_OF: original.run_id, tracking.VERDICT: "identical"})

    assert believed(original) is None


def test_that_of_another_run_is_not_believed(store, original, state, believed, recording):
    evidence = state(original)
    with recording(AskingParameters()) as run:
        run.log_metrics({"accuracy": 0.5})
    store.client.set_tag(evidence.replayed_by, tracking.REPLAY_OF, run.run_id)

    assert believed(original_run.read(run.run_id)) is None


def test_that_of_another_record_is_not_believed(store, original, state, believed):
    state(original)
    path = store.artifacts(original.run_id) / "provenance.json"
    path.write_text(path.read_text().replace("0.5", "0.75"))

    assert believed(original_run.read(original.run_id)) is None


def test_a_policy_judges_the_facts_and_not_what_the_statement_says_of_them(original, state, verify):
    lax = Policy(allow=(Allowed(metric="*", reason="lazy"),))
    state(original, judgement=OTHER, policy=lax)

    found = verify(original.run_id, Policy(max_age=DAY))

    assert found.is_earlier
    assert found.outcome.result is Result.NOT_MET
    assert "fit_seconds" in found.outcome.reasons[0]


def test_a_missing_file_of_signers_is_reported(original, state, tmp_path):
    state(original)

    with pytest.raises(SignatureError, match="expected a file of signers"):
        statements.believed(original, DAY, Signers(tmp_path / "missing"))
