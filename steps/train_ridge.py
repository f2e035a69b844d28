"""Train a linear regression with an L2 penalty on a stored split and log it as one run."""

import skops.io  # noqa: F401 - first, as it searches all modules loaded so far: half a second

from reprise.runtime.launch import launch
from reprise.runtime.recorder import RunRecorder
from steps import models
from steps.model_parameters import TrainRidgeParameters
from steps.training import check, train


def main(parameters: TrainRidgeParameters, run: RunRecorder) -> None:
    """Fit the regression and log it."""
    train(parameters, run, build=models.ridge)


if __name__ == "__main__":
    launch(TrainRidgeParameters, main, check=check)
