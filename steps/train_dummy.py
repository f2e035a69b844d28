"""Train the baseline that ignores the features on a stored split and log it as one run."""

import skops.io  # noqa: F401 - first, as it searches all modules loaded so far: half a second

from reprise.runtime.launch import launch
from reprise.runtime.recorder import RunRecorder
from steps import models
from steps.model_parameters import TrainDummyParameters
from steps.training import check, train


def main(parameters: TrainDummyParameters, run: RunRecorder) -> None:
    """Fit the baseline and log it."""
    train(parameters, run, build=models.baseline)


if __name__ == "__main__":
    launch(TrainDummyParameters, main, check=check)
