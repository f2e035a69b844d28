"""A run of the past is told by its record, or by what a plain `mlflow run` leaves."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from reprise import tracking
from reprise.errors import NotReplayableError, RecordError, TrackingError
from reprise.record.schema import Step
from reprise.replay import original_run
from reprise.runtime.parameters import Parameters

COMMIT = "c" * 40
ODD = ["a b", "it's", '"', "$(x)", "-dash", "", "ü→", "a\nb", "a\\b", "*", "'", "''", "#a"]


class TinyParameters(Parameters):
    """Do something small."""

    entry_point = "tiny"

    size: int = Field(1, description="a size")


@pytest.fixture
def plain(store):
    """Make a run as a plain `mlflow run` leaves it."""

    def plain(tags=None, **fields):
        usual = {
            "mlflow.project.entryPoint": "train",
            "mlflow.source.name": "https://example.org/project.git",
            "mlflow.source.git.commit": COMMIT,
        }
        run_id = store.make_run(
            **{"metrics": {"accuracy": 0.5}, **fields}, tags={**usual, **(tags or {})}
        )
        return original_run.read(run_id)

    return plain


class TestRunWithARecord:
    def test_is_what_its_record_says(self, recording):
        with recording(TinyParameters(size=3)) as run:
            run.log_metrics({"a": 1.0})

        found = original_run.read(run.run_id)

        assert found.record == tracking.read_record(run.run_id)
        assert found.unknown == ()
        assert found.run_id == run.run_id

    def test_may_be_named_as_a_run_uri(self, recording):
        with recording(TinyParameters()) as run:
            pass

        assert original_run.read(f"runs:/{run.run_id}").run_id == run.run_id

    def test_that_is_damaged_is_refused_and_not_taken_for_a_plain_one(self, store, recording):
        with recording(TinyParameters()) as run:
            pass
        (store.artifacts(run.run_id) / "provenance.json").write_text("{")

        with pytest.raises(RecordError, match="It is damaged"):
            original_run.read(run.run_id)

    def test_that_does_not_exist_is_refused_in_a_line(self, store):
        with pytest.raises(TrackingError, match=f"found {'0' * 32}, which does not exist"):
            original_run.read("0" * 32)

    def test_is_called_by_its_entry_point_and_its_name(self, store, recording):
        with recording(TinyParameters()) as run:
            pass
        given_name, unnamed = (
            store.run(run.run_id).info.run_name,
            original_run.read(run.run_id).name,
        )
        store.client.set_tag(run.run_id, "mlflow.runName", "tiny size=3")

        assert unnamed == f"tiny {given_name}"
        assert original_run.read(run.run_id).name == "tiny size=3"


class TestPlainRun:
    def test_says_what_is_not_known_of_it(self, plain):
        found = plain()

        assert "uncommitted edits" in found.unknown
        assert {"data", "environment", "numerics"} < set(found.unknown)

    def test_has_the_commit_and_the_repository_of_its_tags(self, plain):
        code = plain().record.code

        assert code.commit == code.base_commit == COMMIT
        assert code.repository == "https://example.org/project.git"
        assert (code.project, code.tree, code.bundle) == ("", None, None)

    def test_was_of_the_sub_folder_that_its_source_names(self, plain):
        code = plain({"mlflow.source.name": "https://example.org/a.git#sub/folder"}).record.code

        assert (code.repository, code.project) == ("https://example.org/a.git", "sub/folder")

    @pytest.mark.parametrize("name", ["mlflow.source.name", "mlflow.source.git.repoURL"])
    def test_does_not_pass_on_credentials(self, plain, name):
        found = plain({name: "https://ada:s3cr3t@example.org/project.git"})

        assert found.record.code.repository == "https://example.org/project.git"
        assert "s3cr3t" not in found.record.to_json()

    def test_without_a_commit_has_none(self, store):
        found = original_run.read(store.make_run(metrics={"a": 1.0}))

        assert (found.record.code.commit, found.record.code.repository) == (None, None)

    def test_whose_parameter_mlflow_has_cut_is_refused(self, store, plain):
        found = plain()
        store.client.log_param(found.run_id, "text", "x" * 7000)

        with pytest.raises(NotReplayableError, match="MLflow has cut text at 6000 characters"):
            original_run.refuse_cut(original_run.read(found.run_id))

    def test_whose_parameter_is_long_and_whole_passes(self, store, plain):
        found = plain()
        store.client.log_param(found.run_id, "text", "x" * 5999)

        assert original_run.refuse_cut(original_run.read(found.run_id)) is None

    @pytest.mark.parametrize("value", ODD)
    def test_has_its_parameters_without_the_shells_quotes(self, plain, value):
        found = plain(params={"text": shlex.quote(value)})

        assert found.record.step.raw_parameters == {"text": value}
        assert found.record.step.parameters == {"text": value}

    @pytest.mark.parametrize("value", ["C:\\data\\a.csv", 'say "a"', "don't", "a b", "x'y'"])
    def test_keeps_what_a_step_logged_without_quotes(self, plain, value):
        assert plain(params={"text": value}).record.step.raw_parameters == {"text": value}

    def test_has_its_metrics_as_results_once_it_has_finished(self, plain):
        metrics = {"loss": 2.0, "accuracy": 0.5}

        finished, failed = plain(metrics=metrics), plain(metrics=metrics, status="FAILED")

        assert finished.record.outputs.metrics == metrics
        assert failed.record.outputs is None


@given(st.text())
def test_any_value_survives_the_quotes_of_mlflow_run(value):
    assert original_run._unquoted(shlex.quote(value)) == value


@given(st.text("abyz019@%+=:,./-_", min_size=1))
def test_a_value_that_needs_no_quotes_stays_as_it_is(value):
    assert original_run._unquoted(value) == value


class TestRefusals:
    def test_none_of_a_finished_run(self, plain, recording):
        with recording(TinyParameters()) as run:
            pass

        for found in (plain(), original_run.read(run.run_id)):
            original_run.refuse_unfinished(found)
            original_run.refuse_interactive(found)

    @pytest.mark.parametrize("status", ["RUNNING", "FAILED", "KILLED"])
    def test_of_a_run_without_results_with_what_it_died_of(self, plain, status):
        found = plain({"reprise.error": "no data."}, status=status)

        with pytest.raises(NotReplayableError) as refusal:
            original_run.refuse_unfinished(found)

        assert f"found run {found.run_id} {status}: no data. There" in str(refusal.value)

    def test_of_a_record_that_was_never_completed(self, store, record_of):
        run_id = store.make_run()
        tracking.log_text(run_id, "provenance.json", record_of(TinyParameters()).to_json())

        with pytest.raises(NotReplayableError, match="expected a finished run"):
            original_run.refuse_unfinished(original_run.read(run_id))

    def test_of_a_plain_run_that_logged_no_metrics(self, plain):
        with pytest.raises(NotReplayableError, match="with neither"):
            original_run.refuse_unfinished(plain(metrics={}))

    def test_of_a_run_that_was_made_interactively(self, plain):
        with pytest.raises(NotReplayableError, match="made interactively"):
            original_run.refuse_interactive(plain({"mlflow.project.entryPoint": ""}))

    def test_none_of_a_script(self, recording, record_of):
        step = Step(entry_point="", raw_parameters={}, parameters={}, command=("train.py",))
        with recording(TinyParameters(), step=step) as run:
            pass

        original_run.refuse_interactive(original_run.read(run.run_id))


class TestRunWhoseRecordIsGone:
    def test_is_refused_although_its_tags_name_a_commit_and_it_has_metrics(self, plain):
        found = plain({tracking.TREE: "d" * 40})

        with pytest.raises(NotReplayableError, match=r"provenance\.json is gone") as refused:
            original_run.refuse_lost(found)

        assert found.run.info.artifact_uri in str(refused.value)

    def test_is_not_confused_with_a_plain_run(self, plain):
        found = plain()

        original_run.refuse_lost(found)

        assert found.unknown
