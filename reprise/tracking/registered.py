"""Registered models: a version by its name and alias or number, and the tags of both."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from reprise.errors import TrackingError
from reprise.tracking import answers
from reprise.tracking.registration import CHAMPION
from reprise.tracking.server import client, shown_address
from reprise.tracking.versions import is_missing, model_in, version_at

_ADDRESS = re.compile(r"(?:models:/)?([^/:@]+)(?:@([A-Za-z][\w-]*)|/([0-9]{1,9}))?")


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a registered model.

    Attributes
    ----------
    name : str
    version : int
    run_id, model_id : str
        The run that has trained it, and its logged model.
    tags : mapping of str to str
    """

    name: str
    version: int
    run_id: str
    model_id: str
    tags: Mapping[str, str] = field(default_factory=dict)


def find_version(address: str, *, alias: str = CHAMPION) -> RegisteredVersion:
    """Return the version that `NAME`, `NAME@alias` or `NAME/number` means.

    Parameters
    ----------
    address : str
    alias : str
        Of a name alone.

    Raises
    ------
    TrackingError
        If there is none, or it was made from no logged model of a run.
    """
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        raise TrackingError(
            f"expected a registered model, as name, name@alias or name/version, found {address}. "
            "Correct it."
        )
    name, asked, number = parts.groups()
    found = version_at(name, alias=asked or alias, number=number or "")
    if found is None:
        what = f"version {number}" if number else f"version with the alias {asked or alias}"
        raise TrackingError(
            f"expected a {what} of the registered model {name} on {shown_address()}, found none. "
            "Register a model of that name first."
        )
    return _checked(found)


def find_alias(name: str, alias: str) -> RegisteredVersion | None:
    """Return the version of a registered model that has an alias, or None."""
    found = version_at(name, alias=alias)
    return None if found is None else _checked(found)


def set_alias(name: str, alias: str, version: int) -> None:
    """Give an alias to a version; it is taken from the one that had it."""
    client().set_registered_model_alias(name, alias, str(version))


def model_tags(name: str) -> dict[str, str]:
    """Return the tags of a registered model.

    Raises
    ------
    TrackingError
        If there is none of this name.
    """
    try:
        return dict(client().get_registered_model(name).tags)
    except MlflowException as error:
        if not is_missing(error):
            raise
        raise TrackingError(
            f"expected a registered model on {shown_address()}, found none with the name {name}. "
            "Copy the name from the MLflow UI."
        ) from None


def set_model_tag(name: str, tag: str, value: str) -> None:
    """Set a tag of a registered model."""
    client().set_registered_model_tag(name, tag, value)


def _checked(found: ModelVersion) -> RegisteredVersion:
    """Return a version after a check of its ids."""
    model_id = model_in(str(found.source))
    if model_id is None or not found.run_id:
        raise TrackingError(
            f"expected a version that was made from the logged model of a run, found version "
            f"{found.version} of {found.name}, made from {found.source}. Register it from its run."
        )
    return RegisteredVersion(
        name=str(found.name),
        version=int(found.version),
        run_id=answers.run_id(found.run_id),
        model_id=answers.model_id(model_id),
        tags={str(name): str(value) for name, value in found.tags.items()},
    )
