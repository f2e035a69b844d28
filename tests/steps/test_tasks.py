"""The task is that of the target's values, and a prepared table holds it."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from reprise.errors import DataError
from steps import dataset, load_data, tasks

SUGGESTED = {
    "fractions": ([0.5, 1.0, 2.0], "regression"),
    "one fraction with gaps": ([None, 1.0, 2.5, float("nan")], "regression"),
    "decimals": ([Decimal("1.5"), Decimal("2.0")], "regression"),
    "many whole numbers": (list(range(21)) * 50, "regression"),
    "many whole floats": ([float(i) for i in range(60)], "regression"),
    "some whole numbers, most of them once": (list(range(12)), "regression"),
    "few whole numbers": (list(range(20)) * 50, "classification"),
    "whole floats": ([0.0, 1.0, 2.0] * 5, "classification"),
    "a class a row in a tiny table": ([1, 2, 3], "classification"),
    "booleans": ([True, False], "classification"),
    "text": ([f"t{i}" for i in range(100)], "classification"),
}


@pytest.mark.parametrize(("values", "task"), SUGGESTED.values(), ids=SUGGESTED)
def test_the_values_of_a_target_suggest_a_task(values, task):
    assert tasks.of_target(pa.chunked_array([pa.array(values)]))[0] == task


def test_the_reason_counts_the_values():
    _, reason = tasks.of_target(pa.chunked_array([list(range(60))]))

    assert reason == "60 different whole numbers"


@pytest.mark.parametrize("values", [[1, 2, 3], [0.5, 1.5, 2.5], [True, False, True]])
def test_a_regression_has_float64_as_target_and_a_table_holds_its_task(values):
    table = pa.table({"x": [1.0, 2.0, 3.0], "y": values})

    prepared = dataset.prepare(table, target="y", features=None, task="regression")

    assert prepared.schema.types[-1] == pa.float64()
    assert tasks.of_table(prepared) == "regression"
    assert tasks.of_labels(dataset.features_and_labels(prepared)[1]) == "regression"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["a", "b", "a"], "Expected numbers in target 'y' of a regression, found string"),
        ([2, 2, 2], "Expected different numbers in target 'y', found only 2"),
        ([1.5, None, 2.5], "Expected a label in every row"),
    ],
)
def test_a_target_that_is_no_regression_is_refused(values, words):
    table = pa.table({"x": [1.0, 2.0, 3.0], "y": values})

    with pytest.raises(DataError, match=words) as refused:
        dataset.prepare(table, target="y", features=None, task="regression")

    assert "\n" not in str(refused.value)


def test_a_regression_is_split_at_random_whatever_stratify_says():
    table = pa.table({"x": np.arange(30.0), "y": np.arange(30.0)})

    parts = [
        [part.column("x").to_pylist() for part in dataset.split(table, **chosen, seed=2)]
        for chosen in ({"test_size": 0.3, "stratify": s} for s in (True, False))
    ]

    assert parts[0] == parts[1]
    assert sorted(parts[0][0] + parts[0][1]) == list(range(30))


def test_the_profile_of_a_regression_has_its_range_and_no_classes():
    table = pa.table({"x": [1.0, 2.0], "y": [0.5, 2.5]})

    profile = dataset.profile(table)

    assert profile["task"] == "regression"
    assert "classes" not in profile
    assert profile["columns"][-1] == {
        "name": "y", "type": "float64", "missing": 0, "min": 0.5, "max": 2.5, "mean": 1.5,
    }  # fmt: skip


def test_a_regression_that_nobody_asked_for_is_reported_in_a_line_with_what_to_do(capsys):
    table = pa.table({"x": [1.0] * 40, "y": list(range(40))})

    load_data.report_task(dataset.prepare(table, target=None, features=None, task=None))

    assert capsys.readouterr().out == (
        "Target 'y' has 40 different whole numbers: this is a regression. To predict classes, "
        "use -P task=classification.\n"
    )


def test_of_classes_nothing_is_reported(capsys):
    table = pa.table({"x": [1.0] * 40, "y": ["a", "b"] * 20})

    load_data.report_task(dataset.prepare(table, target=None, features=None, task=None))

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("asked", ["classification", "regression"])
def test_the_task_is_the_one_that_is_asked_for(asked):
    table = pa.table({"x": [1.0] * 40, "y": list(range(20)) * 2})

    prepared = dataset.prepare(table, target=None, features=None, task=asked)

    assert tasks.of_table(prepared) == asked
