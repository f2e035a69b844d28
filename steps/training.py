"""The common part of both training steps: fit on the training part, cross-validate, log."""

from typing import TYPE_CHECKING, Any

from reprise.data import parquet_files, splits
from reprise.models.model_store import log_model
from reprise.runtime import summary
from reprise.runtime.recorder import RunRecorder
from reprise.visible import option
from steps import dataset, metrics
from steps.load_data import ensure_loaded

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from sklearn.pipeline import Pipeline

    from steps.parameters import TrainDecisionTreeParameters, TrainLogisticRegressionParameters

_EXAMPLE_ROWS = 5


def train(
    parameters: "TrainLogisticRegressionParameters | TrainDecisionTreeParameters",
    run: RunRecorder,
    *,
    build: "Callable[[Any, pd.DataFrame], Pipeline]",
) -> None:
    """Fit a pipeline on the training part of a stored split, and log it as one run.

    Parameters
    ----------
    parameters : Parameters
        Parameters of the step: the data, the folds, the seed, and those of `build`.
    run : RunRecorder
    build : callable
        Makes the pipeline from the parameters and a frame of shape (n_samples, n_features).
    """
    load_run_id = ensure_loaded(parameters.data, run, allow_large=parameters.allow_large)
    X, y = dataset.features_and_labels(
        splits.read(run, load_run_id, splits.TRAIN, allow_large=parameters.allow_large)
    )
    parquet_files.give_memory_back()
    model = build(parameters, X)
    if parameters.cv:
        run.log_metrics(
            metrics.cross_validate(model, X, y, folds=parameters.cv, seed=parameters.seed)
        )
    model.fit(X, y)
    labels, probabilities = model.predict(X), model.predict_proba(X)
    log_model(run, model, X.head(_EXAMPLE_ROWS))
    run.log_predictions(labels, probabilities)
    scores = metrics.score(y, labels, probabilities, model.classes_)
    run.log_metrics({f"train_{name}": value for name, value in scores.items()})
    summary.done(
        run,
        {f"reprise run -e evaluate {option('run_id', run.run_id)}": "judge it on the test split"},
        headlines=metrics.SHOWN,
    )
