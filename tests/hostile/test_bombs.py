"""Small input that claims or becomes something endless ends in one line, within bounds."""

import bz2
import gzip
import json
import lzma
import os
import socket
import tracemalloc
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reprise import tracking
from reprise.capture import code
from reprise.data import downloads, sources, tables
from reprise.errors import (
    CodeError,
    DataError,
    ExperimentFileError,
    ProjectError,
    RecordError,
    TrackingError,
)
from reprise.git import git
from reprise.projects import project_file
from reprise.record.schema import RunRecord
from reprise.sweeps import experiment_file, grid
from reprise.trust import documents, limits

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(f'*{chr(97 + i)}' for _ in range(9))}]\n"
    for i in range(20)
)
BOMB_MEMORY = 64 * limits.MIB  # limit of Python's memory for a refusal


@pytest.fixture(scope="module", autouse=True)
def _traced_memory():
    """Trace this process's memory, to the end of the module.

    Python crashes if tracing stops while a thread of Arrow's, which reads ahead, still allocates.
    """
    tracemalloc.start()
    yield
    tracemalloc.stop()


def refusal(error, action):
    """Run an action that must be refused, within bounds of memory; return the error's line."""
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    with pytest.raises(error) as caught:
        action()
    _, peak = tracemalloc.get_traced_memory()
    assert peak - before < BOMB_MEMORY
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


DOCUMENTS = {
    "aliases of aliases": LAUGHS,
    "an alias alone": "params: {max_depth: *x}",
    "an anchor alone": "params: &x {max_depth: [1]}",
    "a mapping that merges itself": "params: &x {<<: *x, max_depth: [1]}",
    "flow lists without end": "params: " + "[" * 100_000,
    "block lists without end": "params:\n " + "- " * 50_000 + "x",
    "mappings without end": "params: " + "{a: " * 50_000,
    "a million values": "params: {max_depth: [" + "1," * 150_000 + "1]}",
    "more bytes than a person writes": "params: {max_depth: [1]}\n#" + "x" * limits.YAML_BYTES,
    "a key twice": "params: {max_depth: [1]}\nparams: {max_depth: [2]}",
    "a key twice in a mapping": "params:\n  max_depth: [1, 2]\n  cv: [0]\n  max_depth: [3]",
    "a number of a million digits": "params: {max_depth: [0x" + "f" * 900_000 + "]}",
}


@pytest.mark.parametrize("attack", DOCUMENTS)
@pytest.mark.parametrize(
    "read", [grid.read, experiment_file.read], ids=["a grid", "an experiment file"]
)
def test_a_file_that_plans_runs_is_refused_with(attack, read, tmp_path):
    path = tmp_path / "file.yaml"
    path.write_text(DOCUMENTS[attack], encoding="utf-8")

    refusal(ExperimentFileError, lambda: read(path))


@pytest.mark.parametrize("attack", DOCUMENTS)
@pytest.mark.parametrize("name", ["MLproject", "conda.yaml"])
def test_a_project_of_a_commit_is_refused_with(attack, name, tmp_path):
    (tmp_path / "MLproject").write_text("name: x\nconda_env: conda.yaml\n", encoding="utf-8")
    (tmp_path / name).write_text(DOCUMENTS[attack], encoding="utf-8")

    refusal(ProjectError, lambda: project_file.read(tmp_path))


def _pipe(path):
    os.mkfifo(path)


def _socket(path):
    before = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(before)


NO_FILES = {
    "a pipe that nobody writes to": _pipe,
    "a socket": _socket,
    "a folder": Path.mkdir,
    "a link to an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("attack", NO_FILES)
def test_a_grid_is_refused_that_is(attack, tmp_path):
    path = tmp_path / "grid.yaml"
    NO_FILES[attack](path)

    refusal(ExperimentFileError, lambda: grid.read(path))


@pytest.mark.parametrize("attack", NO_FILES)
def test_a_project_file_is_refused_that_is(attack, tmp_path):
    NO_FILES[attack](tmp_path / "MLproject")

    refusal(ProjectError, lambda: project_file.read(tmp_path))


@pytest.mark.parametrize("attack", NO_FILES)
def test_a_source_is_refused_that_is(attack, tmp_path):
    path = tmp_path / "table.csv"
    NO_FILES[attack](path)

    def read():
        with sources.fetch(str(path)):
            pass

    refusal(DataError, read)


SHAPES = {
    "a list": "[1, 2]",
    "a list of entry points": "entry_points: [main]",
    "an entry point without a command": "entry_points: {main: {parameters: {}}}",
    "an entry point that is text": "entry_points: {main: python}",
    "parameters that are a list": "entry_points: {main: {parameters: [a], command: x}}",
    "a parameter of a list": "entry_points: {main: {parameters: {a: [1]}, command: x}}",
    "a number for its environment": "conda_env: 7",
}


@pytest.mark.parametrize("attack", SHAPES)
def test_a_project_file_is_refused_that_has_in_its_place(attack, tmp_path):
    (tmp_path / "MLproject").write_text(SHAPES[attack], encoding="utf-8")

    refusal(ProjectError, lambda: project_file.read(tmp_path))


def test_a_project_is_refused_with_two_files_of_the_name(tmp_path):
    for name in ("MLproject", "mlproject"):
        (tmp_path / name).write_text("name: x", encoding="utf-8")

    assert "found 2" in refusal(ProjectError, lambda: project_file.read(tmp_path))


RECORDS = {
    "lists without end": '{"format_version": 2, "x": ' + "[" * 1_000_000 + "]" * 1_000_000 + "}",
    "objects without end": '{"format_version": 2, "x": ' + '{"a":' * 100_000,
    "an unfinished text": '{"format_version": 2, "x": "' + '\\"' * 1_000_000,
    "a number of a million digits": '{"format_version": ' + "9" * 1_000_000 + "}",
    "a key twice": '{"format_version": 2, "format_version": 2}',
    "inputs by the hundred thousand": json.dumps(
        {"format_version": 2, "inputs": [0] * (limits.RECORD_ENTRIES + 1)}
    ),
    "a list in place of a record": "[" * 40 + "]" * 40,
}


@pytest.mark.parametrize("attack", RECORDS)
def test_a_record_is_refused_with(attack):
    refusal(RecordError, lambda: RunRecord.from_json(RECORDS[attack]))


def test_json_is_refused_beyond_its_size():
    with pytest.raises(documents.DocumentError, match="more than 1 KiB"):
        documents.parse_json("[]" + " " * 2000, largest=1024)


def _table(path, **columns):
    pq.write_table(pa.table(columns), path)


def _packed_lines(path):
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a,b\n")
        for _ in range(8):
            file.write(b"1,2\n" * (1 << 18))


def _one_line(path):
    path.write_bytes(b"a,b\n1," + b"x" * (9 * limits.MIB))


def _one_packed_line(path):
    path.write_bytes(gzip.compress(b"a,b\n1," + b"x" * (9 * limits.MIB), 1))


def _wide(path):
    path.write_text(",".join(f"c{i}" for i in range(200_000)) + "\n", encoding="utf-8")


def _wide_packed(path):
    path.write_bytes(gzip.compress(b"," * 3_000_000 + b"\n"))


def _wide_parquet(path):
    _table(path, **{f"c{i}": [1] for i in range(limits.TABLE_COLUMNS + 1)})


def _repeated_text(path):
    """Write 100 KiB of text that is once in the file, and 2,000 times in the table."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), ["x" * 100_000])
    _table(path, a=column.cast(pa.string()), b=[1] * 2000)


def _many_rows(path):
    _table(path, a=pa.array([1]).take(pa.array([0] * 1_000_000)))


def _long_footer(path):
    table = pa.table({"a": [1]}).replace_schema_metadata({"x": "y" * (17 * limits.MIB)})
    pq.write_table(table, path)


def _lines():
    return b"a,b\n" + b"1,2\n" * (1 << 20)


def _zipped(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.csv", content)


def _workbook(path, cell):
    """Write a sheet with one cell, far from the first."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", f"{' ' * (limits.MIB - 5)}<c s='1' {cell}/>")


def _repeated_arrow(path):
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), ["x" * 100_000])
    table = pa.table({"a": column, "b": [1] * 2000})
    with pa.ipc.new_file(path, table.schema) as out:
        out.write_table(table)


def _packed_arrow(path):
    table = pa.table({"a": [0] * 1_000_000, "b": [1] * 1_000_000})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(path, table.schema, options=options) as out:
        out.write_table(table, max_chunksize=10_000)


SMALL = {"SOURCE_BYTES": 4 * limits.MIB, "TABLE_BYTES": 4 * limits.MIB}
TABLES = {
    "gzip that unpacks to more than it may": ("t.csv.gz", _packed_lines, SMALL),
    "a CSV file that is larger than it may": (
        "t.csv", lambda path: path.write_bytes(b"a,b\n" + b"1,2\n" * 2_000_000), SMALL,
    ),
    "a line of megabytes": ("t.csv", _one_line, {}),
    "a packed line of megabytes": ("t.csv.gz", _one_packed_line, {}),
    "hundreds of thousands of columns": ("t.csv", _wide, {}),
    "millions of packed columns": ("t.tsv.gz", _one_packed_line, {}),
    "millions of packed columns without names": ("t.csv.gz", _wide_packed, {}),
    "a Parquet file of too many columns": ("t.parquet", _wide_parquet, {}),
    "Parquet of a text that stands thousands of times": ("t.parquet", _repeated_text, SMALL),
    "Parquet that claims more rows than it may": ("t.parquet", _many_rows, SMALL),
    "Parquet with megabytes in its footer": ("t.parquet", _long_footer, {}),
    "xz that unpacks to more than it may": (
        "t.csv.xz", lambda path: path.write_bytes(lzma.compress(_lines(), preset=0)), SMALL,
    ),
    "bzip2 that unpacks to more than it may": (
        "t.csv.bz2", lambda path: path.write_bytes(bz2.compress(b"1,2\n" * (1 << 17)) * 10), SMALL,
    ),
    "Zstandard that unpacks to more than it may": (
        "t.csv.zst",
        lambda path: path.write_bytes(pa.compress(_lines(), codec="zstd", asbytes=True)),
        SMALL,
    ),
    "zip that unpacks to more than it may": ("t.zip", lambda p: _zipped(p, t=_lines()), SMALL),
    "a feather of a text that stands thousands of times": ("t.feather", _repeated_arrow, SMALL),
    "a feather that unpacks to more than it may": ("t.feather", _packed_arrow, SMALL),
    "lines of JSON that are more than they may": (
        "t.jsonl", lambda path: path.write_bytes(b'{"a":1,"b":2}\n' * 400_000), SMALL,
    ),
    "a line of JSON of megabytes": (
        "t.jsonl", lambda path: path.write_bytes(b'{"a":"' + b"x" * (9 * limits.MIB) + b'"}'), {},
    ),
    "a workbook with a cell at the end of a sheet": (
        "t.xlsx", lambda path: _workbook(path, 'r="XFD1048576"'), {},
    ),
    "a workbook with such a cell in other quotes": (
        "t.xlsx", lambda path: _workbook(path, "r = 'XFD1048576'"), {},
    ),
    "a workbook that unpacks to more than it may": (
        "t.xlsx",
        lambda path: _workbook(path, " " * (9 * limits.MIB)),
        {"WORKBOOK_BYTES": 4 * limits.MIB},
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", TABLES)
def test_a_table_is_refused_that_is(attack, tmp_path, monkeypatch):
    name, write, changed = TABLES[attack]
    write(tmp_path / name)
    for limit, value in changed.items():
        monkeypatch.setattr(limits, limit, value)

    refusal(DataError, lambda: tables.read_table(tmp_path / name, name=name))


def test_a_table_larger_than_it_claims_ends_in_one_line():
    def read():
        with tables.bounded_memory("t.parquet", allow_large=False):
            bytearray(limits.DECODING_BYTES + limits.GIB)

    assert "allow_large=true" in refusal(DataError, read)


@pytest.mark.parametrize(
    "attack", [n for n, (name, _, limit) in TABLES.items() if limit and not name.endswith("xlsx")]
)
def test_allow_large_lifts_the_limit_of(attack, tmp_path, monkeypatch):
    name, write, changed = TABLES[attack]
    write(tmp_path / name)
    for limit, value in changed.items():
        monkeypatch.setattr(limits, limit, value)

    assert tables.read_table(tmp_path / name, name=name, allow_large=True).num_rows >= 2000


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_a_large_but_honest_table_is_read(name, tmp_path):
    path = tmp_path / name
    if name.endswith("parquet"):
        _table(path, a=list(range(200_000)), b=[f"text {i % 100}" for i in range(200_000)])
    else:
        text = "a,b\n" + "".join(f"{i},text {i % 100}\n" for i in range(200_000))
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())

    assert tables.read_table(path, name=name).num_rows == 200_000


def test_a_download_beyond_the_limit_of_size_ends():
    endless = iter(lambda: bytes(limits.MIB), b"")

    def read():
        for _ in downloads.bounded(endless, "https://example.org/t.csv", largest=5 * limits.MIB):
            pass

    assert "at most 5 MiB" in refusal(DataError, read)


def test_a_download_from_a_server_that_never_answers_ends(firing_range, monkeypatch):
    monkeypatch.setattr(limits, "SOURCE_SECONDS", 0.2)

    def read():
        with sources.fetch(f"http://127.0.0.1:{firing_range.listener.port}/t.csv"):
            pass

    assert "within 0.2 seconds" in refusal(DataError, read)


class Server:
    """A tracking server of the attacker's."""

    def __init__(self, tokens=(), listed=()):
        self._tokens = iter(tokens)
        self._listed = listed

    def search_runs(self, *_, **__):
        page = SimpleNamespace(token=next(self._tokens))
        info = {"run_id": "0" * 32, "experiment_id": "1", "start_time": 0, "end_time": None}
        run = SimpleNamespace(info=SimpleNamespace(**info))
        return type("Page", (list,), vars(page))([run])

    def list_artifacts(self, *_):
        return self._listed

    def list_logged_model_artifacts(self, *_):
        return self._listed

    def download_artifacts(self, *_):
        raise AssertionError("it was fetched")


@pytest.fixture
def serve(monkeypatch):
    def start(**arguments):
        for user in ("artifacts", "runs", "search", "server"):
            monkeypatch.setattr(f"reprise.tracking.{user}.client", lambda: Server(**arguments))
        for store in ("_artifacts", "_model_artifacts"):
            monkeypatch.setattr(f"reprise.tracking.artifacts.{store}", lambda _: None)

    return start


@pytest.mark.parametrize(
    "tokens",
    [iter(lambda: "again", None), (f"page {i}" for i in range(10**9)),
     (f"page {i % 2}" for i in range(10**9))],
    ids=["the same", "never the last", "in a circle"],
)  # fmt: skip
def test_a_search_ends_with_pages_that_are(tokens, serve):
    serve(tokens=tokens)

    refusal(TrackingError, lambda: tracking.all_runs("1"))


def _item(path, size, *, is_dir=False):
    return SimpleNamespace(path=path, file_size=size, is_dir=is_dir)


ARTIFACTS = {
    "a record of gigabytes": ("provenance.json", limits.GIB),
    "a verdict of gigabytes": ("verdict.json", limits.GIB),
    "a bundle of terabytes": ("snapshot.bundle", 1 << 40),
    "a part of terabytes": ("data/train.parquet", 1 << 40),
}


@pytest.mark.parametrize("attack", ARTIFACTS)
def test_an_artifact_is_not_fetched_that_is(attack, serve):
    name, size = ARTIFACTS[attack]
    serve(listed=[_item(name, size)])

    def fetch():
        with tracking.artifact("0" * 32, name):
            pass

    assert "expected at most" in refusal(TrackingError, fetch)


def test_an_artifact_is_not_fetched_that_is_a_folder(serve):
    serve(listed=[_item("provenance.json", None, is_dir=True)])

    def fetch():
        with tracking.artifact("0" * 32, "provenance.json"):
            pass

    assert "found a folder" in refusal(TrackingError, fetch)


MODELS = {
    "terabytes": [_item("model.skops", 1 << 40)],
    "a million files": [_item(f"{i}", 1) for i in range(limits.MODEL_FILES + 1)],
    "folders in folders without end": [_item("deeper", None, is_dir=True)],
}


@pytest.mark.parametrize("attack", MODELS)
def test_a_model_is_not_fetched_that_is(attack, serve, tmp_path):
    serve(listed=MODELS[attack])

    refusal(TrackingError, lambda: tracking.download_model("m-1", str(tmp_path)))


def test_a_tree_of_too_many_untracked_files_is_refused_unless_the_user_allows_it(
    plain_repository, monkeypatch
):
    monkeypatch.setattr(limits, "UNTRACKED_FILES", 20)
    (plain_repository / "many").mkdir()
    for i in range(21):
        (plain_repository / "many" / f"{i}.txt").write_text("x", encoding="utf-8")

    def capture():
        with code.capture(plain_repository):
            pass

    line = refusal(CodeError, capture)

    assert "found 21, most of them in many" in line
    with code.capture(plain_repository, allow_untracked=["true"]) as captured:
        assert captured.code.dirty


@pytest.fixture
def plain_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    git(folder, *identity, "commit", "--quiet", "--allow-empty", "--message", "Empty")
    return folder


def test_a_step_refuses_a_bomb_in_one_line_and_writes_nothing(firing_range):
    _wide_packed(firing_range.secrets / "wide.csv.gz")
    firing_range.look()

    source = str(firing_range.secrets / "wide.csv.gz")
    done = firing_range.run("steps.load_data", "--source", source)

    firing_range.check(done, exit_codes=(2,), says="columns, found 3000001 columns")


def test_a_record_cannot_lift_a_limit_of_a_replay():
    from reprise.record.schema import Step
    from reprise.replay import prepare

    step = Step(
        entry_point="load_data", raw_parameters={"allow_large": "true", "seed": "1"}, parameters={}
    )

    raw = prepare.Request().raw_parameters(step)

    assert raw == {"allow_large": "false", "seed": "1"}
