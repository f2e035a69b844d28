"""How a model was judged, as an artifact of the run that has judged it: evaluation.json."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reprise import tracking
from reprise.backports import Self
from reprise.errors import ModelError
from reprise.record.digest import canonical_json, sha256_text
from reprise.record.schema import RunRecord
from reprise.trust import documents, limits

if TYPE_CHECKING:
    from reprise.runtime.recorder import RunRecorder

FILE_NAME = "evaluation.json"


class Evaluation(BaseModel):
    """The score of a model on test data, which a replay of the evaluation must equal.

    It names no run: below a replay of a whole experiment, another run has trained the same model.

    Attributes
    ----------
    model : str
        Digest of the model's fitted arrays.
    metric : str
    score : float
    greater_is_better : bool
    test_digest : str
        Of the test data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    metric: str
    score: Annotated[float, Field(allow_inf_nan=False)]
    greater_is_better: bool
    test_digest: str

    def log(self, run: "RunRecorder") -> None:
        """Store it, and put its digest on the record of the run."""
        text = canonical_json(self.model_dump(mode="json"))
        run.log_text(FILE_NAME, text)
        run.log_digest(FILE_NAME, sha256_text(text))

    @classmethod
    def read(cls, run_id: str, record: RunRecord) -> Self:
        """Return what an evaluation has found, just as its record says.

        Raises
        ------
        ModelError, TrackingError
            If the run has judged no model, or the artifact is not the one of the record.
        """
        recorded = record.outputs.artifacts.get(FILE_NAME) if record.outputs else None
        if recorded is None:
            raise ModelError(
                f"expected a finished evaluation with {FILE_NAME}, found run {run_id} without it. "
                "Evaluate the model again."
            )
        try:
            with tracking.artifact(run_id, FILE_NAME) as path:
                text = documents.read_text(path, largest=limits.YAML_BYTES)
            if sha256_text(text) == recorded:
                return cls.model_validate(documents.parse_json(text))
            found = "another text"
        except ValidationError as error:
            found = error.errors()[0]["msg"]
        except (OSError, ValueError) as error:
            found = str(error)
        raise ModelError(
            f"expected the {FILE_NAME} that the record of run {run_id} has the digest of, found "
            f"{found}. Evaluate the model again."
        )

    def why_not_better(self, other: "Evaluation") -> str:
        """Say why this model is not strictly better than another one; "" if it is.

        Scores of other test data, and of another metric, are not compared.
        """
        if self.test_digest != other.test_digest:
            return "it was tested on other data. Evaluate both on the same"
        if self.metric != other.metric:
            return f"it was judged by {other.metric}, not by {self.metric}. Evaluate both by one"
        is_better = self.score > other.score if self.greater_is_better else self.score < other.score
        if is_better:
            return ""
        return f"{self.metric} {self.score:.6g} against its {other.score:.6g}. Promote a better one"
