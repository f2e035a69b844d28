"""Child runs of a step's run, made as `mlflow run` would make them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from reprise.record import naming
from reprise.runtime.run_name import words
from reprise.tracking import Plan, make, plan_run, start_run

if TYPE_CHECKING:
    from mlflow.entities import Run

    from reprise.runtime.parameters import Parameters


def open_nested_run(parent: "Run", parameters: "Parameters", *, data: str = "") -> "Run":
    """Make and enter a child run, as `mlflow run` would make it."""
    created = make(plan_step(parent, parameters, data=data))
    return start_run(created.info.run_id, nested=True)


def plan_step(
    parent: "Run",
    parameters: "Parameters",
    *,
    tags: Mapping[str, str] | None = None,
    data: str = "",
    varying: frozenset[str] = frozenset(),
) -> Plan:
    """Plan a child run of an entry point, named by its parameters and its data.

    Parameters
    ----------
    parent : Run
    parameters : Parameters
    tags : mapping of str to str, optional
    data : str, optional
        The name of its data.
    varying : frozenset of str
        Parameters that are in the name even where they have their defaults.
    """
    name = naming.of_step(parameters.entry_point, words(parameters, varying=varying), data=data)
    return plan_run(parent, parameters.entry_point, parameters.raw(), name=name, tags=tags)
