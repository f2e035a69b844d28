"""Text files as people have them are read as pandas reads them; what is odd is reported."""

import datetime as dt
from functools import partial

import pyarrow as pa
import pytest
import refusing

from reprise.data import column_names
from reprise.data.read_options import ReadOptions
from reprise.data.tables import read_table
from reprise.errors import DataError

MOMENT = dt.datetime.fromisoformat("2020-12-31")
refusal = partial(refusing.refusal, error=DataError)


@pytest.fixture
def read(tmp_path):
    """Read a text as a file; the table gets its notices, as lines."""

    def read(text, name="x.csv", **options):
        path = tmp_path / "source"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        notices = []
        table = read_table(path, name=name, options=ReadOptions(**options), notices=notices)
        return table, [str(notice) for notice in notices]

    return read


class TestSeparators:
    @pytest.mark.parametrize(
        ("text", "name", "found"),
        [
            ("a;b\n1;2\n", "x.csv", "';'"),
            ("a\tb\n1\t2\n", "x.csv", "tabs"),
            ("a|b\n1|2\n", "x.csv", "'|'"),
            ("a,b\n1,2\n", "x.tsv", "commas"),
            ("a;b\n1;2\n", "x.tsv", "';'"),
        ],
    )
    def test_other_than_the_extensions_own_are_found_and_reported(self, text, name, found, read):
        table, notices = read(text, name)

        assert table.to_pydict() == {"a": [1], "b": [2]}
        assert len(notices) == 1
        assert f"has {found} between its columns" in notices[0]
        assert "-P separator=" in notices[0]

    @pytest.mark.parametrize("suffix", ["txt", "data"])
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|", " ", "   "])
    def test_of_a_file_without_a_usual_one_are_found(self, suffix, separator, read):
        rows = [["a", "b", "c"], ["1", "2.5", "x"], ["3", "4.5", "y"]]

        table, notices = read("\n".join(map(separator.join, rows)), f"x.{suffix}")

        assert table.to_pydict() == {"a": [1, 3], "b": [2.5, 4.5], "c": ["x", "y"]}
        assert notices == []

    def test_that_are_spaces_are_found_where_nothing_else_separates_numbers(self, read):
        numbers, notices = read("Chins Situps Jumps\n5 162 60\n2 110 60\n")
        words, _ = read("full name\nada lovelace\nalan turing\n")

        assert numbers.to_pydict() == {"Chins": [5, 2], "Situps": [162, 110], "Jumps": [60, 60]}
        assert "-P separator=whitespace" in notices[0]
        assert words.column_names == ["full name"]

    def test_that_are_spaces_and_tabs_mixed_are_one_each(self, read):
        text = '  1.5   2\t"a name"\n 10.25 3\t"b"\n'

        table, _ = read(text, "auto-mpg.data", separator="whitespace", header=0)

        assert table.to_pydict() == {"0": [1.5, 10.25], "1": [2, 3], "2": ["a name", "b"]}

    def test_go_before_the_width_of_the_rows(self, read):
        table, _ = read("CO;T;level\n2,0;13,0;lo\n2,1;14,1;hi\n")

        assert table.to_pydict() == {"CO": [2.0, 2.1], "T": [13.0, 14.1], "level": ["lo", "hi"]}

    def test_with_decimal_commas_are_reported_together(self, read):
        _, notices = read("a;b\n1,5;2\n")

        assert "decimal commas" in notices[0]
        assert "-P separator=';' -P decimal=,." in notices[0]

    def test_in_text_of_one_column_are_text(self, read):
        table, notices = read("note\na;b\nc\n")

        assert table.to_pydict() == {"note": ["a;b", "c"]}
        assert notices == []

    def test_that_are_asked_for_are_used(self, read):
        table, notices = read("a,b;c\n1,2;3\n", separator=";", decimal=".")

        assert table.to_pydict() == {"a,b": ["1,2"], "c": [3]}
        assert notices == []

    def test_that_nothing_shows_are_asked_for(self, tmp_path):
        path = tmp_path / "x"
        path.write_text("one\ntwo words here\n")

        assert "-P separator=" in refusal(read_table, path, name="x.txt")

    def test_may_be_the_decimal_sign_of_quoted_numbers(self, read):
        table, _ = read('a,b\n"1,5",2\n', decimal=",")

        assert table.to_pydict() == {"a": [1.5], "b": [2]}

    def test_of_thousands_are_not_the_decimal_sign(self, tmp_path):
        path = tmp_path / "x"
        path.write_text("a,b\n1,2\n")
        options = ReadOptions(decimal=".", thousands=".")

        text = refusal(read_table, path, name="x.csv", options=options)

        assert "different characters for `thousands` and `decimal`" in text


class TestNumbers:
    def test_of_tables_with_tabs_keep_commas_as_text_with_a_notice(self, read):
        table, notices = read("a\tb\n1,5\tx\n", "x.tsv")

        assert table["a"].to_pylist() == ["1,5"]
        assert "Add -P decimal=,." in notices[0]

    @pytest.mark.parametrize(
        ("cells", "options", "expected"),
        [
            (["1,234", "12"], {"thousands": ","}, [1234, 12]),
            (["1,234,567.5", "-1"], {"thousands": ","}, [1234567.5, -1.0]),
            (["12,34,567", "1"], {"thousands": ","}, [1234567, 1]),
            (["1.234,5", "7"], {"thousands": ".", "decimal": ","}, [1234.5, 7.0]),
            (["1 234", "1\u00a0000\u202f000"], {"thousands": " "}, [1234, 1000000]),
            (["1'234.5", ""], {"thousands": "'"}, [1234.5, None]),
            (["12%", "7.5 %", "-3%"], {"percent": True}, [0.12, 0.075, -0.03]),
            (["$1,200.50", "-$3"], {"currency": True}, [1200.5, -3.0]),
            (["12 EUR", "1,000 EUR"], {"currency": True}, [12, 1000]),
            (["1.200,50 €", "€ 3"], {"currency": True, "decimal": ","}, [1200.5, 3.0]),
            (["($5)", "R$ 6"], {"currency": True}, [-5, 6]),
        ],
    )
    def test_are_read_as_the_options_say(self, cells, options, expected, read):
        table, notices = read(
            "\n".join(["a;b", *(f"{cell};x" for cell in cells)]), separator=";", **options
        )

        assert table["a"].to_pylist() == expected
        assert notices == []

    @pytest.mark.parametrize("cells", [["1.2.2020", "x"], ["1,2,3", "4"], ["12,3456", "1"]])
    def test_are_not_made_of_what_only_has_a_separator_in_it(self, cells, read):
        table, _ = read(
            "\n".join(["a;b", *(f"{c};x" for c in cells)]), separator=";", thousands=","
        )

        assert table["a"].to_pylist() == cells

    @pytest.mark.parametrize(
        ("cells", "advice"),
        [
            (["1,234", "2,345"], "thousands=,"),
            (["12%", "13%"], "percent=true"),
            (["$12", "$13"], "currency=true"),
            (["1,5", "2,25"], "decimal=,"),
        ],
    )
    def test_that_are_text_without_an_option_are_reported(self, cells, advice, read):
        table, notices = read("\n".join(["a\tb", *(f"{c}\tx" for c in cells)]), "x.tsv")

        assert table["a"].to_pylist() == cells
        assert notices == [notices[0]]
        assert f"Add -P {advice}." in notices[0]

    @pytest.mark.parametrize("marker", [" ", "?", "-", "n.a.", "missing"])
    def test_with_a_marker_among_them_stay_text_with_the_option_to_give(self, marker, read):
        text = "\n".join(["a,b", *(f"{i}.5,x" for i in range(9)), f"{marker},x"])

        table, notices = read(text)
        again, none = read(text, na_values=(marker,))

        assert table["a"].type == pa.string()
        assert f"1 of 10 cells is {marker!r}; the others are numbers" in notices[0]
        assert "-P na_values=" in notices[0]
        assert again["a"].to_pylist() == [*(i + 0.5 for i in range(9)), None]
        assert none == []

    def test_have_the_decimal_sign_of_the_file_where_no_option_says_it(self, read):
        rows = [f"{i},5%;1.{i + 100},50 €;{i},25" for i in range(20)]

        table, notices = read("\n".join(["a;b;c", *rows]), percent=True, currency=True)

        assert table["a"].to_pylist()[:2] == [0.005, 0.015]
        assert table["b"].to_pylist()[:2] == [1100.5, 1101.5]
        assert table["c"].to_pylist()[:2] == [0.25, 1.25]
        assert ["numbers are text" in notice for notice in notices] == [False]

    def test_before_words_in_capitals_are_no_amounts(self, read):
        _, notices = read("a,b\n10.04 LTS,x\n12.04 LTS,y\n")

        assert notices == []

    def test_of_text_with_a_few_numbers_are_text_without_a_notice(self, read):
        _, notices = read("a,b\nx,1\ny,1\n3,1\nz,1\n")

        assert notices == []

    def test_equal_to_a_marker_are_missing_however_they_are_written(self, read):
        table, _ = read("a,b\n-999,1\n5,-999.0\n", na_values=("-999",))

        assert table.to_pydict() == {"a": [None, 5], "b": [1.0, None]}

    @pytest.mark.parametrize("marker", ["None", "<NA>", "NULL", "n/a", "#N/A"])
    def test_may_be_missing_as_pandas_writes_it(self, marker, read):
        table, _ = read(f"x,y\n1,u\n{marker},v\n")

        assert table.to_pydict() == {"x": [1, None], "y": ["u", "v"]}


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "cp932", "utf-8-sig"])
    def test_that_are_asked_for_are_read(self, encoding, read):
        text = "name,n\nJürgen,1\n" if encoding != "cp932" else "name,n\n太郎,1\n"

        table, _ = read(text.encode(encoding), encoding=encoding)

        assert table.to_pydict() == {"name": [text[7:-3]], "n": [1]}

    @pytest.mark.parametrize(
        ("text", "encoding"),
        [
            ("ort,n\nKöln,1\nZürich,2\n", "cp1252"),
            ("город,n\nМосква,1\nКазань,2\n", "cp1251"),  # noqa: RUF001 - Cyrillic
            ("都市,n\n東京,1\n大阪,2\n", "cp932"),
            ("a,b\n1,2\n", "utf-16"),
            ("a,b\n1,2\n", "utf-16-le"),
        ],
    )
    @pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.txt"])
    def test_other_than_utf_8_are_refused_with_the_likely_one(self, name, text, encoding, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(text.encode(encoding))

        assert f"add -P encoding={encoding}," in refusal(read_table, path, name=name)

    def test_that_are_wrong_are_refused(self, tmp_path):
        path = tmp_path / "x"
        path.write_bytes("a,b\né,2\n".encode("cp1252"))

        text = refusal(read_table, path, name="x.csv", options=ReadOptions(encoding="utf-16"))

        assert "Correct -P encoding" in text

    def test_of_rows_of_several_lengths_are_read(self, read):
        table, _ = read("a,b,\né,1\n".encode("cp1252"), encoding="cp1252")

        assert table["a"].to_pylist() == ["é"]


class TestHeaders:
    def test_may_be_missing(self, read):
        table, _ = read("1,x\n2,y\n", header=0)

        assert table.to_pydict() == {"0": [1, 2], "1": ["x", "y"]}

    def test_may_be_given(self, read):
        table, _ = read("1,x\n2,y\n", header=0, names=("n", "t"))

        assert table.to_pydict() == {"n": [1, 2], "t": ["x", "y"]}

    def test_may_be_replaced(self, read):
        table, _ = read("a,b\n1,x\n", names=("n", "t"))

        assert table.to_pydict() == {"n": [1], "t": ["x"]}

    def test_may_be_further_down(self, read):
        table, notices = read("A report,of\n2024, in, EUR\na,b\n1,x\n", header=3)

        assert table.to_pydict() == {"a": [1], "b": ["x"]}
        assert notices == []

    def test_may_be_further_down_in_a_ragged_file(self, read):
        table, notices = read("A report\n\na,b\n1\n2,x\n", header=3)

        assert table.to_pydict() == {"a": [1, 2], "b": [None, "x"]}
        assert "the first in line 4" in notices[0]

    def test_of_another_length_than_the_names_are_refused(self, tmp_path):
        path = tmp_path / "x"
        path.write_text("1,2\n")

        text = refusal(read_table, path, name="x.csv", options=ReadOptions(names=("a",), header=0))

        assert "as many names as columns of x.csv, 2, found 1" in text

    def test_that_look_like_values_are_reported(self, read):
        _, notices = read("5.1,3.5,setosa\n4.9,3.0,setosa\n")

        assert "look like values: 5.1, 3.5, setosa" in notices[0]
        assert "-P header=none" in notices[0]

    def test_that_are_blank_at_the_start_are_row_names(self, read):
        table, _ = read('"","a","b"\n"1",5,"x"\n"2",6,"y"\n')

        assert table.column_names == ["Unnamed: 0", "a", "b"]
        assert column_names.row_names(table) == ["Unnamed: 0"]

    def test_that_are_one_name_short_are_those_of_rs_row_names(self, read):
        table, notices = read('a b\nMazda 5 "x"\nFiat 6 "y"\n', "x.txt", separator="whitespace")

        assert table.column_names == ["Unnamed: 0", "a", "b"]
        assert column_names.row_names(table) == ["Unnamed: 0"]
        assert notices == []

    def test_that_are_blank_elsewhere_get_pandas_names_with_a_notice(self, read):
        table, notices = read("a,,b\n1,2,x\n")

        assert table.column_names == ["a", "Unnamed: 1", "b"]
        assert notices == ["column 'Unnamed: 1': its name is blank in the file. Give it one there."]

    def test_that_are_equal_get_pandas_suffixes_with_a_notice(self, read):
        table, notices = read("a,b,a,a.1,a\n1,2,3,4,5\n")

        assert table.column_names == ["a", "b", "a.2", "a.1", "a.3"]
        assert len(notices) == 2
        assert "another column has its name, 'a'" in notices[0]


class TestRows:
    def test_that_are_short_miss_their_last_values_with_a_notice(self, read):
        table, notices = read("a,b,c\n1,2,3\n4\n5,6\n")

        assert table.to_pydict() == {"a": [1, 4, 5], "b": [2, None, 6], "c": [3, None, None]}
        assert len(notices) == 1
        assert "2 of 3 rows have fewer values" in notices[0]
        assert "the first in line 3" in notices[0]

    def test_under_a_header_that_ends_in_a_comma_are_read_as_pandas_does(self, read):
        table, _ = read("diagnosis,radius,\nM,17.99\nB,20.57\n")

        assert table.to_pydict() == {
            "diagnosis": ["M", "B"],
            "radius": [17.99, 20.57],
            "Unnamed: 2": [None, None],
        }

    def test_that_end_in_a_comma_mean_nothing_by_it(self, read):
        table, notices = read("a,b\n1,x,\n2,y,\n")

        assert table.to_pydict() == {"a": [1, 2], "b": ["x", "y"]}
        assert "2 of 2 rows have more values" in notices[0]

    def test_that_stand_alone_at_the_end_are_read_as_pandas_does(self, read):
        table, notices = read("a,b\nu,1\nv,2\nTotal: 2 rows\n\n")

        assert table.to_pydict() == {"a": ["u", "v", "Total: 2 rows"], "b": [1, 2, None]}
        assert "the first in line 4" in notices[0]

    @pytest.mark.parametrize("size", [1 << 17, 1 << 20])
    def test_with_long_cells_are_read(self, size, read):
        long = "word " * (size // 5)

        table, _ = read(f'label,text\na,"short\nline"\nb,"{long}\n"\n')

        assert table["text"].to_pylist() == ["short\nline", f"{long}\n"]

    def test_of_comments_are_left_out(self, read):
        text = '# made up\na,b # names\n1,"x # y"\n#2,z\n3,w#v\n'

        table, notices = read(text, comment="#")

        assert table.to_pydict() == {"a": [1, 3], "b": ["x # y", "w"]}
        assert notices == []


class TestDates:
    def test_with_a_format_are_read(self, read):
        table, _ = read("a,b\n31/12/2020,1\n,2\n", dates=(("a", "%d/%m/%Y"),))

        assert table["a"].to_pylist() == [MOMENT, None]

    def test_written_as_numbers_are_read(self, read):
        table, _ = read("a,b\n20201231,1\n20210101,2\n", dates=(("a", "%Y%m%d"),))

        assert table["a"].to_pylist() == [MOMENT, MOMENT + dt.timedelta(days=1)]

    def test_of_iso_8601_are_found(self, read):
        table, _ = read("a,b\n2020-12-31,2020-12-31 10:00:00\n", dates=(("a", None),))

        assert table.to_pydict() == {
            "a": [dt.date(2020, 12, 31)],
            "b": [MOMENT + dt.timedelta(hours=10)],
        }

    @pytest.mark.parametrize(
        ("dates", "words"),
        [
            ((("a", "%d/%m/%Y"),), ["column 'a'", "'13/13/2020' in row 2"]),
            ((("a", None),), ["ISO 8601", "dates=a=%d/%m/%Y"]),
            ((("aa", None),), ["'aa'", "Did you mean 'a'?"]),
        ],
    )
    def test_that_do_not_fit_are_refused(self, dates, words, tmp_path):
        path = tmp_path / "x"
        path.write_text("a,b\n12/12/2020,1\n13/13/2020,1\n")

        text = refusal(read_table, path, name="x.csv", options=ReadOptions(dates=dates))

        assert all(word in text for word in words), text


class TestTimes:
    @pytest.mark.parametrize(
        ("cells", "seconds"),
        [
            (["10:00", "23:59:01"], [36000, 86341]),
            (["10:00:00.5", "10:01"], [36000.5, 36060]),
            (["25:10:00", "1:00"], [90600, 3600]),
            (["0 days 02:03:04", "-1 days +23:00:00"], [7384, -3600]),
            (["1:08 PM", "12:00:30 am"], [47280, 30]),
            (["2 days", "1 days 00:00:00.000001"], [172800, 86400.000001]),
        ],
    )
    def test_of_day_and_durations_are_no_text(self, cells, seconds, read):
        table, _ = read("\n".join(["a,b", *(f"{c},x" for c in cells), ",x"]))

        found = table["a"].to_pylist()

        zero = dt.timedelta()
        spans = [
            cell
            if isinstance(cell, dt.timedelta)
            else dt.datetime.combine(dt.date.min, cell)
            - dt.datetime.combine(dt.date.min, dt.time())
            for cell in found[:-1]
        ]
        assert [(span - zero).total_seconds() for span in spans] == seconds
        assert found[-1] is None

    @pytest.mark.parametrize(
        "cells", [["10:00", "noon"], ["2 days", "3 weeks"], ["1:2:3:4"], ["13:00 PM"]]
    )
    def test_among_text_are_text(self, cells, read):
        table, _ = read("\n".join(["a,b", *(f"{c},x" for c in cells)]))

        assert table["a"].to_pylist() == cells
