"""How people name a run: by its id or the beginning of it, its name, or what it is.

This is the spelling only; `tracking.references` finds the run.
"""

import re
from dataclasses import dataclass
from typing import Literal

from reprise.backports import Self, StrEnum
from reprise.urls import holds_credentials
from reprise.visible import is_text

EXPECTED = (
    "a run: its id (6 digits or more), its name, `latest`, `latest:<step>`, `best:<metric>`, "
    "`runs:/<id>` or `models:/<name>@<alias>`"
)
SHORTEST = 6  # digits of an id
DIGITS = 8  # of an id, where people read it
_RUNS, _MODELS = "runs:/", "models:/"
_LONGEST = 250  # characters of a run's name
_ID = re.compile(r"[0-9a-f]{32}")
_BEGINNING = re.compile(rf"[0-9a-fA-F]{{{SHORTEST},32}}")
_LATEST = re.compile(r"latest(?::(?P<step>[^:`]+))?")
_BEST = re.compile(r"best:(?P<metric>[\w./ -]+)(?::(?P<aim>min|max))?")
_MODEL = re.compile(r"models:/([^/:@]+)(@[\w-]+|/[0-9]{1,18})|models:/m-[0-9A-Za-z]{1,64}")
# Whole words of a metric's name which say that less of it is better.
_ERRORS = frozenset(
    {
        *("loss", "error", "errors", "err", "deviance", "perplexity", "brier", "hinge", "ece"),
        *("mae", "mse", "rmse", "mape", "smape", "msle", "rmsle", "ae", "wer", "cer"),
    }
)


class ReferenceKind(StrEnum):
    """What a reference says of its run."""

    ID = "id"
    BEGINNING = "beginning of an id"
    NAME = "name"
    LATEST = "latest"
    BEST = "best"
    MODEL = "model"


@dataclass(frozen=True)
class Reference:
    """A run as a user names it.

    Attributes
    ----------
    text : str
        As it was given.
    kind : ReferenceKind
    value : str
        The id, its beginning, the name, the step ("": any), the metric, or the model's address.
    aim : {"", "min", "max"}
        Of the best run: whether less or more of the metric is better; "": as its name says.
    """

    text: str
    kind: ReferenceKind
    value: str
    aim: Literal["", "min", "max"] = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference.

        Raises
        ------
        ValueError
            If no run can be named like this.
        """
        bare = text.removeprefix(_RUNS)
        if _ID.fullmatch(bare):
            return cls(text, ReferenceKind.ID, bare)
        if bare.startswith(_MODELS):
            return cls(text, ReferenceKind.MODEL, _matched(_MODEL, bare)[0])
        if bare.partition(":")[0] == "latest":
            return cls(text, ReferenceKind.LATEST, _matched(_LATEST, bare)["step"] or "")
        if bare.startswith("best:"):
            found = _matched(_BEST, bare)
            aim: Literal["", "min", "max"] = found["aim"] or ""  # type: ignore[assignment]
            return cls(text, ReferenceKind.BEST, found["metric"], aim)
        if _BEGINNING.fullmatch(bare):
            return cls(text, ReferenceKind.BEGINNING, bare)
        is_name = 0 < len(bare) <= _LONGEST and bare.isprintable() and is_text(bare)
        if not is_name or holds_credentials(bare) or "://" in bare or bare != bare.strip():
            raise ValueError(EXPECTED)
        return cls(text, ReferenceKind.NAME, bare)

    @property
    def is_greater_better(self) -> bool:
        """Whether the best run is the one with the most of the metric."""
        if self.aim:
            return self.aim == "max"
        return _ERRORS.isdisjoint(re.split(r"[\W_]+", self.value.lower()))


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(EXPECTED)
    return found


def short(run_id: str) -> str:
    """Return the digits of an id that people read; they name the run, too."""
    return run_id[:DIGITS] if _ID.fullmatch(run_id) else run_id


def checked(text: str) -> str:
    """Return a text that names a run, as it is.

    Raises
    ------
    ValueError
        If no run can be named like this.
    """
    Reference.parse(text)
    return text


@dataclass(frozen=True)
class NamedRun:
    """A run that a parameter names, and what it may be.

    Attributes
    ----------
    text : str
        The parameter's value.
    steps : tuple of str
        Entry points, one of which `latest` and `best` must be; (): any.
    may_be_other : bool
        Whether the value is no run if there is none of that id or name.
    """

    text: str
    steps: tuple[str, ...] = ()
    may_be_other: bool = False
