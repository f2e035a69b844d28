"""What a thief of the server's S3 credentials can do: never destroy what was stored before."""

import contextlib
import secrets
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

pytestmark = pytest.mark.drill("deploy/server", "deploy/dev", "tests/e2e/stacks.py")

BUCKET = "mlflow"
OTHER_BUCKET = "backups"
FOLDER = f"artifacts/stolen-{secrets.token_hex(4)}"
BEFORE = b"as it was"


@pytest.fixture(scope="module")
def owner(stack):
    """Whoever the bucket belongs to, with another one next to it."""
    client = stack.s3.client("owner")
    client.create_bucket(Bucket=OTHER_BUCKET)
    client.put_object(Bucket=OTHER_BUCKET, Key=f"{FOLDER}/a", Body=BEFORE)
    return client


@pytest.fixture(scope="module")
def thief(stack, owner):
    """A client with what the server has in its settings."""
    return client_of(stack, stack.settings()["AWS_SECRET_ACCESS_KEY"])


def client_of(stack, secret: str):
    told = stack.settings()
    return boto3.client(
        "s3",
        endpoint_url=told["MLFLOW_S3_ENDPOINT_URL"],
        region_name=told["AWS_DEFAULT_REGION"],
        aws_access_key_id=told["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=secret,
        config=Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"max_attempts": 1},
        ),
    )


@pytest.fixture
def stored(thief):
    """Key and version of an object that the server stored before the theft."""
    key = f"{FOLDER}/{secrets.token_hex(4)}"
    return key, thief.put_object(Bucket=BUCKET, Key=key, Body=BEFORE)["VersionId"]


def content(client, key: str, **words) -> bytes:
    return client.get_object(Bucket=BUCKET, Key=key, **words)["Body"].read()


def keys(client, prefix: str) -> list[str]:
    found = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [each["Key"] for each in found.get("Contents", ())]


def refusal(call, **words) -> str:
    """Return the code by which S3 refuses."""
    with pytest.raises(ClientError) as refused:
        call(**words)
    return refused.value.response["Error"]["Code"]


def test_the_key_stores_reads_lists_and_deletes_artifacts(thief):
    folder = f"{FOLDER}/own"

    thief.put_object(Bucket=BUCKET, Key=f"{folder}/a", Body=b"1")
    read = content(thief, f"{folder}/a")
    listed = keys(thief, folder)
    thief.delete_object(Bucket=BUCKET, Key=f"{folder}/a")

    assert (read, listed, keys(thief, folder)) == (b"1", [f"{folder}/a"], [])


def test_the_key_stores_in_parts(thief, owner):
    key, body = f"{FOLDER}/large", secrets.token_bytes(9 << 20)
    part = {"Bucket": BUCKET, "Key": key}

    upload = part | {"UploadId": thief.create_multipart_upload(**part)["UploadId"]}
    parts = [
        {
            "PartNumber": number,
            "ETag": thief.upload_part(**upload, PartNumber=number, Body=piece)["ETag"],
        }
        for number, piece in enumerate((body[: 8 << 20], body[8 << 20 :]), 1)
    ]
    thief.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    given_up = thief.create_multipart_upload(**part)["UploadId"]
    thief.abort_multipart_upload(**part, UploadId=given_up)

    assert content(owner, key) == body
    assert keys(owner, key) == [key]


def test_an_old_version_cannot_be_deleted(thief, owner, stored):
    key, version = stored

    code = refusal(thief.delete_object, Bucket=BUCKET, Key=key, VersionId=version)

    assert code == "AccessDenied"
    assert content(owner, key, VersionId=version) == BEFORE


def test_old_versions_cannot_be_deleted_many_at_once(thief, owner, stored):
    key, version = stored
    several = {"Objects": [{"Key": key, "VersionId": version}]}

    try:
        answer = thief.delete_objects(Bucket=BUCKET, Delete=several)
    except ClientError as error:
        answer = {"Errors": [error.response["Error"]]}

    assert [each["Code"] for each in answer["Errors"]] == ["AccessDenied"]
    assert content(owner, key, VersionId=version) == BEFORE


def test_a_marker_of_deletion_cannot_be_taken_away(thief, owner, stored):
    key, _ = stored
    marker = owner.delete_object(Bucket=BUCKET, Key=key)["VersionId"]

    code = refusal(thief.delete_object, Bucket=BUCKET, Key=key, VersionId=marker)

    assert code == "AccessDenied"


POLICY = '{"Version": "2012-10-17", "Statement": []}'
OPEN_TO_ALL = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", '
    f'"Action": "s3:*", "Resource": ["arn:aws:s3:::{BUCKET}", "arn:aws:s3:::{BUCKET}/*"]}}]}}'
)
RULES = {
    "Rules": [
        {
            "ID": "all",
            "Filter": {"Prefix": ""},
            "Status": "Enabled",
            "Expiration": {"Days": 1},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        }
    ]
}
CHANGES = {
    "suspend versioning": (
        "put_bucket_versioning",
        {"VersioningConfiguration": {"Status": "Suspended"}},
    ),
    "put a policy": ("put_bucket_policy", {"Policy": OPEN_TO_ALL}),
    "put an empty policy": ("put_bucket_policy", {"Policy": POLICY}),
    "delete the policy": ("delete_bucket_policy", {}),
    "open the bucket": ("put_bucket_acl", {"ACL": "public-read-write"}),
    "let versions expire": (
        "put_bucket_lifecycle_configuration",
        {"LifecycleConfiguration": RULES},
    ),
    "delete the bucket": ("delete_bucket", {}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_bucket_cannot_be_changed(thief, owner, change):
    name, words = CHANGES[change]
    policy = owner.get_bucket_policy(Bucket=BUCKET)["Policy"]

    code = refusal(getattr(thief, name), Bucket=BUCKET, **words)

    assert code == "AccessDenied"
    assert owner.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert owner.get_bucket_policy(Bucket=BUCKET)["Policy"] == policy


@pytest.mark.parametrize("key", ["elsewhere/a", "artifacts", "a", "artifacts-2/a"])
def test_nothing_is_stored_beside_the_artifacts(thief, owner, key):
    owner.put_object(Bucket=BUCKET, Key=key, Body=BEFORE)

    codes = [
        refusal(thief.put_object, Bucket=BUCKET, Key=key, Body=b"x"),
        refusal(thief.get_object, Bucket=BUCKET, Key=key),
        refusal(thief.delete_object, Bucket=BUCKET, Key=key),
        refusal(thief.create_multipart_upload, Bucket=BUCKET, Key=key),
    ]

    assert codes == ["AccessDenied"] * 4
    assert content(owner, key) == BEFORE


def test_another_bucket_cannot_be_touched(thief, owner, stored):
    there = {"Bucket": OTHER_BUCKET, "Key": f"{FOLDER}/a"}
    into_it = there | {"CopySource": f"{BUCKET}/{stored[0]}"}
    out_of_it = {
        "Bucket": BUCKET,
        "Key": f"{FOLDER}/copy",
        "CopySource": f"{OTHER_BUCKET}/{FOLDER}/a",
    }

    codes = [
        refusal(thief.get_object, **there),
        refusal(thief.put_object, **there, Body=b"x"),
        refusal(thief.delete_object, **there),
        refusal(thief.list_objects_v2, Bucket=OTHER_BUCKET),
        refusal(thief.copy_object, **out_of_it),
        refusal(thief.copy_object, **into_it),
        refusal(thief.delete_bucket, Bucket=OTHER_BUCKET),
    ]

    assert set(codes) == {"AccessDenied"}
    assert owner.get_object(**there)["Body"].read() == BEFORE


def test_no_user_of_s3_can_be_made(stack, thief):
    told = stack.settings()
    request = AWSRequest("PUT", f"{stack.s3.endpoint}/admin/user?uid=accomplice&display-name=a")
    request.headers["Host"] = urlsplit(request.url).netloc
    credentials = Credentials(told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"])
    S3SigV4Auth(credentials, "s3", told["AWS_DEFAULT_REGION"]).add_auth(request)

    answer = requests.put(request.url, headers=dict(request.headers), timeout=30)

    assert answer.status_code == 403
    assert "AccessDenied" in answer.text


@pytest.mark.parametrize("call", ["get_object", "put_object", "delete_object"])
def test_a_wrong_secret_is_refused(stack, stored, call):
    guess = client_of(stack, secrets.token_urlsafe(30))

    assert refusal(getattr(guess, call), Bucket=BUCKET, Key=stored[0]) == "SignatureDoesNotMatch"


def test_without_a_key_nothing_is_read(stack, stored):
    answer = requests.get(f"{stack.s3.endpoint}/{BUCKET}/{stored[0]}", timeout=30)

    assert answer.status_code == 403


def test_all_that_was_stored_is_still_there_after_the_worst(thief, owner):
    folder = f"{FOLDER}/worst"
    written = {}
    for number in range(10):
        for edition in range(2):
            body = secrets.token_bytes(100)
            key = f"{folder}/{number}"
            made = thief.put_object(Bucket=BUCKET, Key=key, Body=body)  # as the server did
            written[key, made["VersionId"], edition] = body

    for key in keys(thief, folder):
        thief.put_object(Bucket=BUCKET, Key=key, Body=b"ransom")
        thief.delete_object(Bucket=BUCKET, Key=key)
    for key, version, _ in written:
        with contextlib.suppress(ClientError):
            thief.delete_object(Bucket=BUCKET, Key=key, VersionId=version)

    assert keys(owner, folder) == []
    found = {
        (key, version, edition): content(owner, key, VersionId=version)
        for key, version, edition in written
    }
    assert found == written
