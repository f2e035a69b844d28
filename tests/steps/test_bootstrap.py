"""Weighted metrics are those of the rows repeated, and their intervals depend on the seed alone."""

import numpy as np
import pytest

from steps import bootstrap, metrics, number_metrics

RANDOM = np.random.default_rng(0)
ROWS = 60
WEIGHTS = RANDOM.integers(0, 4, ROWS).astype(float)
REPEATED = np.repeat(np.arange(ROWS), WEIGHTS.astype(int))


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_weighted_metrics_of_classes_are_those_of_repeated_rows(n_classes):
    true = RANDOM.integers(0, n_classes, ROWS)
    probabilities = RANDOM.dirichlet(np.ones(n_classes), ROWS).round(1) + 0.01  # with ties
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)

    found = bootstrap.of_classes(true, predicted, probabilities)(WEIGHTS)

    classes = list(range(n_classes))
    expected = metrics.score(true[REPEATED], predicted[REPEATED], probabilities[REPEATED], classes)
    assert found == pytest.approx(expected, rel=1e-12)


def test_weighted_metrics_of_numbers_are_those_of_repeated_rows():
    true = RANDOM.normal(5, 1, ROWS)
    predicted = true + RANDOM.normal(size=ROWS)

    found = bootstrap.of_numbers(true, predicted)(WEIGHTS)

    expected = number_metrics.score(true[REPEATED], predicted[REPEATED])
    assert found == pytest.approx(expected, rel=1e-12)


def test_the_median_of_an_even_number_of_rows_is_between_the_middle_ones():
    metric = bootstrap.of_numbers(np.zeros(4), np.array([1.0, 2.0, 4.0, 9.0]))

    assert metric(np.ones(4))["median_ae"] == 3.0
    assert metric(np.array([2.0, 0.0, 1.0, 0.0]))["median_ae"] == 1.0


def interval(seed, samples=200):
    true = np.arange(ROWS, dtype=float)
    metric = bootstrap.of_numbers(true, true + np.where(true % 2, 1.0, -2.0))
    return bootstrap.intervals(metric, ROWS, samples=samples, seed=seed, names=["mae", "mape"])


def test_an_interval_holds_the_metric_and_is_that_of_the_seed():
    found = interval(1)

    assert found["mae_low"] < 1.5 < found["mae_high"]
    assert found == interval(1)
    assert found != interval(2)


def test_a_metric_that_the_rows_do_not_define_has_no_interval():
    assert set(interval(1)) == {"mae_low", "mae_high"}  # one true number is 0: no mape


def test_no_samples_make_no_interval():
    assert interval(1, samples=0) == {}


def test_a_metric_of_one_class_alone_is_no_warning():
    metric = bootstrap.of_classes(np.zeros(3, int), np.zeros(3, int), np.ones((3, 1)))

    assert metric(np.ones(3)) == {
        "accuracy": 1.0, "balanced_accuracy": 1.0, "f1_macro": 1.0, "mcc": 0.0,
    }  # fmt: skip
