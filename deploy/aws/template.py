"""Read a CloudFormation template as plain data, with short forms (``!Ref``) as long forms."""

from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).with_name("mlflow-server.yaml")

Template = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":  # "A.B.C" is the resource A and its attribute B.C
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {name: value}


_Loader.add_multi_constructor("!", _function)


def read(path: Path = TEMPLATE) -> Template:
    """Parse a template.

    Raises
    ------
    yaml.YAMLError
        If it is not YAML.
    """
    template: Template = yaml.load(path.read_text("utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    return template


def resources(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Resources of a type, as ``AWS::S3::Bucket``, by their name in the template."""
    return {
        name: resource
        for name, resource in template.get("Resources", {}).items()
        if resource.get("Type") == kind
    }


def variants(value: Any, conditions: dict[str, bool] | None = None) -> list[Any]:
    """Return all possible values of a value with ``Fn::If`` at its top.

    Parameters
    ----------
    value : object
        A property of a resource.
    conditions : dict of str to bool, optional
        Known conditions; for others, both sides count.
    """
    known = conditions or {}
    if not (isinstance(value, dict) and "Fn::If" in value):
        return [] if value == {"Ref": "AWS::NoValue"} else [value]
    name, yes, no = value["Fn::If"]
    sides = [yes, no] if name not in known else [yes if known[name] else no]
    return [each for side in sides for each in variants(side, known)]


def members(value: Any) -> list[Any]:
    """Return all possible members of a list; it may be one value, a list or an ``Fn::If``."""
    return [
        item
        for side in variants(value)
        for entry in (side if isinstance(side, list) else [side])
        for item in (variants(entry))
        if item is not None
    ]


def resolved(template: Template, value: Any, *, size: str) -> Any:
    """Return a value for one size, with its ``Fn::If`` and ``Fn::FindInMap`` resolved.

    A new network is assumed. Parts that do not depend on the size stay as they are.
    """
    standard = size == "standard"
    known = {"Standard": standard, "NewNetwork": True, "NewNetworkStandard": standard}
    sides = variants(value, known)
    value = sides[0] if sides else None
    if isinstance(value, dict) and "Fn::FindInMap" in value:
        table, row, column = value["Fn::FindInMap"]
        key = size if row == {"Ref": "Size"} else row
        return template.get("Mappings", {}).get(table, {}).get(key, {}).get(column)
    return value
