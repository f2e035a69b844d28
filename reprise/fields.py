"""Types of parameters that several entry points share."""

from typing import Annotated

from pydantic import AfterValidator, Field

from reprise.sources import holds_credentials

EXAMPLE_ID = "0123456789abcdef0123456789abcdef"
RUN_ID = r"^(runs:/)?[0-9a-f]{32}$"


def _without_credentials(address: str | None) -> str | None:
    if address and holds_credentials(address):
        raise ValueError
    return address


Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Address = Annotated[str, AfterValidator(_without_credentials)]
OptionalAddress = Annotated[str | None, AfterValidator(_without_credentials)]
AllowUntracked = Annotated[
    str | None,
    Field(
        description="untracked files to carry with the run although they are large or look like "
        "secrets: names or patterns, comma-separated; true: all",
        examples=["notes/token.json"],
    ),
]
RunId = Annotated[
    str,
    Field(
        pattern=RUN_ID,
        json_schema_extra={"expected": "a run id (32 hex digits, also as `runs:/<id>`)"},
    ),
]
