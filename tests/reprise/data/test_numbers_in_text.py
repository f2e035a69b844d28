"""Numbers in text: one detector for the notice of a reader and the report of a load."""

import numpy as np
import pyarrow as pa
import pytest

from reprise.data.numbers_in_text import in_column, in_texts
from reprise.data.read_options import DEFAULTS, ReadOptions
from steps.report.survey import survey


@pytest.mark.parametrize(
    ("texts", "notation", "markers"),
    [
        (["1", "2.5", "-3e4", "?"], "plain", ("?",)),
        ([*map(str, range(20)), "7more"], "plain", ("7more",)),
        (["1,234", "56,789", "12"], "thousands", ()),
        (["1,5", "22,75", "3"], "decimal", ()),
        (["12%", "3.5 %", "n/a"], "percent", ("n/a",)),
        (["$1,200", "$35.50"], "currency", ()),
        (["12 €", "3 €"], "currency", ()),
    ],
)
def test_notations_of_numbers_are_told_apart(texts, notation, markers):
    found = in_texts(pa.array(texts), np.ones(len(texts)))

    assert (found.notation, found.markers) == (notation, markers)


@pytest.mark.parametrize(
    "texts",
    [
        ["2", "3", "4", "5more"],  # categories that happen to begin with numbers
        ["36", "38", "40", "S", "M", "L", "XL"],
        ["02134", "10001", "00501"],  # a number would lose the zero
        ["red", "green"],
        ["1.2.3", "2.0.1"],
        ["?", "unknown"],
        ["1", "?", "-", "none", "unknown"],
    ],
)
def test_codes_and_categories_are_no_numbers(texts):
    assert in_texts(pa.array(texts), np.ones(len(texts))) is None


@pytest.mark.parametrize(
    ("cells", "needed"),
    [
        (["1,234", "2,345,678", "?"], ("-P na_values='?'", "-P thousands=,")),
        (["12%", "?", "3%"], ("-P na_values='?'", "-P percent=true")),
        (["$1,234", "n/a", "(5)", "7 EUR"], ("-P na_values=n/a", "-P currency=true")),
        (["1,5", "-", "2,25"], ("-P na_values=-", "-P decimal=,")),
        (["1.5", " ", "2"], ("-P na_values=' '",)),
    ],
)
def test_the_reader_and_the_report_advise_the_same_options(cells, needed, tmp_path):
    column = pa.chunked_array([cells * 20])

    found = in_column(column, DEFAULTS)

    assert found.options == needed
    (warned,) = survey(pa.table({"x": column})).warnings
    assert warned.kind == "number in text"
    assert all(option in warned.notice.advice for option in needed)


def test_an_option_in_use_is_not_advised_again():
    found = in_column(pa.chunked_array([["1.234", "?", "5"] * 9]), ReadOptions(thousands="."))

    assert found.options == ("-P na_values='?'",)


@pytest.mark.parametrize("first", [True, False])
def test_markers_in_one_place_of_a_long_column_are_found(first):
    numbers, markers = [f"{i}.5" for i in range(7000)], [" "] * 1500
    cells = [*markers, *numbers] if first else [*numbers, *markers]

    found = in_column(pa.chunked_array([cells]), DEFAULTS)

    assert (found.markers, found.marked) == ((" ",), 1500)


def test_a_text_far_down_a_long_column_makes_it_text():
    cells = [*map(str, range(5000)), *(f"name {i}" for i in range(4))]

    assert in_column(pa.chunked_array([cells]), DEFAULTS) is None
