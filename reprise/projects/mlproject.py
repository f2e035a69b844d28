"""The plain entry points of an MLproject, understood without MLflow, whose import takes seconds.

Plain is `python -m <module> --name {name} …` with parameters that are text and numbers. Of all
else None is returned: then `entry_points` asks MLflow, which alone knows what it means.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any

PLAIN_MODULE = re.compile(r"python -m [\w.]+( --[\w-]+ \{\w+\})*")
_NAME = re.compile(r"\w[\w-]*")
_TYPES = ("string", "float")
_ELSEWHERE = ("docker_env", "databricks_spark_job")


@dataclass(frozen=True)
class Command:
    """What an entry point runs, and its parameters as `mlflow run` logs them, shell-quoted."""

    words: list[str]
    logged_parameters: dict[str, str]


@dataclass(frozen=True)
class EntryPoint:
    """A plain entry point: its command, and the default of each parameter; None: required."""

    command: str
    defaults: Mapping[str, str | None]

    def fill_in(self, raw_parameters: Mapping[str, str]) -> Command | None:
        """Return the command with these parameters; None where one is missing or oddly named."""
        values = {
            name: raw_parameters.get(name, default) for name, default in self.defaults.items()
        }
        others = {n: v for n, v in raw_parameters.items() if n not in self.defaults}
        if None in values.values() or not all(map(_NAME.fullmatch, others)):
            return None
        texts = {name: str(value) for name, value in values.items()}
        words = [
            texts[word[1:-1]] if word.startswith("{") else word for word in self.command.split(" ")
        ]
        words += [word for name, value in others.items() for word in (f"--{name}", value)]
        return Command(words, {name: quote(value) for name, value in (texts | others).items()})


def plain_entry_point(project: Mapping[str, Any], name: str) -> EntryPoint | None:
    """Return an entry point of a project; None if only MLflow knows what it is.

    Parameters
    ----------
    project : mapping
        What its MLproject says: see `project_file.read`.
    name : str
    """
    entry_points = project.get("entry_points")
    declared = entry_points.get(name) if isinstance(entry_points, dict) else None
    if not isinstance(declared, dict) or any(key in project for key in _ELSEWHERE):
        return None
    command, parameters = declared.get("command"), declared.get("parameters", {})
    if not isinstance(command, str) or not PLAIN_MODULE.fullmatch(command):
        return None
    if not isinstance(parameters, dict) or not all(map(_is_plain, parameters.values())):
        return None
    defaults = {str(each): default(spec) for each, spec in parameters.items()}
    named = re.findall(r"\{(\w+)\}", command)
    return EntryPoint(command, defaults) if set(named) <= defaults.keys() else None


def _is_plain(spec: Any) -> bool:
    """Return whether a parameter is text or a number, so that MLflow passes it on as it is."""
    if not isinstance(spec, dict):
        return spec in _TYPES
    default = spec.get("default", "")
    return (
        spec.get("type", "string") in _TYPES
        and isinstance(default, str | int | float)
        and not isinstance(default, bool)
    )


def default(spec: Any) -> str | None:
    """Return the default of a declared parameter as text; None: it has none."""
    return str(spec["default"]) if isinstance(spec, dict) and "default" in spec else None
