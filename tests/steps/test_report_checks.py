"""A table's warnings: each kind is found, and what is nearly one is not."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from reprise.data.notices import Notice
from steps import dataset
from steps.report.duplicates import expected_by_chance, row_hashes, seen_in_training
from steps.report.report import report
from steps.report.survey import survey
from steps.report.table_checks import Fitted
from steps.report.text_kinds import date_format_of

ROWS = 200
random = np.random.default_rng(0)
LABELS = random.permutation(["no", "yes"] * (ROWS // 2))


def reported(table, notices=(), *, target=None):
    """The report of a table whose last column is the target."""
    surveyed = survey(table)
    prepared = dataset.prepare(table, target=target, features=None)
    rows = dataset.split_rows(prepared, test_size=0.33, stratify=True, seed=2)
    classes = dataset.profile(prepared)["classes"]
    fitted = Fitted(prepared, classes, *rows, warned=surveyed.warned)
    return report(surveyed, fitted, notices, source="table.csv", chosen="a test")


def warnings_of(column=None, *, labels=LABELS, **columns):
    """Kinds of the warnings of a table: of one column beside a harmless one, or of several."""
    columns = columns or {"x": column}
    table = {"other": random.normal(size=len(labels)), **columns, "y": labels}
    return {each.kind: each.notice for each in reported(pa.table(table)).warnings}


def drawn(choices, rows=ROWS):
    return random.choice(choices, rows)


@pytest.mark.parametrize("name", [name for name in dataset.NAMED if name != "digits"])
def test_the_named_data_sets_have_no_warnings(name):
    table, target = dataset.named(name)

    assert reported(table, target=target).warnings == ()


def test_digits_has_three_pixels_that_no_digit_reaches():
    table, target = dataset.named("digits")

    found = reported(table, target=target).warnings

    assert [(each.kind, each.notice.column) for each in found] == [
        ("constant", "pixel_0_0"),
        ("constant", "pixel_4_0"),
        ("constant", "pixel_4_7"),
    ]


class TestIds:
    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("Unnamed: 0", range(ROWS)),
            ("counter", range(5, 5 + ROWS)),
            ("falling", range(ROWS, 0, -1)),
            ("with_gaps", np.cumsum(random.integers(1, 9, ROWS))),
            ("some_missing", [None if i % 9 == 0 else i for i in range(ROWS)]),
            ("as_floats", [float("nan") if i % 9 == 0 else float(i) for i in range(ROWS)]),
            ("customerID", [f"{7590 + 31 * i}-AHVEG" for i in range(ROWS)]),
            ("name", [f"Owner {i}" for i in range(ROWS)]),
            ("id", random.permutation(10**6)[:ROWS]),
            ("order_no", random.permutation(10**6)[:ROWS]),
        ],
    )
    def test_are_found(self, name, values):
        found = warnings_of(**{name: pa.array(values)})["id"]

        assert found.column == name
        assert "drop=" in found.advice

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("amount", random.permutation(10**6)[:ROWS]),
            ("length", np.sort(random.normal(size=ROWS))),
            ("grid", range(0, 50 * ROWS, 50)),
            ("year", range(1800, 1800 + ROWS)),
            ("age", np.sort(drawn(range(20, 90)))),
            ("city", drawn([f"city {i}" for i in range(40)])),
            ("idea", random.permutation(10**6)[:ROWS]),
        ],
    )
    def test_are_not_seen_in_measures_and_categories(self, name, values):
        assert warnings_of(**{name: pa.array(values)}).keys() <= {"wide"}

    def test_need_some_rows(self):
        few = reported(pa.table({"name": ["a", "b", "c", "d", "e", "f"], "y": ["u", "v"] * 3}))

        assert "id" not in {each.kind for each in few.warnings}


class TestTexts:
    def test_sentences_are_free_text(self):
        words = ["the", "service", "was", "very", "good", "but", "slow", "at", "night"]
        texts = [" ".join(random.choice(words, 9)) for _ in range(ROWS)]

        assert "9 words" in warnings_of(texts)["free text"].text

    def test_long_names_of_few_categories_are_not(self):
        names = [f"Municipality of Long Name Number {i} (district)" for i in range(20)]

        assert warnings_of(drawn(names)) == {}

    def test_a_marker_among_numbers_is_counted_and_named(self):
        values = [" " if i % 20 == 0 else f"{i}.5" for i in range(ROWS)]

        found = warnings_of(values)["number in text"]

        assert found.text == "10 of 200 cells are ' '; the others are numbers"
        assert found.advice == "Read them as numbers: -P na_values=' '."

    def test_a_notice_of_the_same_column_makes_that_warning_needless(self):
        values = [" " if i % 20 == 0 else f"{i}.5" for i in range(ROWS)]
        table = pa.table({"other": random.normal(size=ROWS), "x": values, "y": LABELS})

        found = reported(table, [Notice("x", "11 cells are ' '", "Add an option.")]).warnings

        assert [each.kind for each in found] == ["reading"]

    def test_dates_in_text_are_found_with_their_format(self):
        days = [date(2020, 1, 1) + timedelta(int(i)) for i in drawn(range(900))]

        found = warnings_of([f"{day:%d/%m/%Y}" for day in days])["date in text"]

        assert found.advice == "Read them as dates: -P dates=x=%d/%m/%Y."

    @pytest.mark.parametrize(
        ("texts", "form", "is_ambiguous"),
        [
            (["31/12/2020", "01/02/2021"], "%d/%m/%Y", False),
            (["12/31/2020", "01/02/2021"], "%m/%d/%Y", False),
            (["11/12/2020", "01/02/2021"], "%d/%m/%Y", True),
            (["31.12.2020", "1.2.2021", "?"], "%d.%m.%Y", False),
            (["5-Jan-2014", "17-Mar-2015"], "%d-%b-%Y", False),
            (["January 5, 2014", "March 17, 2015"], "%B %d, %Y", False),
            (["31/12/2020 10:15", "01/02/2021 9:00"], "%d/%m/%Y %H:%M", False),
            (["Jan 2014", "Feb 2014"], "%b %Y", False),
        ],
    )
    def test_formats_of_dates_are_told_apart(self, texts, form, is_ambiguous):
        assert date_format_of(pa.array(texts)) == (form, is_ambiguous)

    @pytest.mark.parametrize(
        "texts",
        [
            ["555-1234", "555-9876"],
            ["1/2", "3/4"],
            ["192.168.0.1", "10.0.0.1"],
            ["99/99/2020", "45/45/2021"],
            ["A-1", "B-2"],
            ["may", "june"],
        ],
    )
    def test_other_texts_with_numbers_are_no_dates(self, texts):
        assert date_format_of(pa.array(texts)) is None


class TestConstants:
    @pytest.mark.parametrize("value", [0.0, 1, "north", True, date(2020, 1, 1)])
    def test_are_found_in_every_type(self, value):
        assert warnings_of(pa.array([value] * ROWS))["constant"].column == "x"

    def test_may_be_missing_elsewhere(self):
        values = pa.array([7 if i == 3 else None for i in range(ROWS)])

        assert warnings_of(values)["constant"].text.startswith("1 of 200 cells is '7'")

    def test_are_no_longer_constant_with_one_other_value(self):
        assert warnings_of([0.0] * (ROWS - 1) + [1.0]) == {}


class TestLeaks:
    @pytest.mark.parametrize(
        "leak",
        [
            (LABELS == "yes").astype("float64"),
            LABELS,
            (LABELS == "yes") + random.normal(scale=0.01, size=ROWS),
            [None if label == "no" else float(i) for i, label in enumerate(LABELS)],
            np.char.add(LABELS, drawn(["!", "?"])),
        ],
        ids=["code", "copy", "noise", "missing", "finer"],
    )
    def test_are_found(self, leak):
        found = warnings_of(pa.array(leak))["leak"]

        assert found.column == "x"
        assert "in 100 of 100 rows" in found.text

    @pytest.mark.parametrize("scale", [0.3, 1.0])
    def test_are_not_seen_in_good_features(self, scale):
        good = (LABELS == "yes") + random.normal(scale=scale, size=ROWS)

        assert warnings_of(good) == {}

    def test_are_not_seen_in_few_rows_that_a_number_separates(self):
        labels = ["a"] * 15 + ["b"] * 15
        separating = [*random.normal(0, 0.1, 15), *random.normal(3, 0.1, 15)]

        assert warnings_of(separating, labels=labels) == {}

    def test_are_looked_for_in_numbers_too(self):
        price = random.normal(size=ROWS)
        table = pa.table({"noise": random.normal(size=ROWS), "cost": 1.05 * price, "y": price})
        fitted = Fitted(table, {}, np.arange(100), np.arange(100, ROWS))

        found = report(survey(table), fitted, source="", chosen="").warnings

        assert [(each.kind, each.notice.column) for each in found] == [("leak", "cost")]

    def test_are_not_seen_in_a_strong_correlation(self):
        price = random.normal(size=ROWS)
        cost = price + random.normal(scale=0.2, size=ROWS)
        fitted = Fitted(
            pa.table({"cost": cost, "y": price}), {}, np.arange(100), np.arange(100, ROWS)
        )

        assert report(survey(fitted.table), fitted, source="", chosen="").warnings == ()

    def test_of_an_id_are_not_reported_twice(self):
        labels = ["a"] * 100 + ["b"] * 100

        assert warnings_of(number=list(range(ROWS)), labels=labels).keys() == {"id"}


class TestDuplicates:
    def table(self, copies):
        unique = pa.table({"a": random.normal(size=ROWS), "b": drawn(["u", "v"]), "y": LABELS})
        return pa.concat_tables([unique, unique.slice(0, copies)])

    def test_across_the_split_are_counted(self):
        table = self.table(60)
        train, test = dataset.split_rows(table, test_size=0.33, stratify=True, seed=2)
        rows = table.to_pylist()
        known = {tuple(rows[i].values()) for i in train}

        found = {each.kind: each.notice for each in reported(table).warnings}["duplicates"]

        seen = sum(tuple(rows[i].values()) in known for i in test)
        assert found.text == f"{seen} of {len(test)} test rows are also in the training part"

    def test_one_pair_is_no_pattern(self):
        assert reported(self.table(1)).warnings == ()

    def test_few_columns_with_few_values_have_equal_rows_by_chance(self):
        table = pa.table({"a": drawn([1, 2, 3]), "b": drawn(["u", "v"]), "y": LABELS})

        assert reported(table).warnings == ()
        assert expected_by_chance(table, row_hashes(table), 133, 67) > 50

    def test_missing_values_and_zeros_of_both_signs_are_equal(self):
        table = pa.table({"a": [None, None, 0.0, -0.0], "b": ["x", "x", None, None]})

        first, second, third, fourth = row_hashes(table)

        assert first == second != third == fourth

    def test_a_row_differs_if_one_cell_does(self):
        table = pa.table({"a": [1.0, 1.0, 2.0], "b": ["x", None, "x"]})

        assert len(set(row_hashes(table))) == 3

    def test_only_test_rows_count(self):
        hashes = np.array([1, 1, 2, 2, 3], np.uint64)

        assert seen_in_training(hashes, np.array([0, 1, 2]), np.array([3, 4])) == 1


class TestImbalance:
    def test_one_class_with_nearly_all_rows_is_found(self):
        labels = ["no"] * 185 + ["yes"] * 15

        found = warnings_of(random.normal(size=ROWS), labels=labels)["imbalance"]

        assert found.text.startswith("92.5% of the rows are of class 'no'")

    def test_a_class_with_hardly_any_rows_is_found(self):
        labels = ["a"] * 66 + ["b"] * 66 + ["c"] * 64 + ["rare"] * 4

        found = warnings_of(random.normal(size=ROWS), labels=labels)["imbalance"]

        assert found.text == "some classes have few rows: rare (4)"

    @pytest.mark.parametrize("labels", [["a"] * 170 + ["b"] * 30, [*"abcdefghij"] * 20])
    def test_ordinary_proportions_are_not(self, labels):
        assert warnings_of(random.normal(size=ROWS), labels=labels) == {}


class TestWidth:
    def test_more_columns_than_training_rows_is_found(self):
        columns = {f"x{i}": random.normal(size=ROWS) for i in range(140)}

        found = warnings_of(**columns)["wide"]

        assert found.text == "141 columns after encoding, but only 134 rows to train on"

    def test_each_category_is_a_column(self):
        texts = {f"t{i}": drawn([f"c{k}" for k in range(50)]) for i in range(3)}

        assert warnings_of(**texts).keys() == {"wide"}

    def test_a_column_with_most_of_the_categories_is_named(self):
        found = warnings_of(drawn([f"owner {i}" for i in range(900)]))["wide"]

        assert found.column == "x"

    def test_as_many_columns_as_rows_is_not(self):
        columns = {f"x{i}": random.normal(size=ROWS) for i in range(133)}

        assert warnings_of(**columns) == {}


def test_columns_that_are_not_used_have_no_warnings():
    table = pa.table({"id": range(ROWS), "x": random.normal(size=ROWS), "y": LABELS})
    surveyed = survey(table)
    prepared = dataset.prepare(table, target=None, features=["x"])
    rows = dataset.split_rows(prepared, test_size=0.33, stratify=True, seed=2)

    found = report(surveyed, Fitted(prepared, {"no": 100, "yes": 100}, *rows), source="", chosen="")

    assert found.warnings == ()
    assert [column.role for column in found.columns] == ["not used", "feature", "target"]
