"""Check the configuration and the metrics that a script passes to an `Experiment`."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reprise.errors import ParameterError
from reprise.runtime.parameters import brief
from reprise.urls import holds_credentials
from reprise.visible import is_text


class Configuration(BaseModel):
    """The configuration of an `Experiment`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    experiment_name: str = Field(min_length=1)
    user_id: str | None = None
    tracking_uri: str | None = None
    artifact_location: str | None = None
    use_git_version: bool = True
    allow_untracked: str = ""


def checked(config: Mapping[str, Any]) -> Configuration:
    """Check the configuration of an experiment.

    Raises
    ------
    ParameterError
        With all problems.
    """
    if not isinstance(config, Mapping):
        raise ParameterError(
            f"expected a dict to configure an Experiment, found {type(config).__name__}. "
            'For example: {"experiment_name": "churn"}.'
        )
    for name, value in config.items():
        refuse_no_text(f"{name} of a configuration", [value] if isinstance(value, str) else [])
    try:
        return Configuration.model_validate(dict(config))
    except ValidationError as error:
        known = ", ".join(Configuration.model_fields)
        problems = "; ".join(_problem(dict(each)) for each in error.errors())
        raise ParameterError(
            f"expected a configuration of {known}; found: {problems}. Correct it."
        ) from None


def _problem(detail: Mapping[str, Any]) -> str:
    name = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        return f"the unknown key {name!r}"
    if detail["type"] == "missing":
        return f"no {name}"
    if detail["input"] == "":
        return f"an empty {name}"
    return f"{type(detail['input']).__name__} for {name}: {detail['msg']}"


def refuse_no_text(where: str, texts: Iterable[str]) -> None:
    """Refuse names and values that a record cannot hold.

    Raises
    ------
    ParameterError
        If a text is not UTF-8, or has a NUL byte.
    """
    for text in texts:
        if not is_text(text):
            raise ParameterError(
                f"expected text in UTF-8 without NUL bytes as {where}, found {brief(text)}. "
                "Correct it."
            )


def refuse_credentials(texts: Iterable[str], where: str) -> None:
    """Refuse addresses with a password or a signature.

    Raises
    ------
    ParameterError
        If a text is or holds one.
    """
    for text in texts:
        if any(holds_credentials(part) for part in (text, text.partition("=")[2])):
            raise ParameterError(
                f"expected no password or signature in {where}, found an address with one, which "
                "would be recorded. Pass it in an environment variable."
            )


def numbers(name: str, values: Any) -> list[float]:
    """Return the values of a metric: one number, or a list's.

    Raises
    ------
    ParameterError
        If a value is not a number.
    """
    several = isinstance(values, Iterable) and getattr(values, "ndim", 1) != 0
    found = list(values) if several and not isinstance(values, str | Mapping) else [values]
    try:
        return [_number(value) for value in found]
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(
            f"expected a number, or a list of numbers, for the metric {name}, found "
            f"{brief(values)}. "
            "Log texts with log_params."
        ) from None


def _number(value: Any) -> float:
    """Convert a value to a number, such as an array with one element; refuse a text."""
    if isinstance(value, str):
        raise TypeError
    return float(value)
