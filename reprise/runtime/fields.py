"""Types of parameters that several entry points share."""

from typing import Annotated

from pydantic import AfterValidator, Field

from reprise.errors import CheckoutError
from reprise.record import lists, reference
from reprise.runtime.parameters import NAMES_RUN
from reprise.urls import EXPECTED, RepositoryUrl, holds_credentials

EXAMPLE_ID = "0123456789abcdef0123456789abcdef"


def _without_credentials(address: str | None) -> str | None:
    if address and holds_credentials(address):
        raise ValueError
    return address


def _of_a_repository(address: str | None) -> str | None:
    if not address:
        return address
    try:
        url = RepositoryUrl.parse(address)
    except CheckoutError as error:
        raise ValueError from error
    if url.shown != address:
        raise ValueError
    return address if url.scheme == "ssh" else _without_credentials(address)


def _several(text: str | None) -> str | None:
    if text is not None:
        lists.split(text)
    return text


Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Address = Annotated[str, AfterValidator(_without_credentials)]
OptionalAddress = Annotated[str | None, AfterValidator(_without_credentials)]
RepositoryAddress = Annotated[
    str | None,
    Field(json_schema_extra={"expected": f"{EXPECTED}, without credentials, or empty"}),
    AfterValidator(_of_a_repository),
]
Several = Annotated[
    str | None,
    Field(
        json_schema_extra={
            "expected": "values with commas between them (as in CSV), or a YAML list, or empty"
        }
    ),
    AfterValidator(_several),
]
AllowPath = Annotated[
    str | None,
    Field(
        description="files and folders outside the project, or addresses that are not public, "
        "that may be read although only the record names them, comma-separated; empty: none",
        examples=["/data/churn"],
    ),
]
AllowLarge = Annotated[
    bool,
    Field(
        description="true: also data that are larger than reprise/trust/limits.py allows, in "
        "bytes, in memory or in columns",
    ),
]
ExperimentName = Annotated[
    str | None,
    Field(
        description="experiment of the run, made where it is missing; empty: as "
        "`mlflow run --experiment-name` or MLFLOW_EXPERIMENT_NAME says, else of the project's name",
        examples=["churn"],
        max_length=250,
    ),
]
AllowUntracked = Annotated[
    str | None,
    Field(
        description="untracked files to carry with the run although they are large or look like "
        "secrets: names or patterns, comma-separated; true: all",
        examples=["notes/token.json"],
    ),
]


def _naming_a_run(text: str | None) -> str | None:
    return text and reference.checked(text)


RunId = Annotated[
    str,
    Field(json_schema_extra={"expected": reference.EXPECTED, NAMES_RUN: True}, min_length=1),
    AfterValidator(_naming_a_run),
]
OptionalRunId = Annotated[
    str | None,
    Field(json_schema_extra={"expected": f"{reference.EXPECTED}, or empty", NAMES_RUN: True}),
    AfterValidator(_naming_a_run),
]
