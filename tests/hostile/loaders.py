"""All loaders of files from others, as functions of bytes: for hypothesis, and for `fuzz`.

A loader returns a valid value, or raises one of REFUSALS with a text of one line. Any other
exception is a defect.
"""

import io
import json
import tempfile
import zipfile
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa

from deploy.server import manifest
from deploy.server.errors import ServerError
from reprise.data import formats, packing, tables
from reprise.errors import RepriseError
from reprise.models import model_store
from reprise.projects import address
from reprise.record import verdict
from reprise.record.digest import sha256_text
from reprise.record.schema import RunRecord
from reprise.signatures import UNSIGNED, Signers
from reprise.sweeps import experiment_file as experiment_files
from reprise.sweeps import grid
from reprise.verification import history, judging
from reprise.verification import policy as policies
from reprise.verification.evidence import Evidence
from reprise.verification.statement import SummaryStatement
from reprise.verification.statement import summary as summarized
from steps import main, sweep
from steps.parameters import SweepParameters

REFUSALS = (RepriseError, ServerError)
GOLDEN = Path(__file__).parents[1] / "reprise" / "golden" / "provenance_v2.json"


def record(content):
    """Read a record, and write it."""
    read = RunRecord.from_json(_text(content))
    again = RunRecord.from_json(read.to_json())
    sha256_text(again.to_json())
    return again


def judgement(content):
    """Compare a record from others with one of ours."""
    read = RunRecord.from_json(_text(content))
    ours = RunRecord.from_json(GOLDEN.read_text(encoding="utf-8"))
    if read.outputs is None:
        return None
    judged = verdict.judge(ours, read, tolerance=0.1)
    return judged.model_dump_json()


def grid_file(content):
    """Read a grid file, and check its points as a sweep does."""
    with _file(content, "grid.yaml") as path:
        file = grid.read(path)
        if grid.size(file.params) > 1000:
            return None
        return sweep.planned(SweepParameters.parse({"grid": str(path), "step": "train_dt"}))


def experiment_file(content):
    """Read an experiment file, and check its steps as `main` does."""
    with _file(content, "experiment.yaml") as path:
        file = experiment_files.read(path)
        if any(grid.size(step.parameters) > 1000 for step in file.steps):
            return None
        return main.planned(file)


def project_address(content):
    """Split a project's address, and check whether it is on this machine."""
    uri, _, version = _text(content).partition("\n")
    parsed = address.parse(uri, version or None)
    return parsed.shown, parsed.local


def backup_manifest(content):
    """Read the manifest of a backup."""
    return manifest.load(_Archive(content), "2026-01-01").blobs()


def model_schema(content):
    """Load a model with a schema from others."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("schema.json", content)
    return model_file(packed.getvalue())


def model_file(content):
    """Load a file as a model."""
    with _file(content, model_store.FILE) as path:
        return model_store.load_file(path)


def table(content):
    """Read a table, in each of the formats."""
    read = None
    for suffix in (*formats.FORMATS, *(f".csv{packed}" for packed in packing.PACKINGS)):
        with _file(content, f"table{suffix}") as path:
            try:
                read = tables.read_table(path, name=path.name)
            except RepriseError as error:
                refused = error
    if read is None:
        raise refused
    return read


def policy(content):
    """Read the policy of a verifier."""
    with _file(content, policies.FILE_NAME) as path:
        return policies.read(path.parent).sha256


def summary(content):
    """Read a statement, and judge what it says."""
    evidence = SummaryStatement.read(_text(content)).predicate.reprise_evidence
    outcome = judging.judge(policies.Policy(), evidence, UNSIGNED)
    return outcome, evidence.basis, evidence.not_compared


def promotions(content):
    """Read a list of one promotion."""
    with patch.object(history.tracking, "model_tags", lambda _: {"reprise.promotion.0001": text}):
        text = _text(content)
        return history.read("iris", Signers())


LOADERS = {
    "a policy": policy,
    "a statement": summary,
    "a list of promotions": promotions,
    "a record": record,
    "a verdict": judgement,
    "a grid file": grid_file,
    "an experiment file": experiment_file,
    "an address": project_address,
    "a manifest": backup_manifest,
    "a model's schema": model_schema,
    "a model": model_file,
    "a table": table,
}


def _arrow():
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    stream = pa.BufferOutputStream()
    with pa.ipc.new_file(stream, table.schema) as out:
        out.write_table(table)
    return stream.getvalue().to_pybytes()


def _zip():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.csv", "a,b\n1,2\n")
    return stream.getvalue()


_RECORD = GOLDEN.read_bytes()
_EVIDENCE = Evidence.model_validate(
    {
        "run_id": "a" * 32,
        "record_sha256": "b" * 64,
        "replayed_by": None,
        "code_from": "this clone",
        "clean": True,
        "made": "2026-01-01T00:00:00Z",
        "compared": [
            {
                "name": "train",
                "run_id": "a" * 32,
                "replayed_by": None,
                "judgement": {"verdict": "identical", "compared": 1, "basis": "1 metric"},
            }
        ],
    }
)
_ENTRY = history.Entry(
    number=1,
    action="promoted",
    model="iris",
    version=1,
    before=None,
    who="Ada",
    when=_EVIDENCE.made,
    why="",
)
SEEDS = {
    "a policy": [
        (
            b'[verify]\nverdict = {equivalent = true, tolerance = 1e-9}\nmax_age = "7d"\n'
            b'allow = [{metric = "seconds", reason = "a time"}]\n'
        )
    ],
    "a statement": [
        summarized(_EVIDENCE, policies.Policy(), is_met=True, provenance="").to_json().encode()
    ],
    "a list of promotions": [_ENTRY.to_json().encode()],
    "a record": [_RECORD],
    "a verdict": [_RECORD],
    "a grid file": [b"data: iris\nparams:\n  max_depth: {from: 1, to: 3}\n  criterion: [gini]\n"],
    "an experiment file": [
        b"data: {source: iris}\nsteps:\n- step: train_dt\n  parameters: {cv: 2}\n"
    ],
    "an address": [b"https://host/a/b.git#main:folder\n", b".#v1"],
    "a manifest": [
        json.dumps(
            {
                "format_version": 1,
                "name": "n",
                "mlflow": "3",
                "dump": "a" * 64,
                "database": {"runs": {"1": "b"}},
                "artifacts": {"x": {"size": 1, "mark": "m", "sha256": "c" * 64}},
            }
        ).encode()
    ],
    "a model's schema": [
        json.dumps(
            {
                "__class__": "list",
                "__module__": "builtins",
                "__loader__": "ListNode",
                "content": [],
                "__id__": 1,
                "protocol": 2,
                "_skops_version": "0.13",
            }
        ).encode()
    ],
    "a model": [b"PK\x05\x06" + b"\0" * 18],
    "a table": [
        b"a,b\n1,2\n3,4\n",
        b"a\tb\n1\t2\n",
        b"a;b\n1,5;$2\n?\n",
        b'{"a": 1, "b": "x"}\n',
        _arrow(),
        _zip(),
    ],
}


class _Archive:
    def __init__(self, content):
        self._content = content

    def read(self, _, target):
        target.write(self._content)


class _file:  # noqa: N801 - reads as one
    """A file with this content, for the time of a `with` block."""

    def __init__(self, content, name):
        self._content, self._name = content, name

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name, self._name)
        path.write_bytes(self._content)
        return path

    def __exit__(self, *_):
        self._folder.cleanup()


def _text(content):
    return content.decode("utf-8", "surrogatepass" if content[:1] == b"\xed" else "replace")
