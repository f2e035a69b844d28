"""Files become tables with types that do not depend on the order of values, or give one line."""

import gzip
import io
import subprocess
import sys
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import refusing
from hypothesis import given
from hypothesis import strategies as st

from reprise.data import text_files
from reprise.data.tables import read_table
from reprise.errors import DataError

CSV = b"length,species\n5.1,setosa\n6.4,virginica\n"


def packed(content):
    """Gzip without the time, which would give a test another name every second."""
    return gzip.compress(content, mtime=0)


refusal = partial(refusing.refusal, error=DataError)


def printed_by(code, *arguments):
    """Return the output of a Python program."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def written(tmp_path):
    """Write bytes to a file with a name without meaning."""

    def write(content):
        path = tmp_path / "source"
        path.write_bytes(content)
        return path

    return write


def parquet(**columns):
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


class TestTables:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("iris.csv", CSV),
            ("IRIS.CSV", CSV),
            ("iris.tsv", CSV.replace(b",", b"\t")),
            ("iris.csv.gz", packed(CSV)),
            ("iris.tsv.gz", packed(CSV.replace(b",", b"\t"))),
            ("iris.parquet", parquet(length=[5.1, 6.4], species=["setosa", "virginica"])),
            ("s3://bucket/iris.csv?versionId=a.parquet", CSV),
            ("windows.csv", CSV.replace(b"\n", b"\r\n")),
            ("excel.csv", b"\xef\xbb\xbf" + CSV),
            ("no-last-line-break.csv", CSV.removesuffix(b"\n")),
        ],
    )
    def test_are_read_by_the_extension_of_their_name(self, name, content, written):
        table = read_table(written(content), name=name)

        assert table.to_pydict() == {"length": [5.1, 6.4], "species": ["setosa", "virginica"]}

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (["1", "-2"], pa.int64()),
            (["1", "2.5"], pa.float64()),
            (["1", "x"], pa.string()),
            (["99999999999999999999", "1"], pa.float64()),
            (["true", "False"], pa.bool_()),
            (["2024-02-29", "2024-03-01"], pa.date32()),
            (["2024-02-29 10:00:00", "2024-03-01"], pa.timestamp("s")),
            (["2024-02-29T10:00:00.5", "2024-03-01"], pa.timestamp("ns")),
            (["2024-02-29T10:00:00Z"], pa.timestamp("s", "UTC")),
        ],
    )
    def test_of_csv_have_the_narrowest_type_that_fits_all_values(self, values, expected, written):
        table = read_table(written("\n".join(["a", *values]).encode()), name="x.csv")

        assert table.schema.field("a").type == expected

    @pytest.mark.parametrize("missing", ["", "NA", "NaN", "null", '""'])
    @pytest.mark.parametrize("value", ["1.5", "7", "true", "2024-02-29", "text"])
    def test_of_csv_have_missing_values_in_every_type(self, value, missing, written):
        content = f"a,b\n{value},0\n{missing},0\n{value},0\n".encode()

        table = read_table(written(content), name="x.csv")

        assert table["a"].is_null().to_pylist() == [False, True, False]

    def test_of_csv_keep_line_breaks_and_separators_in_quotes(self, written):
        table = read_table(written(b'a,b\n"x\r\ny, ""z""",1\n"u\nv","w\n"\n'), name="x.csv")

        assert table.to_pydict() == {"a": ['x\r\ny, "z"', "u\nv"], "b": ["1", "w\n"]}

    def test_of_csv_keep_line_breaks_in_quotes_wherever_a_block_ends(self, written, monkeypatch):
        monkeypatch.setattr(text_files, "_BLOCK_BYTES", 50)

        table = read_table(written(b"a,b\n" + b'1,"x\n\n2,y"\n' * 99), name="x.csv")

        assert table.to_pydict() == {"a": [1] * 99, "b": ["x\n\n2,y"] * 99}

    @pytest.mark.parametrize(
        ("late", "expected"),
        [("2.5", pa.float64()), ("x", pa.string()), ("", pa.int64()), ("true", pa.bool_())],
    )
    def test_of_csv_have_the_right_type_when_the_last_value_of_many_decides(
        self, late, expected, written
    ):
        row = b"1," + b"x" * 1000 + b"\n"
        rows = 3 * text_files._BLOCK_BYTES // len(row)

        table = read_table(written(b"a,b\n" + row * rows + f"{late},x\n".encode()), name="x.csv")

        assert table.schema.field("a").type == expected
        assert table.num_rows == rows + 1
        assert table["a"][-1].as_py() == {"2.5": 2.5, "x": "x", "": None, "true": True}[late]
        assert str(table["a"][0]) in ("1", "1.0", "True")

    def test_of_csv_are_read_in_memory_of_the_order_of_the_file(self, written):
        row = b"1," + b"x" * 1000 + b"\n"
        rows = 6 * text_files._BLOCK_BYTES // len(row)
        path = written(b"a,b\n" + row * rows + b"2.5,x\n")  # all are converted once more
        code = (
            "import sys, pathlib, pyarrow, reprise.data.tables as tables\n"
            "tables.read_table(pathlib.Path(sys.argv[1]), name='x.csv')\n"
            "print(pyarrow.default_memory_pool().max_memory())"
        )

        peak = int(printed_by(code, path))

        assert path.stat().st_size < peak < 4 * path.stat().st_size

    @given(
        st.lists(
            st.sampled_from(
                ["1", "0", "2.5", "x", "", "NA", "true", "2024-02-29", "2024-02-29 10:00:00", "1e3"]
            ),
            min_size=1,
        ).flatmap(lambda values: st.tuples(st.just(values), st.permutations(values)))
    )
    def test_of_csv_have_types_that_do_not_depend_on_the_order_of_rows(
        self, tmp_path_factory, orders
    ):
        path = tmp_path_factory.getbasetemp() / "order"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(text_files, "_BLOCK_BYTES", 50)
            types = []
            for values in orders:
                path.write_text("a,b\n" + "".join(f"{value},0\n" for value in values))
                types.append(read_table(path, name="x.csv").schema.types)

        assert types[0] == types[1]

    def test_of_parquet_have_no_index_that_pandas_added(self, tmp_path, written):
        content = parquet(a=[1], b=[2], __index_level_0__=[3])

        assert read_table(written(content), name="x.parquet").column_names == ["a", "b"]

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("x.sav", CSV, [".csv, .tsv", ".parquet", ".gz, .bz2", "found .sav"]),
            ("https://h/download?id=x.csv", CSV, ["found no extension"]),
            ("x.csv", b"a,b\n1,2,3\n", ["Expected 2 columns", "found 3 in line 2"]),
            ("x.csv", b'a,b\n"u\nv",2\n1,2,3\n', ["found 3 in line 4"]),
            ("x.csv", b'\xef\xbb\xbf"a,b",c\n1,2,3\n', ["Expected 2 columns", "found 3 in line 2"]),
            ("x.tsv", b"a\tb\n1\t2\t3\n", ["found 3 in line 2"]),
            ("x.csv.gz", packed(b"a,b\n1,2,3\n"), ["found 3 in line 2"]),
            ("x.csv", b"a,b\n1,2\n3,\xe9t\xe9\n", ["UTF-8", "0xe9 in line 3, byte 3"]),
            ("x.csv", b"\xe9,b\n1,2\n", ["UTF-8", "0xe9 in line 1, byte 1"]),
            ("x.csv", "a,b\n1,2\n".encode("utf-16"), ["UTF-8", "line 1, byte 1"]),
            ("x.csv.gz", packed(b"a,b\n1,\xe9\n"), ["UTF-8", "line 2, byte 3"]),
            ("x.csv", b"a,b\n", ["Expected rows of data", "found none"]),
            ("x.csv", b"a,b", ["Expected rows of data", "found none"]),
            ("x.csv", b"\n\n", ["found none: x.csv"]),
            ("x.csv", b'a,b\n1,2\n3,"x\n4,5\n', ["quoted value", "row of line 3"]),
            ("x.csv", b'a,b\n1,2\n"3,x\n4,5\n', ["quoted value", "row of line 3"]),
            ("x.csv", b"a;b\n1;2;3\n4\n", ["Expected commas", "found ';'", "separator=';'"]),
            ("x.csv", b"<!DOCTYPE html>\n<p>Log in, please\n", ["found a web page"]),
            ("x.csv.gz", CSV, ["Expected gzip", "remove .gz"]),
            ("x.csv.gz", packed(CSV)[:-9], ["Expected gzip", "damaged"]),
            ("x.csv.gz", packed(CSV)[:-8] + b"8 bytes.", ["Expected gzip", "damaged"]),
            ("x.parquet", CSV, ["Expected Parquet"]),
            ("x.parquet", parquet(a=[1], b=[2])[:-9], ["Expected Parquet", "damaged"]),
            (
                "x.parquet",
                parquet(a=pa.array([], "int64")),
                ["Expected rows of data", "found none"],
            ),
        ],
    )
    def test_that_are_not_sound_are_refused(self, name, content, words, written):
        text = refusal(read_table, written(content), name=name)

        assert all(word in text for word in words), text
        assert name in text

    def test_that_are_not_there_are_refused(self, tmp_path):
        assert "No such file" in refusal(read_table, tmp_path / "none", name="x.csv")
