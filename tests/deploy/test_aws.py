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
NAMES = {assertion.__name__ for assertion in ASSERTIONS}
EVERYWHERE = "0.0.0.0/0"
WAY_IN = {"Description": "A fault", "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}

# Faults of the template, and what finds them: assertions by name, and rules of cfn-lint (E, W)
# and checkov (CKV). All that find it are named; one that starts or ceases to is news.
FAULTS = {}
# The same for variations, which only the assertions see to: the tools take a second for each.
VARIATIONS = {}


def fault(name, *found_by):
    return _seed(FAULTS, name, found_by)


def variation(name, *found_by):
    return _seed(VARIATIONS, name, found_by)


def _seed(among, name, found_by):
    def seed(mutate):
        among[name] = (mutate, set(found_by))
        return mutate

    return seed


GOOD = read()


def own(template, name):
    return template["Resources"][name]["Properties"]


def setting(name, resource, path, value, *found_by, among=FAULTS):
    """Add a fault: another value at a path in a resource's properties."""

    @_seed(among, name, found_by)
    def _(template):
        at = own(template, resource)
        for step in path[:-1]:
            at = at[step]
        if value is None:
            del at[path[-1]]
        else:
            at[path[-1]] = value


@fault(
    "the database's port open to the world",
    "database_from_machines_only",
    "no_ingress_from_everywhere",
)
def _(t):
    del own(t, "DatabaseIngress")["SourceSecurityGroupId"]
    own(t, "DatabaseIngress")["CidrIp"] = EVERYWHERE


@variation("the database's port open to a network", "database_from_machines_only")
def _(t):
    del own(t, "DatabaseIngress")["SourceSecurityGroupId"]
    own(t, "DatabaseIngress")["CidrIp"] = "10.0.0.0/8"


@variation("an SSH port", "machines_from_balancer_only", "no_remote_login")
def _(t):
    own(t, "MachineGroup")["SecurityGroupIngress"] = [
        WAY_IN | {"FromPort": 22, "ToPort": 22, "CidrIp": "10.0.0.0/8"}
    ]


@variation(
    "the load balancer open to IPv6", "balancer_from_allowed_only", "no_ingress_from_everywhere"
)
def _(t):
    own(t, "BalancerGroup")["SecurityGroupIngress"].append(WAY_IN | {"CidrIpv6": "::/0"})


@variation("the whole internet allowed unasked", "allowed_networks_are_asked_for")
def _(t):
    t["Parameters"]["AllowedCidrs"] |= {"Default": EVERYWHERE, "AllowedPattern": ".*"}


@fault("no way out of a private subnet", "private_subnets_have_a_way_out")
def _(t):
    del t["Resources"]["PrivateWayOutB"]
    t["Resources"]["PrivateRoutesOfB"].pop("DependsOn")


@variation("a private subnet on the internet gateway", "private_subnets_have_a_way_out")
def _(t):
    del own(t, "PrivateWayOutA")["NatGatewayId"]
    own(t, "PrivateWayOutA")["GatewayId"] = {"Ref": "InternetGateway"}


@variation("a NAT gateway in a private subnet", "private_subnets_have_a_way_out")
def _(t):
    own(t, "NatGatewayA")["SubnetId"] = {"Ref": "PrivateSubnetA"}


@fault(
    "machines in public subnets", "endpoint_has_routes", "private_subnets_have_a_way_out", "W1001"
)
def _(t):
    own(t, "Machines")["VPCZoneIdentifier"] = [{"Ref": "PublicSubnetA"}, {"Ref": "PublicSubnetB"}]


@variation("a database deleted without a snapshot", "database_is_kept")
def _(t):
    t["Resources"]["Database"]["DeletionPolicy"] = "Delete"


@variation("a bucket deleted with the stack", "bucket_is_kept")
def _(t):
    t["Resources"]["Bucket"]["DeletionPolicy"] = "Delete"


@variation("a bucket that loses its policy with the stack", "bucket_is_kept")
def _(t):
    del t["Resources"]["BucketPolicy"]["DeletionPolicy"]


@fault("a bucket that takes plain HTTP", "bucket_refuses_plain_http")
def _(t):
    own(t, "BucketPolicy")["PolicyDocument"]["Statement"][0]["Condition"] = {
        "Bool": {"aws:SecureTransport": "true"}
    }


@variation("a bucket policy on the bucket but not its objects", "bucket_refuses_plain_http")
def _(t):
    own(t, "BucketPolicy")["PolicyDocument"]["Statement"][0]["Resource"].pop()


@fault("machines that may do all of S3", "machines_may_do_little", "roles_name_what_they_allow")
def _(t):
    statements(t)[0]["Action"] = "s3:*"


@fault(
    "machines that may use every bucket",
    "artifacts_only_under_their_prefix",
    "roles_name_what_they_allow",
    "CKV_AWS_108",
    "CKV_AWS_111",
)
def _(t):
    statements(t)[0]["Resource"] = "*"


@variation("machines that may erase old versions", "machines_may_do_little")
def _(t):
    statements(t)[0]["Action"].append("s3:DeleteObjectVersion")


@variation("machines that may read every secret", "roles_name_what_they_allow")
def _(t):
    own(t, "MachineRole")["Policies"][1]["PolicyDocument"]["Statement"][0]["Resource"] = "*"


def statements(template):
    return own(template, "MachineRole")["Policies"][0]["PolicyDocument"]["Statement"]


@variation("administrators' rights for machines", "machines_may_do_little")
def _(t):
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"
    own(t, "MachineRole")["ManagedPolicyArns"].append(arn)


@fault("a password as a parameter", "secrets_stay_secret", "W1011")
def _(t):
    t["Parameters"]["DatabasePassword"] = {"Type": "String", "NoEcho": True}
    own(t, "Database")["MasterUserPassword"] = {"Ref": "DatabasePassword"}


@variation("a password in UserData", "secrets_stay_secret")
def _(t):
    script = own(t, "MachineTemplate")["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]
    secret = "PGPASSWORD={{resolve:secretsmanager:${DatabaseSecret}:SecretString:password}}"
    script[0] = script[0].replace("PGPORT=5432", secret)


@variation("one standard machine", "machines_are_enough")
def _(t):
    t["Mappings"]["Sizes"]["standard"]["Machines"] = 1


@variation("an update that does not wait", "machines_are_enough")
def _(t):
    del t["Resources"]["Machines"]["UpdatePolicy"]


@variation("a load balancer that can be deleted", "balancer_is_guarded")
def _(t):
    own(t, "Balancer")["LoadBalancerAttributes"][0]["Value"] = "false"


@variation("a load balancer that asks for another page", "machines_are_asked_for_health")
def _(t):
    own(t, "Targets")["HealthCheckPath"] = "/"


@variation("a subnet that gives public addresses", "subnets_give_no_public_addresses")
def _(t):
    own(t, "PrivateSubnetA")["MapPublicIpOnLaunch"] = True


@variation("a start that goes on after an error", "machines_say_how_they_started")
def _(t):
    script = own(t, "MachineTemplate")["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]
    script[0] = script[0].replace("set -euo pipefail", "set -u")


@fault("an empty backup selection", "backups_are_taken_of_all")
def _(t):
    own(t, "BackupSelection")["BackupSelection"]["Resources"] = []


@variation("a bucket without backup", "backups_are_taken_of_all")
def _(t):
    own(t, "BackupSelection")["BackupSelection"]["Resources"].pop()


METADATA = ["LaunchTemplateData", "MetadataOptions", "HttpTokens"]
EXPIRY = ["LifecycleConfiguration", "Rules", 1, "NoncurrentVersionExpiration", "NoncurrentDays"]
BLOCK = ["PublicAccessBlockConfiguration", "BlockPublicPolicy"]
LENGTH = ["GenerateSecretString", "PasswordLength"]
setting("no endpoint route table", "StorageEndpoint", ["RouteTableIds"], [], "endpoint_has_routes")
setting(
    "no backups of the database", "Database", ["BackupRetentionPeriod"], 0, "database_keeps_backups"
)
setting("more days of backups than there are", "Database", ["BackupRetentionPeriod"], 40, "E3719")
setting("no deletion protection", "Database", ["DeletionProtection"], False, "database_is_kept")
setting(
    "a public database",
    "Database",
    ["PubliclyAccessible"],
    True,
    "database_is_closed",
    "CKV_AWS_17",
)
setting(
    "a database in clear",
    "Database",
    ["StorageEncrypted"],
    False,
    "database_is_closed",
    "CKV_AWS_16",
)
setting("a standard database alone", "Database", ["MultiAZ"], False, "database_stands_twice")
setting(
    "a database without forced TLS",
    "DatabaseParameters",
    ["Parameters", "rds.force_ssl"],
    "0",
    "database_is_closed",
    "CKV2_AWS_69",
)
setting("a retired PostgreSQL", "Database", ["EngineVersion"], "11.1", "W3691")
setting(
    "a bucket without versions",
    "Bucket",
    ["VersioningConfiguration", "Status"],
    "Suspended",
    "bucket_is_kept",
    "CKV_AWS_21",
)
setting("a bucket that can be public", "Bucket", BLOCK, False, "bucket_is_closed", "CKV_AWS_54")
setting("old versions gone in a day", "Bucket", EXPIRY, 1, "bucket_is_tidied", among=VARIATIONS)
setting(
    "metadata without a token",
    "MachineTemplate",
    METADATA,
    "optional",
    "machines_are_closed",
    "CKV_AWS_79",
)
setting(
    "a listener without TLS",
    "Listener",
    ["Protocol"],
    "HTTP",
    "listeners_speak_tls",
    "CKV_AWS_103",
    "CKV_AWS_2",
)
setting(
    "TLS 1.0",
    "Listener",
    ["SslPolicy"],
    "ELBSecurityPolicy-2016-08",
    "listeners_speak_tls",
    "CKV_AWS_103",
)
setting(
    "a group that lets all out",
    "MachineGroup",
    ["SecurityGroupEgress"],
    None,
    "groups_let_little_out",
    among=VARIATIONS,
)
setting(
    "an alarm that tells nobody",
    "NoMachineAlarm",
    ["AlarmActions"],
    [],
    "trouble_is_told",
    among=VARIATIONS,
)
setting("a short first password", "AdminSecret", LENGTH, 8, "secrets_are_long", among=VARIATIONS)
setting("a misspelt property", "Database", ["DeletionProtected"], True, "E3002")
setting("a reference to nothing", "Targets", ["VpcId"], {"Ref": "Network"}, "E1020")


def good():
    return copy.deepcopy(GOOD)


# They take half a minute, and the emulator another.
other_peoples_tools = pytest.mark.drill("deploy/aws")


def mutant(name):
    template = good()
    (FAULTS | VARIATIONS)[name][0](template)
    return template


@pytest.fixture(scope="module")
def tools():
    """The environment of cfn-lint and checkov."""
    subprocess.run(["make", "--silent", ".venv-aws/.installed"], cwd=ROOT, check=True)
    return ROOT / ".venv-aws/bin"


@pytest.fixture(scope="module")
def linted(tools, tmp_path_factory):
    """Findings of each tool in the template and in every mutant, with one run of each tool."""
    folder = tmp_path_factory.mktemp("mutants")
    files = {"good": good()} | {name: mutant(name) for name in FAULTS}
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


def rules(found):
    return {fault.rule for fault in found}


def test_the_shipped_template_has_no_fault_that_an_assertion_finds():
    assert findings(good()) == {}


@other_peoples_tools
def test_the_shipped_template_has_no_fault_that_a_checker_finds(linted):
    assert linted["good"] == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_by_the_assertions_that_are_about_it(name):
    assert set(findings(mutant(name))) == FAULTS[name][1] & NAMES


@other_peoples_tools
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_by(name, linted):
    found = set(findings(mutant(name))) | rules(linted[name])

    assert found == FAULTS[name][1]


@pytest.mark.parametrize("name", VARIATIONS)
def test_a_variation_is_found_by(name):
    assert set(findings(mutant(name))) == VARIATIONS[name][1]


def test_the_template_is_small_enough_to_be_sent_without_a_bucket():
    assert TEMPLATE.stat().st_size < 51200


def test_each_assertion_finds_at_least_one_fault():
    unproven = {assertion.__name__ for assertion in ASSERTIONS}
    for _, found_by in [*FAULTS.values(), *VARIATIONS.values()]:
        unproven -= found_by

    assert unproven == set()


def test_assertions_report_a_missing_resource():
    template = good()
    template["Resources"] = {}

    assert len(findings(template)) > len(ASSERTIONS) / 2


def test_each_assertion_has_a_different_sentence():
    titles = [title(assertion) for assertion in ASSERTIONS]

    assert all(re.fullmatch(r"[A-Z].*\.", each) for each in titles)
    assert len(set(titles)) == len(titles)


def test_a_skip_that_checkov_no_longer_finds_is_reported():
    fault = linters.Fault("CKV_1", "Bucket", "of a bucket")
    used, unused = (linters.Skip(rule, "Bucket", "why") for rule in ("CKV_1", "CKV_2"))

    assert linters.without_skips([fault], [used, unused]) == ([], [unused])


def test_a_skip_is_for_one_resource():
    other = linters.Fault("CKV_1", "OtherBucket", "of a bucket")
    skip = linters.Skip("CKV_1", "Bucket", "why")

    assert linters.without_skips([other], [skip]) == ([other], [skip])


def test_a_skip_needs_a_reason(tmp_path):
    (tmp_path / "skips.yaml").write_text("CKV_1: {resources: [Bucket]}")

    with pytest.raises(linters.ToolError, match="no reason for"):
        linters.skips(tmp_path / "skips.yaml")


def test_the_role_is_read_as_statements_on_a_given_bucket():
    objects, listing = policy.artifact_statements(good(), "arn:aws:s3:::mlflow")

    assert objects["Action"] == [
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
    ]
    assert objects["Resource"] == "arn:aws:s3:::mlflow/artifacts/*"
    assert (listing["Action"], listing["Resource"]) == ("s3:ListBucket", "arn:aws:s3:::mlflow")


def test_a_statement_on_something_else_is_not_good():
    template = good()
    statements(template)[1]["Resource"] = "*"

    with pytest.raises(policy.PolicyError, match="found one on"):
        policy.artifact_statements(template, "arn:aws:s3:::mlflow")


def test_a_lost_statement_is_named():
    template = good()
    del statements(template)[1]

    with pytest.raises(policy.PolicyError, match="ArtifactList"):
        policy.artifact_statements(template, "arn:aws:s3:::mlflow")


def check(tools, path):
    command = [tools / "python", "-m", "deploy.aws.check", path]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@other_peoples_tools
def test_the_whole_check_fails_for_the_seeded_faults_only(tools, tmp_path):
    template = good()
    own(template, "Bucket")["VersioningConfiguration"]["Status"] = "Suspended"
    own(template, "Database")["BackupRetentionPeriod"] = 1
    del template["Parameters"]["Commit"]["AllowedPattern"]
    (tmp_path / "faulty.json").write_text(json.dumps(template))

    done = check(tools, tmp_path / "faulty.json")

    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert done.returncode == 1
    assert done.stderr == ""
    assert [re.split("[:.,]", line.removeprefix("FAILED "))[0] for line in failed] == [
        "checkov finds nothing but the 11 findings that are left",
        "The database can be restored to any minute of at least the last seven days",
        "The bucket outlives the stack with its policy and keeps old versions",
        *["emulated"] * 5,
    ]
    assert "Database: expected BackupRetentionPeriod of 7 or more, found 1" in done.stdout
    assert "expected versioning 'Enabled', found 'Suspended'" in done.stdout
    assert "a branch for a commit is refused" in failed[-1]


@other_peoples_tools
def test_a_template_that_cannot_be_read_is_a_line_not_a_traceback(tools, tmp_path):
    (tmp_path / "broken.yaml").write_text("Resources: [")

    done = check(tools, tmp_path / "broken.yaml")

    assert done.returncode == 1
    assert done.stderr == ""
    assert done.stdout.startswith("FAILED the checks run to their end: ParserError")
