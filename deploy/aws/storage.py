# ruff: noqa: D401 - an assertion's docstring says what holds, and check.py shows it
"""Assertions on protected storage: the database, the bucket, the backups."""

from typing import Any

from deploy.aws.findings import Finding, as_list, each, expect, named, present, properties
from deploy.aws.template import Template, resolved, resources

DATABASE = "AWS::RDS::DBInstance"
BUCKET = "AWS::S3::Bucket"
BUCKET_POLICY = "AWS::S3::BucketPolicy"
LEAST_BACKUP_DAYS = 7
LEAST_COPY_DAYS = 35
WATCHED = {
    "HTTPCode_Target_5XX_Count",
    "HTTPCode_ELB_5XX_Count",
    "UnHealthyHostCount",
    "FreeStorageSpace",
    "CPUUtilization",
}


def database_keeps_backups(template: Template) -> list[Finding]:
    """The database can be restored to any minute of at least the last seven days."""
    found = present(template, DATABASE)
    for name, own in each(template, DATABASE):
        days = own.get("BackupRetentionPeriod", 1)
        if not isinstance(days, int) or days < LEAST_BACKUP_DAYS:
            found.append(Finding(name, "BackupRetentionPeriod of 7 or more", repr(days)))
    return found


def database_is_kept(template: Template) -> list[Finding]:
    """The database is protected from deletion and leaves a snapshot."""
    found = present(template, DATABASE)
    for name, resource in resources(template, DATABASE).items():
        protected = properties(resource).get("DeletionProtection")
        found += expect(name, "DeletionProtection", expected=True, found=protected)
        found += _policies(name, resource, {"Snapshot", "Retain"})
    return found


def _policies(name: str, resource: dict[str, Any], wanted: set[str]) -> list[Finding]:
    return [
        Finding(name, f"{key} {' or '.join(sorted(wanted))}", repr(resource.get(key)))
        for key in ("DeletionPolicy", "UpdateReplacePolicy")
        if resource.get(key) not in wanted
    ]


def database_is_closed(template: Template) -> list[Finding]:
    """The database is encrypted, has no public address, and speaks TLS only."""
    found = present(template, DATABASE)
    for name, own in each(template, DATABASE):
        public = own.get("PubliclyAccessible")
        found += expect(name, "PubliclyAccessible", expected=False, found=public)
        encrypted = own.get("StorageEncrypted")
        found += expect(name, "StorageEncrypted", expected=True, found=encrypted)
        group = template["Resources"].get(named(own.get("DBParameterGroupName")), {})
        forced = properties(group).get("Parameters", {}).get("rds.force_ssl")
        found += expect(name, "rds.force_ssl", "1", forced)
    return found


def database_stands_twice(template: Template) -> list[Finding]:
    """The standard database has a standby in another zone."""
    found = present(template, DATABASE)
    for name, own in each(template, DATABASE):
        twice = resolved(template, own.get("MultiAZ"), size="standard")
        found += expect(f"{name} (standard)", "MultiAZ", expected=True, found=twice)
    return found


def bucket_is_kept(template: Template) -> list[Finding]:
    """The bucket outlives the stack with its policy and keeps old versions."""
    found = present(template, BUCKET)
    for name, resource in resources(template, BUCKET_POLICY).items():
        found += _policies(name, resource, {"Retain"})
    for name, resource in resources(template, BUCKET).items():
        found += _policies(name, resource, {"Retain"})
        status = properties(resource).get("VersioningConfiguration", {}).get("Status")
        found += expect(name, "versioning", "Enabled", status)
    return found


def bucket_is_closed(template: Template) -> list[Finding]:
    """The bucket is encrypted, blocks public access, and belongs to the account only."""
    found = present(template, BUCKET)
    for name, own in each(template, BUCKET):
        block = own.get("PublicAccessBlockConfiguration", {})
        for key in (
            "BlockPublicAcls",
            "BlockPublicPolicy",
            "IgnorePublicAcls",
            "RestrictPublicBuckets",
        ):
            found += expect(name, key, expected=True, found=block.get(key))
        owners = [rule.get("ObjectOwnership") for rule in _rules(own, "OwnershipControls")]
        found += expect(name, "ObjectOwnership", ["BucketOwnerEnforced"], owners)
        if not own.get("BucketEncryption"):
            found.append(Finding(name, "BucketEncryption", "none"))
    return found


def _rules(own: dict[str, Any], key: str) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = own.get(key, {}).get("Rules", [])
    return rules


def bucket_is_tidied(template: Template) -> list[Finding]:
    """The bucket drops abandoned uploads, and old versions after 30 days or more."""
    found = present(template, BUCKET)
    for name, own in each(template, BUCKET):
        on = [r for r in _rules(own, "LifecycleConfiguration") if r.get("Status") == "Enabled"]
        if not any("AbortIncompleteMultipartUpload" in rule for rule in on):
            found.append(Finding(name, "a rule that ends abandoned uploads", f"{on}"))
        days = [r.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays", 0) for r in on]
        if not any(each_ >= 30 for each_ in days) or any(0 < each_ < 30 for each_ in days):  # noqa: PLR2004
            found.append(Finding(name, "old versions kept 30 days or more", f"{on}"))
        if any("ExpirationInDays" in rule for rule in on):
            found.append(Finding(name, "artifacts that do not expire", f"{on}"))
    return found


def bucket_refuses_plain_http(template: Template) -> list[Finding]:
    """Each bucket's policy denies every request without TLS."""
    found = present(template, BUCKET)
    for bucket in resources(template, BUCKET):
        statements = [
            statement
            for _, own in each(template, "AWS::S3::BucketPolicy")
            if named(own.get("Bucket")) == bucket
            for statement in own.get("PolicyDocument", {}).get("Statement", [])
        ]
        if not any(_denies_plain_http(statement, bucket) for statement in statements):
            found.append(Finding(bucket, "a policy that denies plain HTTP", f"{statements}"))
        found += [
            Finding(bucket, "a policy without public access", f"{statement}")
            for statement in statements
            if statement.get("Effect") == "Allow"
            and statement.get("Principal") in ("*", {"AWS": "*"})
        ]
    return found


def _denies_plain_http(statement: dict[str, Any], bucket: str) -> bool:
    whole = {"Fn::GetAtt": [bucket, "Arn"]}
    objects = {"Fn::Sub": f"${{{bucket}.Arn}}/*"}
    insecure = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    return (
        statement.get("Effect") == "Deny"
        and statement.get("Principal") == "*"
        and statement.get("Action") in ("s3:*", "*")
        and str(insecure).lower() == "false"
        and all(arn in as_list(statement.get("Resource")) for arn in (whole, objects))
    )


def backups_are_taken_of_all(template: Template) -> list[Finding]:
    """AWS Backup copies every database and bucket, keeps copies 35 days, and its vault stays."""
    kinds = ("AWS::Backup::BackupPlan", "AWS::Backup::BackupSelection", "AWS::Backup::BackupVault")
    found = [finding for kind in kinds for finding in present(template, kind)]
    chosen = {
        named(resource)
        for _, own in each(template, kinds[1])
        for resource in own.get("BackupSelection", {}).get("Resources") or []
    }
    wanted = {*resources(template, DATABASE), *resources(template, BUCKET)}
    found += [Finding("the backup selection", name, f"{chosen}") for name in wanted - chosen]
    for name, own in each(template, kinds[0]):
        for rule in own.get("BackupPlan", {}).get("BackupPlanRule") or [{}]:
            days = rule.get("Lifecycle", {}).get("DeleteAfterDays", 0)
            if days < LEAST_COPY_DAYS:
                found.append(Finding(name, "copies of 35 days or more", f"{days} days"))
    for name, resource in resources(template, kinds[2]).items():
        found += _policies(name, resource, {"Retain"})
    return found


def trouble_is_told(template: Template) -> list[Finding]:
    """Alarms watch errors, machines, and the database's disk and processor, and notify someone."""
    kind = "AWS::CloudWatch::Alarm"
    watched = {own.get("MetricName") for _, own in each(template, kind)}
    found = [Finding("the alarms", name, "none on it") for name in sorted(WATCHED - watched)]
    topics = resources(template, "AWS::SNS::Topic")
    for name, own in each(template, kind):
        if not any(named(action) in topics for action in own.get("AlarmActions", [])):
            found.append(
                Finding(name, "an action that notifies a topic", f"{own.get('AlarmActions')}")
            )
    return found


ASSERTIONS = (
    database_keeps_backups,
    database_is_kept,
    database_is_closed,
    database_stands_twice,
    bucket_is_kept,
    bucket_is_closed,
    bucket_is_tidied,
    bucket_refuses_plain_http,
    backups_are_taken_of_all,
    trouble_is_told,
)
