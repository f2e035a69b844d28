"""The parameters of commands about other runs, for MLproject and for the command line."""

import shlex
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from reprise.runtime.fields import EXAMPLE_ID, AllowPath, RepositoryAddress, RunId, Seed
from reprise.runtime.parameters import Parameters


def _names(text: str | None) -> tuple[str, ...]:
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
    allow_repository: RepositoryAddress = Field(
        None,
        description="URL of one more git repository whose code may be run; "
        "empty: only the current one",
        examples=["https://example.org/team/project.git"],
    )

    allow_build: str | None = Field(
        None,
        description="packages of the run's environment that may be built from source, which runs "
        "their code: names, comma-separated; true: all; empty: wheels only",
        examples=["some-package"],
    )
    allow_packages: str | None = Field(
        None,
        description="packages that may be installed for a replay although only the record names "
        "them: names, comma-separated; true: all; empty: those of the commit and of this "
        "environment",
        examples=["some-package"],
    )
    allow_path: AllowPath = None
    allow_large: bool = Field(
        False,
        description="true: also a source, or a bundle of code, that is larger than "
        "reprise/trust/limits.py allows",
    )

    def packages_to_build(self) -> tuple[str, ...]:
        """Return the names of `allow_build`."""
        return _names(self.allow_build)

    def packages_to_install(self) -> tuple[str, ...]:
        """Return the names of `allow_packages`."""
        return _names(self.allow_packages)

    def changes(self) -> dict[str, str]:
        """Return the parameters to change, with their new raw values."""
        return _pairs(self.set or "")


class CompareParameters(CommandParameters):
    """Show all that two runs depended on and gave, side by side, and how their code differs."""

    entry_point: ClassVar[str] = "compare"

    run_id: RunId = Field(description="a run", examples=[EXAMPLE_ID])
    other: RunId = Field(description="the run to compare it with", examples=[EXAMPLE_ID])
    allow_repository: RepositoryAddress = Field(
        None,
        description="URL of one more git repository to read code from; empty: only the current one",
        examples=["https://example.org/team/project.git"],
    )


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
    allow_repository: RepositoryAddress = Field(
        None,
        description="URL of one more git repository whose code may be run; "
        "empty: only the current one",
        examples=["https://example.org/team/project.git"],
    )
    allow_path: AllowPath = None


class ShowParameters(CommandParameters):
    """Show what a run depended on and what it gave, as its record says."""

    entry_point: ClassVar[str] = "show"

    run_id: RunId = Field(description="a run", examples=[EXAMPLE_ID])


# Those that are entry points of MLproject too.
MODELS: dict[str, type[Parameters]] = {
    model.entry_point: model for model in (ReproduceParameters, CompareParameters, AuditParameters)
}
