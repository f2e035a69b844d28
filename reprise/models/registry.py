"""The model registry: a new version is the candidate, and the champion if it beats the champion."""

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from reprise import tracking
from reprise.console import say
from reprise.models.model_store import model_id_of

CANDIDATE = "candidate"
CHAMPION = "champion"
_SCORE = "reprise.score"
_METRIC = "reprise.metric"


def register(
    name: str,
    run_id: str,
    *,
    score: float,
    metric: str,
    greater_is_better: bool,
    test_digest: str,
) -> bool:
    """Register a run's model as `candidate`, and as `champion` if it wins.

    It wins if there is no champion, or if it is strictly better in the same metric on the same test
    data. Scores on different test data are not compared.

    Returns
    -------
    bool
        Whether the model is the champion now.
    """
    client = tracking.client()
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    model_id = model_id_of(run_id)
    version = client.create_model_version(
        name,
        source=f"models:/{model_id}",
        run_id=run_id,
        model_id=model_id,
        tags={_METRIC: metric, _SCORE: repr(score), tracking.TEST_DIGEST: test_digest},
    )
    client.set_registered_model_alias(name, CANDIDATE, version.version)
    wins, why = _compare(_champion(name), score, metric, test_digest, greater=greater_is_better)
    if wins:
        client.set_registered_model_alias(name, CHAMPION, version.version)
    say(f"Registered {name} version {version.version} as {CANDIDATE}; {why}.")
    return wins


def _champion(name: str) -> ModelVersion | None:
    try:
        return tracking.client().get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if "alias" in str(error).lower() and "not found" in str(error).lower():
            return None
        raise


def _compare(
    champion: ModelVersion | None, score: float, metric: str, test_digest: str, *, greater: bool
) -> tuple[bool, str]:
    """Return whether a score beats the champion's, and why."""
    if champion is None:
        return True, f"it is the first {CHAMPION}"
    old_digest, old_metric = (champion.tags.get(t) for t in (tracking.TEST_DIGEST, _METRIC))
    if old_digest != test_digest:
        return False, f"version {champion.version} stays {CHAMPION}: it was tested on other data"
    if old_metric != metric:
        return False, f"version {champion.version} stays {CHAMPION}: it was judged by {old_metric}"
    old = float(champion.tags[_SCORE])
    figures = f"{metric} {score:.6g} against {old:.6g} of version {champion.version}"
    if score > old if greater else score < old:
        return True, f"it is {CHAMPION} now: {figures}"
    return False, f"version {champion.version} stays {CHAMPION}: {figures}"
