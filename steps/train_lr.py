"""Train a logistic regression on a stored split and log it as one run."""

import skops.io  # noqa: F401 - first, as it searches all modules loaded so far: half a second

from reprise.run import RecordedRun, launch
from steps import models
from steps.parameters import TrainLogisticRegressionParameters
from steps.training import train


def main(parameters: TrainLogisticRegressionParameters, run: RecordedRun) -> None:
    """Fit the regression and log it."""
    train(parameters, run, build=models.logistic_regression)


if __name__ == "__main__":
    launch(TrainLogisticRegressionParameters, main)
