"""Runs that were exported from one server are on the other as they were, once."""

import json
import zipfile

import pytest
from archives import all_of

from reprise import tracking
from reprise.archive import importing
from reprise.archive.importing import AS_EXPORTED
from reprise.errors import ArchiveError, TrackingError
from reprise.record.schema import FILE_NAME, InputData, RunRecord


def test_all_that_a_run_has_logged_arrives(store, elsewhere, rich, exported, imported, tmp_path):
    found = imported(exported(rich))

    assert found.made == [rich]
    assert found.ids[rich] != rich
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir(), after.mkdir()
    assert all_of(elsewhere, found.ids[rich], after) == all_of(store.client, rich, before)


def test_a_model_that_arrives_is_described_as_this_runs(
    elsewhere, rich, exported, imported, tmp_path
):
    found = imported(exported(rich))

    run = elsewhere.get_run(found.ids[rich])
    model_id = run.outputs.model_outputs[0].model_id
    (tmp_path / "downloaded").mkdir()
    with tracking.using_server(elsewhere.tracking_uri):
        tracking.download_model(model_id, str(tmp_path / "downloaded"))
    described = (tmp_path / "downloaded" / "MLmodel").read_text()
    assert model_id in described
    assert elsewhere.get_logged_model(model_id).source_run_id == run.info.run_id


def test_a_second_import_makes_nothing(elsewhere, rich, exported, imported):
    path = exported(rich)
    first = imported(path)

    second = imported(path)

    assert (second.made, second.there) == ([], [rich])
    assert second.ids == first.ids
    assert len(elsewhere.search_runs([*first.experiments.values()])) == 1


@pytest.mark.parametrize("stage", ["log_imported", "log_folder", "log_imported_model"])
def test_an_import_that_was_interrupted_is_continued(
    store, elsewhere, rich, exported, imported, monkeypatch, stage
):
    path = exported(store.make_run(start_time=1), rich)
    whole = getattr(tracking, stage)

    def interrupted(*given, **named):
        whole(*given, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(importing.tracking, stage, interrupted)
    with pytest.raises(KeyboardInterrupt):
        imported(path)
    monkeypatch.undo()

    found = imported(path)

    (experiment_id,) = found.experiments.values()
    runs = elsewhere.search_runs([experiment_id])
    assert sorted(run.info.run_id for run in runs) == sorted(found.ids.values())
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(elsewhere.search_logged_models([experiment_id])) == 1
    assert len(elsewhere.get_metric_history(found.ids[rich], "loss")) == 3


def test_runs_that_never_left_are_not_made_again(store, rich, exported):
    from reprise.archive import reader
    from reprise.signatures import Signers

    with reader.unpacked(exported(rich), signers=Signers()) as archive:
        found = importing.import_runs(archive)

    assert (found.there, found.ids) == ([rich], {rich: rich})
    assert len(store.runs()) == 1


def test_who_asks_by_the_id_that_a_run_had_is_told_the_new_one(
    store, elsewhere, exported, imported
):
    run = store.make_run()
    found = imported(exported(run))

    with (
        tracking.using_server(elsewhere.tracking_uri),
        pytest.raises(TrackingError, match=f"it was imported as run {found.ids[run]}"),
    ):
        tracking.get_run(run)


def test_equal_runs_give_equal_bytes(rich, exported):
    assert exported(rich).read_bytes() == exported(rich).read_bytes()


def test_runs_go_into_one_experiment_where_that_is_asked_for(elsewhere, rich, exported, imported):
    found = imported(exported(rich), experiment="of a colleague")

    (experiment_id,) = found.experiments.values()
    assert elsewhere.get_experiment(experiment_id).name == "of a colleague"
    assert elsewhere.get_run(found.ids[rich]).info.experiment_id == experiment_id


def test_an_archive_without_data_and_models_has_neither(store, elsewhere, rich, exported, imported):
    tracking.log_text(rich, "data/train.parquet", "rows")
    tracking.log_text(rich, "inputs/table.csv", "rows")

    path = exported(rich, parts=())

    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert not [name for name in names if "/data/train" in name or "/inputs/" in name]
    assert not [name for name in names if name.startswith("data/models")]
    run = elsewhere.get_run(imported(path).ids[rich])
    assert run.outputs.model_outputs == []
    assert run.data.params["alpha"] == "0.1"


class TestWhatBelongsToIt:
    def test_child_runs_come_along_and_stay_below_their_parent(
        self, store, elsewhere, exported, imported
    ):
        parent = store.make_run(start_time=1)
        child = store.make_run(tags={tracking.PARENT: parent}, start_time=2)

        found = imported(exported(parent))

        assert found.made == [parent, child]
        tags = elsewhere.get_run(found.ids[child]).data.tags
        assert tags[tracking.PARENT] == found.ids[parent]

    def test_a_child_alone_has_no_parent(self, store, elsewhere, exported, imported):
        parent = store.make_run()
        child = store.make_run(tags={tracking.PARENT: parent})

        found = imported(exported(child))

        assert tracking.PARENT not in elsewhere.get_run(found.ids[child]).data.tags

    def test_the_runs_that_a_run_has_read_come_along(self, store, exported, elsewhere, imported):
        loaded = store.make_run(start_time=1)
        bundle = store.make_run(start_time=2)
        stored = store.make_run(start_time=3)
        run = store.make_run(
            params={"data": f"runs:/{loaded}", "model": "f" * 32},
            tags={
                tracking.BUNDLE: f"runs:/{bundle}/code/snapshot.bundle",
                tracking.STORED_IN: stored,
            },
            start_time=4,
        )

        found = imported(exported(run))

        assert found.made == [loaded, bundle, stored, run]
        data = elsewhere.get_run(found.ids[run]).data
        assert data.params == {"data": f"runs:/{found.ids[loaded]}", "model": "f" * 32}
        assert data.tags[tracking.STORED_IN] == found.ids[stored]
        assert data.tags[tracking.BUNDLE] == f"runs:/{found.ids[bundle]}/code/snapshot.bundle"

    def test_the_children_of_what_a_run_needs_stay_there(self, store, exported, imported):
        carrying = store.make_run(start_time=1)
        store.make_run(tags={tracking.PARENT: carrying}, start_time=2)
        tags = {tracking.BUNDLE: f"runs:/{carrying}/code/snapshot.bundle"}
        run = store.make_run(tags=tags, start_time=3)

        assert imported(exported(run)).made == [carrying, run]

    def test_a_run_that_has_not_ended_is_left_out(self, store, exported, imported, capsys):
        running = store.make_run(status="RUNNING")
        ended = store.make_run()

        assert imported(exported(running, ended)).made == [ended]
        assert f"run {running} is left out: it is RUNNING" in capsys.readouterr().err

    def test_runs_that_have_all_not_ended_are_no_archive(self, store, exported, tmp_path):
        with pytest.raises(ArchiveError, match="expected runs that have ended, found none"):
            exported(store.make_run(status="RUNNING"))

        assert not list(tmp_path.glob("*.zip*"))

    def test_a_run_that_does_not_exist_is_refused(self, exported):
        with pytest.raises(TrackingError, match="which does not exist"):
            exported("f" * 32)


class TestRecords:
    def test_name_runs_by_their_new_ids_and_are_kept_as_they_were(
        self, store, record_of, elsewhere, exported, imported, tmp_path
    ):
        from asking import AskingParameters

        loaded = store.make_run(start_time=1)
        run = store.make_run(start_time=2)
        data = InputData(name="train", uri=f"runs:/{loaded}/data/train.parquet", sha256="a" * 64)
        record = record_of(AskingParameters(), inputs=(data,), replays="b" * 32)
        tracking.log_text(run, FILE_NAME, record.to_json())

        found = imported(exported(run))

        folder = elsewhere.download_artifacts(found.ids[run], "", str(tmp_path))
        new = RunRecord.from_json((tmp_path / FILE_NAME).read_text())
        assert folder
        assert found.made == [loaded, run]
        assert new.inputs[0].uri == f"runs:/{found.ids[loaded]}/data/train.parquet"
        assert new.inputs[0].sha256 == "a" * 64
        assert new.replays == "b" * 32
        assert (tmp_path / AS_EXPORTED / FILE_NAME).read_text() == record.to_json()

    def test_other_files_are_not_touched(self, store, elsewhere, exported, imported, tmp_path):
        run = store.make_run()
        tracking.log_text(run, "own.json", json.dumps({"run": run}))

        found = imported(exported(run))

        elsewhere.download_artifacts(found.ids[run], "own.json", str(tmp_path))
        assert json.loads((tmp_path / "own.json").read_text()) == {"run": run}


class TestRegisteredModels:
    def test_versions_are_registered_once_and_without_aliases(
        self, store, elsewhere, rich, exported, imported
    ):
        model_id = store.run(rich).outputs.model_outputs[0].model_id
        store.client.create_registered_model("churn")
        store.client.create_model_version(
            "churn", f"models:/{model_id}", run_id=rich, model_id=model_id, tags={"score": "0.9"}
        )
        store.client.set_registered_model_alias("churn", "champion", "1")
        path = exported(rich)

        found = imported(path)
        imported(path)

        (version,) = elsewhere.search_model_versions("name = 'churn'")
        assert version.run_id == found.ids[rich]
        assert version.tags["score"] == "0.9"
        assert elsewhere.get_registered_model("churn").aliases == {}
