"""Findings of an assertion on a template, and functions to read a resource."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from deploy.aws.template import Template, resources


@dataclass(frozen=True)
class Finding:
    """One fault in a template."""

    resource: str
    expected: str
    found: str

    def __str__(self) -> str:
        """Return the finding as one line."""
        return f"{self.resource}: expected {self.expected}, found {self.found}"


Assertion = Callable[[Template], list[Finding]]


def properties(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of a resource; empty if it has none."""
    found: dict[str, Any] = resource.get("Properties") or {}
    return found


def each(template: Template, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the name and the properties of each resource of a type."""
    for name, resource in resources(template, kind).items():
        yield name, properties(resource)


def present(template: Template, kind: str) -> list[Finding]:
    """Report a type without resources, as an assertion about all of none would hold."""
    if resources(template, kind):
        return []
    return [Finding("the template", f"a resource {kind}", "none")]


def expect(name: str, what: str, expected: Any, found: Any) -> list[Finding]:
    """Report a value that is not the expected one."""
    if found == expected:
        return []
    return [Finding(name, f"{what} {expected!r}", repr(found))]


def named(value: Any) -> str | None:
    """Return the name of the resource in a ``Ref`` or ``Fn::GetAtt``."""
    if not isinstance(value, dict):
        return None
    if "Ref" in value:
        return str(value["Ref"])
    attribute = value.get("Fn::GetAtt")
    return str(attribute[0]) if attribute else None


def as_list(value: Any) -> list[Any]:
    """Return no value, one value or several values as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
