"""The record of a run: everything it depended on, and everything a replay must produce.

Each run has one `provenance.json`, written before the work starts and completed after it.
`outputs` holds only values that a replay must equal: metrics and digests; no times, ids or paths.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from reprise.backports import Self
from reprise.errors import RecordError
from reprise.record.digest import canonical_json, sha256_json
from reprise.trust import limits
from reprise.trust.documents import bad_field, parse_json

ALLOW_UNTRACKED = "allow_untracked"  # of steps that capture their source; changes no result
ALLOW_LARGE = "allow_large"  # of steps that read input from others; changes no result
PERMISSIONS = frozenset({ALLOW_UNTRACKED, ALLOW_LARGE})

FORMAT_VERSION: Literal[3] = 3
_OF_STEPS: Literal[2] = 2  # of records that a process writes of itself: older engines read them
FILE_NAME = "provenance.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rare: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what few runs have: an older engine reads a record without it."""
        return {
            name: value for name, value in write(self).items() if value or name not in self.rare
        }


class Code(_Frozen):
    """The source code of a run: always one commit; a snapshot if the working tree had edits."""

    rare: ClassVar[frozenset[str]] = frozenset({"line_ends", "unconverted", "absent"})

    repository: str | None  # URL of origin without credentials; None without a remote
    project: str  # folder of the project in the repository; "" is its root
    commit: str | None  # the commit with the tree that ran; None outside a git repository
    tree: str | None
    base_commit: str | None  # HEAD; differs from commit if the tree is dirty
    dirty: bool
    changed_files: tuple[str, ...] = ()
    bundle: str | None = None  # URI of the git bundle with the commit; None if origin has it
    line_ends: Literal["", "crlf"] = ""  # which of them a checkout had to write; "": the commit's
    unconverted: tuple[str, ...] = ()  # files that a checkout must not convert
    absent: tuple[str, ...] = ()  # submodules that were not checked out


class Step(_Frozen):
    """What ran: an entry point and its parameters, as text and as typed values."""

    rare: ClassVar[frozenset[str]] = frozenset({"words"})

    entry_point: str
    raw_parameters: dict[str, str]
    parameters: dict[str, Any]
    locations: tuple[str, ...] = ()  # parameters that only name the place of an input
    command: tuple[str, ...] = ()  # of a script: its file and arguments, after `python`
    folder: str = ""  # of a script: its working folder in the project; "" is the root
    number: int = 1  # of a script: the position of the run among the script's runs
    words: tuple[str, ...] = ()  # of another command: as it was typed


class InputData(_Frozen):
    """Data that a run read, with the digest of its content."""

    rare: ClassVar[frozenset[str]] = frozenset({"bytes", "kept"})

    name: str
    uri: str
    sha256: str
    rows: int | None = None
    columns: int | None = None
    bytes: int | None = None  # of a file
    kept: str = ""  # URI of an artifact with its content


class Environment(_Frozen):
    """The interpreter and the packages of a run."""

    rare: ClassVar[frozenset[str]] = frozenset({"origins", "files", "lock", "altered"})

    python: str
    implementation: str
    manager: str  # the tool that built it: conda, uv, virtualenv or system
    platform: str
    lock_sha256: str | None  # None if the project has no lock
    deviations: tuple[str, ...]  # differences between the lock and the installed packages
    packages: dict[str, str]
    origins: dict[str, str] = {}  # of packages from a repository, a folder or a file: its URL
    files: dict[str, str] = {}  # digest of the list of each package's files (its RECORD)
    altered: dict[str, str] = {}  # digests of imported files that are not as installed, by name
    lock: str = ""  # path of the lock from the project's folder; "": requirements.txt, or none


class Numerics(_Frozen):
    """The settings that decide the last bits of floating-point results."""

    baseline: bool  # True if the same as on every x86-64 machine with AVX2
    variables: dict[str, str]
    threads: int
    blas: tuple[str, ...]
    simd: tuple[str, ...]
    cpu: str
    architecture: str
    c_library: str
    float_bits: int


class Outputs(_Frozen):
    """The outputs of a run that a replay must equal."""

    rare: ClassVar[frozenset[str]] = frozenset(
        {"parameters", "histories", "opaque", "datasets", "registered"}
    )

    metrics: dict[str, float]
    model: str | None = None  # digest of the fitted arrays
    predictions: dict[str, str] = {}  # digests of "labels" and "probabilities", or "values"
    artifacts: dict[str, str] = {}  # digests of content, by name
    parameters: dict[str, str] = {}  # that the process has logged itself
    histories: dict[str, str] = {}  # digests of the points of each metric
    datasets: dict[str, str] = {}  # that were logged as inputs: digests, by name and context
    registered: dict[str, str] = {}  # versions of models: what each was made from
    opaque: tuple[str, ...] = ()  # artifacts of which only the bytes can be compared


class LoggedRun(_Frozen):
    """One more run that the process of a run has made, and what it has logged."""

    run_id: str
    name: str  # "" if MLflow has made it up
    entry_point: str
    parent: str | None  # id of its parent run, if this process has made that too
    status: str
    outputs: Outputs


class Observation(_Frozen):
    """What is known of a run whose process does not record itself, seen from outside."""

    exit_code: int | None = None  # None: it has not ended
    runs: tuple[LoggedRun, ...] = ()
    edited: tuple[str, ...] = ()  # files of the commit that were written while it ran
    hosts: tuple[str, ...] = ()  # that it has connected to
    not_known: tuple[str, ...] = ()


class RunRecord(_Frozen):
    """Everything that a run depended on and produced."""

    rare: ClassVar[frozenset[str]] = frozenset({"observed"})

    format_version: Literal[2] = _OF_STEPS  # `to_json` writes the newest where it is needed
    code: Code
    step: Step
    inputs: tuple[InputData, ...] = ()
    environment: Environment
    numerics: Numerics
    seeds: dict[str, int] = {}
    replays: str | None = None  # id of the original run, if this run is its replay
    outputs: Outputs | None = None  # None if the run has not finished
    observed: Observation | None = None  # None: its process has recorded itself

    def to_json(self) -> str:
        """Return the record as canonical JSON, with the format's number first."""
        rest = self.model_dump(mode="python", exclude={"format_version"})
        version = FORMAT_VERSION if self.observed else _OF_STEPS
        return f'{{\n "format_version": {version},{canonical_json(rest)[1:]}'

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a record.

        Raises
        ------
        RecordError
            If the text is no record, or a record of a newer format.
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
            return cls.model_validate(values | {"format_version": _OF_STEPS})
        except ValidationError as error:
            raise RecordError(
                f"expected a complete {FILE_NAME}, found {bad_field(error)}. "
                "The artifact is damaged."
            ) from None


def _refuse_too_many(values: Mapping[str, Any]) -> None:
    """Refuse a record with too many inputs, files, packages or metrics, before each is checked."""
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
    """Return the run id in `runs:/<id>` or `runs:/<id>/…`, or the id itself."""
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
    """Return the key of a planned run: runs with equal keys have equal results.

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
    """Return a value as text of an MLproject: None is empty, true and false are lower case."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
