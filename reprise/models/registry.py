"""The model registry: a new version is the candidate; `promote` alone makes it the champion."""

from reprise import tracking
from reprise.models.evaluation import Evaluation
from reprise.models.model_store import model_id_of


def register(
    name: str, trained: str, evaluation: Evaluation, *, evaluated_by: str, model_id: str = ""
) -> bool:
    """Register a judged model as `candidate`.

    Content that is registered already is not registered twice: its version is the candidate again.

    Parameters
    ----------
    name : str
    trained : str
        Id of the run that has trained the model.
    evaluation : Evaluation
        How it was judged.
    evaluated_by : str
        Id of the run that has judged it.
    model_id : str, optional
        Of the model, where it is known already.

    Returns
    -------
    bool
        Whether the server has taken it; else `reprise sync` delivers it.
    """
    registration = tracking.Registration(
        trained,
        name=name,
        trained=trained,
        model_id=model_id or model_id_of(trained),
        score=evaluation.score,
        metric=evaluation.metric,
        greater_is_better=evaluation.greater_is_better,
        test_digest=evaluation.test_digest,
        evaluated_by=evaluated_by,
    )
    tracking.deliver(registration)
    return bool(tracking.is_taken())
