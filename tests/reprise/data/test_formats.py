"""Tables in every format and packing that people send, and what is refused of them."""

import bz2
import datetime as dt
import gzip
import io
import lzma
import sys
import zipfile
from functools import partial

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import refusing

from reprise.data import column_names
from reprise.data.read_options import ReadOptions
from reprise.data.tables import read_table
from reprise.errors import DataError
from reprise.extras import MissingExtraError

CSV = b"n,t\n1,x\n2,y\n"
TABLE = {"n": [1, 2], "t": ["x", "y"]}
refusal = partial(refusing.refusal, error=DataError)


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _with_password(archive):
    """Set the flag of an archive's directory that says that a file needs a password."""
    place = archive.index(b"PK\x01\x02") + 8
    return archive[:place] + b"\x01" + archive[place + 1 :]


def arrow(table, writer=pa.ipc.new_file):
    stream = pa.BufferOutputStream()
    with writer(stream, table.schema) as out:
        out.write_table(table)
    return stream.getvalue().to_pybytes()


def parquet(table):
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def relations(**targets):
    """Write what the parts of a workbook are, and where."""
    kind = "http://schemas.openxmlformats.org"
    items = "".join(
        f'<Relationship Id="{name}" Type="{kind}/officeDocument/2006/relationships/{part}" '
        f'Target="{target}"/>'
        for name, (part, target) in targets.items()
    )
    return f'<Relationships xmlns="{kind}/package/2006/relationships">{items}</Relationships>'


def sheet(rows):
    """Write rows of XML as the first sheet of a workbook; the second, 2024, is empty."""
    kind = "http://schemas.openxmlformats.org"
    main = f'xmlns="{kind}/spreadsheetml/2006/main"'
    names = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in ((1, "Data"), (2, 2024))
    )
    parts = {
        "_rels/.rels": relations(r1=("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{kind}/officeDocument/2006/relationships">'
        f"<sheets>{names}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": relations(
            r1=("worksheet", "worksheets/sheet1.xml"),
            r2=("worksheet", "worksheets/sheet2.xml"),
            r3=("styles", "styles.xml"),
        ),
        "xl/styles.xml": f"<styleSheet {main}><cellXfs>"
        '<xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
    }
    for number, content in enumerate((rows, ""), 1):
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f"<worksheet {main}><sheetData>{content}</sheetData></worksheet>"
        )
    return zipped(parts)


def row(number, *cells):
    """Write a row of cells: text, numbers, or days since 1900 as `("day", n)`."""
    written = []
    for letter, cell in zip("ABCDEFG", cells, strict=False):
        place = f'r="{letter}{number}"'
        if isinstance(cell, str):
            written.append(f'<c {place} t="inlineStr"><is><t>{cell}</t></is></c>')
        elif isinstance(cell, tuple):
            written.append(f'<c {place} s="1"><v>{cell[1]}</v></c>')
        elif cell is not None:
            written.append(f"<c {place}><v>{cell}</v></c>")
    return f'<row r="{number}">{"".join(written)}</row>'


WORKBOOK = sheet(
    row(1, "n", "t", "day") + row(2, 1, "x", ("day", 45292)) + row(3, 2, "NA", ("day", 45293))
)


@pytest.fixture
def read(tmp_path):
    def read(content, name, *, notices=None, **options):
        path = tmp_path / "source"
        path.write_bytes(content)
        return read_table(path, name=name, options=ReadOptions(**options), notices=notices)

    return read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv.gz", gzip.compress(CSV)),
        ("x.csv.bz2", bz2.compress(CSV)),
        ("x.csv.xz", lzma.compress(CSV)),
        ("x.csv.zst", pa.compress(CSV, codec="zstd", asbytes=True)),
        ("x.csv.zip", zipped({"any.csv": CSV})),
        ("x.zip", zipped({"x.csv": CSV})),
        ("x.zip", zipped({"folder/x.CSV": CSV, "folder/": b"", "__MACOSX/folder/x.csv": b""})),
        ("x.zip", zipped({"x.parquet": parquet(pa.table(TABLE))})),
        ("x.feather", arrow(pa.table(TABLE))),
        ("x.arrow", arrow(pa.table(TABLE))),
        ("x.arrow", arrow(pa.table(TABLE), pa.ipc.new_stream)),
        ("x.feather.gz", gzip.compress(arrow(pa.table(TABLE)))),
        ("x.jsonl", b'{"n": 1, "t": "x"}\n{"t": "y", "n": 2}\n'),
        ("x.ndjson", b'{"n": 1, "t": "x"}\n{"n": 2, "t": "y"}'),
        ("x.jsonl.gz", gzip.compress(b'{"n": 1, "t": "x"}\n{"n": 2, "t": "y"}\n')),
        ("x.tab", CSV.replace(b",", b"\t")),
        ("x.txt", CSV),
        ("x.data", CSV),
        ("x.xlsx", sheet(row(1, "n", "t") + row(2, 1, "x") + row(3, 2, "y"))),
    ],
)
def test_a_table_is_read_from(name, content, read):
    assert read(content, name).to_pydict() == TABLE


def test_a_key_that_a_line_of_json_lacks_is_a_missing_value(read):
    assert read(b'{"a": 1}\n{"b": 2.5}\n', "x.jsonl").to_pydict() == {
        "a": [1, None],
        "b": [None, 2.5],
    }


def test_dates_in_lines_of_json_are_dates(read):
    table = read(
        b'{"d": "2024-01-31", "t": "2024-01-31T10:00:00", "z": "2024-01-31T10:00:00Z", "s": "x"}\n',
        "x.jsonl",
    )

    assert [str(kind) for kind in table.schema.types] == [
        "date32[day]",
        "timestamp[us]",
        "timestamp[us, tz=UTC]",
        "string",
    ]


def test_numbers_in_lines_of_json_may_have_a_fraction_late(read):
    lines = [*(f'{{"n": {i}}}' for i in range(2500)), '{"n": 0.5, "t": "x"}']

    table = read("\n".join(lines).encode(), "x.jsonl")

    assert table["n"].to_pylist() == [*range(2500), 0.5]
    assert table["t"].null_count == 2500


def test_cells_of_a_workbook_keep_their_types(read):
    table = read(WORKBOOK, "x.xlsx")

    assert table.to_pydict() == {
        "n": [1, 2],
        "t": ["x", None],
        "day": [dt.datetime.fromisoformat("2024-01-01"), dt.datetime.fromisoformat("2024-01-02")],
    }


@pytest.mark.parametrize("asked", ["Data", "1"])
def test_a_sheet_has_a_name_and_a_number(asked, read):
    assert read(WORKBOOK, "x.xlsx", sheet=asked).num_rows == 2


def test_a_number_may_be_the_name_of_a_sheet(read):
    with pytest.raises(DataError, match="found none"):  # the second sheet is empty
        read(WORKBOOK, "x.xlsx", sheet="2024")


def test_options_for_cells_are_for_workbooks_too(read):
    content = sheet(
        row(1, "made up") + row(2, "n", "p", "when") + row(3, "?", "5%", "31/12/2023")
        + row(4, 7, "6%", "30/12/2023")
    )  # fmt: skip

    table = read(
        content, "x.xlsx", header=2, na_values=("?",), percent=True, dates=(("when", "%d/%m/%Y"),)
    )

    assert table["n"].to_pylist() == [None, 7]
    assert table["p"].to_pylist() == [0.05, 0.06]
    assert pa.types.is_timestamp(table["when"].type)


def test_row_names_of_a_workbook_are_marked(read):
    content = sheet(row(1, None, "a", "b") + row(2, 0, 1, "x") + row(3, 1, 2, "y"))

    table = read(content, "x.xlsx")

    assert table.column_names == ["Unnamed: 0", "a", "b"]
    assert column_names.row_names(table) == ["Unnamed: 0"]


def test_a_workbook_needs_a_package_of_an_extra(read, monkeypatch):
    monkeypatch.setitem(sys.modules, "python_calamine", None)

    text = refusing.refusal(read, WORKBOOK, "x.xlsx", error=MissingExtraError)

    assert 'pip install "mlflow-reprise[excel]"' in text


@pytest.mark.parametrize("write", [parquet, arrow])
def test_a_named_index_of_pandas_is_row_names(write, read):
    frame = pd.DataFrame({"x": [1.5, 2.5], "y": ["u", "v"]})
    frame.index = pd.Index([7, 8], name="customer_id")

    table = read(write(pa.Table.from_pandas(frame)), "x.parquet" if write is parquet else "x.arrow")

    assert table.column_names == ["x", "y", "customer_id"]
    assert column_names.row_names(table) == ["customer_id"]


def test_equal_names_in_parquet_get_suffixes_with_a_notice(read):
    content = parquet(pa.table([[1], [2], [3]], names=["a", "b", "a"]))
    notices = []

    table = read(content, "x.parquet", notices=notices)

    assert table.to_pydict() == {"a": [1], "b": [2], "a.1": [3]}
    assert [notice.column for notice in notices] == ["a.1"]


def test_columns_of_a_wide_parquet_file_keep_their_order(read):
    wide = pa.table({f"c{i}": [i] for i in range(1000)})

    assert read(parquet(wide), "x.parquet").equals(wide)


def test_missing_values_of_a_typed_file_can_be_named(read):
    content = parquet(pa.table({"n": [1, -999], "t": ["x", "?"]}))

    table = read(content, "x.parquet", na_values=("?", "-999"))

    assert table.to_pydict() == {"n": [1, None], "t": ["x", None]}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "x.zip",
            zipped({"a.csv": CSV, "b.csv": CSV}),
            ["one file in the archive", "a.csv, b.csv"],
        ),
        ("x.zip", zipped({}), ["found none"]),
        ("x.zip", zipped({"x.csv": CSV}).replace(b"\x08\x00", b"\x63\x00"), ["Expected zip"]),
        ("x.zip", _with_password(zipped({"x.csv": CSV})), ["without a password"]),
        ("x.zip", CSV, ["Expected zip", "remove .zip"]),
        ("x.zip", zipped({"x.sav": CSV}), ["found .sav"]),
        ("x.csv.xz", CSV, ["Expected xz"]),
        ("x.csv.xz", lzma.compress(CSV)[:-9], ["Expected xz", "damaged"]),
        ("x.csv.zst", CSV, ["Expected Zstandard"]),
        ("x.csv.bz2", CSV, ["Expected bzip2"]),
        ("x.csv.bz2", bz2.compress(CSV)[:-9], ["Expected bzip2", "damaged"]),
        ("x.feather", CSV, ["Expected a Feather file"]),
        ("x.arrow", arrow(pa.table(TABLE))[:-300], ["Expected a Feather file"]),
        ("x.jsonl", CSV, ["one JSON object a line", "in line 1"]),
        ("x.jsonl", b'{"a": 1}\n[1]\n', ["in line 2 (list)"]),
        ("x.jsonl", b"[" * 1_000_000, ["one JSON object a line"]),
        ("x.jsonl", b'{"a": "\\ud800"}\n', ["values of one type"]),
        ("x.jsonl", b"\n", ["found none"]),
        ("x.jsonl", b'{"a": 1}\n{"a": "x"}\n', ["values of one type"]),
        ("x.xlsx", CSV, ["Expected an Excel workbook"]),
        ("x.xlsx", zipped({"x.csv": CSV}), ["Expected an Excel workbook"]),
        ("x.xlsx", WORKBOOK[:-500], ["Expected an Excel workbook"]),
        ("x.gz", gzip.compress(CSV), ["found no extension"]),
    ],
)
def test_a_file_that_is_not_sound_is_refused(name, content, words, read):
    text = refusal(read, content, name)

    assert all(word in text for word in words), text
    assert name in text


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("x.parquet", parquet(pa.table(TABLE)), {"separator": ";", "header": 0}),
        ("x.csv", CSV, {"sheet": "Data"}),
        ("x.xlsx", WORKBOOK, {"encoding": "utf-16"}),
    ],
)
def test_options_without_effect_are_reported(name, content, options, read):
    notices = []

    read(content, name, notices=notices, **options)

    assert [notice.text.split()[0] for notice in notices] == [f"`{option}`" for option in options]


def test_a_sheet_that_is_not_there_is_refused_with_those_that_are(read):
    text = refusal(read, WORKBOOK, "x.xlsx", sheet="Dat")

    assert "Did you mean 'Data'? Choose from Data, 2024." in text
