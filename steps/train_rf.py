"""Train a random forest on a stored split and log it as one run."""

import skops.io  # noqa: F401 - first, as it searches all modules loaded so far: half a second

from reprise.runtime.launch import launch
from reprise.runtime.recorder import RunRecorder
from steps import models
from steps.model_parameters import TrainForestParameters
from steps.training import check, train


def main(parameters: TrainForestParameters, run: RunRecorder) -> None:
    """Fit the forest and log it."""
    train(parameters, run, build=models.random_forest)


if __name__ == "__main__":
    launch(TrainForestParameters, main, check=check)
