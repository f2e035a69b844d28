# ruff: noqa: D401 - an assertion's docstring says what holds, and check.py shows it
"""Assertions on the machines: their rights, their start script, and their number."""

import json
import re
from collections.abc import Iterator
from typing import Any

from deploy.aws.findings import Finding, as_list, each, expect, named, present, properties
from deploy.aws.template import Template, resolved, resources

ROLE = "AWS::IAM::Role"
MACHINES = "AWS::AutoScaling::AutoScalingGroup"
TEMPLATE = "AWS::EC2::LaunchTemplate"
SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a resource type
ARTIFACT_ACTIONS = {
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListBucket",
}
MACHINE_ACTIONS = ARTIFACT_ACTIONS | {"secretsmanager:GetSecretValue"}
MACHINE_POLICY = "AmazonSSMManagedInstanceCore"
LEAST_PASSWORD = 24
LEAST_SESSION_KEY = 64


def _statements(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, own in each(template, ROLE):
        for policy in own.get("Policies", []):
            for statement in as_list(policy.get("PolicyDocument", {}).get("Statement")):
                yield name, statement
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        for name, own in each(template, kind):
            for statement in as_list(own.get("PolicyDocument", {}).get("Statement")):
                yield name, statement


def roles_name_what_they_allow(template: Template) -> list[Finding]:
    """No role allows an action or a resource by a bare wildcard."""
    found = []
    for name, statement in _statements(template):
        if statement.get("Effect") != "Allow":
            continue
        if "NotAction" in statement or "NotResource" in statement:
            found.append(Finding(name, "named actions and resources", f"{statement}"))
        found += [
            Finding(name, "named actions", action)
            for action in as_list(statement.get("Action"))
            if "*" in action
        ]
        found += [
            Finding(name, "named resources", f"{resource}")
            for resource in as_list(statement.get("Resource"))
            if resource == "*" or re.search(r":::?\*", json.dumps(resource))
        ]
    return found


def machines_may_do_little(template: Template) -> list[Finding]:
    """The machines may use artifacts, read secrets and be reached by SSM, and nothing else."""
    found = present(template, ROLE)
    roles = _machine_roles(template)
    allowed = [
        (name, action)
        for name, statement in _statements(template)
        if name in roles
        for action in as_list(statement.get("Action"))
    ]
    found += [
        Finding(name, "no more than artifacts and secrets", action)
        for name, action in allowed
        if action not in MACHINE_ACTIONS
    ]
    lacking = MACHINE_ACTIONS - {action for _, action in allowed}
    found += [Finding("the machines' role", f"{action} allowed", "not") for action in lacking]
    for name in roles:
        managed = properties(template["Resources"][name]).get("ManagedPolicyArns", [])
        if len(managed) != 1 or not json.dumps(managed[0]).rstrip('"}').endswith(MACHINE_POLICY):
            found.append(Finding(name, f"{MACHINE_POLICY} alone", f"{managed}"))
    return found


def _machine_roles(template: Template) -> set[str]:
    return {
        name
        for name, own in each(template, ROLE)
        if "ec2.amazonaws.com" in json.dumps(own.get("AssumeRolePolicyDocument"))
    }


def artifacts_only_under_their_prefix(template: Template) -> list[Finding]:
    """The machines reach objects under artifacts/ only."""
    objects = ARTIFACT_ACTIONS - {"s3:ListBucket"}
    return [
        Finding(name, "objects under artifacts/ only", f"{resource}")
        for name, statement in _statements(template)
        if objects & set(as_list(statement.get("Action")))
        for resource in as_list(statement.get("Resource"))
        if not str(resource.get("Fn::Sub") if isinstance(resource, dict) else resource).endswith(
            "/artifacts/*"
        )
    ]


def machines_are_closed(template: Template) -> list[Finding]:
    """Machines need a token for their metadata, have no key pair, and encrypt their disk."""
    found = present(template, TEMPLATE)
    for name, own in each(template, TEMPLATE):
        data = own.get("LaunchTemplateData", {})
        metadata = data.get("MetadataOptions", {})
        found += expect(name, "HttpTokens", "required", metadata.get("HttpTokens"))
        found += expect(name, "HttpPutResponseHopLimit", 1, metadata.get("HttpPutResponseHopLimit"))
        if "KeyName" in data:
            found.append(Finding(name, "no key pair", f"{data['KeyName']}"))
        disks = [d.get("Ebs", {}).get("Encrypted") for d in data.get("BlockDeviceMappings", [])]
        if not disks or not all(disks):
            found.append(Finding(name, "encrypted disks", f"{disks}"))
        if any(n.get("AssociatePublicIpAddress") for n in data.get("NetworkInterfaces", [])):
            found.append(Finding(name, "no public address", "AssociatePublicIpAddress"))
    return found


def secrets_stay_secret(template: Template) -> list[Finding]:
    """No secret is a parameter, an output, or in the start script of the machines."""
    secrets = resources(template, SECRET)
    found = [
        Finding(name, "no secret as a parameter", name)
        for name in template.get("Parameters", {})
        if re.search("password|secret|token|credential", name, re.IGNORECASE)
    ]
    for name, own in each(template, TEMPLATE):
        script = json.dumps(own.get("LaunchTemplateData", {}).get("UserData"))
        if "resolve:secretsmanager" in script or "resolve:ssm-secure" in script:
            found.append(Finding(name, "no secret in UserData", "a resolved one"))
        found += [
            Finding(name, "addresses of secrets only", line)
            for line in re.findall(r"\b[A-Z_]*(?:PASSWORD|SECRET_KEY|TOKEN)=[^\\]*", script)
        ]
    if "resolve:" in json.dumps(template.get("Outputs", {})):
        found.append(Finding("Outputs", "no resolved secret", "one"))
    for name, own in each(template, "AWS::RDS::DBInstance"):
        password = json.dumps(own.get("MasterUserPassword"))
        if not any("resolve:secretsmanager:${" + secret in password for secret in secrets):
            found.append(Finding(name, "a password resolved from Secrets Manager", "another"))
    return found


def secrets_are_long(template: Template) -> list[Finding]:
    """Passwords are generated, of 24 characters or more; the session key of 64."""
    found = present(template, SECRET)
    for name, own in each(template, SECRET):
        least = LEAST_SESSION_KEY if "Session" in name else LEAST_PASSWORD
        length = own.get("GenerateSecretString", {}).get("PasswordLength", 0)
        if length < least or "SecretString" in own:
            found.append(Finding(name, f"a generated secret of {least} or more", f"{length}"))
    return found


def machines_are_enough(template: Template) -> list[Finding]:
    """There are two standard machines, and each is replaced after its successor reports a start."""
    found = present(template, MACHINES)
    for name, resource in resources(template, MACHINES).items():
        own = properties(resource)
        least = resolved(template, own.get("MinSize"), size="standard")
        if int(least or 0) < 2:  # noqa: PLR2004 - the point of the assertion
            found.append(Finding(f"{name} (standard)", "MinSize of 2 or more", f"{least}"))
        found += expect(name, "HealthCheckType", "ELB", own.get("HealthCheckType"))
        if not own.get("TargetGroupARNs"):
            found.append(Finding(name, "a target group", "none"))
        rolling = resource.get("UpdatePolicy", {}).get("AutoScalingRollingUpdate", {})
        waits = rolling.get("WaitOnResourceSignals")
        found += expect(name, "WaitOnResourceSignals", expected=True, found=waits)
        if "ResourceSignal" not in resource.get("CreationPolicy", {}):
            found.append(Finding(name, "a CreationPolicy that waits for signals", "none"))
    return found


def machines_say_how_they_started(template: Template) -> list[Finding]:
    """A machine stops at the first error of its start, signals the result, and trusts the CA."""
    groups = resources(template, MACHINES)
    found = []
    for name, own in each(template, TEMPLATE):
        script = json.dumps(own.get("LaunchTemplateData", {}).get("UserData"))
        used = [g for g, r in groups.items() if name in json.dumps(properties(r))]
        wanted = [
            "set -euo pipefail",
            "PGSSLMODE=verify-full",
            "/opt/reprise/deploy/server/bootstrap",
        ]
        wanted += [f"--resource {group} " for group in used] or ["--resource"]
        found += [
            Finding(name, f"{part!r} in UserData", "none") for part in wanted if part not in script
        ]
        profile = named(own.get("LaunchTemplateData", {}).get("IamInstanceProfile", {}).get("Arn"))
        if profile not in resources(template, "AWS::IAM::InstanceProfile"):
            found.append(Finding(name, "the machines' role", f"{profile}"))
    return found


ASSERTIONS = (
    roles_name_what_they_allow,
    machines_may_do_little,
    artifacts_only_under_their_prefix,
    machines_are_closed,
    secrets_stay_secret,
    secrets_are_long,
    machines_are_enough,
    machines_say_how_they_started,
)
