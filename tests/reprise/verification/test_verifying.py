"""Runs are verified by replays of real processes, which leave signed statements."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from asking import AskingParameters
from repositories import commit_all

from reprise import signatures, tracking
from reprise.replay.prepare import Request
from reprise.signatures import Signers
from reprise.verification import statement, statements
from reprise.verification.judging import Result
from reprise.verification.policy import Allowed, Policy
from reprise.verification.statements import Signing
from reprise.verification.verifying import Verifier

DRILL = pytest.mark.drill("reprise/verification", "reprise/replay", "reprise/projects")


def test_a_sound_run_meets_the_policy_and_leaves_signed_statements(store, trained, verify, keys):
    found = verify(trained)

    assert found.outcome.result is Result.MET, found.outcome.reasons
    assert str(found.signature) == "signed by ada@example.org"
    folder = store.artifacts(found.evidence.replayed_by) / statements.FOLDER
    for name in (statement.PROVENANCE, statement.SUMMARY):
        signed = signatures.verify(
            (folder / name).read_bytes(),
            (folder / f"{name}.sig").read_bytes(),
            signatures.STATEMENT,
            signers=Signers(keys / "allowed"),
        )
        assert signed.is_trusted


def test_the_statements_are_about_the_record_and_each_file_of_the_model(store, trained, verify):
    found = verify(trained)

    folder = store.artifacts(found.evidence.replayed_by) / statements.FOLDER
    provenance = json.loads((folder / statement.PROVENANCE).read_text())
    summary = json.loads((folder / statement.SUMMARY).read_text())
    assert provenance["_type"] == summary["_type"] == "https://in-toto.io/Statement/v1"
    names = {each["name"] for each in provenance["subject"]}
    assert names >= {"record", "model/model.skops", "model/MLmodel"}
    assert provenance["subject"] == summary["subject"]
    built = provenance["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert {each["name"] for each in built} == {"code", "lock", "parameters", "numerics"}
    assert summary["predicate"]["verificationResult"] == "PASSED"
    assert summary["predicate"]["verifiedLevels"] == ["REPRISE_IDENTICAL"]


def test_without_a_key_the_statement_is_unsigned(store, trained, verify):
    found = verify(trained, key="")

    assert str(found.signature) == "unsigned"
    folder = store.artifacts(found.evidence.replayed_by) / statements.FOLDER
    assert sorted(path.name for path in folder.iterdir()) == [
        statement.PROVENANCE,
        statement.SUMMARY,
    ]
    assert verify(trained, Policy(require_signature=True), key="").outcome.result is Result.NOT_MET


@DRILL
def test_a_run_that_differs_each_time_is_not_met_unless_the_policy_leaves_it_out(step, verify):
    run_id = step("train", noise="seconds")
    allowed = Policy(allow=(Allowed(metric="fit_seconds", reason="measures time"),))

    found = verify(run_id)

    assert found.outcome.result is Result.NOT_MET
    assert (
        "metric fit_seconds; causes: a step that is not deterministic" in (found.outcome.reasons[0])
    )
    assert verify(run_id, allowed).outcome.left_out == ("fit_seconds (measures time)",)


class TestModel:
    def test_a_file_of_the_model_that_no_replay_makes_is_not_met(self, store, trained, verify):
        _requirements(store, trained).write_text("evil==1.0\n")

        found = verify(trained)

        assert found.outcome.result is Result.NOT_MET
        assert "requirements.txt of model" in found.outcome.reasons[0]
        assert found.evidence.model_files == {}

    def test_a_file_that_was_added_to_the_model_is_not_met(self, store, trained, verify):
        _requirements(store, trained).with_name("code.py").write_text("import os\n")

        assert "code.py of model" in verify(trained).outcome.reasons[0]


@DRILL
def test_clean_code_is_demanded_of_what_really_ran(project, step, verify):
    (project / "train.py").write_text((project / "train.py").read_text() + "# edited\n")
    run_id = step("train")

    found = verify(run_id, Policy(clean=True))

    assert found.outcome.result is Result.NOT_MET
    commit_all(project, "the edit")
    assert verify(step("train"), Policy(clean=True)).outcome.result is Result.MET


class TestCurrentCode:
    @pytest.fixture
    def verify_current(self, recording, project):
        def verify_current(run_id):
            policy = Policy(clean=True, require_signature=True, max_age=timedelta(days=1))
            with recording(AskingParameters()) as parent:
                asking = Verifier(parent, policy, Signing(), Request(current_code=True))
                return asking.verify(run_id)

        return verify_current

    def test_a_change_that_changes_no_result_is_met(self, store, project, trained, verify_current):
        (project / "train.py").write_text((project / "train.py").read_text() + "# edited\n")

        found = verify_current(trained)

        assert found.outcome.result is Result.MET, found.outcome.reasons
        assert not (store.artifacts(found.evidence.replayed_by) / statements.FOLDER).exists()

    def test_a_change_that_changes_results_is_not_met(self, project, trained, verify_current):
        text = (project / "train.py").read_text()
        (project / "train.py").write_text(text.replace("random_state=0", "max_leaf_nodes=3"))

        found = verify_current(trained)

        assert found.outcome.result is Result.NOT_MET
        assert "model fitted arrays; causes: code: commit was" in found.outcome.reasons[0]


def test_a_model_whose_files_have_changed_since_a_signed_verdict_is_not_met(store, trained, verify):
    verify(trained)
    _requirements(store, trained).write_text("evil==1.0\n")

    found = verify(trained, Policy(max_age=timedelta(days=1)))

    assert found.is_earlier
    assert found.outcome.result is Result.NOT_MET
    assert "found others: requirements.txt" in found.outcome.reasons[0]


def _requirements(store, run_id):
    model_id = tracking.logged_model(run_id)
    location = store.client.get_logged_model(model_id).artifact_location
    return Path(location.removeprefix("file://")) / "requirements.txt"
