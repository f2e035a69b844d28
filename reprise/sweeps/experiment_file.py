"""An experiment file: data, steps with their parameters, and how the result is judged."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from reprise.errors import ExperimentFileError, ParameterError
from reprise.record import lists
from reprise.record.schema import as_text
from reprise.runtime.parameters import Parameters
from reprise.sweeps import yaml_file
from reprise.sweeps.grid import Values, points


class PlannedStep(BaseModel):
    """One entry of `steps`: a training step, and its parameters; a list of values is a grid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str
    parameters: Values = {}


class ExperimentFile(BaseModel):
    """The contents of an experiment file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    experiment: str | None = Field(None, min_length=1, max_length=250)
    data: dict[str, Any] = {}
    steps: list[PlannedStep] = Field(min_length=1)
    evaluation: dict[str, Any] | None = {}


def read(path: Path, *, example: str = "") -> ExperimentFile:
    """Read an experiment file; `example` is the name of one, to point to.

    Raises
    ------
    ExperimentFileError
        One line that says what in the file is wrong.
    """
    return yaml_file.read(path, ExperimentFile, what="an experiment file", example=example)


def check_name(name: str, models: Mapping[str, type[Parameters]]) -> type[Parameters]:
    """Return the parameters of a step by its name.

    Raises
    ------
    ExperimentFileError
        If there is no such step; with the nearest one.
    """
    if name not in models:
        nearest = difflib.get_close_matches(name, models, 1)
        hint = f"did you mean {nearest[0]}? " if nearest else ""
        raise ExperimentFileError(
            f"expected a step out of {', '.join(models)}; found {name!r}; {hint}Fix it."
        )
    return models[name]


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
    try:
        return _checked(values, check_name(name, models))
    except ParameterError as error:
        raise ParameterError(f"{name}: {error}") from None


def _checked(values: Mapping[str, Any], model: type[Parameters]) -> Parameters:
    texts = {key: _listed(value) if key in model.lists else value for key, value in values.items()}
    several = [key for key, value in texts.items() if isinstance(value, list | dict)]
    if several:
        raise ParameterError(
            f"expected one value each for {', '.join(several)}, found several. Write one."
        )
    return model.parse({key: as_text(value) for key, value in texts.items()})


def _listed(value: Any) -> Any:
    """Write a YAML list, or a mapping such as `day: "%d/%m/%Y"`, as one text."""
    if isinstance(value, dict):
        value = [key if each is None else f"{key}={each}" for key, each in value.items()]
    if not isinstance(value, list) or any(isinstance(each, list | dict) for each in value):
        return value
    return lists.joined(as_text(each) for each in value) or None


def expand(
    planned: PlannedStep, models: Mapping[str, type[Parameters]], **fixed: str
) -> list[Parameters]:
    """Expand a step's grid into the parameters of each run.

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
    model = check_name(planned.step, models)
    return check_all(planned.step, points(planned.parameters, model), models, **fixed)


def check_all(
    name: str,
    values: Iterable[Mapping[str, Any]],
    models: Mapping[str, type[Parameters]],
    **fixed: str,
) -> list[Parameters]:
    """Check every point of a grid, and return the parameters of each that differs from the others.

    Raises
    ------
    ParameterError, ExperimentFileError
        With every wrong value, each once.
    """
    model = check_name(name, models)
    runs: dict[str, Parameters] = {}
    problems: dict[str, None] = {}
    for point in values:
        try:
            parameters = _checked({**point, **fixed}, model)
            runs.setdefault(repr(parameters), parameters)
        except ParameterError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise ParameterError(f"{name}: {' '.join(problems)}")
    return list(runs.values())
