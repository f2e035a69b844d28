"""Train a logistic regression on a stored split and log it as one run."""

from functools import partial

import skops.io  # noqa: F401 - first, as it searches all modules loaded so far: half a second

from reprise.run import RecordedRun, launch
from steps import models
from steps.parameters import TrainLogisticRegressionParameters
from steps.training import train


def main(parameters: TrainLogisticRegressionParameters, run: RecordedRun) -> None:
    """Fit the regression and log it."""
    train(
        run,
        data_named=parameters.data,
        build=partial(models.logistic_regression, parameters),
        folds=parameters.cv,
        seed=parameters.seed,
    )


if __name__ == "__main__":
    launch(TrainLogisticRegressionParameters, main)
