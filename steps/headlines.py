"""What a model predicts, and its headline metrics, whichever task it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steps import metrics, number_metrics

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def predict(model: Any, X: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return what a fitted model predicts, and the probability of each class; None of a regressor.

    Parameters
    ----------
    model : estimator
        A classifier with `predict_proba`, or a regressor.
    X : DataFrame of shape (n_samples, n_features)
    """
    is_classifier = hasattr(model, "classes_")
    return model.predict(X), model.predict_proba(X) if is_classifier else None


def score(
    model: Any, truth: NDArray[Any], predicted: NDArray[Any], probabilities: NDArray[Any] | None
) -> dict[str, float]:
    """Headline metrics of what `predict` has returned: see `metrics` and `number_metrics`."""
    if probabilities is None:
        return number_metrics.score(truth, predicted)
    return metrics.score(truth, predicted, probabilities, model.classes_)
