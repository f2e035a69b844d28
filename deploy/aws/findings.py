"""What an assertion on a template finds, and how one reads a resource."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from deploy.aws.template import Template, resources


@dataclass(frozen=True)
class Finding:
    """One thing in a template that is not as it has to be."""

    resource: str
    expected: str
    found: str

    def __str__(self) -> str:
        """Give the line that a reader sees."""
        return f"{self.resource}: expected {self.expected}, found {self.found}"


Assertion = Callable[[Template], list[Finding]]


def properties(resource: dict[str, Any]) -> dict[str, Any]:
    """Properties of a resource, also of one that has none."""
    found: dict[str, Any] = resource.get("Properties") or {}
    return found


def each(template: Template, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and properties of each resource of a type."""
    for name, resource in resources(template, kind).items():
        yield name, properties(resource)


def present(template: Template, kind: str) -> list[Finding]:
    """Find the want of any resource of a type: an assertion over none of them would hold."""
    if resources(template, kind):
        return []
    return [Finding("the template", f"a resource {kind}", "none")]


def expect(name: str, what: str, expected: Any, found: Any) -> list[Finding]:
    """Find a value that is not the expected one."""
    if found == expected:
        return []
    return [Finding(name, f"{what} {expected!r}", repr(found))]


def named(value: Any) -> str | None:
    """Name of the resource that a ``Ref`` or ``Fn::GetAtt`` is of."""
    if not isinstance(value, dict):
        return None
    if "Ref" in value:
        return str(value["Ref"])
    attribute = value.get("Fn::GetAtt")
    return str(attribute[0]) if attribute else None


def as_list(value: Any) -> list[Any]:
    """Give a value, or none, or several, as several."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
