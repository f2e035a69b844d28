"""Versions of registered models, as the registry has them."""

import re
from functools import partial

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException

from reprise.errors import TrackingError
from reprise.tracking import answers
from reprise.tracking.server import all_pages, client

_LOGGED_MODEL = re.compile(r"models:/(m-[0-9A-Za-z]{1,64})")


def version_at(name: str, *, alias: str = "", number: str = "") -> ModelVersion | None:
    """Return the version of a registered model with a number, else with an alias; None: neither."""
    try:
        if number:
            return client().get_model_version(name, number)
        return client().get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if is_missing(error):
            return None
        raise


def versions_of(run_id: str) -> list[ModelVersion]:
    """Return the registered versions of models of a run, by name and number."""
    search = partial(client().search_model_versions, f"run_id = '{answers.run_id(run_id)}'")
    try:
        found = [*all_pages(search)]
    except UnsupportedModelRegistryStoreURIException:  # a store of runs alone
        return []
    return sorted(found, key=lambda version: (version.name, int(version.version)))


def versions_named(name: str) -> list[ModelVersion]:
    """Return the versions of a registered model.

    Raises
    ------
    TrackingError
        If there is no such model, or it has no version.
    """
    quoted = name.replace("'", "\\'")
    found = [*all_pages(partial(client().search_model_versions, f"name = '{quoted}'"))]
    if not found:
        raise TrackingError(
            f"expected the name of a registered model, found {name!r}, which has no version. "
            "Copy the name from the MLflow UI."
        )
    return sorted(found, key=lambda version: int(version.version))


def model_in(source: str) -> str | None:
    """Return the id of the logged model that an address names as a version's source, or None."""
    found = _LOGGED_MODEL.fullmatch(source)
    return found[1] if found else None


def model_of(version: ModelVersion) -> str | None:
    """Return the id of the logged model that a version was made from, or None."""
    return model_in(str(version.source)) or version.model_id


def ensure_registered(name: str) -> None:
    """Make a registered model of a name, if there is none."""
    try:
        client().create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def is_missing(error: MlflowException) -> bool:
    """Return whether the registry has no such model, version or alias."""
    text = str(error).lower()
    return error.error_code == "RESOURCE_DOES_NOT_EXIST" or (
        error.error_code == "INVALID_PARAMETER_VALUE" and "alias" in text and "not found" in text
    )
