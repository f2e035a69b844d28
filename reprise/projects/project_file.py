"""Reads the MLproject of a commit, before MLflow does, which reads whatever stands there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from reprise.errors import ProjectError
from reprise.trust import documents, limits

_NAME = "mlproject"  # in lower case: MLflow takes any
_TEXTS = ("name", "conda_env", "python_env")


def read(folder: Path) -> dict[str, Any]:
    """Return what the MLproject in a folder says; nothing, where there is none.

    Raises
    ------
    ProjectError
        If it, or the conda.yaml that it names, is no regular file, no YAML of plain values, or not
        of an MLproject's shape.
    """
    file = found(folder)
    if file is None:
        return {}
    values = _parsed(file)
    problem = _problem(values)
    if problem:
        raise ProjectError(f"expected an MLproject, found {problem}. Fix the file.")
    for key in ("conda_env", "python_env"):
        environment = folder / str(values.get(key, ""))
        if key in values and environment.exists():
            _parsed(environment)
    return dict(values)


def found(folder: Path) -> Path | None:
    """Return the MLproject in a folder, however it is spelled; None: there is none.

    Raises
    ------
    ProjectError
        If there are several.
    """
    files = sorted(path for path in folder.iterdir() if path.name.lower() == _NAME)
    if len(files) > 1:
        raise ProjectError(
            f"expected one MLproject in this commit's project folder, found {len(files)}. "
            "Name a run of an MLflow Project."
        )
    return files[0] if files else None


def _parsed(path: Path) -> Any:
    try:
        return documents.parse_yaml(documents.read_text(path, largest=limits.YAML_BYTES))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ProjectError(
            f"expected YAML in {path.name}, of plain values, found otherwise: {error}. "
            "Fix the file, or name another commit."
        ) from None


def _problem(values: Any) -> str:
    """Say what is wrong with the shape of an MLproject; "" where nothing is."""
    if not isinstance(values, dict):
        return f"{type(values).__name__} in the place of its keys"
    wrong = [name for name in _TEXTS if not isinstance(values.get(name, ""), str)]
    if wrong:
        return f"{type(values[wrong[0]]).__name__} for {wrong[0]}"
    entry_points = values.get("entry_points", {})
    if not isinstance(entry_points, Mapping):
        return f"{type(entry_points).__name__} for entry_points"
    problems = (_entry_point_problem(name, each) for name, each in entry_points.items())
    return next(filter(None, problems), "")


def _entry_point_problem(name: str, entry_point: Any) -> str:
    if not isinstance(entry_point, Mapping) or not isinstance(entry_point.get("command"), str):
        return f"the entry point {name} without a command"
    parameters = entry_point.get("parameters", {})
    if not isinstance(parameters, Mapping):
        return f"{type(parameters).__name__} for the parameters of {name}"
    for parameter, declared in parameters.items():
        kind = declared.get("type", "string") if isinstance(declared, Mapping) else declared
        if not isinstance(kind, str):
            return f"{type(kind).__name__} for the parameter {parameter} of {name}"
    return ""
