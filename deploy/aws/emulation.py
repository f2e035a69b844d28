"""Deploy the template to ministack, an emulator on this machine's loopback interface."""

import copy
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions

from deploy.aws.template import Template

UNKNOWN = frozenset(
    {
        "AWS::Backup::BackupSelection",
        "AWS::EC2::EIP",
        "AWS::EC2::NatGateway",
        "AWS::EC2::SecurityGroupIngress",
    }
)
"""Types that this emulator's CloudFormation refuses; only the assertions check them."""

IMAGE = "ami-0123456789abcdef0"
PARAMETERS = {
    "CertificateArn": (
        f"arn:aws:acm:us-east-1:{1:012}:certificate/12345678-1234-1234-1234-123456789012"
    ),
    "HostName": "mlflow.example.org",
    "AllowedCidrs": "203.0.113.0/24,198.51.100.7/32",
    "Repository": "https://git.example.org/team/reprise.git",
    "Commit": "0123456789abcdef0123456789abcdef01234567",
}
START = 30  # seconds for the emulator to answer, and for a stack to be created


class EmulationError(RuntimeError):
    """The emulator did not start, or refused the template."""


class Session:
    """Clients of one emulator, which accepts any credentials."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def client(self, service: str) -> Any:
        """Return a client of the emulator."""
        make: Any = boto3.client
        return make(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="emulated",
            aws_secret_access_key="emulated",  # noqa: S106 - of an emulator
        )


@contextmanager
def emulator() -> Iterator[Session]:
    """Run an emulator on a free port of loopback, and yield a session with it."""
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        own = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "HOME": folder}
        log = Path(folder, "log").open("w", encoding="utf-8")  # noqa: SIM115 - closed below
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            cwd=folder,
            env=os.environ | own,
            stdout=log,
            stderr=log,
        )
        try:
            _wait(process, port)
            yield Session(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.close()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise EmulationError(f"expected an emulator within {START} s, found none on port {port}")


def prepared(template: Template, parameters: Mapping[str, str]) -> Template:
    """Return the template in a form that the emulator accepts.

    The emulator has no image to look up, cannot split a string in a condition, and refuses some
    types. A reference to a resource of such a type gets an invented name.
    """
    own = copy.deepcopy(template)
    own.setdefault("Parameters", {})["Image"] = {"Type": "String", "Default": IMAGE}
    own["Conditions"] = {k: _split(v, parameters) for k, v in own.get("Conditions", {}).items()}
    out = {name for name, each in own["Resources"].items() if each["Type"] in UNKNOWN}
    kept = {name: _without(v, out) for name, v in own["Resources"].items() if name not in out}
    for resource in kept.values():
        needs = resource.pop("DependsOn", [])
        needs = [needs] if isinstance(needs, str) else needs
        resource["DependsOn"] = [name for name in needs if name not in out]
    return own | {"Resources": kept}


def _split(value: Any, parameters: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_split(each, parameters) for each in value]
    if not isinstance(value, dict):
        return value
    if "Fn::Select" in value:
        index, parts = value["Fn::Select"]
        separator, text = parts["Fn::Split"]
        whole = text["Fn::Sub"]
        for name, given in parameters.items():
            whole = whole.replace(f"${{{name}}}", given)
        return (whole.split(separator))[index]
    return {key: _split(each, parameters) for key, each in value.items()}


def _without(value: Any, out: set[str]) -> Any:
    if isinstance(value, list):
        return [_without(each, out) for each in value]
    if not isinstance(value, dict):
        return value
    name = value.get("Ref") or (value.get("Fn::GetAtt") or [None])[0]
    if name in out:
        return f"emulated-{name}"
    return {key: _without(each, out) for key, each in value.items()}


def deploy(session: Session, template: Template, name: str, **given: str) -> dict[str, str]:
    """Create a stack and return its resources: the emulator's names by the template's names.

    Raises
    ------
    EmulationError
        With the emulator's own words, if it refuses the template or a resource of it.
    """
    client = session.client("cloudformation")
    parameters = PARAMETERS | given
    body = json.dumps(prepared(template, parameters))
    pairs = [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()]
    try:
        client.create_stack(
            StackName=name, TemplateBody=body, Parameters=pairs, Capabilities=["CAPABILITY_IAM"]
        )
        _stand(client, name)
        made = client.describe_stack_resources(StackName=name)["StackResources"]
    except botocore.exceptions.ClientError as error:
        raise EmulationError(error.response["Error"]["Message"]) from None
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in made}


def _stand(client: Any, name: str) -> None:
    until = time.monotonic() + START
    status = "none"
    while time.monotonic() < until:
        status = client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        if status == "CREATE_COMPLETE":
            return
        if not status.endswith("IN_PROGRESS"):
            break
        time.sleep(0.1)
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    why = [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
        for event in events
        if event["ResourceStatus"].endswith("FAILED")
    ]
    raise EmulationError(f"expected CREATE_COMPLETE, found {status}: {'; '.join(why)}")
