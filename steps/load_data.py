"""Read, check, split and store a data set, so that training steps can verify it."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reprise import console, data, sources, tracking
from reprise.digest import sha256_table
from reprise.record import InputData
from reprise.run import RecordedRun, launch
from steps import dataset
from steps.parameters import LoadDataParameters

if TYPE_CHECKING:
    import pyarrow as pa

_RUN = re.compile(r"^(runs:/)?[0-9a-f]{32}$")


@dataclass(frozen=True)
class Opened:
    """A source that has been read: its table, the target it names itself, its digest."""

    table: "pa.Table"
    target: str | None
    description: InputData


def main(parameters: LoadDataParameters, run: RecordedRun) -> None:
    """Load a source into this run."""
    with opened(parameters.source) as source:
        load(parameters, run, source)
    console.done(run, ["train_lr -P data={run_id}", "train_dt -P data={run_id}"])


def load(parameters: LoadDataParameters, run: RecordedRun, source: Opened) -> None:
    """Check, split and store a source; what is stored already is referred to."""
    run.add_input(source.description, context="source")
    table = dataset.prepare(
        source.table,
        target=parameters.target or source.target,
        features=parameters.feature_names(),
    )
    train, test = dataset.split(
        table, test_size=parameters.test_size, stratify=parameters.stratify, seed=parameters.seed
    )
    data.store(run, data.Split(train, test, dataset.profile(table)))
    run.log_metrics(
        {
            "rows_train": train.num_rows,
            "rows_test": test.num_rows,
            "features": table.num_columns - 1,
        }
    )


def ensure_loaded(named: str, run: RecordedRun) -> str:
    """Return the id of a load_data run: the one named, one done already, or a new one below `run`."""
    if _RUN.match(named):
        return named.removeprefix("runs:/")
    parameters = LoadDataParameters(source=named)
    with opened(named) as source:
        key = run.key(parameters, [source.description])
        done = tracking.find_runs(run.experiment_id, tags={tracking.KEY: key}) if key else []
        if done:
            return str(done[0].info.run_id)
        with run.nested(parameters) as loading:
            load(parameters, loading, source)
        return loading.run_id


@contextlib.contextmanager
def opened(source: str) -> Iterator[Opened]:
    """Read a source: a data set by name, a file, a URL or an object in S3."""
    if source in dataset.NAMED:
        table, target = dataset.named(source)
        yield Opened(table, target, _describe(source, f"sklearn:{source}", sha256_table(table), table))
        return
    with sources.fetch(source, known=dataset.NAMED) as fetched:
        table = sources.read_table(fetched.path, name=fetched.uri)
        yield Opened(table, None, _describe("source", fetched.uri, fetched.sha256, table))


def _describe(name: str, uri: str, sha256: str, table: "pa.Table") -> InputData:
    return InputData(
        name=name, uri=uri, sha256=sha256, rows=table.num_rows, columns=table.num_columns
    )


if __name__ == "__main__":
    launch(LoadDataParameters, main)
