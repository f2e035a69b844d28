"""The model registry: a new version is the candidate, and the champion if it beats the champion."""

from reprise import tracking
from reprise.models.model_store import model_id_of


def register(
    name: str,
    run_id: str,
    *,
    score: float,
    metric: str,
    greater_is_better: bool,
    test_digest: str,
    model_id: str = "",
) -> bool:
    """Register a run's model as `candidate`, and as `champion` if it wins.

    It wins if there is no champion, or if it is strictly better in the same metric on the same test
    data. Scores on different test data are not compared. Content that is registered already is not
    registered twice: its version is the candidate again.

    Parameters
    ----------
    name : str
    run_id : str
        Of the run that trained the model.
    score, metric, greater_is_better, test_digest
        How the model was judged, and on which data.
    model_id : str, optional
        Of the model, where it is known already.

    Returns
    -------
    bool
        Whether the model is the champion now.
    """
    registration = tracking.Registration(
        run_id,
        name=name,
        trained=run_id,
        model_id=model_id or model_id_of(run_id),
        score=score,
        metric=metric,
        greater_is_better=greater_is_better,
        test_digest=test_digest,
    )
    tracking.deliver(registration)
    return tracking.is_taken() and registration.is_champion()
