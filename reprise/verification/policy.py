"""What a verifier demands of a replay: the table `[verify]` of the current folder's reprise.toml.

The policy is the verifier's, not the run's: it is read from the working tree in which `reprise
verify` runs, or from the file that the verifier names, never from the commit of the run.
"""

import re
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    model_validator,
)

from reprise.backports import Self, tomllib
from reprise.errors import ParameterError
from reprise.record.digest import sha256_json
from reprise.record.verdict import Difference
from reprise.trust import documents, limits

FILE_NAME = "reprise.toml"
TABLE = "verify"
_AGE = re.compile(r"([0-9]{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_KINDS = {"metric": ("metric", "history"), "artifact": ("artifact",)}


def _duration(value: Any) -> Any:
    """Read `90m`, `12h`, `30d` or `2w`."""
    if isinstance(value, timedelta):
        return value
    found = _AGE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('a time such as "12h" or "30d", of units m, h, d and w')
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


Age = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(lambda age: f"{int(age.total_seconds() // 60)}m", return_type=str),
]
Name = Annotated[str, StringConstraints(min_length=1)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Equivalent(_Strict):
    """A verdict that metrics within a tolerance meet, if the predicted classes agree."""

    equivalent: Literal[True]
    tolerance: Tolerance
    metrics: dict[str, Tolerance] = {}  # of single metrics, by name

    def of(self, metric: str) -> float:
        """Return the tolerance of a metric, relative or absolute."""
        return self.metrics.get(metric, self.tolerance)


class Allowed(_Strict):
    """What is not compared, and why: a metric or an artifact, by its name or a pattern of it."""

    metric: Name | None = None
    artifact: Name | None = None
    reason: Text

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.metric is None) == (self.artifact is None):
            raise ValueError("either metric or artifact")
        return self

    def covers(self, difference: Difference) -> bool:
        """Return whether a difference is one that is not compared."""
        for kind, pattern in (("metric", self.metric), ("artifact", self.artifact)):
            if pattern is not None and difference.kind in _KINDS[kind]:
                return fnmatchcase(difference.name, pattern)
        return False


class Policy(_Strict):
    """What a verifier demands; without a file, an identical replay that is made now."""

    verdict: Literal["identical"] | Equivalent = "identical"
    max_age: Age = timedelta()  # of a signed verdict that is believed; 0: none is
    clean: bool = False  # of the code: no edits, and a commit that the repository has itself
    environment: Literal["any", "lock"] = "any"
    require_signature: bool = False  # of the statement, by an allowed signer
    allow: tuple[Allowed, ...] = ()

    @property
    def tolerance(self) -> float | None:
        """Return how far any metric may be apart; None: not at all."""
        if isinstance(self.verdict, str):
            return None
        return max([self.verdict.tolerance, *self.verdict.metrics.values()])

    @property
    def sha256(self) -> str:
        """Return the digest of what is demanded."""
        return sha256_json(self.model_dump(mode="json"))

    def exact(self) -> "Policy":
        """Return the same policy, for an identical replay of all that was recorded."""
        return self.model_copy(update={"verdict": "identical", "allow": ()})


def read(folder: Path, given: str = "") -> Policy:
    """Read the policy of the verifier.

    Parameters
    ----------
    folder : Path
        Its `reprise.toml` is read; without one, or without its table, the default holds.
    given : str
        Path of another file, which must exist.

    Raises
    ------
    ParameterError
        If the file is no TOML, or demands what there is not: one line.
    """
    path = Path(given).expanduser() if given else folder / FILE_NAME
    try:
        table = tomllib.loads(documents.read_text(path, largest=limits.YAML_BYTES)).get(TABLE, {})
    except FileNotFoundError:
        if given:
            raise ParameterError(f"expected a policy, found no file {given}. Name one.") from None
        return Policy()
    except (OSError, ValueError, RecursionError) as error:
        raise ParameterError(f"expected TOML in {path.name}, found: {error}. Fix it.") from None
    try:
        return Policy.model_validate(table)
    except ValidationError as error:
        problems = [_problem(dict(each)) for each in error.errors()]
        raise ParameterError(
            f"expected a policy in {path.name}, found: {'; '.join(dict.fromkeys(problems))}. "
            "docs/verify.md has all its keys."
        ) from None


def _problem(detail: dict[str, Any]) -> str:
    """Say what is wrong with a value, by its place in the file."""
    kinds = ("literal['identical']", "Equivalent")  # pydantic's names of what a verdict may be
    places = [str(part) for part in detail["loc"] if part not in kinds]
    place = ".".join([TABLE, *places])
    if detail["type"] == "extra_forbidden":
        return f"{place}, which is no key"
    if detail["type"] == "missing":
        return f"no {place}"
    message = detail["msg"].removeprefix("Value error, ")
    if places == ["verdict"]:
        message = '"identical", or {equivalent = true, tolerance = 1e-9}'
    return f"{place} = {detail['input']!r}, instead of: {message}"
