"""A load reports its table: on the screen, as a page and as JSON, once for equal content."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest

from reprise import tracking
from reprise.errors import DataError
from reprise.runtime import recorder
from steps import load_data
from steps.parameters import LoadDataParameters
from steps.report import publish
from steps.report.page import MOST_COLUMNS, bars, to_html
from steps.report.pictures import Picture, picture
from steps.report.report import JSON_NAME, PAGE_NAME, DataReport
from steps.report.screen import heading, warning_lines
from steps.report.survey import MOST_PICTURES, Column, survey
from steps.report.values import SAMPLE, Values

NASTY = """</code><script>alert("x")</script>\x1b[31m & 'quoted'"""


def rows(count=40):
    return "".join(f"{i * i % 97 / 8},{'ab'[i % 2]}\n" for i in range(count))


@pytest.fixture
def table(tmp_path):
    """A file without warnings, of which every row differs."""
    path = tmp_path / "table.csv"
    path.write_text(f"x,y\n{rows()}")
    return path


@pytest.fixture
def load(recording):
    def load(path, **parameters):
        chosen = LoadDataParameters(**{"source": str(path), "target": "y", **parameters})
        with recording(chosen) as run:
            load_data.main(chosen, run)
        return run.run_id

    return load


def described(table, **changes):
    surveyed = survey(table)
    facts = {
        "source": "table.csv",
        "rows": surveyed.rows,
        "sampled": surveyed.sampled,
        "train": 2,
        "test": 1,
        "split": "at random",
        "target": table.column_names[-1],
        "chosen": "a test",
        "task": "classification",
        "classes": {"a": 2, "b": 1},
        "features": tuple(table.column_names[:-1]),
        "columns": surveyed.columns,
        "warnings": surveyed.warnings,
    }
    return DataReport(**{**facts, **changes})


class TestLoad:
    def test_logs_the_report_as_a_page_and_as_json(self, store, load, table):
        run_id = load(table)

        assert {JSON_NAME, PAGE_NAME} <= set(store.files(run_id))
        facts = json.loads((store.artifacts(run_id) / JSON_NAME).read_text())
        assert facts["rows"] == {"read": 40, "train": 26, "test": 14}
        assert facts["target"] == {"name": "y", "chosen": "as -P target says"}
        assert facts["classes"] == {"a": 20, "b": 20}
        assert [(c["name"], c["role"], c["type"]) for c in facts["columns"]] == [
            ("x", "feature", "number"),
            ("y", "target", "text"),
        ]

    def test_prints_the_task_and_every_warning(self, load, tmp_path, capsys):
        (tmp_path / "table.csv").write_text(
            "k,x,y\n" + "".join(f"7,{line}\n" for line in rows().splitlines())
        )

        load(tmp_path / "table.csv")

        printed = capsys.readouterr()
        assert "task: classification, 2 classes: a 20, b 20\n" in printed.out
        assert (
            "warning: column 'k': all 40 cells are '7'. Leave it out: -P drop=k.\n" in printed.err
        )

    def test_of_equal_content_refers_to_the_first_report(self, store, load, table, capsys):
        first = load(table)
        other = table.with_name("other.csv")
        other.write_bytes(table.read_bytes())

        second = load(other)

        assert not {JSON_NAME, PAGE_NAME} & set(store.files(second))
        assert f"{PAGE_NAME} of run {first}\n" in capsys.readouterr().out

    def test_that_asks_otherwise_for_the_same_data_has_an_equal_record_and_its_own_report(
        self, store, load, table
    ):
        first, second = load(table), load(table, target="")

        assert tracking.read_record(second).outputs == tracking.read_record(first).outputs
        facts = json.loads((store.artifacts(second) / JSON_NAME).read_text())
        assert facts["target"]["chosen"] == "the last column, as no target is named"

    def test_can_be_shown_by_the_process_that_asked_for_the_load(self, load, table, capsys):
        load(table)
        second = load(table)
        first = capsys.readouterr().out

        publish.show_again(second)

        shown = capsys.readouterr().out
        assert "target: y (as -P target says)\n" in shown
        assert shown in first

    @pytest.mark.parametrize("text", ["{}", "[1]", '{"rows": 1}', '{"warnings": [{}]}', "null"])
    def test_that_is_damaged_at_the_server_is_one_line_at_most(
        self, store, load, table, capsys, text
    ):
        run_id = load(table)
        (store.artifacts(run_id) / JSON_NAME).write_text(text)
        capsys.readouterr()

        publish.show_again(run_id)

        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") <= 1

    def test_of_rows_that_are_left_out_on_request_is_no_reason_to_refuse(
        self, store, load, tmp_path
    ):
        path = tmp_path / "gaps.csv"
        path.write_text("x,y\n" + rows() + "1.5,\n")

        run_id = load(path, strict=True, drop_missing_labels=True)

        facts = json.loads((store.artifacts(run_id) / JSON_NAME).read_text())
        assert [each["is_asked_for"] for each in facts["warnings"]] == [True]

    def test_of_equal_content_with_another_report_logs_its_own(self, store, load, table):
        first = load(table)
        wide = table.with_name("wide.csv")
        lines = table.read_text().splitlines()
        wide.write_text("".join(f"{i % 3},{line}\n" for i, line in enumerate(lines)))
        header, rest = wide.read_text().split("\n", 1)
        wide.write_text(f"z,{header[2:]}\n{rest}")

        second = load(wide, features="x")

        assert store.tags(second)[tracking.STORED_IN] == first
        assert {JSON_NAME, PAGE_NAME} <= set(store.files(second))

    def test_puts_its_digest_on_the_record_and_a_replay_compares_it(
        self, store, load, table, record_of
    ):
        import mlflow

        original = tracking.read_record(load(table))
        parameters = LoadDataParameters(source=str(table), target="y")
        with mlflow.start_run() as run:
            replay = recorder.RunRecorder(
                run, record_of(parameters), parameters=parameters, tags={}, original=original
            )
            with replay.recorded():
                load_data.main(parameters, replay)

        assert "report" in original.outputs.artifacts
        assert replay.record.outputs == original.outputs

    def test_is_strict_if_asked_and_then_stores_nothing_but_the_report(self, store, load, tmp_path):
        path = tmp_path / "table.csv"
        path.write_text("k,x,y\n" + "".join(f"7,{line}\n" for line in rows().splitlines()))

        with pytest.raises(DataError, match=r"found: column 'k': all 40 cells are '7'\."):
            load(path, strict=True)

        (run,) = store.runs()
        assert run.info.status == "FAILED"
        assert store.files(run.info.run_id) == [PAGE_NAME, JSON_NAME, "provenance.json"]

    def test_is_not_refused_without_a_warning(self, store, load, table):
        assert store.status(load(table, strict=True)) == "FINISHED"


class Page(HTMLParser):
    """Tags, texts and addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.addresses = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        named = dict(attributes)
        self.addresses += [named[n] for n in ("src", "href", "xlink:href", "action") if n in named]

    def handle_data(self, data):
        self.texts.append(data)


class TestPage:
    def test_shows_words_from_the_table_as_they_are_and_never_as_markup(self):
        table = pa.table({NASTY: [NASTY, NASTY, "b"], "y": ["a", "a", NASTY]})

        page = Page(to_html(described(table, classes={NASTY: 2, "b": 1}, source=NASTY)))

        assert "script" not in page.tags
        assert any("<script>" in text for text in page.texts)
        assert not any("\x1b" in text for text in page.texts)

    def test_needs_nothing_from_elsewhere(self):
        text = to_html(described(pa.table({"x": [1.0, 2.0, 3.0], "y": ["a", "a", "b"]})))

        assert Page(text).addresses == []
        assert not re.search(r"url\(|@import|https?://", text)
        assert "default-src 'none'" in text

    def test_says_how_many_columns_it_leaves_out(self):
        table = pa.table({f"x{i}": [1.0, 2.0, 3.0] for i in range(MOST_COLUMNS + 7)})

        text = to_html(described(table))

        assert f"and 7 more columns, in {JSON_NAME}" in text
        assert f"Histograms are of the first {MOST_PICTURES} columns." in text

    def test_is_the_same_each_time(self):
        table = pa.table({"x": [1.0, None, 3.0], "y": ["a", "a", "b"]})

        assert to_html(described(table)) == to_html(described(table))

    def test_bars_of_rare_values_can_be_seen(self):
        shapes = bars(Picture((1, 100_000, 0), ("low", "high"), is_range=True))

        assert [shape["height"] for shape in shapes] == [1.0, 34.0, 0.0]


class TestPictures:
    def drawn(self, values):
        return picture(Values.of("x", pa.chunked_array([pa.array(values)]), None))

    def test_every_number_is_in_a_bar(self):
        values = np.random.default_rng(0).normal(size=500)

        found = self.drawn(values)

        assert found.counts == tuple(np.histogram(values, len(found.counts))[0])

    @pytest.mark.parametrize(
        "values", [[1e308, -1e308], [5.0, 5.0], [0, 2**62], [float("inf"), 1.0, float("nan")]]
    )
    def test_extreme_numbers_are_counted(self, values):
        finite = [value for value in values if np.isfinite(value)]

        assert sum(self.drawn(values).counts) == len(finite)

    def test_the_most_frequent_texts_have_bars(self):
        found = self.drawn([f"t{i % 20}" for i in range(50)] + ["most"] * 9)

        assert (found.labels[0], found.counts[0], found.others) == ("most", 9, 9)

    def test_without_values_there_is_none(self):
        assert self.drawn([None, None]) is None
        assert self.drawn([["a", "list"]]) is None


class TestSurvey:
    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            ([1, None], "whole number"),
            ([1.5, None], "number"),
            ([True, None], "true or false"),
            (["a", None], "text"),
            (pa.array(["a", None]).dictionary_encode(), "text"),
            (pa.array([1, None], pa.date32()), "date"),
            (pa.array([1, None], pa.timestamp("ns", "UTC")), "date and time"),
            (pa.array([1, None], pa.time32("s")), "time of day"),
            (pa.array([1, None], pa.duration("s")), "duration"),
            (pa.array([1, None], pa.float16()), "number"),
            (pa.array([1, None], pa.decimal128(9, 2)), "number"),
            (pa.array([10**15, None], pa.timestamp("s", "Nowhere/Unknown")), "date and time"),
            (pa.array(["a", None], pa.string_view()), "text"),
            ([b"a", None], "binary"),
            ([["a"], None], "list<item: string>"),
            ([None, None], "empty"),
        ],
        ids=str,
    )
    def test_names_every_type_and_counts_what_is_missing(self, values, kind):
        (column,) = survey(pa.table({"x": values})).columns

        assert column.kind == kind
        assert column.missing == (2 if kind == "empty" else 1)

    def test_nan_is_missing_too(self):
        (column,) = survey(pa.table({"x": [1.0, float("nan"), None]})).columns

        assert (column.missing, column.distinct, column.example) == (2, 1, "1")

    def test_long_cells_are_cut(self):
        (column,) = survey(pa.table({"x": ["long " * 100_000]})).columns

        assert len(column.example) == 60

    def test_long_tables_are_sampled_and_the_report_says_so(self):
        table = pa.table({"x": np.arange(SAMPLE + 50) % 7, "y": ["a"] * (SAMPLE + 50)})

        found = described(table)

        assert found.columns[0].distinct == 7
        assert found.remarks == [
            "Distinct values and histograms are of a sample of 100,000 of 100,050 rows."
        ]
        assert survey(table) == survey(table)


class TestScreen:
    def test_many_warnings_of_a_kind_are_one_more_line(self):
        table = pa.table({**{f"x{i}": [0, 0, 0] for i in range(8)}, "y": ["a", "b", "a"]})

        lines = warning_lines(described(table).facts())

        assert len(lines) == 6
        assert lines[-1] == "warning: constant, likewise: x5, x6, x7"

    def test_a_target_that_nobody_named_is_reported(self):
        table = pa.table({"x": [1.0, 2.0, 3.0], "y": ["a", "a", "b"]})

        lines = heading(described(table, chosen="the last column, as no target is named").facts())

        assert "target: y (the last column, as no target is named)" in lines

    def test_a_column_is_described_by_its_own_values_only(self):
        (column, _) = survey(pa.table({"x": [1, 2, 2], "y": ["a", "a", "b"]})).columns

        assert column == Column("x", "whole number", 0, 2, "1", column.picture)
