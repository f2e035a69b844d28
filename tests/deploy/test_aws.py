"""Faults are seeded into the AWS template, one each, to see which checker finds it."""

import copy
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.aws import linters, policy
from deploy.aws.assertions import ASSERTIONS, findings, title
from deploy.aws.template import TEMPLATE, read

ROOT = Path(__file__).parents[2]
EVERYWHERE = "0.0.0.0/0"
WAY_IN = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}

# A fault: what is done to one resource, and who finds it: an assertion by its name, or a rule of
# cfn-lint (E…, W…) or checkov (CKV…). All that find it are named, and nobody else may.
FAULTS = {}


def fault(name, *found_by):
    def seed(mutate):
        FAULTS[name] = (mutate, set(found_by))
        return mutate

    return seed


def own(template, name):
    return template["Resources"][name]["Properties"]


def setting(name, resource, path, value, *found_by):
    """Add the fault of one other value, at a path in a resource's properties."""

    @fault(name, *found_by)
    def _(template):
        at = own(template, resource)
        for step in path[:-1]:
            at = at[step]
        if value is None:
            del at[path[-1]]
        else:
            at[path[-1]] = value


@fault("the database's port open to the world")
def _(t):
    del own(t, "DatabaseIngress")["SourceSecurityGroupId"]
    own(t, "DatabaseIngress")["CidrIp"] = EVERYWHERE


@fault("the database's port open to a network")
def _(t):
    del own(t, "DatabaseIngress")["SourceSecurityGroupId"]
    own(t, "DatabaseIngress")["CidrIp"] = "10.0.0.0/8"


@fault("an SSH port")
def _(t):
    own(t, "MachineGroup")["SecurityGroupIngress"] = [
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "10.0.0.0/8"}
    ]


@fault("the load balancer open to IPv6")
def _(t):
    own(t, "BalancerGroup")["SecurityGroupIngress"].append(WAY_IN | {"CidrIpv6": "::/0"})


@fault("the whole internet allowed unasked")
def _(t):
    t["Parameters"]["AllowedCidrs"] |= {"Default": EVERYWHERE, "AllowedPattern": ".*"}


@fault("no way out of a private subnet")
def _(t):
    del t["Resources"]["PrivateWayOutB"]
    t["Resources"]["PrivateRoutesOfB"].pop("DependsOn")


@fault("a private subnet on the internet gateway")
def _(t):
    del own(t, "PrivateWayOutA")["NatGatewayId"]
    own(t, "PrivateWayOutA")["GatewayId"] = {"Ref": "InternetGateway"}


@fault("a NAT gateway in a private subnet")
def _(t):
    own(t, "NatGatewayA")["SubnetId"] = {"Ref": "PrivateSubnetA"}


@fault("machines in public subnets")
def _(t):
    own(t, "Machines")["VPCZoneIdentifier"] = [{"Ref": "PublicSubnetA"}, {"Ref": "PublicSubnetB"}]


@fault("a database deleted without a snapshot")
def _(t):
    t["Resources"]["Database"]["DeletionPolicy"] = "Delete"


@fault("a bucket deleted with the stack")
def _(t):
    t["Resources"]["Bucket"]["DeletionPolicy"] = "Delete"


@fault("a bucket that takes plain HTTP")
def _(t):
    own(t, "BucketPolicy")["PolicyDocument"]["Statement"][0]["Condition"] = {
        "Bool": {"aws:SecureTransport": "true"}
    }


@fault("a bucket policy on the bucket but not its objects")
def _(t):
    own(t, "BucketPolicy")["PolicyDocument"]["Statement"][0]["Resource"].pop()


@fault("machines that may do all of S3")
def _(t):
    statements(t)[0]["Action"] = "s3:*"


@fault("machines that may use every bucket")
def _(t):
    statements(t)[0]["Resource"] = "*"


@fault("machines that may erase old versions")
def _(t):
    statements(t)[0]["Action"].append("s3:DeleteObjectVersion")


@fault("machines that may read every secret")
def _(t):
    own(t, "MachineRole")["Policies"][1]["PolicyDocument"]["Statement"][0]["Resource"] = "*"


def statements(template):
    return own(template, "MachineRole")["Policies"][0]["PolicyDocument"]["Statement"]


@fault("administrators' rights for machines")
def _(t):
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"
    own(t, "MachineRole")["ManagedPolicyArns"].append(arn)


@fault("a password as a parameter")
def _(t):
    t["Parameters"]["DatabasePassword"] = {"Type": "String", "NoEcho": True}
    own(t, "Database")["MasterUserPassword"] = {"Ref": "DatabasePassword"}


@fault("a password in UserData")
def _(t):
    told = own(t, "MachineTemplate")["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]
    secret = "PGPASSWORD={{resolve:secretsmanager:${DatabaseSecret}:SecretString:password}}"
    told[0] = told[0].replace("PGPORT=5432", secret)


@fault("one standard machine")
def _(t):
    t["Mappings"]["Sizes"]["standard"]["Machines"] = 1


@fault("an update that does not wait")
def _(t):
    del t["Resources"]["Machines"]["UpdatePolicy"]


@fault("an empty backup selection")
def _(t):
    own(t, "BackupSelection")["BackupSelection"]["Resources"] = []


@fault("a bucket without backup")
def _(t):
    own(t, "BackupSelection")["BackupSelection"]["Resources"].pop()


LISTENER = ("Listener", ["Protocol"], "HTTP")
METADATA = ["LaunchTemplateData", "MetadataOptions", "HttpTokens"]
EXPIRY = ["LifecycleConfiguration", "Rules", 1, "NoncurrentVersionExpiration", "NoncurrentDays"]
BLOCK = ["PublicAccessBlockConfiguration", "BlockPublicPolicy"]
LENGTH = ["GenerateSecretString", "PasswordLength"]
setting("no endpoint route table", "StorageEndpoint", ["RouteTableIds"], [])
setting("no backups of the database", "Database", ["BackupRetentionPeriod"], 0)
setting("more days of backups than there are", "Database", ["BackupRetentionPeriod"], 40)
setting("no deletion protection", "Database", ["DeletionProtection"], False)
setting("a public database", "Database", ["PubliclyAccessible"], True)
setting("a database in clear", "Database", ["StorageEncrypted"], False)
setting("a standard database alone", "Database", ["MultiAZ"], False)
setting("a database without forced TLS", "DatabaseParameters", ["Parameters", "rds.force_ssl"], "0")
setting("a retired PostgreSQL", "Database", ["EngineVersion"], "11.1")
setting("a bucket without versions", "Bucket", ["VersioningConfiguration", "Status"], "Suspended")
setting("a bucket that can be public", "Bucket", BLOCK, False)
setting("old versions gone in a day", "Bucket", EXPIRY, 1)
setting("metadata without a token", "MachineTemplate", METADATA, "optional")
setting("a listener without TLS", *LISTENER)
setting("TLS 1.0", "Listener", ["SslPolicy"], "ELBSecurityPolicy-2016-08")
setting("a group that lets all out", "MachineGroup", ["SecurityGroupEgress"], None)
setting("an alarm that tells nobody", "NoMachineAlarm", ["AlarmActions"], [])
setting("a short first password", "AdminSecret", LENGTH, 8)
setting("a misspelt property", "Database", ["DeletionProtected"], True)
setting("a reference to nothing", "Targets", ["VpcId"], {"Ref": "Network"})


def mutant(name):
    template = copy.deepcopy(read())
    FAULTS[name][0](template)
    return template


@pytest.fixture(scope="module")
def tools():
    """Where cfn-lint and checkov are: an environment of their own."""
    subprocess.run(["make", "--silent", ".venv-aws/.installed"], cwd=ROOT, check=True)
    return ROOT / ".venv-aws/bin"


@pytest.fixture(scope="module")
def linted(tools, tmp_path_factory):
    """What each tool finds in the template and in every mutant, each tool run once."""
    folder = tmp_path_factory.mktemp("mutants")
    files = {"good": read()} | {name: mutant(name) for name in FAULTS}
    for name, template in files.items():
        (folder / f"{name.replace(' ', '-')}.json").write_text(json.dumps(template, indent=1))
    with ThreadPoolExecutor(2) as both:
        lint = both.submit(linters.cfn_lint, sorted(folder.iterdir()), tools=tools)
        scan = both.submit(linters.checkov, folder, tools=tools)
        left = linters.skips()
        return {
            name: [
                *lint.result()[f"{name.replace(' ', '-')}.json"],
                *linters.without_skips(scan.result()[f"{name.replace(' ', '-')}.json"], left)[0],
            ]
            for name in files
        }
