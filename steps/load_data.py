"""Read, check, split and store a data set, so that training steps can verify it."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.console import say
from reprise.data import sources, splits, tables
from reprise.data.notices import Notice
from reprise.data.read_options import DEFAULTS, ReadOptions
from reprise.errors import DataError
from reprise.record import naming
from reprise.record.digest import sha256_table
from reprise.record.schema import InputData, run_in
from reprise.runtime import door, summary
from reprise.runtime.launch import launch
from reprise.runtime.recorder import RunRecorder
from steps import dataset, row_keys, source_types, tasks
from steps.parameters import LoadDataParameters
from steps.report.publish import log_once, show_and_check
from steps.report.report import report
from steps.report.survey import survey
from steps.report.table_checks import Fitted

if TYPE_CHECKING:
    import pyarrow as pa

Verify = Callable[[str, str, str], None]
_MOST_LOADS = 100  # runs of equal content in which stored data is looked for


@dataclass
class Opened:
    """A source after reading: its table, its own target (if it has one), and its digest."""

    table: "pa.Table | None"
    target: str | None
    description: InputData
    private: bool = False  # a replay must not send it anywhere
    notices: list[Notice] = field(default_factory=list)

    def take_table(self) -> "pa.Table":
        """Return the table and forget it: a second reference would double the memory of a load."""
        table, self.table = self.table, None
        return table


def main(parameters: LoadDataParameters, run: RunRecorder) -> None:
    """Load a source into this run."""
    source_of = partial(opened, verify=run.verify_input, allow_large=parameters.allow_large)
    with source_of(where(parameters, run), options=parameters.read_options()) as source:
        task = load(parameters, run, source)
    data = {"data": tracking.short(run.run_id)}
    linear = {
        tasks.CLASSIFICATION: ("train_lr", "a logistic regression on it"),
        tasks.REGRESSION: ("train_ridge", "a linear regression on it"),
    }
    trees = ("train_dt", "a decision tree on it")
    start = door.used()
    summary.done(run, {start.run(step, data): what for step, what in (linear[task], trees)})


def where(parameters: LoadDataParameters, run: RunRecorder) -> str:
    """Return the address to read; a replay reads the recorded version of an S3 object."""
    recorded = run.recorded_uri(splits.SOURCE) or ""
    return recorded if recorded.startswith("s3://") else parameters.source


def load(parameters: LoadDataParameters, run: RunRecorder, source: Opened) -> tasks.Task:
    """Check, report, split and store a source, or refer to a run that stores the same content.

    Returns
    -------
    {"classification", "regression"}
    """
    run.add_input(source.description, context="source")
    run.name_data(naming.of_data(source.description.uri))
    as_read = source.take_table()
    surveyed = survey(as_read)
    as_read = row_keys.marked(as_read, group=parameters.group, time=parameters.time)
    table = dataset.prepare(
        as_read,
        target=parameters.target or source.target,
        features=parameters.feature_names(),
        drop=parameters.dropped(),
        drop_missing_labels=parameters.drop_missing_labels,
        notices=source.notices,
        task=None if parameters.task == "auto" else parameters.task,
    )
    table = source_types.remember(
        table,
        as_read,
        name=source.description.uri,
        formats=dict(parameters.read_options().dates),
    )
    key = row_keys.of_source(as_read, table, row_keys.GROUP if parameters.group else row_keys.TIME)
    del as_read
    if parameters.task == "auto":
        report_task(table)
    rows = dataset.split_rows(
        table,
        test_size=parameters.test_size,
        stratify=parameters.stratify,
        seed=parameters.seed,
        key=key,
    )
    schema = dataset.profile(table) | ({} if key is None else {"split": {key.kind: key.name}})
    fitted = Fitted(table, schema.get("classes", {}), *rows, warned=surveyed.warned)
    found = report(
        surveyed,
        fitted,
        source.notices,
        source=source.description.uri,
        chosen=why_target(parameters, source),
        split="at random" if key is None else key.describe(*rows),
        key={} if key is None else {key.name: key.kind},
    )
    show_and_check(run, found, strict=parameters.strict)
    named_parts = zip((splits.TRAIN, splits.TEST), dataset.parts(table, rows, key), strict=True)
    holder = splits.store(run, named_parts, schema, private=source.private)
    log_once(run, found, holder=holder, private=source.private)
    run.log_metrics({"features": len(found.features)})
    return tasks.of_table(table)


def report_task(prepared: "pa.Table") -> None:
    """Print why a prepared table is a regression, where nobody asked for one."""
    task, reason = tasks.of_target(prepared.column(-1))
    if task == tasks.REGRESSION == tasks.of_table(prepared):
        say(
            f"Target {prepared.column_names[-1]!r} has {reason}: this is a regression. To predict "
            "classes, use -P task=classification."
        )


def why_target(parameters: LoadDataParameters, source: Opened) -> str:
    """Say why a column is the target."""
    if parameters.target:
        return "as -P target says"
    return "the data set's own" if source.target else "the last column, as no target is named"


def check(parameters: LoadDataParameters) -> None:
    """Refuse a source that does not exist, before there is a run."""
    refuse_missing(parameters.source)


def refuse_missing(source: str) -> None:
    """Refuse a local file that does not exist, by its name alone.

    Raises
    ------
    DataError
        With the nearest name of a data set.
    """
    if source in dataset.NAMED or "://" in source or is_run(source):
        return
    if not os.path.lexists(sources.located(source)):
        with sources.fetch(source, known=dataset.NAMED):
            pass


def is_run(named: str) -> bool:
    """Return whether data is named by the full id of a run."""
    return re.fullmatch(r"(runs:/)?[0-9a-f]{32}", named) is not None


def ensure_loaded(named: str, run: RunRecorder, *, allow_large: bool = False) -> str:
    """Return the id of a load_data run: the named one, an earlier one, or a new child of `run`."""
    if is_run(named):
        return run_in(named)
    recorded = run.recorded_uri(splits.TRAIN)
    if recorded:  # the source may have changed since then
        return run_in(recorded)
    parameters = LoadDataParameters(source=named, allow_large=allow_large)
    with opened(named, allow_large=allow_large) as source:
        key = run.key(parameters, [source.description])
        tags = {tracking.KEY: key or ""}
        done = tracking.find_runs(run.experiment_id, tags=tags, limit=_MOST_LOADS) if key else []
        for earlier in done:
            if splits.is_loaded(earlier.info.run_id):
                return str(earlier.info.run_id)
        if source.private:
            raise DataError(
                f"expected a finished load_data run of {named}, found none, and a replay sends "
                "no data of this machine. Run load_data again."
            )
        with run.nested(parameters) as loading:
            load(parameters, loading, source)
        return loading.run_id


@contextlib.contextmanager
def opened(
    source: str,
    *,
    options: ReadOptions = DEFAULTS,
    verify: Verify = lambda *_: None,
    allow_large: bool = False,
) -> Iterator[Opened]:
    """Read a source: a data set by name, a file, a URL or an object in S3.

    Parameters
    ----------
    source : str
    options : ReadOptions
        What the user says of a file.
    verify : callable
        Called with name, URI and digest, before the content is read.
    allow_large : bool
        Whether the source may be larger than `limits` allows.
    """
    if source in dataset.NAMED:
        table, target = dataset.named(source)
        yield _opened(table, target, uri=f"sklearn:{source}", sha256=sha256_table(table))
        return
    with sources.fetch(source, known=dataset.NAMED, allow_large=allow_large) as fetched:
        verify(splits.SOURCE, fetched.uri, fetched.sha256)
        notices: list[Notice] = []
        table = tables.read_table(
            fetched.path,
            name=fetched.uri,
            options=options,
            allow_large=allow_large,
            notices=notices,
        )
        opening = _opened(table, None, uri=fetched.uri, sha256=fetched.sha256)
        opening.private, opening.notices = fetched.private, notices
        del table
    yield opening  # the content is still that of the digest


def _opened(table: "pa.Table", target: str | None, *, uri: str, sha256: str) -> Opened:
    description = InputData(
        name=splits.SOURCE, uri=uri, sha256=sha256, rows=table.num_rows, columns=table.num_columns
    )
    return Opened(table, target, description)


if __name__ == "__main__":
    launch(LoadDataParameters, main, check=check)
