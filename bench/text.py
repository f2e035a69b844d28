"""Memory of training on text: 40,000 rows of four columns of 10,000 categories each.

The peak of a fit is at most 4 times the table plus the sparse matrix of its indicators. It is that
of Python's and NumPy's allocations, so it does not depend on the machine.
"""

import tracemalloc

import steps  # noqa: F401 - first: it pins the numerics

import numpy as np  # isort: skip
import pyarrow as pa  # isort: skip

from bench.measure import report
from steps import dataset, models
from steps.parameters import (
    TrainDecisionTreeParameters,
    TrainForestParameters,
    TrainGradientBoostingParameters,
    TrainLogisticRegressionParameters,
)

ROWS, COLUMNS, CATEGORIES = 40_000, 4, 10_000
BOUND = 4
_ENTRY = 12  # bytes of an indicator in a sparse matrix: its value, and the number of its column
MODELS = {
    "train_lr": (models.logistic_regression, TrainLogisticRegressionParameters()),
    "train_dt": (models.decision_tree, TrainDecisionTreeParameters()),
    "train_gb": (models.gradient_boosting, TrainGradientBoostingParameters(max_iter=10)),
    "train_rf": (models.random_forest, TrainForestParameters(n_estimators=2, max_depth=10)),
}


def made_table() -> pa.Table:
    """Make a prepared table of text with two classes."""
    random = np.random.default_rng(0)
    columns = {
        f"text{i}": [f"category {number}" for number in random.integers(0, CATEGORIES, ROWS)]
        for i in range(COLUMNS)
    }
    return pa.table(columns | {"label": random.choice(["no", "yes"], ROWS)})


def main() -> None:
    """Measure the peak of each fit, print it with its bound, and stop if one is over."""
    table = made_table()
    X, y = dataset.features_and_labels(table)
    matrix = ROWS * COLUMNS * _ENTRY
    rows = []
    for name, (build, parameters) in MODELS.items():
        model = build(parameters, X)  # type: ignore[operator]
        tracemalloc.start()
        model.fit(X, y)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        rows.append(
            (f"{name}: (peak - sparse matrix) / table", (peak - matrix) / table.nbytes, BOUND)
        )
    report(rows)
    assert all(found <= bound for _, found, bound in rows), "more memory than the bound"


if __name__ == "__main__":
    main()
