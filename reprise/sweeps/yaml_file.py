"""Reads the YAML files that plan runs: each key is checked, each mistake is said in words."""

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from reprise.errors import ExperimentFileError
from reprise.trust import documents, limits

M = TypeVar("M", bound=BaseModel)


def read(path: Path, model: type[M], *, what: str, example: str = "") -> M:
    """Read a YAML file.

    Parameters
    ----------
    path : Path
    model : type of BaseModel
        Its keys and what they hold.
    what : str
        What such a file is called, such as "an experiment file".
    example : str
        Name of one, to point to.

    Raises
    ------
    ExperimentFileError
        One line that says what in the file is wrong.
    """
    advice = f"See {example}." if example else "Fix the file."
    try:
        values = documents.parse_yaml(documents.read_text(path, largest=limits.YAML_BYTES))
    except FileNotFoundError:
        other = f"another, such as {example}" if example else "another"
        raise ExperimentFileError(f"expected {what}, found no file {path}. Name {other}.") from None
    except documents.NoFileError as error:
        raise ExperimentFileError(
            f"expected a YAML file that can be read, found {path}: {error}. Name another."
        ) from None
    except documents.DocumentError as error:
        raise ExperimentFileError(
            f"expected {what}, found in {path}: {error}. Write every value out, once."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ExperimentFileError(
            f"expected a YAML file that can be read, found {path}: {error}. Name another."
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no such date
        raise ExperimentFileError(
            f"expected YAML in {path}, found a mistake: {error} Fix it."
        ) from None
    if not isinstance(values, dict):
        *others, last = model.model_fields
        raise ExperimentFileError(
            f"expected the keys {', '.join(others)} and {last} in {path}, found "
            f"{'nothing' if values is None else type(values).__name__}. {advice}"
        )
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = " ".join(_problem(dict(detail), _keys(model)) for detail in error.errors())
        raise ExperimentFileError(f"{path}: {problems} {advice}") from None


def _keys(model: type[BaseModel]) -> list[str]:
    """Return the keys of a file, and of the entries of its lists."""
    keys = list(model.model_fields)
    for field in model.model_fields.values():
        for kind in getattr(field.annotation, "__args__", ()):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                keys += _keys(kind)
    return keys


def _problem(detail: dict[str, Any], keys: list[str]) -> str:
    where = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        nearest = difflib.get_close_matches(str(detail["loc"][-1]), keys, 1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else "."
        return f"there is no key {where!r}{hint}"
    return f"{where}: {detail['msg']}, found {detail['input']!r}."
