"""Equal content has equal digests, however it was written; another value never has."""

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reprise.digests import digest

MLMODEL = """
artifact_path: mlflow-artifacts:/0/{run}/artifacts/model
flavors:
  python_function: {{loader_module: mlflow.sklearn, model_path: model.skops}}
model_id: m-{run}
model_size_bytes: {size}
run_id: {run}
signature: {{inputs: "{inputs}"}}
utc_time_created: '{time}'
"""


def mlmodel(run="0" * 32, size=1, time="2026-11-27 10:00:00", inputs="x"):
    return MLMODEL.format(run=run, size=size, time=time, inputs=inputs).encode()


def npy(*values, version=(1, 0)):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.array(values), version=version)
    return file.getvalue()


def zipped(members, *, year=2026, packing=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), content, packing)
    return file.getvalue()


def tarred(*members, time=0):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), time
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def skops(address, *values):
    name = f"{address}.npy"
    array = {"__class__": "ndarray", "__id__": address, "type": "numpy", "file": name}
    twice = [array, {"__id__": address}]
    return zipped([("schema.json", json.dumps({"content": twice})), (name, npy(*values))])


def chunk(kind, content):
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", 0)


def png(pixels, *, text=b"", level=9):
    """A row of grey pixels."""
    header = struct.pack(">IIBBBBB", len(pixels), 1, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tEXt", text), (b"IDAT", zlib.compress(b"\0" + pixels, level))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks) + chunk(b"IEND", b"")


def parquet(*values, compression="snappy"):
    file = io.BytesIO()
    pq.write_table(pa.table({"x": list(values)}), file, compression=compression)
    return file.getvalue()


def notebook(output, *, count=1, duration=0.5):
    outputs = [{"output_type": "stream", "name": "stdout", "text": [output]}]
    cell = {"cell_type": "code", "source": "f()", "outputs": outputs, "execution_count": count}
    cell["metadata"] = {"papermill": {"duration": duration}}
    return json.dumps({"cells": [cell], "metadata": {}}).encode()


# By name: two ways to write one content, and another content.
KINDS = {
    "model/MLmodel": (mlmodel(), mlmodel("1" * 32, 2, "2027-01-01"), mlmodel(inputs="y")),
    "a.json": (b'{"a": 1, "b": [1.5, null]}', b'{"b":[1.50,null],\r\n"a":1}', b'{"a": 2}'),
    "a.yaml": (b"a: 1\nb: [x]\n", b"# by hand\nb:\n  - x\na: 1\n", b"a: 1\nb: [y]\n"),
    "a.csv": (b"x,y\n1,a\n", b'"x","y"\r\n1,"a"\r\n', b"x,y\n1,b\n"),
    "a.txt": (b"one\ntwo\n", b"one\r\ntwo\r\n", b"one\ntwo"),
    "a.npy": (npy(1.5, 2), npy(1.5, 2, version=(2, 0)), npy(1.5, 3)),
    "a.npz": (zipped([("x.npy", npy(1))]), zipped([("x.npy", npy(1))], year=2030),
              zipped([("x.npy", npy(2))])),
    "a.zip": (zipped([("a", "1"), ("b", "2")]),
              zipped([("b", "2"), ("a", "1")], packing=zipfile.ZIP_STORED),
              zipped([("a", "1"), ("c", "2")])),
    "a.tar": (tarred(("a", b"1")), tarred(("a", b"1"), time=9), tarred(("a", b"2"))),
    "a.tar.gz": (gzip.compress(tarred(("a", b"1")), mtime=1), gzip.compress(tarred(("a", b"1"))),
                 gzip.compress(tarred(("b", b"1")))),
    "a.csv.gz": (gzip.compress(b"x\n1\n", mtime=1), gzip.compress(b'"x"\r\n1\r\n', 1),
                 gzip.compress(b"x\n2\n")),
    "a.skops": (skops(140001, 1.5), skops(150002, 1.5), skops(140001, 2.5)),
    "a.png": (png(b"abc"), png(b"abc", text=b"Software\0x", level=1), png(b"abd")),
    "a.parquet": (parquet(1, None), parquet(1, None, compression="gzip"), parquet(1, 2)),
    "a.ipynb": (notebook("1"), notebook("1", count=7, duration=2.5), notebook("2")),
    "a.svg": (b'<svg><dc:date>1</dc:date><g id="p1a"/><use href="#p1a"/></svg>',
              b'<svg><dc:date>2</dc:date><g id="p2b"/><use href="#p2b"/></svg>',
              b'<svg><dc:date>1</dc:date><g id="p1a"/><use href="#p9"/></svg>'),
    "a.pdf": (b"%PDF-1.4 /CreationDate (D:2026) x", b"%PDF-1.4 /CreationDate (D:2027\\)) x",
              b"%PDF-1.4 /CreationDate (D:2026) y"),
}  # fmt: skip


@pytest.fixture
def of(tmp_path):
    """The content of bytes that were stored under a name."""

    def of(data, name, **options):
        path = tmp_path / "file"
        path.write_bytes(data)
        return digest(path, name, **options)

    return of


@pytest.mark.parametrize("name", KINDS)
def test_one_content_has_one_digest_however_it_was_written(of, name):
    one, same, _ = KINDS[name]

    assert one != same
    assert of(one, name) == of(same, name)


@pytest.mark.parametrize("name", KINDS)
def test_another_content_has_another_digest(of, name):
    one, _, other = KINDS[name]

    assert of(one, name).sha256 != of(other, name).sha256


@pytest.mark.parametrize("name", [name for name in KINDS if name != "a.txt"])
def test_what_is_not_of_the_kind_that_its_name_says_is_compared_by_its_bytes(of, name):
    damaged = b"\xff{\x00" + KINDS[name][0][3:40]

    assert of(damaged, name).kind == "bytes"
    assert of(damaged, name).sha256 != of(damaged + b".", name).sha256


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "without-an-end"])
def test_a_pickle_is_not_loaded_and_its_bytes_are_opaque(of, name):
    class Bomb:
        def __reduce__(self):
            return exec, ("raise AssertionError('loaded')",)

    content = of(pickle.dumps(Bomb()), name)

    assert content.is_opaque


def test_what_another_run_has_otherwise_is_replaced_in_texts(of):
    one = of(
        b'{"run": "abc", "at": "/tmp/x/data"}', "a.json", replacing={"abc": "R", "/tmp/x": "P"}
    )
    two = of(b'{"run": "def", "at": "/y/data"}', "a.json", replacing={"def": "R", "/y": "P"})

    assert one == two


def test_nothing_is_replaced_in_what_is_no_text(of):
    assert of(npy(1), "a.npy", replacing={"NUMPY": "x"}) == of(npy(1), "a.npy")
