"""A split is stored once per content, and content that differs from its record is never used."""

import contextlib
import json
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reprise import tracking
from reprise.data import splits
from reprise.errors import DataError, DigestMismatchError, RecordError, TrackingError
from reprise.record.digest import sha256_table
from steps.parameters import LoadDataParameters, TrainDecisionTreeParameters

TRAIN = pa.table({"x": [1.0, None, 3.0], "colour": ["red", "blue", None], "y": ["a", "b", "a"]})
TEST = pa.table({"x": [5.0, 4.0], "colour": ["blue", "red"], "y": ["b", "a"]})
SCHEMA = {"target": "y", "rows": 5}


@pytest.fixture
def load(recording):
    """Make a load_data run, and return its id."""

    def load(train=TRAIN, test=TEST, schema=SCHEMA, parameters=None):
        with recording(parameters or LoadDataParameters()) as run:
            splits.store(run, [("train", train), ("test", test)], schema)
        return run.run_id

    return load


@pytest.fixture
def reader(recording):
    """The run of a training step, which reads."""
    with recording(TrainDecisionTreeParameters()) as run:
        yield run


def parquet(store, run_id, part="train"):
    return store.artifacts(run_id) / "data" / f"{part}.parquet"


class TestStore:
    def test_writes_each_part_and_its_schema(self, store, load):
        run_id = load()

        assert store.files(run_id) == [
            "data/schema.json",
            "data/test.parquet",
            "data/train.parquet",
            "provenance.json",
        ]
        assert pq.read_table(parquet(store, run_id)).equals(TRAIN)
        assert pq.read_table(parquet(store, run_id, "test")).equals(TEST)
        assert store.metrics(run_id) == {"rows_train": 3, "rows_test": 2}

    def test_notes_the_digests_that_sha256sum_gives_of_the_files(self, store, load):
        run_id = load()

        schema = json.loads((store.artifacts(run_id) / "data/schema.json").read_text())
        listed = subprocess.run(
            ["sha256sum", "train.parquet", "test.parquet"],
            cwd=store.artifacts(run_id) / "data",
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        files = schema.pop("files")
        assert [files["train"]["sha256"], files["test"]["sha256"]] == listed[::2]
        assert files["train"]["content_sha256"] == sha256_table(TRAIN)
        assert (files["train"]["rows"], files["test"]["rows"]) == (3, 2)
        assert schema == SCHEMA

    def test_puts_the_digests_of_the_contents_on_the_record(self, store, load):
        outputs = tracking.read_record(load()).outputs

        assert set(outputs.artifacts) == {"train", "test", "schema"}
        assert outputs.artifacts["train"] == sha256_table(TRAIN)
        assert outputs.artifacts["test"] == sha256_table(TEST)

    def test_refers_to_the_run_that_has_the_same_content_and_uploads_nothing(self, store, load):
        first = load()

        second = load(parameters=LoadDataParameters(source="elsewhere.csv"))

        assert store.files(second) == ["provenance.json"]
        assert store.tags(first)["reprise.stored_in"] == first
        assert store.tags(second)["reprise.stored_in"] == first
        assert store.tags(second)["reprise.data_digest"] == store.tags(first)["reprise.data_digest"]
        assert tracking.read_record(first).outputs == tracking.read_record(second).outputs

    @pytest.mark.parametrize("part", ["train.parquet", "test.parquet", "schema.json", ""])
    def test_stores_content_again_that_was_deleted_from_its_run(self, store, load, part):
        first = load()
        gone = store.artifacts(first) / "data" / part
        gone.unlink() if part else shutil.rmtree(gone)

        second, third = load(), load()

        assert "data/train.parquet" in store.files(second)
        assert [store.tags(r)["reprise.stored_in"] for r in (second, third)] == [second, second]

    def test_stores_content_again_that_was_cut_short(self, store, load):
        first = load()
        parquet(store, first).write_bytes(parquet(store, first).read_bytes()[:100])

        second = load()

        assert store.tags(second)["reprise.stored_in"] == second
        assert pq.read_table(parquet(store, second)).equals(TRAIN)

    def test_is_stored_once_by_two_that_load_it_at_once(self, store, recording, monkeypatch):
        waits = threading.Event()  # the second, for the first
        alone = splits.user_cache.alone
        entered = []

        @contextlib.contextmanager
        def counted(path):
            entered.append(path)
            if len(entered) == 2:
                waits.set()
            with alone(path):
                yield

        monkeypatch.setattr(splits.user_cache, "alone", counted)
        with recording(LoadDataParameters()) as first, recording(LoadDataParameters()) as second:
            upload = first.log_folder

            def uploading(*arguments):
                assert waits.wait(60)
                upload(*arguments)

            parts = [("train", TRAIN), ("test", TEST)]
            monkeypatch.setattr(first, "log_folder", uploading)
            with ThreadPoolExecutor(2) as pool:
                one = pool.submit(splits.store, first, parts, SCHEMA)
                while not entered and not one.done():
                    pass
                two = pool.submit(splits.store, second, parts, SCHEMA)
                one.result()
                two.result()

        assert "data/train.parquet" in store.files(first.run_id)
        assert "data/train.parquet" not in store.files(second.run_id)
        assert store.tags(second.run_id)["reprise.stored_in"] == first.run_id

    def test_is_stored_where_nothing_can_be_locked(self, load, store, monkeypatch, tmp_path):
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

        assert "data/train.parquet" in store.files(load())

    def test_a_third_refers_to_the_first_too(self, store, load):
        first, _, third = load(), load(), load()

        assert store.tags(third)["reprise.stored_in"] == first

    @pytest.mark.parametrize(
        "other",
        [
            {"train": TRAIN.set_column(0, "x", pa.array([1.0, None, 3.5]))},
            {"train": TRAIN.rename_columns(["x1", "colour", "y"])},
            {"train": TRAIN.take([1, 0, 2])},
            {"train": TEST, "test": TRAIN},
            {"schema": {**SCHEMA, "rows": 6}},
        ],
        ids=["a value", "a name", "the order", "the parts", "the schema"],
    )
    def test_stores_other_content_anew(self, store, load, other):
        load()

        run_id = load(**other)

        assert store.tags(run_id)["reprise.stored_in"] == run_id
        assert "data/train.parquet" in store.files(run_id)

    def test_does_not_refer_to_a_run_that_failed(self, store, recording, load):
        with contextlib.suppress(DataError), recording(LoadDataParameters()) as failed:
            splits.store(failed, [("train", TRAIN), ("test", TEST)], SCHEMA)
            raise DataError("after all")

        run_id = load()

        assert store.status(failed.run_id) == "FAILED"
        assert store.tags(failed.run_id)["reprise.stored_in"] == failed.run_id
        assert store.tags(run_id)["reprise.stored_in"] == run_id

    def test_does_not_refer_to_a_run_that_was_deleted(self, store, load):
        first = load()
        store.client.delete_run(first)

        second = load()

        assert store.tags(second)["reprise.stored_in"] == second
        assert "data/train.parquet" in store.files(second)

    def test_does_not_refer_to_a_run_that_only_refers_to_another(self, store, load):
        first, second = load(), load()
        store.client.delete_run(first)

        third = load()

        assert store.tags(second)["reprise.stored_in"] == first
        assert store.tags(third)["reprise.stored_in"] == third

    def test_asks_for_a_part_when_the_one_before_is_written(self, recording):
        seen = []

        def parts():
            yield "train", TRAIN
            seen.extend(run._digests["artifacts"])
            yield "test", TEST

        with recording(LoadDataParameters()) as run:
            splits.store(run, parts(), SCHEMA)

        assert seen == ["train"]


class TestRead:
    @pytest.mark.parametrize(("part", "table"), [("train", TRAIN), ("test", TEST)])
    def test_returns_the_stored_table(self, load, reader, part, table):
        run_id = load()

        assert splits.read(reader, run_id, part).equals(table)

    def test_reads_content_that_another_run_stored(self, store, load, reader):
        load()
        second = load()

        table = splits.read(reader, second, "train")

        assert table.equals(TRAIN)
        assert reader.record.inputs[0].uri == f"runs:/{second}/data/train.parquet"

    @pytest.mark.parametrize(("part", "context"), [("train", "training"), ("test", "testing")])
    def test_records_the_input_before_it_returns(self, store, load, reader, part, context):
        run_id = load()

        table = splits.read(reader, run_id, part)

        (item,) = tracking.read_record(reader.run_id).inputs
        assert (item.name, item.uri) == (part, f"runs:/{run_id}/data/{part}.parquet")
        assert (item.rows, item.columns) == (table.num_rows, table.num_columns)
        assert item.sha256 == sha256_table(table)
        (shown,) = store.run(reader.run_id).inputs.dataset_inputs
        assert shown.dataset.digest == item.sha256[:36]
        assert [tag.value for tag in shown.tags] == [context]

    def test_takes_a_file_that_is_encoded_otherwise_for_the_same_content(self, store, load, reader):
        run_id = load()
        pq.write_table(TRAIN, parquet(store, run_id), compression="gzip", row_group_size=1)

        assert splits.read(reader, run_id, "train").equals(TRAIN)

    @pytest.mark.parametrize(
        "altered",
        [
            TRAIN.set_column(0, "x", pa.array([1.0, None, 3.0000000000000004])),
            TRAIN.set_column(0, "x", pa.array([1.0, 0.0, 3.0])),
            TRAIN.set_column(0, "x", pa.array([1, None, 3])),
            TRAIN.set_column(2, "y", pa.array(["a", "b", "b"])),
            TRAIN.slice(0, 2),
            TRAIN.take([2, 1, 0]),
            TRAIN.append_column("z", pa.array([1, 2, 3])),
        ],
        ids=["last bit", "missing", "type", "label", "row gone", "row order", "column more"],
    )
    def test_refuses_an_altered_table(self, store, load, reader, altered):
        run_id = load()
        pq.write_table(altered, parquet(store, run_id))

        with pytest.raises(DigestMismatchError) as refused:
            splits.read(reader, run_id, "train")

        message = str(refused.value)
        assert f"data/train.parquet of run {run_id}" in message
        assert sha256_table(TRAIN) in message
        assert sha256_table(altered) in message
        assert tracking.read_record(reader.run_id).inputs == ()

    @pytest.mark.parametrize("kept", [0, 1, 100, -1], ids=["nothing", "a byte", "some", "most"])
    def test_refuses_a_truncated_file_in_one_line(self, store, load, reader, kept):
        run_id = load()
        path = parquet(store, run_id)
        path.write_bytes(path.read_bytes()[:kept])

        with pytest.raises(DigestMismatchError, match="that of no Parquet file"):
            splits.read(reader, run_id, "train")

    def test_refuses_parts_that_were_swapped(self, store, load, reader):
        run_id = load()
        train, test = (parquet(store, run_id, part) for part in ("train", "test"))
        shutil.move(train, f"{train}.kept")
        shutil.move(test, train)
        shutil.move(f"{train}.kept", test)

        for part in ("train", "test"):
            with pytest.raises(DigestMismatchError, match=f"data/{part}.parquet"):
                splits.read(reader, run_id, part)

    def test_refuses_a_missing_file_in_one_line(self, store, load, reader):
        run_id = load()
        parquet(store, run_id).unlink()

        with pytest.raises(TrackingError, match=f"data/train.parquet of run {run_id}") as refused:
            splits.read(reader, run_id, "train")

        assert "\n" not in str(refused.value)

    def test_reports_that_the_run_with_the_content_is_missing(self, store, load, reader):
        first, second = load(), load()
        store.client.delete_run(first)
        shutil.rmtree(store.artifacts(first))  # as `mlflow gc` does

        with pytest.raises(TrackingError, match=f"data/train.parquet of run {first}"):
            splits.read(reader, second, "train")

    def test_refuses_a_run_that_loads_no_data(self, recording, reader):
        with recording(TrainDecisionTreeParameters()) as other:
            other.log_metrics({"a": 1.0})

        with pytest.raises(DataError) as refused:
            splits.read(reader, other.run_id, "train")

        assert f"found run {other.run_id} (train_dt, FINISHED)" in str(refused.value)

    def test_refuses_a_run_that_has_not_finished(self, recording, reader):
        with recording(LoadDataParameters()) as loading:
            splits.store(loading, [("train", TRAIN), ("test", TEST)], SCHEMA)

            with pytest.raises(DataError, match=r"\(load_data, RUNNING\)"):
                splits.read(reader, loading.run_id, "train")

    def test_refuses_a_run_without_a_record(self, store, reader):
        run_id = store.make_run()

        with pytest.raises(RecordError, match=run_id):
            splits.read(reader, run_id, "train")

    def test_refuses_a_run_that_there_is_not(self, store, reader):
        with pytest.raises(TrackingError, match="0" * 32):
            splits.read(reader, "0" * 32, "train")
