"""Stored splits: written once per content, and verified by digest before anything is computed."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise import tracking
from reprise.digest import canonical_json, sha256_file, sha256_json, sha256_table
from reprise.errors import DataError, DigestMismatchError
from reprise.record import InputData

if TYPE_CHECKING:
    import pyarrow as pa

    from reprise.run import RecordedRun

TRAIN = "train"
TEST = "test"
FOLDER = "data"
SCHEMA = "schema.json"
_COMPRESSION = "zstd"


@dataclass(frozen=True)
class Split:
    """A training and a test part of one data set, target last, and what they hold."""

    train: "pa.Table"
    test: "pa.Table"
    schema: dict[str, Any]


def store(run: "RecordedRun", split: Split) -> str:
    """Log a split, as artifacts of this run or as a reference to the run that has it already.

    Returns
    -------
    str
        Id of the run whose artifacts hold the split.
    """
    digests = {TRAIN: sha256_table(split.train), TEST: sha256_table(split.test)}
    for part, digest in digests.items():
        run.log_digest(part, digest)
    digest = sha256_json({**digests, "schema": split.schema})
    run.log_digest("schema", sha256_json(split.schema))
    holder = find_holder(run.experiment_id, digest)
    if holder is None:
        holder = run.run_id
        _write(run, split, digests)
    run.set_tags({tracking.DATA_DIGEST: digest, tracking.STORED_IN: holder})
    return holder


def find_holder(experiment_id: str, digest: str) -> str | None:
    """Return the id of the first run of an experiment whose artifacts hold this content."""
    for run in tracking.find_runs(experiment_id, tags={tracking.DATA_DIGEST: digest}, limit=100):
        if run.data.tags.get(tracking.STORED_IN) == run.info.run_id:
            return str(run.info.run_id)
    return None


def read(run: "RecordedRun", load_run_id: str, part: str) -> "pa.Table":
    """Read one part of a stored split, verify it, and put it on the record as an input.

    Parameters
    ----------
    run : RecordedRun
        The run that reads.
    load_run_id : str
        Id of a finished load_data run.
    part : {"train", "test"}

    Raises
    ------
    DataError
        If that run holds no data.
    DigestMismatchError
        If the stored data is not what was recorded.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    loaded = tracking.get_run(load_run_id)
    record = tracking.read_record(load_run_id)
    if record.outputs is None or part not in record.outputs.artifacts:
        raise DataError(
            f"expected a finished load_data run, found run {load_run_id} "
            f"({record.step.entry_point}, {loaded.info.status}). Name a load_data run, or a source."
        )
    recorded = record.outputs.artifacts[part]
    holder = loaded.data.tags.get(tracking.STORED_IN, load_run_id)
    name = f"{FOLDER}/{part}.parquet"
    with tracking.artifact(holder, name) as path:
        try:
            table = pq.read_table(path, memory_map=False)
        except pa.ArrowInvalid:
            raise DigestMismatchError(
                f"{name} of run {holder}", recorded=recorded, found="that of no Parquet file"
            ) from None
    found = sha256_table(table)
    if found != recorded:
        raise DigestMismatchError(f"{name} of run {holder}", recorded=recorded, found=found)
    run.add_input(
        InputData(
            name=part,
            uri=f"runs:/{load_run_id}/{name}" if holder == load_run_id else f"runs:/{holder}/{name}",
            sha256=found,
            rows=table.num_rows,
            columns=table.num_columns,
        ),
        context={TRAIN: "training", TEST: "testing"}[part],
    )
    return table


def _write(run: "RecordedRun", split: Split, digests: dict[str, str]) -> None:
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory(prefix="reprise-") as name:
        folder = Path(name)
        files = {}
        for part, table in ((TRAIN, split.train), (TEST, split.test)):
            path = folder / f"{part}.parquet"
            pq.write_table(table, path, compression=_COMPRESSION)
            files[path.name] = {
                "sha256": sha256_file(path),
                "content_sha256": digests[part],
                "rows": table.num_rows,
            }
        (folder / SCHEMA).write_text(
            canonical_json({**split.schema, "files": files}), encoding="utf-8"
        )
        run.log_folder(folder, FOLDER)
