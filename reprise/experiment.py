"""An experiment file: data, steps with their parameters, and how the result is judged."""

import difflib
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from reprise.errors import ExperimentFileError, ParameterError
from reprise.parameters import Parameters, as_text


class PlannedStep(BaseModel):
    """One entry of `steps`: a training step, and its parameters; a list of values is a grid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str
    parameters: dict[str, Any] = {}

    @field_validator("parameters")
    @classmethod
    def _no_empty_grid(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name, value in values.items():
            if value == []:
                raise ValueError(f"{name} is an empty list")
            if isinstance(value, dict) or (
                isinstance(value, list) and any(isinstance(v, list | dict) for v in value)
            ):
                raise ValueError(f"{name} is neither a value nor a list of values")
        return values


class ExperimentFile(BaseModel):
    """The contents of an experiment file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: dict[str, Any] = {}
    steps: list[PlannedStep] = Field(min_length=1)
    evaluation: dict[str, Any] | None = {}


def read(path: Path) -> ExperimentFile:
    """Read an experiment file.

    Raises
    ------
    ExperimentFileError
        One line that says what in the file is wrong.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExperimentFileError(
            f"expected an experiment file, found no file {path}. params/ holds some."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ExperimentFileError(
            f"expected a YAML file that can be read, found {path}: {error}. Name another."
        ) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        raise ExperimentFileError(
            f"expected YAML in {path}, found a mistake: {error} Mend it."
        ) from None
    if not isinstance(values, dict):
        raise ExperimentFileError(
            f"expected the keys data, steps and evaluation in {path}, found "
            f"{'nothing' if values is None else type(values).__name__}. See params/iris.yaml."
        )
    try:
        return ExperimentFile.model_validate(values)
    except ValidationError as error:
        raise ExperimentFileError(
            f"{path}: "
            + " ".join(_problem(dict(e)) for e in error.errors())
            + " See params/iris.yaml."
        ) from None


def check(
    name: str, values: Mapping[str, Any], models: Mapping[str, type[Parameters]]
) -> Parameters:
    """Check a step's name and its parameters as the step itself would.

    Raises
    ------
    ExperimentFileError
        If there is no such step.
    ParameterError
        If the step would refuse the parameters.
    """
    if name not in models:
        nearest = difflib.get_close_matches(name, models, 1)
        hint = f"did you mean {nearest[0]}? " if nearest else ""
        raise ExperimentFileError(
            f"expected a step out of {', '.join(models)}; found {name!r}; {hint}Mend the file."
        )
    several = [key for key, value in values.items() if isinstance(value, list | dict)]
    if several:
        raise ParameterError(
            f"{name}: expected one value each for {', '.join(several)}, found several. Write one; "
            "a list of columns is text with commas."
        )
    try:
        return models[name].parse({key: as_text(value) for key, value in values.items()})
    except ParameterError as error:
        raise ParameterError(f"{name}: {error}") from None


def expand(
    planned: PlannedStep, models: Mapping[str, type[Parameters]], **fixed: str
) -> list[Parameters]:
    """Expand a step's grid into the parameters of each run, in the order of the file.

    Parameters
    ----------
    planned : PlannedStep
    models : mapping of str to type of Parameters
        The steps that may be planned.
    **fixed : str
        Parameters that the file does not decide, such as the data.

    Raises
    ------
    ParameterError, ExperimentFileError
        With every wrong point of the grid.
    """
    grid = {
        name: value if isinstance(value, list) else [value]
        for name, value in planned.parameters.items()
    }
    runs: dict[str, Parameters] = {}
    problems: list[str] = []
    for values in itertools.product(*grid.values()):
        point = dict(zip(grid, values, strict=True))
        try:
            parameters = check(planned.step, {**point, **fixed}, models)
            runs.setdefault(repr(parameters), parameters)
        except ParameterError as error:
            problems.append(str(error))
    if problems:
        raise ParameterError(" ".join(dict.fromkeys(problems)))
    return list(runs.values())


def _problem(detail: dict[str, Any]) -> str:
    where = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        nearest = difflib.get_close_matches(
            str(detail["loc"][-1]), ["data", "steps", "evaluation", "step", "parameters"], 1
        )
        hint = f"; did you mean {nearest[0]!r}?" if nearest else "."
        return f"there is no key {where!r}{hint}"
    return f"{where}: {detail['msg']}, found {detail['input']!r}."
