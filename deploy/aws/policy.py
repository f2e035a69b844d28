"""The rights of the template's machines in the bucket, as a policy for another S3 server."""

import copy
from collections.abc import Mapping
from typing import Any

SIDS = ("ArtifactObjects", "ArtifactList")


class PolicyError(ValueError):
    """The template's role lacks the expected statements."""


def artifact_statements(template: Mapping[str, Any], bucket_arn: str) -> list[dict[str, Any]]:
    """Return the statements about artifacts of the machines' role, for a bucket.

    Parameters
    ----------
    template : mapping
        The template as ``template.read`` gives it.
    bucket_arn : str
        Replaces the template's bucket, as ``arn:aws:s3:::name``.

    Returns
    -------
    list of dict
        Statements with ``Sid``, ``Effect``, ``Action`` and ``Resource``, without a ``Principal``:
        as a bucket policy each needs one.

    Raises
    ------
    PolicyError
        If a statement is missing, or names another resource than the bucket.
    """
    policies = template["Resources"]["MachineRole"]["Properties"]["Policies"]
    found = {
        statement.get("Sid"): statement
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
    }
    missing = [sid for sid in SIDS if sid not in found]
    if missing:
        raise PolicyError(f"expected the statements {SIDS} in MachineRole, found no {missing}")
    return [_with_bucket(found[sid], bucket_arn) for sid in SIDS]


def _with_bucket(statement: Mapping[str, Any], arn: str) -> dict[str, Any]:
    own = copy.deepcopy(dict(statement))
    named = own["Resource"]
    several = isinstance(named, list)
    arns = [_resource(each, arn) for each in (named if several else [named])]
    return own | {"Resource": arns if several else arns[0]}


def _resource(value: Any, arn: str) -> str:
    if value == {"Fn::GetAtt": ["Bucket", "Arn"]}:
        return arn
    text = value.get("Fn::Sub") if isinstance(value, Mapping) else None
    if isinstance(text, str) and text.startswith("${Bucket.Arn}") and text.count("${") == 1:
        return text.replace("${Bucket.Arn}", arn)
    raise PolicyError(f"expected a statement on the bucket, found one on {value}")
