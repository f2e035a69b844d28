"""What both training steps do: fit on the training part, cross-validate, log."""

from typing import TYPE_CHECKING

from reprise import console, data, tables
from reprise.models import log_model
from reprise.run import RecordedRun
from steps import dataset, metrics
from steps.load_data import ensure_loaded

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from sklearn.pipeline import Pipeline

_EXAMPLE_ROWS = 5


def train(
    run: RecordedRun,
    *,
    data_named: str,
    build: "Callable[[pd.DataFrame], Pipeline]",
    folds: int,
    seed: int,
) -> None:
    """Fit a pipeline on the training part of a stored split, and log it as one run.

    Parameters
    ----------
    run : RecordedRun
    data_named : str
        A load_data run, or a source.
    build : callable
        Makes the pipeline for a frame of shape (n_samples, n_features).
    folds : int
        Of the cross-validation; 0 is none.
    seed : int
        Of the folds.
    """
    load_run_id = ensure_loaded(data_named, run)
    X, y = dataset.features_and_labels(data.read(run, load_run_id, data.TRAIN))
    tables.give_memory_back()
    model = build(X)
    if folds:
        run.log_metrics(metrics.cross_validate(model, X, y, folds=folds, seed=seed))
    model.fit(X, y)
    labels, probabilities = model.predict(X), model.predict_proba(X)
    log_model(run, model, X.head(_EXAMPLE_ROWS))
    run.log_predictions(labels, probabilities)
    scores = metrics.score(y, labels, probabilities, model.classes_)
    run.log_metrics({f"train_{name}": value for name, value in scores.items()})
    console.done(
        run, {f"{console.RUN} evaluate -P run_id={run.run_id}": "judge it on the test split"}
    )
