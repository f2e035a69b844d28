"""Metrics of numbers: known values, and the rows for which one is not defined."""

import math

import numpy as np
import pytest

from steps.metrics import NUMBER_METRICS, default
from steps.number_metrics import score


def test_metrics_have_the_values_worked_out_by_hand():
    found = score(np.array([1.0, 2.0, 4.0]), np.array([2.0, 2.0, 1.0]))

    mean = 7 / 3
    spread = (1 - mean) ** 2 + (2 - mean) ** 2 + (4 - mean) ** 2
    assert found == pytest.approx(
        {
            "r2": 1 - 10 / spread,
            "rmse": math.sqrt(10 / 3),
            "mae": 4 / 3,
            "median_ae": 1.0,
            "mape": (1 + 0 + 3 / 4) / 3,
        }
    )
    assert list(found) == list(NUMBER_METRICS)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("true", "absent"), [([0.0, 1.0], {"mape"}), ([2.0, 2.0], {"r2"}), ([3.0], {"r2"})]
)
def test_a_metric_that_the_rows_do_not_define_is_left_out(true, absent):
    found = score(np.array(true), np.array(true) + 1)

    assert set(NUMBER_METRICS) - set(found) == absent


def test_numbers_are_judged_by_r2_and_classes_by_accuracy_if_no_metric_is_named():
    assert default(["train_rmse", "train_r2"]) == "r2"
    assert default({"rmse": 1.0}) == "r2"
    assert default(["train_accuracy"]) == "accuracy"
    assert default([]) == "accuracy"
