"""What an archive says of its runs: `data/contents.json`, and `data/runs/<id>/run.json` of each.

Everything that MLflow shows of a run is here as text and numbers; artifacts, models and code are
files beside.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import Self

from reprise.errors import ArchiveError
from reprise.record.digest import canonical_json
from reprise.trust import limits
from reprise.trust.documents import DocumentError, bad_field, parse_json

FORMAT_VERSION: Literal[1] = 1
CONTENTS = "data/contents.json"
RUNS = "data/runs"
MODELS = "data/models"
CODE = "data/code/repository.bundle"
MLPROJECT = "data/code/MLproject"
WHEELS = "data/wheels"
RUN_FILE = "run.json"
ARTIFACTS = "artifacts"  # folder in that of a run
FILES = "files"  # folder in that of a model
PARTS = ("data", "models", "wheels")  # what `--with` may name

RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
ModelId = Annotated[str, Field(pattern=r"^m-[0-9A-Za-z]{1,64}$")]
_Status = Literal["FINISHED", "FAILED", "KILLED"]
_Milliseconds = Annotated[int, Field(ge=0, le=253_402_300_799_999)]  # to the end of the year 9999
Text = Annotated[str, Field(max_length=limits.ARCHIVE_TEXT_CHARACTERS)]
D = TypeVar("D", bound="Document")


class Document(BaseModel):
    """A JSON document of an archive."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_json(self) -> str:
        """Write it: the same values are the same bytes."""
        return canonical_json(self.model_dump(mode="json"))

    @classmethod
    def from_json(cls, text: str, *, where: str) -> Self:
        """Read it.

        Raises
        ------
        ArchiveError
            If the text is something else.
        """
        try:
            return cls.model_validate(parse_json(text))
        except ValidationError as error:
            reason = bad_field(error)
        except (DocumentError, ValueError, RecursionError) as error:
            reason = str(error)
        raise ArchiveError(
            f"expected {where} of an archive to be what `reprise export` writes, found {reason}. "
            "It was altered, or written by a newer Reprise."
        )


class Point(Document):
    """A value of a metric, with its time in milliseconds since 1970."""

    metric: Text
    value: float
    step: int
    at: _Milliseconds


class Dataset(Document):
    """Data that was logged as an input of a run, with the fields of MLflow's `Dataset`."""

    context: Text
    fields: dict[str, str]


class Model(Document):
    """A model that a run has logged."""

    model_id: ModelId
    name: Text
    model_type: Text = ""
    params: dict[Text, Text] = {}
    has_files: bool = True  # False: they were left out


class Version(Document):
    """A registered version of a model."""

    registered: Text  # name of the registered model
    version: Text
    model_id: ModelId | None = None
    tags: dict[Text, Text] = {}
    aliases: tuple[Text, ...] = ()


class Run(Document):
    """A run that has ended, and what it has logged."""

    run_id: RunId
    experiment: Text
    name: Text
    status: _Status
    start: _Milliseconds
    end: _Milliseconds
    params: dict[Text, Text] = {}
    tags: dict[Text, Text] = {}
    points: tuple[Point, ...] = Field(default=(), max_length=limits.ARCHIVE_POINTS)
    datasets: tuple[Dataset, ...] = ()
    models: tuple[Model, ...] = ()
    versions: tuple[Version, ...] = ()


class Contents(Document):
    """What an archive holds."""

    format_version: Literal[1] = FORMAT_VERSION
    asked: tuple[RunId, ...]  # the runs that were named; the others are what these need
    runs: tuple[RunId, ...] = Field(max_length=limits.ARCHIVE_RUNS)
    parts: tuple[Literal["data", "models", "wheels"], ...] = ()
    commits: dict[str, str] = {}  # branch of data/code/repository.bundle, by commit
    without_code: dict[str, str] = {}  # why a commit is not there


def run_folder(run_id: str) -> str:
    """Return the folder of a run in an archive."""
    return f"{RUNS}/{run_id}"


def model_folder(model_id: str) -> str:
    """Return the folder of a model in an archive."""
    return f"{MODELS}/{model_id}"
