"""Train a logistic regression on a stored split and log it as one run."""

import skops.io  # noqa: F401 - first, as it searches all modules loaded so far: half a second

from reprise.runtime.launch import launch
from reprise.runtime.recorder import RunRecorder
from steps import models
from steps.model_parameters import TrainLogisticRegressionParameters
from steps.training import check, train


def main(parameters: TrainLogisticRegressionParameters, run: RunRecorder) -> None:
    """Fit the regression and log it."""
    train(parameters, run, build=models.logistic_regression)


if __name__ == "__main__":
    launch(TrainLogisticRegressionParameters, main, check=check)
