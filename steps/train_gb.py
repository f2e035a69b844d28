"""Train gradient boosting on histograms on a stored split and log it as one run."""

import skops.io  # noqa: F401 - first, as it searches all modules loaded so far: half a second

from reprise.runtime.launch import launch
from reprise.runtime.recorder import RunRecorder
from steps import models
from steps.model_parameters import TrainGradientBoostingParameters
from steps.training import check, train


def main(parameters: TrainGradientBoostingParameters, run: RunRecorder) -> None:
    """Fit the trees and log them."""
    train(parameters, run, build=models.gradient_boosting)


if __name__ == "__main__":
    launch(TrainGradientBoostingParameters, main, check=check)
