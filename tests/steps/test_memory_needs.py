"""A fit that needs more memory than is free is refused in one line, before it starts."""

import numpy as np
import pandas as pd
import pytest

from reprise.errors import DataError
from steps import memory_needs, models
from steps.parameters import (
    TrainDecisionTreeParameters,
    TrainDummyParameters,
    TrainLogisticRegressionParameters,
)

ROWS = 400
X = pd.DataFrame(
    {
        "x": np.arange(float(ROWS)),
        "id": pd.Series([f"C{i}" for i in range(ROWS)], dtype=object),
    }
)
Y = np.array(["a", "b", "c", "d"] * (ROWS // 4), dtype=object)


@pytest.fixture
def free(monkeypatch):
    """A machine with so many bytes free, or with an unknown number."""
    return lambda found: monkeypatch.setattr(memory_needs, "free", lambda: found)


def regression(**parameters):
    return models.logistic_regression(TrainLogisticRegressionParameters(**parameters), X)


def test_too_little_memory_is_one_line_with_the_need_what_is_free_and_the_column(free):
    free(100_000)

    with pytest.raises(DataError) as refused:
        memory_needs.refuse_excess(regression(max_categories=None), X, Y)

    line = str(refused.value)
    assert line.startswith("Expected ")
    assert "400 rows x 401 encoded columns (400 of them from 'id') to 4 classes" in line
    assert "-P max_categories" in line
    assert "\n" not in line


@pytest.mark.parametrize("found", [None, 10**9])
def test_enough_or_unknown_memory_is_no_obstacle(free, found):
    free(found)

    memory_needs.refuse_excess(regression(), X, Y)


def test_a_baseline_needs_no_columns(free):
    free(0)

    memory_needs.refuse_excess(models.baseline(TrainDummyParameters(), X), X, Y)


def test_fewer_categories_need_less():
    wide, narrow = (
        memory_needs.estimated(regression(max_categories=most), X, Y)[0] for most in (None, 10)
    )

    assert narrow < wide / 5


def test_a_tree_needs_a_column_for_each_column():
    tree = models.decision_tree(TrainDecisionTreeParameters(), X)

    assert memory_needs.indicators(tree, X) == {}
    assert "400 rows x 2 encoded columns to 4 classes" in memory_needs.estimated(tree, X, Y)[1]


def test_the_estimate_covers_the_encoded_columns_as_they_are():
    model = regression(max_categories=None)
    encoded = model[:-1].fit_transform(X)

    needed, _ = memory_needs.estimated(model, X, Y)

    assert needed >= encoded.data.nbytes + encoded.indices.nbytes


def test_what_is_free_is_read_from_the_machine():
    assert memory_needs.free() > 0


def test_a_limit_of_the_process_counts(monkeypatch):
    limits = {memory_needs.resource.RLIMIT_AS: 2**40, memory_needs.resource.RLIMIT_DATA: 10**6}
    monkeypatch.setattr(memory_needs.resource, "getrlimit", lambda kind: (limits[kind], -1))

    assert memory_needs.free() < 10**6


def test_a_limit_of_a_container_counts(monkeypatch, tmp_path):
    most, used = tmp_path / "max", tmp_path / "current"
    most.write_text("5000\n")
    used.write_text("4000\n")
    monkeypatch.setattr(memory_needs, "_LIMITS", ((str(most), str(used)),))

    assert memory_needs.free() == 1000
