"""Stored splits: written once per content, and verified by digest before every use."""

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reprise import tracking
from reprise.data.parquet_files import give_memory_back, read_parquet
from reprise.data.tables import bounded_memory
from reprise.errors import DataError, DigestMismatchError
from reprise.process import scratch, user_cache
from reprise.record import naming
from reprise.record.digest import canonical_json, sha256_file, sha256_json, sha256_table
from reprise.record.schema import InputData

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa

    from reprise.runtime.recorder import RunRecorder

SOURCE = "source"  # the input of a load
TRAIN = "train"
TEST = "test"
FOLDER = "data"
SCHEMA = "schema.json"
PART = re.compile(rf"runs:/([0-9a-f]{{32}})/{FOLDER}/({TRAIN}|{TEST})\.parquet")
_FILES = (f"{TRAIN}.parquet", f"{TEST}.parquet", SCHEMA)
_HOLDING = ("FINISHED", "RUNNING")  # what failed later is left alone
_COMPRESSION = "zstd"
_ROW_GROUP = 1 << 17  # rows that are written and read at a time


def store(
    run: "RunRecorder",
    parts: "Iterable[tuple[str, pa.Table]]",
    schema: dict[str, Any],
    *,
    private: bool = False,
) -> str | None:
    """Log a split as artifacts of this run, or refer to the run that already has the same content.

    A replay stores only content that its original run had. Of other content, it records only the
    digests.

    Parameters
    ----------
    run : RunRecorder
    parts : iterable of (name, Table)
        "train" and "test"; each is written and freed before the next is requested.
    schema : dict
        Description of the parts, for JSON.
    private : bool
        Whether the content must not be sent anywhere. Then another run must have it.

    Returns
    -------
    str or None
        Id of the run that holds the content; None: no run does, and this one must not store it.

    Raises
    ------
    DataError
        If the content is private, and no run has it.
    """
    import pyarrow.parquet as pq

    with scratch.folder() as name:
        folder = Path(name)
        files: dict[str, Any] = {}
        for part, table in parts:
            path = folder / f"{part}.parquet"
            pq.write_table(table, path, compression=_COMPRESSION, row_group_size=_ROW_GROUP)
            files[part] = {"content_sha256": sha256_table(table), "rows": table.num_rows}
            del table
            give_memory_back()
            files[part]["sha256"] = sha256_file(path)
            run.log_digest(part, files[part]["content_sha256"])
        run.log_digest("schema", sha256_json(schema))
        digest = sha256_json([schema, {part: f["content_sha256"] for part, f in files.items()}])
        sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
        kept = run.may_store({part: f["content_sha256"] for part, f in files.items()})
        with _alone_with(digest):  # of processes that load it at once, the first one stores it
            found = find_holder(run.experiment_id, digest, sizes=sizes)
            holder = found or run.original_holder(digest)
            if holder is None and kept:
                if private:
                    raise DataError(
                        "expected the data that the original run has stored, found that it is "
                        "missing, and a replay sends no data of this machine. "
                        f"Run {run.record.step.entry_point} again."
                    )
                text = canonical_json({**schema, "files": files})
                (folder / SCHEMA).write_text(text, encoding="utf-8")
                run.log_folder(folder, FOLDER)
                holder = run.run_id
                tracking.log(run.run_id, tags=_tags(digest, holder))
    run.log_metrics({f"rows_{part}": found["rows"] for part, found in files.items()})
    if holder is None:
        return None
    run.set_tags(_tags(digest, holder))
    stored = [
        InputData(
            name=part,
            uri=f"runs:/{holder}/{FOLDER}/{part}.parquet",
            sha256=found["content_sha256"],
            rows=found["rows"],
        )
        for part, found in files.items()
    ]
    tracking.log_inputs(run.run_id, stored, context="split")
    return holder


def _tags(digest: str, holder: str) -> dict[str, str]:
    return {tracking.DATA_DIGEST: digest, tracking.STORED_IN: holder}


@contextlib.contextmanager
def _alone_with(digest: str) -> "Iterator[None]":
    """Wait until no other process of this user stores this content, where that can be known."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # no folder to lock in
            stack.enter_context(
                user_cache.alone(user_cache.folder() / "held" / f"data-{digest[:2]}")
            )
        yield


def stored_input(inputs: "Iterable[InputData]") -> str | None:
    """Return the address of the run that stored the input of a run, or None."""
    for item in inputs:
        if part := PART.fullmatch(item.uri):
            return f"runs:/{part[1]}"
    return None


def find_holder(
    experiment_id: str, digest: str, *, sizes: "Mapping[str, int] | None" = None
) -> str | None:
    """Return the id of the first run of an experiment whose artifacts hold this content.

    Parameters
    ----------
    experiment_id, digest : str
    sizes : mapping of str to int, optional
        Bytes of each file of the content. A file of another size is damaged, or another version
        of the library wrote it.
    """
    tags = {tracking.DATA_DIGEST: digest}  # which a run has as soon as all is stored
    for run in tracking.find_runs(experiment_id, tags=tags, limit=100, finished=False):
        own = run.data.tags.get(tracking.STORED_IN) == run.info.run_id
        if own and run.info.status in _HOLDING and _is_stored(run.info.run_id, sizes or {}):
            return str(run.info.run_id)
    return None


def is_loaded(load_run_id: str) -> bool:
    """Return whether the data of a load is still stored, by that run or an earlier one."""
    return _is_stored(tracking.stored_in(load_run_id), {})


def _is_stored(holder: str, sizes: "Mapping[str, int]") -> bool:
    """Return whether a run has the artifacts of a split; its tag remains when they are deleted."""
    stored = tracking.artifact_sizes(holder, FOLDER)
    return all(
        name in stored and (size is None or stored[name] in (size, None))
        for name, size in {**dict.fromkeys(_FILES), **sizes}.items()
    )


def read(
    run: "RunRecorder", load_run_id: str, part: str, *, allow_large: bool = False
) -> "pa.Table":
    """Read one part of a stored split, verify it, and record it as an input.

    Parameters
    ----------
    run : RunRecorder
        The run that reads the part.
    load_run_id : str
        Id of a finished run that has loaded data.
    part : {"train", "test"}
    allow_large : bool
        Whether the part may be larger than `limits` allows.

    Raises
    ------
    DataError
        If that run has no data.
    DigestMismatchError
        If the digest of the stored data is not the recorded one.
    """
    holder, recorded, name = located(load_run_id, part)
    run.name_data(name)
    table = verified(holder, part, recorded, allow_large=allow_large)
    run.add_input(
        InputData(
            name=part,
            uri=f"runs:/{load_run_id}/{FOLDER}/{part}.parquet",
            sha256=recorded,
            rows=table.num_rows,
            columns=table.num_columns,
        ),
        context={TRAIN: "training", TEST: "testing"}[part],
    )
    return table


class Located(NamedTuple):
    """Where a part of a load is: the run whose artifacts hold it, its digest, its data's name."""

    holder: str
    digest: str
    name: str


def located(load_run_id: str, part: str) -> Located:
    """Find a part of what a run has loaded.

    Raises
    ------
    DataError
        If that load has no data.
    """
    holder = tracking.stored_in(load_run_id)
    record = tracking.read_record(load_run_id)
    if record.outputs is None or part not in record.outputs.artifacts:
        status = tracking.get_run(load_run_id).info.status
        raise DataError(
            f"expected a finished run that has loaded data, found run {load_run_id} "
            f"({record.step.entry_point}, {status}). Name such a run, or a source."
        )
    name = next((naming.of_data(item.uri) for item in record.inputs if item.name == SOURCE), "")
    return Located(holder, record.outputs.artifacts[part], name)


def verified(holder: str, part: str, recorded: str, *, allow_large: bool = False) -> "pa.Table":
    """Read a part of a split from the artifacts of the run that holds it.

    Raises
    ------
    TrackingError
        If the part is missing.
    DigestMismatchError
        If its digest is not the recorded one.
    """
    import pyarrow as pa

    name = f"{FOLDER}/{part}.parquet"
    shown = f"{name} of run {holder}"
    with tracking.artifact(holder, name, allow_large=allow_large) as path:
        try:
            with bounded_memory(shown, allow_large=allow_large):
                table = read_parquet(path, name=shown, allow_large=allow_large)
        except (pa.ArrowException, OSError):
            raise _changed(holder, name, recorded, "that of no Parquet file") from None
    found = sha256_table(table)
    if found != recorded:
        raise _changed(holder, name, recorded, found)
    return table


def _changed(holder: str, name: str, recorded: str, found: str) -> DigestMismatchError:
    loader = tracking.get_run(holder).data.tags.get(tracking.ENTRY_POINT, "what loads it")
    return DigestMismatchError(
        f"{name} of run {holder}",
        recorded=recorded,
        found=found,
        otherwise=f"run {loader} again to start from the current data",
    )
