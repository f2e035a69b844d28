"""The registration of a model: a version is found again by its content, not made twice."""

from collections.abc import Iterator
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion

from reprise.console import say
from reprise.record.description import of_version
from reprise.tracking.search import get_run
from reprise.tracking.server import client
from reprise.tracking.tags import EVALUATED_BY, MODEL_DIGEST, TEST_DIGEST, VERDICT
from reprise.tracking.versions import ensure_registered, version_at
from reprise.tracking.writes import Write

CANDIDATE = "candidate"
CHAMPION = "champion"
_SCORE = "reprise.score"
_METRIC = "reprise.metric"


@dataclass(frozen=True)
class Registration(Write):
    """A version of a registered model, which is its `candidate`.

    Attributes
    ----------
    name : str
        Of the registered model.
    trained, model_id : str
        Ids of the run that trained the model, and of its logged model.
    score, metric, greater_is_better, test_digest
        How it was judged, and on which data.
    evaluated_by : str
        Id of the run that has judged it.
    """

    name: str = ""
    trained: str = ""
    model_id: str = ""
    score: float = 0.0
    metric: str = ""
    greater_is_better: bool = True
    test_digest: str = ""
    evaluated_by: str = ""

    def send(self, *, again: bool = False) -> None:
        """Register it, and report."""
        del again  # it is always looked for
        version = self._found() or self._made()
        client().set_registered_model_alias(self.name, CANDIDATE, version.version)
        say(f"Registered {self.name} version {version.version} as {CANDIDATE}.")

    def _found(self) -> ModelVersion | None:
        """Return the first version of the same content, judged as it is now, or None."""
        first = min(self._versions(), key=lambda each: int(each.version), default=None)
        if first is None:
            return None
        latest = version_at(self.name, alias=CHAMPION)
        is_champion = latest is not None and latest.version == first.version
        if not (is_champion and EVALUATED_BY in first.tags):  # that stays as it was judged
            for name, value in self._tags().items():
                client().set_model_version_tag(self.name, first.version, name, value)
        return first

    def _versions(self) -> Iterator[ModelVersion]:
        digest = self._digest()
        filters = [f"run_id = '{self.trained}'"]
        filters += [f"tags.`{MODEL_DIGEST}` = '{digest}'"] if digest else []
        for each in filters:
            for version in client().search_model_versions(each):
                if version.name == self.name:
                    yield version

    def _made(self) -> ModelVersion:
        """Make a version; of several that processes make at once, the first one stays."""
        ensure_registered(self.name)
        own = client().create_model_version(
            self.name,
            source=f"models:/{self.model_id}",
            run_id=self.trained,
            model_id=self.model_id,
            tags=self._tags(),
            description=self._description(),
        )
        first = min(self._versions(), key=lambda each: int(each.version), default=own)
        if first.version != own.version:
            client().delete_model_version(self.name, own.version)
        return first

    def _tags(self) -> dict[str, str]:
        judged = {_METRIC: self.metric, _SCORE: repr(self.score), TEST_DIGEST: self.test_digest}
        judged |= {EVALUATED_BY: self.evaluated_by} if self.evaluated_by else {}
        digest = self._digest()
        return judged | ({MODEL_DIGEST: digest} if digest else {})

    def _description(self) -> str:
        verdict = get_run(self.trained).data.tags.get(VERDICT, "")
        return of_version(
            self.trained,
            metric=self.metric,
            score=self.score,
            test_digest=self.test_digest,
            verdict=verdict,
        )

    def _digest(self) -> str:
        digest: str = get_run(self.trained).data.tags.get(MODEL_DIGEST, "")
        return digest if digest.isalnum() else ""  # it is part of a query
