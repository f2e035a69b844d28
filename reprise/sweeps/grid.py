"""A grid file, and its points: every combination of the values, or a sample of them.

A value is one value, a list, a range (`from`, `to`, `step`), or, for random search, an interval
(`low`, `high`, and `log: true` to draw evenly over orders of magnitude).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from reprise.backports import Self
from reprise.errors import ExperimentFileError, ParameterError
from reprise.runtime.parameters import Parameters, is_integer
from reprise.sweeps import yaml_file

MOST_POINTS = 10_000  # that run without being confirmed
Strategy = Literal["grid", "random"]
_LARGEST = 2**53  # whole number that is drawn
_RANGE = frozenset({"from", "to", "step"})
_INTERVAL = frozenset({"low", "high", "log"})


class Interval(BaseModel):
    """Values between two bounds, both included, to draw from."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low:g} is not above 0, as log asks")
        return self

    def distribution(self, *, whole: bool) -> Any:
        """Return what to draw from: numbers, or whole numbers (scipy.stats)."""
        from scipy import stats

        if whole:
            low, high = math.ceil(self.low), math.floor(self.high)
            if low > high or abs(low) > _LARGEST or high > _LARGEST:
                raise ValueError(f"{self.low:g} to {self.high:g}")
            # Rounding down what is drawn below high + 1 gives each whole number its share.
            return (
                _Floored(stats.loguniform(low, high + 1))
                if self.log
                else stats.randint(low, high + 1)
            )
        if self.log:
            return stats.loguniform(self.low, self.high)
        return stats.uniform(self.low, self.high - self.low)


class _Floored:
    """A distribution's values rounded down."""

    def __init__(self, distribution: Any) -> None:
        self._distribution = distribution

    def rvs(self, *arguments: Any, **named: Any) -> int:
        """Draw one."""
        drawn: float = self._distribution.rvs(*arguments, **named)
        return math.floor(drawn)


def _understood(values: dict[str, Any]) -> dict[str, Any]:
    return {name: understood(name, value) for name, value in values.items()}


Values = Annotated[dict[str, Any], AfterValidator(_understood)]


class GridFile(BaseModel):
    """The contents of a grid file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str | None = None  # None: what the step reads unless a file names other data
    params: Values = Field(min_length=1)
    metric: str | None = None


def read(path: Path, *, example: str = "") -> GridFile:
    """Read a grid file; `example` is the name of one, to point to.

    Raises
    ------
    ExperimentFileError
        One line that says what in the file is wrong.
    """
    return yaml_file.read(path, GridFile, what="a grid file", example=example)


def understood(name: str, value: Any) -> Any:
    """Turn what a file says of a parameter into a value, a list of them, or an interval.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if isinstance(value, dict) and "from" in value:
        return _range(name, value)
    if isinstance(value, dict) and _INTERVAL >= value.keys() >= {"low", "high"}:
        try:
            return Interval.model_validate(value)
        except ValidationError as error:
            raise ValueError(f"{name}: {error.errors()[0]['msg']}") from None
    if value == []:
        raise ValueError(f"{name} is an empty list")
    if isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(v, list | dict) for v in value)
    ):
        raise ValueError(f"{name} is neither a value nor a list of values, a range or an interval")
    return value


def points(
    values: Mapping[str, Any],
    model: type[Parameters],
    *,
    strategy: Strategy = "grid",
    samples: int | None = None,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """Expand values into points, by scikit-learn's ParameterGrid or ParameterSampler.

    Parameters
    ----------
    values : mapping of str to value, list or Interval
    model : type of Parameters
        Of the step: its fields say which parameters are whole numbers.
    strategy : {"grid", "random"}
    samples : int, optional
        How many points to draw; of lists alone, no more than there are.
    seed : int
        Of the drawing.

    Raises
    ------
    ExperimentFileError
        If an interval is to be a grid.
    ParameterError
        If the number of samples is missing, or is given for a grid.
    """
    from sklearn.model_selection import ParameterGrid, ParameterSampler

    choices = {name: _choices(name, value, model) for name, value in values.items()}
    drawn = [name for name, value in values.items() if isinstance(value, Interval)]
    if strategy == "grid":
        if drawn:
            raise ExperimentFileError(
                f"expected values for {', '.join(drawn)}, found low and high, which are for a "
                "random search. Write a list or {from, to, step}, or add -P strategy=random."
            )
        if samples is not None:
            raise ParameterError(
                f"samples is for a random search; found {samples} and strategy=grid. "
                "Leave it out, or add -P strategy=random."
            )
        return iter(ParameterGrid(choices))
    if samples is None:
        raise ParameterError(
            "samples must be how many points to draw; found none. Write, for example: "
            "-P samples=20."
        )
    if not drawn:
        samples = min(samples, size(values))
    return iter(ParameterSampler(choices, samples, random_state=seed))


def size(values: Mapping[str, Any]) -> int:
    """Return how many points a grid has."""
    return math.prod(
        len(v) if isinstance(v, Sequence) and not isinstance(v, str) else 1 for v in values.values()
    )


def _choices(name: str, value: Any, model: type[Parameters]) -> Any:
    if isinstance(value, Interval):
        try:
            return value.distribution(whole=is_integer(model, name))
        except ValueError as error:
            raise ExperimentFileError(
                f"expected an interval with whole numbers (up to 2**53) for {name}, found {error}. "
                "Widen it."
            ) from None
    return value if isinstance(value, list) else [value]


def _range(name: str, value: Mapping[str, Any]) -> list[int | float]:
    """Return the values from one bound to another, both included, as decimal arithmetic counts."""
    unknown = sorted(value.keys() - _RANGE)
    given = {"step": 1, **value}
    numbers = [given.get(key) for key in ("from", "to", "step")]
    if unknown or not all(
        isinstance(n, int | float) and not isinstance(n, bool) and abs(n) <= _LARGEST
        for n in numbers
    ):
        raise ValueError(f"{name} must be {{from: number, to: number, step: number}}")
    start, stop, step = (Decimal(str(n)) for n in numbers)
    if step == 0 or (stop - start) * step < 0:
        raise ValueError(f"{name} has no values from {start} to {stop} by steps of {step}")
    count = int((stop - start) / step) + 1
    if count > MOST_POINTS * 100:
        raise ValueError(f"{name} has {count} values")
    kind = int if all(isinstance(n, int) for n in numbers) else float
    return [kind(start + step * i) for i in range(count)]
