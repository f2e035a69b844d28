"""Compare the resources that the emulator created with the expected ones."""

import base64
import json
import subprocess
from collections.abc import Callable
from typing import Any

from deploy.aws.emulation import Session
from deploy.aws.findings import Finding, expect

Made = dict[str, str]
Check = Callable[[Session, Made, str], list[Finding]]

NOT_KEPT = (
    "the bucket's lifecycle, the endpoint's policy, the database's log exports, "
    "secrets without punctuation, the machines themselves and their target group"
)
"""Properties that the emulator accepts and forgets; only the assertions check them."""

STANDARD: dict[str, Any] = {
    "DBInstanceClass": "db.m7g.large",
    "MultiAZ": True,
    "AllocatedStorage": 50,
    "Machine": "m7g.large",
    "MinSize": 2,
    "Protected": "true",
}
SMALL: dict[str, Any] = {
    "DBInstanceClass": "db.t4g.small",
    "MultiAZ": False,
    "AllocatedStorage": 20,
    "Machine": "t4g.medium",
    "MinSize": 1,
    "Protected": "false",
}
SIZES = {"small": SMALL, "standard": STANDARD}


def bucket(session: Session, made: Made, size: str) -> list[Finding]:
    """Bucket: versioned, encrypted, owned by the account, no public access, no plain HTTP."""
    del size  # the same in both
    client, name = session.client("s3"), made["Bucket"]
    found = expect(
        name, "versioning", "Enabled", client.get_bucket_versioning(Bucket=name).get("Status")
    )
    block = client.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    found += expect(name, "public access blocks", [True] * 4, list(block.values()))
    rules = client.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    algorithms = [r["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for r in rules]
    found += expect(name, "encryption", ["AES256"], algorithms)
    owners = client.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
    found += expect(name, "ownership", [{"ObjectOwnership": "BucketOwnerEnforced"}], owners)
    (statement,) = json.loads(client.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    arns = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    found += expect(name, "policy on", arns, statement["Resource"])
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    return found + expect(name, "policy if", condition, statement["Condition"])


def database(session: Session, made: Made, size: str) -> list[Finding]:
    """Database: size, standby, backups, protection, encryption, private, TLS forced."""
    client, name = session.client("rds"), made["Database"]
    (own,) = client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    wanted = {
        "Engine": "postgres",
        "MasterUsername": "mlflow",
        "DBName": "mlflow",
        "BackupRetentionPeriod": 14,
        "DeletionProtection": True,
        "CopyTagsToSnapshot": True,
        "StorageEncrypted": True,
        "PubliclyAccessible": False,
        "AutoMinorVersionUpgrade": True,
    } | {key: SIZES[size][key] for key in ("DBInstanceClass", "MultiAZ", "AllocatedStorage")}
    found = [f for key, value in wanted.items() for f in expect(name, key, value, own.get(key))]
    groups = [group["VpcSecurityGroupId"] for group in own["VpcSecurityGroups"]]
    found += expect(name, "security groups", [made["DatabaseGroup"]], groups)
    forced = {
        each["ParameterName"]: each["ParameterValue"]
        for each in client.describe_db_parameters(
            DBParameterGroupName=made["DatabaseParameters"], Source="user"
        )["Parameters"]
    }
    return found + expect(name, "parameters", {"rds.force_ssl": "1"}, forced)


def secrets(session: Session, made: Made, size: str) -> list[Finding]:
    """Secrets: three, generated, each of its length, none like another."""
    del size
    client = session.client("secretsmanager")
    lengths = {"DatabaseSecret": 40, "AdminSecret": 32, "SessionSecret": 64}
    values = {
        name: json.loads(client.get_secret_value(SecretId=made[name])["SecretString"])
        for name in lengths
    }
    has = {name: len(value.get("password", "")) for name, value in values.items()}
    different = len({value.get("password") for value in values.values()})
    users = [values[name].get("username") for name in ("DatabaseSecret", "AdminSecret")]
    return [
        *expect("the secrets", "lengths", lengths, has),
        *expect("the secrets", "different", 3, different),
        *expect("the secrets", "users", ["mlflow", "admin"], users),
    ]


def listener(session: Session, made: Made, size: str) -> list[Finding]:
    """Load balancer: TLS on 443 alone; its attributes; TLS to the machines."""
    client, name = session.client("elbv2"), "Balancer"
    arn = made[name]
    own = client.describe_listeners(LoadBalancerArn=arn)["Listeners"]
    has = [(each["Protocol"], each["Port"], each.get("SslPolicy")) for each in own]
    wanted = [("HTTPS", 443, "ELBSecurityPolicy-TLS13-1-2-2021-06")]
    found = expect(name, "listeners", wanted, has)
    attributes = client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    given = {each["Key"]: each["Value"] for each in attributes}
    for key, value in {
        "deletion_protection.enabled": SIZES[size]["Protected"],
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "idle_timeout.timeout_seconds": "600",
    }.items():
        found += expect(name, key, value, given.get(key))
    (targets,) = client.describe_target_groups(TargetGroupArns=[made["Targets"]])["TargetGroups"]
    asked = [targets[key] for key in ("Protocol", "HealthCheckProtocol", "HealthCheckPath")]
    return found + expect("Targets", "asked with", ["HTTPS", "HTTPS", "/health"], asked)


def machines(session: Session, made: Made, size: str) -> list[Finding]:
    """Machines: type, metadata tokens, encrypted disk, no key pair; their number."""
    client, name = session.client("ec2"), "MachineTemplate"
    versions = client.describe_launch_template_versions(LaunchTemplateId=made[name])
    own = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    found = expect(name, "InstanceType", SIZES[size]["Machine"], own["InstanceType"])
    metadata = own.get("MetadataOptions", {})
    found += expect(name, "HttpTokens", "required", metadata.get("HttpTokens"))
    found += expect(name, "hop limit", 1, metadata.get("HttpPutResponseHopLimit"))
    disks = [disk["Ebs"].get("Encrypted") for disk in own["BlockDeviceMappings"]]
    found += expect(name, "encrypted disks", [True], disks)
    found += expect(name, "key pair", None, own.get("KeyName"))
    found += expect(name, "security groups", [made["MachineGroup"]], own["SecurityGroupIds"])
    groups = session.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[made["Machines"]]
    )["AutoScalingGroups"]
    return found + expect(
        "Machines", "MinSize", [SIZES[size]["MinSize"]], [g["MinSize"] for g in groups]
    )


SETTINGS = (
    *("SERVER_NAME", "ALLOWED_NETWORKS", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGSSLMODE"),
    *("PGSSLROOTCERT", "PGPASSWORD_SECRET", "MLFLOW_AUTH_ADMIN_PASSWORD_SECRET"),
    *("MLFLOW_FLASK_SERVER_SECRET_KEY_SECRET", "ARTIFACTS", "AWS_DEFAULT_REGION"),
)


def start(session: Session, made: Made, size: str) -> list[Finding]:
    """Start of a machine: a script that bash can read, with the settings that the server needs."""
    del size
    versions = session.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=made["MachineTemplate"]
    )["LaunchTemplateVersions"]
    script = base64.b64decode(versions[0]["LaunchTemplateData"]["UserData"]).decode()
    read = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    found = expect("UserData", "bash's complaint", "", read.stderr)
    settings = dict(
        line.split("=", 1) for line in script.split("SETTINGS")[1].splitlines() if "=" in line
    )
    found += expect("UserData", "settings", SETTINGS, tuple(settings))
    wanted = {
        "SERVER_NAME": "mlflow.example.org",
        "ALLOWED_NETWORKS": "10.20.0.0/16",
        "PGSSLMODE": "verify-full",
        "PGPASSWORD_SECRET": f"{made['DatabaseSecret']}#password",
        "ARTIFACTS": f"s3://{made['Bucket']}/artifacts",
    }
    has = {key: settings.get(key) for key in wanted}
    return found + expect("UserData", "settings", wanted, has)


def network(session: Session, made: Made, size: str) -> list[Finding]:
    """Network: 443 from the allowed networks alone; the endpoint in both private route tables."""
    del size
    client = session.client("ec2")
    (group,) = client.describe_security_groups(GroupIds=[made["BalancerGroup"]])["SecurityGroups"]
    rules = {
        (each["FromPort"], each["ToPort"], network["CidrIp"])
        for each in group["IpPermissions"]
        for network in each["IpRanges"]
    }
    wanted = {(443, 443, "203.0.113.0/24"), (443, 443, "198.51.100.7/32")}
    found = expect("BalancerGroup", "inbound", wanted, rules)
    (endpoint,) = client.describe_vpc_endpoints(VpcEndpointIds=[made["StorageEndpoint"]])[
        "VpcEndpoints"
    ]
    tables = {made["PrivateRoutesA"], made["PrivateRoutesB"]}
    return found + expect("StorageEndpoint", "tables", tables, set(endpoint["RouteTableIds"]))


def role(session: Session, made: Made, size: str) -> list[Finding]:
    """Role: five actions on artifacts, reading of three secrets, SSM."""
    del size
    client, name = session.client("iam"), made["MachineRole"]
    allowed = [
        (action, resource)
        for policy in ("artifacts", "secrets")
        for statement in client.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"][
            "Statement"
        ]
        for action in _several(statement["Action"])
        for resource in _several(statement["Resource"])
    ]
    objects = f"arn:aws:s3:::{made['Bucket']}/artifacts/*"
    actions = ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload")
    wanted = [(f"s3:{action}", objects) for action in actions]
    wanted.append(("s3:ListBucket", f"arn:aws:s3:::{made['Bucket']}"))
    keys = [made[key] for key in ("DatabaseSecret", "AdminSecret", "SessionSecret")]
    wanted += [("secretsmanager:GetSecretValue", key) for key in keys]
    found = expect("MachineRole", "actions", wanted, allowed)
    attached = client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    has = [each["PolicyName"] for each in attached]
    return found + expect("MachineRole", "policies", ["AmazonSSMManagedInstanceCore"], has)


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def copies(session: Session, made: Made, size: str) -> list[Finding]:
    """Backup plan: daily, kept 35 days, in the stack's vault; six alarms."""
    del size
    plan = session.client("backup").get_backup_plan(BackupPlanId=made["BackupPlan"])["BackupPlan"]
    has = [
        (r["ScheduleExpression"], r["Lifecycle"]["DeleteAfterDays"], r["TargetBackupVaultName"])
        for r in plan["Rules"]
    ]
    found = expect("BackupPlan", "rules", [("cron(0 5 * * ? *)", 35, made["BackupVault"])], has)
    names = [name for key, name in made.items() if key.endswith("Alarm")]
    alarms = session.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    actions = [each["AlarmActions"] for each in alarms]
    return found + expect("the alarms", "actions", [[made["Alarms"]]] * 6, actions)


CHECKS: tuple[Check, ...] = (
    bucket,
    database,
    secrets,
    listener,
    machines,
    start,
    network,
    role,
    copies,
)

REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "the whole internet": ({"AllowedCidrs": "0.0.0.0/0"}, "the whole internet"),
    "half of the internet": ({"AllowedCidrs": "10.0.0.0/8,0.0.0.0/1"}, "of /8 or smaller"),
    "six networks": ({"AllowedCidrs": ",".join(["10.0.0.0/8"] * 6)}, "one to five"),
    "a branch for a commit": ({"Commit": "main"}, "40 digits"),
    "a third size": ({"Size": "large"}, "AllowedValues"),
    "an address for a host name": ({"HostName": "https://mlflow.example.org"}, "full DNS name"),
    "a login in the repository": (
        {"Repository": "https://me:pass@git.example.org/x"},
        "without a login",
    ),
    "a path for a certificate": ({"CertificateArn": "cert.pem"}, "ACM certificate"),
    "a VPC without its subnets": (
        {"VpcId": "vpc-0123456789abcdef0", "VpcCidr": "10.0.0.0/16"},
        "so PublicSubnetIds must be too",
    ),
    "subnets without their VPC": (
        {"PrivateSubnetIds": "subnet-01234567,subnet-12345678"},
        "Give all four",
    ),
    "one subnet": ({"PrivateSubnetIds": "subnet-01234567"}, "at least two"),
    "a name for a mail address": ({"AlarmEmail": "operations"}, "one mail address"),
}
"""Parameters that the template refuses, and its messages."""
