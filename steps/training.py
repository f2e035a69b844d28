"""The common part of all training steps: fit on the training part, cross-validate, log."""

from typing import TYPE_CHECKING, Any

from reprise import tracking
from reprise.data import parquet_files, splits
from reprise.models.model_store import log_model
from reprise.runtime import door, summary
from reprise.runtime.recorder import RunRecorder
from steps import (
    dataset,
    headlines,
    memory_needs,
    metrics,
    source_readers,
    source_types,
    tasks,
    validation,
)
from steps.folds import StoredKey
from steps.load_data import ensure_loaded, refuse_missing

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from sklearn.pipeline import Pipeline

    from steps.model_parameters import AnyTraining

_EXAMPLE_ROWS = 5


def check(parameters: "AnyTraining") -> None:
    """Refuse data that does not exist, before there is a run."""
    refuse_missing(parameters.data)


def train(
    parameters: "AnyTraining",
    run: RunRecorder,
    *,
    build: "Callable[[Any, pd.DataFrame, tasks.Task], Pipeline]",
) -> None:
    """Fit a pipeline on the training part of a stored split, and log it as one run.

    Parameters
    ----------
    parameters : Parameters
        Parameters of the step: the data, the folds, the seed, and those of `build`.
    run : RunRecorder
    build : callable
        Makes the pipeline from the parameters, a frame of shape (n_samples, n_features), and the
        task.

    Raises
    ------
    DataError
        If the step is for the other task, or needs more memory than the machine has free.
    """
    load_run_id = ensure_loaded(parameters.data, run, allow_large=parameters.allow_large)
    table = splits.read(run, load_run_id, splits.TRAIN, allow_large=parameters.allow_large)
    (X, y), as_read = dataset.features_and_labels(table), source_types.as_read(table)
    key, written = StoredKey.of(table), source_types.written(table)
    del table
    parquet_files.give_memory_back()
    model = build(parameters, X, tasks.of_labels(y))
    memory_needs.refuse_excess(model, X, y)
    if parameters.cv:
        run.log_metrics(
            validation.cross_validate(
                model, X, y, folds=parameters.cv, seed=parameters.seed, key=key
            )
        )
    model.fit(X, y)
    predicted, probabilities = headlines.predict(model, X)
    source_readers.add_to(model, X, written)
    example = source_types.example(X.head(_EXAMPLE_ROWS), as_read, written)
    log_model(run, model, example, column_types=source_types.signature_types(X, as_read))
    run.log_predictions(predicted, probabilities)
    scores = headlines.score(model, y, predicted, probabilities)
    run.log_metrics({f"train_{name}": value for name, value in scores.items()})
    judge = door.used().run("evaluate", {"run_id": tracking.short(run.run_id)})
    summary.done(run, {judge: "judge it on the test split"}, headlines=metrics.SHOWN)
