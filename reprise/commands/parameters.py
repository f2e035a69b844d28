"""The parameters of commands about other runs, for MLproject and for the command line."""

import shlex
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from reprise.errors import ParameterError
from reprise.record import reference
from reprise.runtime.fields import (
    EXAMPLE_ID,
    AllowPath,
    ExperimentName,
    RepositoryAddress,
    RunId,
    Seed,
)
from reprise.runtime.parameters import Parameters


def names(text: str | None) -> tuple[str, ...]:
    """Return the names in a comma-separated text."""
    return tuple(filter(None, (name.strip() for name in (text or "").split(","))))


def _pairs(words: str) -> dict[str, str]:
    """Read `name=value` words, quoted as in a shell."""
    pairs = [word.partition("=") for word in shlex.split(words)]
    if not all(name and equals for name, equals, _ in pairs):
        raise ValueError
    return {name: value for name, _, value in pairs}


def _of_pairs(words: str | None) -> str | None:
    _pairs(words or "")
    return words


Changes = Annotated[
    str | None,
    Field(
        json_schema_extra={
            "expected": "`name=value` words, quoted as in a shell, or empty",
            "repeatable": True,  # as an option of the command
        }
    ),
    AfterValidator(_of_pairs),
]


_EXAMPLE_REPOSITORY = "https://example.org/team/project.git"
RunRepository = Annotated[
    RepositoryAddress,
    Field(
        description="URL of one more git repository whose code may be run; "
        "empty: only the current one",
        examples=[_EXAMPLE_REPOSITORY],
    ),
]
ReadRepository = Annotated[
    RepositoryAddress,
    Field(
        description="URL of one more git repository to read code from; empty: only the current one",
        examples=[_EXAMPLE_REPOSITORY],
    ),
]
AllowBuild = Annotated[
    str | None,
    Field(
        description="packages of the run's environment that may be built from source, which runs "
        "their code: names, comma-separated; true: all; empty: wheels only",
        examples=["some-package"],
    ),
]
AllowPackages = Annotated[
    str | None,
    Field(
        description="packages that may be installed for a replay although only the record names "
        "them: names, comma-separated; true: all; empty: those of the commit and of this "
        "environment",
        examples=["some-package"],
    ),
]
AllowLargeSource = Annotated[
    bool,
    Field(
        description="true: also a source, or a bundle of code, that is larger than "
        "reprise/trust/limits.py allows",
    ),
]


class CommandParameters(Parameters):
    """Base of the parameters of commands about other runs, whose own runs are bookkeeping."""

    is_bookkeeping: ClassVar[bool] = True


class ReproduceParameters(CommandParameters):
    """Make a run again from its id, with its own code, data and environment, and compare."""

    entry_point: ClassVar[str] = "reproduce"

    run_id: RunId = Field(description="the run to reproduce", examples=[EXAMPLE_ID])
    tolerance: float | None = Field(
        None,
        ge=0,
        description="how far metrics may be apart in an equivalent run, relatively or absolutely; "
        "empty: not at all",
        examples=[1e-9],
    )
    set: Changes = Field(
        None,
        description="parameters to change; then there is no verdict, but a comparison",
        examples=["max_depth=7"],
    )
    materialize: bool = Field(
        False, description="true: give the run its model too, where it kept none, if identical"
    )
    code: Literal["recorded", "current"] = Field(
        "recorded",
        description="recorded: the run's own code; current: the code in this folder",
    )
    allow_repository: RunRepository = None
    allow_build: AllowBuild = None
    allow_packages: AllowPackages = None
    experiment: ExperimentName = None
    allow_path: AllowPath = None
    allow_large: AllowLargeSource = False

    def changes(self) -> dict[str, str]:
        """Return the parameters to change, with their new raw values."""
        return _pairs(self.set or "")


class CompareParameters(CommandParameters):
    """Show all that two runs depended on and gave, side by side, and how their code differs."""

    entry_point: ClassVar[str] = "compare"

    run_id: RunId = Field(description="a run", examples=[EXAMPLE_ID])
    other: RunId = Field(description="the run to compare it with", examples=[EXAMPLE_ID])
    allow_repository: ReadRepository = None
    experiment: ExperimentName = None


class AuditParameters(CommandParameters):
    """Report which runs of an experiment can be reproduced, and reproduce some of them."""

    entry_point: ClassVar[str] = "audit"

    experiment: str | None = Field(
        None,
        description="name of the experiment; empty: the one that runs are logged to now",
        examples=["churn"],
    )
    replay: int = Field(0, ge=0, description="how many of the runs to reproduce")
    seed: Seed = Field(0, description="seed for the choice of the runs to reproduce")
    allow_repository: RunRepository = None
    allow_path: AllowPath = None

    def wanted_experiment(self) -> str | None:
        """Return None: `experiment` says which runs are looked at."""
        return None


def _of_runs(words: str | None) -> str | None:
    for word in (words or "").split():
        reference.checked(word)
    return words


class Replaying(CommandParameters):
    """What replays may read and run, of commands that make several."""

    allow_repository: RunRepository = None
    allow_build: AllowBuild = None
    allow_packages: AllowPackages = None
    allow_path: AllowPath = None
    allow_large: AllowLargeSource = False


class Verifying(Replaying):
    """What commands that verify take besides: a policy, and keys."""

    policy: str | None = Field(
        None,
        description="file with the table [verify]; empty: reprise.toml of this folder",
        examples=["strict.toml"],
    )
    sign_with: str | None = Field(
        None,
        description="key that signs the statement: the path of one, or none; empty: the key that "
        "git signs with",
        examples=["~/.ssh/id_ed25519"],
    )
    allowed_signers: str | None = Field(
        None,
        description="file of those whose signed verdicts are believed; empty: git's",
        examples=[".allowed_signers"],
    )


class VerifyParameters(Verifying):
    """Reproduce runs, or believe a signed verdict on them, and judge them by a policy."""

    entry_point: ClassVar[str] = "verify"

    runs: Annotated[
        str | None,
        Field(
            json_schema_extra={
                "expected": f"names of runs, or empty; {reference.EXPECTED}",
                "arguments": True,  # of the command
            }
        ),
        AfterValidator(_of_runs),
    ] = Field(None, description="the runs to verify", examples=[EXAMPLE_ID])
    experiment: str | None = Field(
        None, description="all finished runs of the experiment of this name", examples=["churn"]
    )
    sample: int | None = Field(
        None, ge=1, description="how many of them; empty: all", examples=[20]
    )
    seed: Seed = Field(0, description="seed for the choice of those")
    model: str | None = Field(
        None,
        description="the run that trained a registered model: its name, with @alias or /version; "
        "by default the champion",
        examples=["churn@candidate"],
    )
    code: Literal["recorded", "current"] = Field(
        "recorded",
        description="recorded: each run's own code; current: the code in this folder, to see "
        "whether a change of it changes results; then nothing is signed",
    )
    format: Literal["text", "json", "junit", "markdown"] = Field(
        "text", description="of the report that is printed"
    )
    output: str | None = Field(
        None, description="file for the report as JSON", examples=["verification.json"]
    )

    def wanted_experiment(self) -> str | None:
        """Return None: `experiment` says which runs are verified."""
        return None

    def refuse_unclear(self) -> None:
        """Refuse no runs, and runs that are named in two ways.

        Raises
        ------
        ParameterError
        """
        given = [name for name in ("runs", "experiment", "model") if getattr(self, name)]
        if len(given) != 1:
            raise ParameterError(
                "expected run ids, --experiment or --model, found "
                f"{' and '.join(given) or 'none of them'}. Give one."
            )
        if self.sample and not self.experiment:
            raise ParameterError("expected --experiment with --sample, found none. Name one.")


class PromoteParameters(Verifying):
    """Make a registered version the champion, if replays bear out that it is the better one."""

    entry_point: ClassVar[str] = "promote"

    model: str = Field(
        description="the registered model: its name, with @alias or /version; by default its "
        "candidate",
        examples=["churn"],
    )
    message: str | None = Field(
        None,
        max_length=1000,
        description="why, for the list of promotions",
        examples=["fewer false alarms"],
        json_schema_extra={"expected": "text of at most 1000 characters, or empty", "short": "-m"},
    )
    rollback: bool = Field(
        False, description="true: make the version the champion again that was it before"
    )


class CalibrateParameters(Replaying):
    """Reproduce a run several times, report what varies, and suggest what a policy may tolerate."""

    entry_point: ClassVar[str] = "calibrate"

    run_id: RunId = Field(description="the run to reproduce", examples=[EXAMPLE_ID])
    times: int = Field(5, ge=2, le=1000, description="how often to reproduce it")


class LogParameters(Parameters):
    """Show who made which version of a registered model the champion, when and why."""

    entry_point: ClassVar[str] = "log"

    model: str = Field(description="name of the registered model", examples=["churn"])
    allowed_signers: str | None = Field(
        None,
        description="file of those whose signatures are trusted; empty: git's",
        examples=[".allowed_signers"],
    )


class ShowParameters(Parameters):
    """Show what a run depended on and what it gave, as its record says."""

    entry_point: ClassVar[str] = "show"

    run_id: RunId = Field(description="a run", examples=[EXAMPLE_ID])


class WhyParameters(Parameters):
    """Say why two runs differ: the causes, the patch, and what came out differently."""

    entry_point: ClassVar[str] = "why"

    run_id: RunId = Field(description="a run", examples=[EXAMPLE_ID])
    other: RunId = Field(description="the run to compare it with", examples=[EXAMPLE_ID])
    allow_repository: ReadRepository = None


class RestoreParameters(Parameters):
    """Bring the code of a run back, its edits included, as a new branch or a new folder."""

    entry_point: ClassVar[str] = "restore"

    run_id: RunId = Field(description="a run", examples=[EXAMPLE_ID])
    branch: str | None = Field(
        None, description="the new branch; empty: run-<id>", examples=["run-0123abcd"]
    )
    folder: str | None = Field(
        None, description="a new folder instead, without git's own", examples=["before"]
    )
    allow_repository: ReadRepository = None


class LsParameters(Parameters):
    """List the runs of an experiment, the latest first."""

    entry_point: ClassVar[str] = "ls"

    experiment: str | None = Field(
        None,
        description="name of the experiment; empty: the one that runs are logged to now",
        examples=["churn"],
    )
    limit: int = Field(20, ge=1, le=1000, description="how many runs a page has")
    page: int = Field(1, ge=1, le=10_000, description="which page, counted from 1")
    all: bool = Field(
        False, description="true: also runs about other runs, such as replays and comparisons"
    )


# Those that are entry points of MLproject too.
MODELS: dict[str, type[Parameters]] = {
    model.entry_point: model for model in (ReproduceParameters, CompareParameters, AuditParameters)
}
# Their runs are about other runs, and have no results of their own.
ABOUT_OTHERS = MODELS.keys() | {
    model.entry_point for model in (VerifyParameters, PromoteParameters, CalibrateParameters)
}
