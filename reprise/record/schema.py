"""The record of a run: everything it depended on, and everything it must produce again.

One `provenance.json` per run, written before the work starts and completed after it. `outputs`
hold only what is equal when the run is made again: metrics and digests; no times, ids or paths.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from reprise.errors import RecordError
from reprise.record.digest import canonical_json, sha256_json
from reprise.trust import limits
from reprise.trust.documents import parse_json

ALLOW_UNTRACKED = "allow_untracked"  # of steps whose source is captured; changes no result
ALLOW_LARGE = "allow_large"  # of steps that read from elsewhere; changes no result
PERMISSIONS = frozenset({ALLOW_UNTRACKED, ALLOW_LARGE})

FORMAT_VERSION: Literal[2] = 2
FILE_NAME = "provenance.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Code(_Frozen):
    """The source a run was made with: always one commit, also of a working tree with edits."""

    repository: str | None  # URL of origin without credentials; None: no remote
    project: str  # folder of the project within the repository; "" is its root
    commit: str | None  # the commit whose tree is what ran; None: not a git repository
    tree: str | None
    base_commit: str | None  # HEAD; differs from commit where the tree is dirty
    dirty: bool
    changed_files: tuple[str, ...] = ()
    bundle: str | None = None  # URI of the git bundle that has the commit; None: origin has it


class Step(_Frozen):
    """What was run: an entry point and its parameters, as given and as understood."""

    entry_point: str
    raw_parameters: dict[str, str]
    parameters: dict[str, Any]
    locations: tuple[str, ...] = ()  # parameters that only say where an input is
    command: tuple[str, ...] = ()  # of a script: its file and arguments, what follows `python`
    folder: str = ""  # of a script: where in the project it was started; "" is its root
    number: int = 1  # which of the runs that a script makes


class InputData(_Frozen):
    """Data that a run read, by the digest of its content."""

    name: str
    uri: str
    sha256: str
    rows: int | None = None
    columns: int | None = None


class Environment(_Frozen):
    """The interpreter and packages a run was made with."""

    python: str
    implementation: str
    manager: str  # what built it: conda, uv, virtualenv or system
    platform: str
    lock_sha256: str | None  # None: the project has no requirements.txt
    deviations: tuple[str, ...]  # where what is installed is not what the lock says
    packages: dict[str, str]


class Numerics(_Frozen):
    """What decides the last bits of floating-point results."""

    baseline: bool  # True: as on every x86-64 machine with AVX2
    variables: dict[str, str]
    threads: int
    blas: tuple[str, ...]
    simd: tuple[str, ...]
    cpu: str
    architecture: str
    c_library: str
    float_bits: int


class Outputs(_Frozen):
    """What a run produced, as far as it must be equal when the run is made again."""

    metrics: dict[str, float]
    model: str | None = None  # digest of the fitted arrays
    predictions: dict[str, str] = {}  # digests of "labels" and "probabilities"
    artifacts: dict[str, str] = {}  # digests of content, by name


class RunRecord(_Frozen):
    """Everything a run depended on and produced."""

    format_version: Literal[2] = FORMAT_VERSION
    code: Code
    step: Step
    inputs: tuple[InputData, ...] = ()
    environment: Environment
    numerics: Numerics
    seeds: dict[str, int] = {}
    replays: str | None = None  # id of the run that this one replays
    outputs: Outputs | None = None  # None: the run has not finished

    def to_json(self) -> str:
        """Write the record as canonical JSON, the format's number first."""
        rest = self.model_dump(mode="python", exclude={"format_version"})
        return f'{{\n "format_version": {self.format_version},{canonical_json(rest)[1:]}'

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a record.

        Raises
        ------
        RecordError
            If the text is no record, or one of a newer format.
        """
        try:
            values = parse_json(text)
            version = values["format_version"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RecordError(
                f"expected a {FILE_NAME}, found something else ({error}). It is damaged."
            ) from None
        if not isinstance(version, int) or not 1 <= version <= FORMAT_VERSION:
            raise RecordError(
                f"expected a record of format {FORMAT_VERSION} or older, found format {version}. "
                "Update the project to read it."
            )
        _refuse_too_many(values)
        try:
            return cls.model_validate(values | {"format_version": FORMAT_VERSION})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise RecordError(
                f"expected a complete {FILE_NAME}, found a bad field {where}: {first['msg']}. "
                "The artifact is damaged."
            ) from None


def _refuse_too_many(values: Mapping[str, Any]) -> None:
    """Refuse more inputs, files, packages or metrics than any run has, before each is looked at."""
    waiting = list(values.items())
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        if isinstance(value, dict | list) and len(value) > limits.RECORD_ENTRIES:
            raise RecordError(
                f"expected at most {limits.RECORD_ENTRIES} {name} in a {FILE_NAME}, found "
                f"{len(value)}. It is damaged or forged; name another run."
            )


def run_in(uri: str) -> str:
    """Return the run's id out of `runs:/<id>` or `runs:/<id>/…`, or the id itself."""
    return uri.removeprefix("runs:/").partition("/")[0]


def run_key(
    *,
    tree: str,
    entry_point: str,
    parameters: Mapping[str, Any],
    data: Mapping[str, str],
    lock_sha256: str,
    python: str,
) -> str:
    """Name a planned run by what decides its results: equal keys, equal results.

    Parameters
    ----------
    tree : str
        Git tree of the code.
    parameters : mapping
        Typed parameters.
    data : mapping of str to str
        Digest of each input, by name.

    Returns
    -------
    str
        SHA-256, 64 hex digits.
    """
    return sha256_json(
        {
            "tree": tree,
            "entry_point": entry_point,
            "parameters": dict(parameters),
            "data": dict(data),
            "lock_sha256": lock_sha256,
            "python": python,
        }
    )


def as_text(value: Any) -> str:
    """Write a value as an MLproject does: None is empty, true and false are lower case."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
