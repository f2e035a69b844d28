"""Backups in a folder or an emulated bucket: names, manifests, and artifacts lost since a time."""

import datetime as dt
import hashlib
import io

import boto3
import pytest
from complete_settings import SETTINGS
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from deploy.server import backup, manifest, rewind, stores, verify
from deploy.server.errors import ServerError
from deploy.server.manifest import Artifact, Manifest
from deploy.server.settings import Settings
from deploy.server.stores import Bucket, Folder

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
EMPTY = hashlib.sha256().hexdigest()


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path, monkeypatch):
    if request.param == "folder":
        yield Folder(tmp_path / "archive")
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="archive")
        yield Bucket(client, "s3://archive/below")


@pytest.fixture
def put(store, tmp_path):
    def put(name, content):
        path = tmp_path / "content"
        path.write_bytes(content)
        store.write(name, path)

    return put


def content(store, name):
    target = io.BytesIO()
    store.read(name, target)
    return target.getvalue()


def made(name="2026-11-22T120000.000000Z", **artifacts):
    return Manifest(
        name=name,
        mlflow="3.17.2",
        dump=EMPTY,
        database={"runs": {"a": "1"}},
        artifacts={
            key: Artifact(size=1, mark="", sha256=value) for key, value in artifacts.items()
        },
    )


def test_written_content_is_read(store, put):
    put("a/b ü", b"content")

    assert content(store, "a/b ü") == b"content"


def test_a_missing_file_is_reported(store):
    with pytest.raises(FileNotFoundError):
        content(store, "nothing")


def test_entries_have_names_and_sizes_under_a_prefix(store, put):
    for name in ("a/1", "a/2", "b/1"):
        put(name, name.encode())

    assert [(each.name, each.size) for each in store.entries("a/")] == [("a/1", 3), ("a/2", 3)]


def test_a_changed_file_has_another_mark(store, put):
    put("a", b"1")
    (before,) = store.entries()

    put("a", b"2")
    (after,) = store.entries()

    assert before.mark != after.mark


def test_deleting_a_missing_file_does_nothing(store, put):
    put("a", b"1")

    store.delete("a")
    store.delete("a")

    assert list(store.entries()) == []


def test_a_missing_bucket_is_reported_in_one_line(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        missing = Bucket(boto3.client("s3", region_name="us-east-1"), "s3://missing/below")
        with pytest.raises(ServerError) as refused:
            next(missing.entries())

    assert "the bucket missing refused" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_backup_without_its_manifest_is_not_listed(store, put):
    put("backups/2026-11-21T000000.000000Z/database.dump", b"")

    assert manifest.names(store) == []
    with pytest.raises(ServerError, match="expected a backup there, found none"):
        manifest.read(store)


def test_the_newest_backup_is_read_unless_one_is_named(store, put):
    for name in ("2026-11-21T000000.000000Z", "2026-11-22T000000.000000Z"):
        put(f"backups/{name}/manifest.json", made(name).model_dump_json().encode())

    assert manifest.read(store).name == "2026-11-22T000000.000000Z"
    assert manifest.read(store, "2026-11-21T000000.000000Z").name == "2026-11-21T000000.000000Z"


def test_a_missing_backup_is_reported_with_the_existing_ones(store, put):
    put("backups/2026-11-21T000000.000000Z/manifest.json", made().model_dump_json().encode())

    with pytest.raises(ServerError, match="expected the backup other there, found 2026-11-21"):
        manifest.read(store, "other")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format_version": 2}'])
def test_a_manifest_that_is_damaged_or_newer_is_refused(store, put, text):
    put("backups/2026-11-21T000000.000000Z/manifest.json", text.encode())

    with pytest.raises(ServerError, match="is damaged or from a newer version"):
        manifest.read(store)


def test_a_manifest_survives_a_round_trip(store, put):
    before = made(a=EMPTY, b=EMPTY)
    put(f"backups/{before.name}/manifest.json", before.model_dump_json().encode())

    assert manifest.read(store) == before


def test_a_damaged_file_of_a_backup_is_refused(store, put, tmp_path):
    put("a", b"damaged")

    with pytest.raises(ServerError, match="a of the backup is damaged"):
        manifest.fetch(store, "a", EMPTY, tmp_path / "target")


def test_a_missing_file_of_a_backup_is_reported(store, tmp_path):
    with pytest.raises(ServerError, match="the backup lacks a"):
        manifest.fetch(store, "a", EMPTY, tmp_path / "target")


def write_backup(put, days_ago, *contents):
    name = (NOW - dt.timedelta(days=days_ago)).strftime(manifest.NAME)
    digests = {text: hashlib.sha256(text.encode()).hexdigest() for text in contents}
    for text, digest in digests.items():
        put(manifest.blob(digest), text.encode())
    put(f"backups/{name}/database.dump", b"")
    put(f"backups/{name}/manifest.json", made(name, **digests).model_dump_json().encode())
    return name


def kept(store):
    return {content(store, entry.name).decode() for entry in store.entries("blobs/")}


def test_old_backups_are_deleted_with_files_that_only_they_need(store, put):
    old = write_backup(put, 40, "old", "both")
    young = write_backup(put, 5, "both", "young")

    gone = backup.prune(store, keep_days=30, now=NOW)

    assert gone == [old]
    assert manifest.names(store) == [young]
    assert kept(store) == {"both", "young"}


def test_an_old_unfinished_backup_is_deleted_too(store, put):
    old, now = write_backup(put, 40, "old"), write_backup(put, 0, "now")
    for name in (old, now):
        store.delete(f"backups/{name}/manifest.json")
    put("backups/2016 notes/README", b"of somebody")
    young = write_backup(put, 5, "young")

    gone = backup.prune(store, keep_days=30, now=NOW)

    assert gone == [old]
    assert {entry.name.split("/")[1] for entry in store.entries("backups/")} == {
        young,
        now,
        "2016 notes",
    }


def test_the_newest_backup_stays_at_any_age(store, put):
    write_backup(put, 50, "older")
    newest = write_backup(put, 40, "old")

    backup.prune(store, keep_days=30, now=NOW)

    assert manifest.names(store) == [newest]
    assert kept(store) == {"old"}
    assert content(store, f"backups/{newest}/database.dump") == b""


def test_nothing_is_deleted_if_no_backup_is_old(store, put):
    write_backup(put, 5, "a")
    put(manifest.blob(EMPTY), b"")  # of a running backup

    assert backup.prune(store, keep_days=30, now=NOW) == []
    assert kept(store) == {"a", ""}


rows = st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=3)
databases = st.dictionaries(st.sampled_from(["runs", "tags"]), rows, max_size=2)


@given(databases)
def test_a_database_does_not_differ_from_itself(database):
    assert list(verify.differences_in_database(database, database)) == []


@given(databases, databases)
def test_every_recorded_row_is_compared(recorded, found):
    differences = list(verify.differences_in_database(recorded, found))

    same = sum(
        found.get(table, {}).get(owner) == digest
        for table, owners in recorded.items()
        for owner, digest in owners.items()
    )
    assert len(differences) == sum(map(len, recorded.values())) - same


def test_a_row_newer_than_the_backup_is_no_difference():
    assert list(verify.differences_in_database({"runs": {}}, {"runs": {"a": "1"}})) == []


@pytest.mark.parametrize(
    ("found", "line"), [({}, "runs: a is missing"), ({"a": "2"}, "runs: a changed")]
)
def test_a_difference_names_the_table_and_the_run(found, line):
    assert list(verify.differences_in_database({"runs": {"a": "1"}}, {"runs": found})) == [line]


def version(key, minute, number, *, latest=False):
    return {
        "Key": key,
        "LastModified": NOW + dt.timedelta(minutes=minute),
        "VersionId": number,
        "IsLatest": latest,
    }


def lost(versions=(), markers=()):
    return list(rewind.lost_since(NOW, versions, markers))


def test_an_unchanged_object_is_not_lost():
    assert lost([version("a", -1, "1", latest=True)]) == []


def test_an_object_deleted_after_the_time_is_lost():
    assert lost([version("a", -1, "1")], [version("a", 1, "2", latest=True)]) == [("a", "1")]


def test_an_object_replaced_after_the_time_is_lost_in_its_newest_earlier_version():
    versions = [version("a", 1, "3", latest=True), version("a", -1, "2"), version("a", -2, "1")]

    assert lost(versions) == [("a", "2")]


def test_an_object_deleted_before_the_time_is_not_restored():
    assert lost([version("a", -2, "1")], [version("a", -1, "2", latest=True)]) == []


def test_within_one_second_the_newest_version_is_restored():
    versions = [version("a", -1, "2"), version("a", -1, "1")]  # as S3 lists them

    assert lost(versions, [version("a", 1, "3", latest=True)]) == [("a", "2")]


def test_an_object_deleted_and_stored_in_one_second_existed():
    at_once = [version("a", -1, "2"), version("a", -2, "1")], [version("a", -1, "x")]

    assert lost(at_once[0], [*at_once[1], version("a", 1, "y", latest=True)]) == [("a", "2")]


def test_an_object_deleted_before_and_stored_after_the_time_is_not_touched():
    versions = [version("a", 1, "3", latest=True), version("a", -2, "1")]

    assert lost(versions, [version("a", -1, "2")]) == []


def test_an_object_made_after_the_time_is_not_touched():
    assert lost([version("a", 1, "1", latest=True)]) == []


@pytest.fixture
def settings():
    own = {"MLFLOW_S3_ENDPOINT_URL": "http://artifacts:1", "BACKUP_PROFILE": "backups"}
    return Settings.read(SETTINGS | own)


@pytest.mark.parametrize("address", ["", "backups", "./backups", "gs://bucket/backups"])
def test_backups_are_in_a_folder_or_a_bucket(settings, address):
    with pytest.raises(ServerError, match="expected a folder from / on or s3://bucket/prefix"):
        stores.archive(settings, address)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", r".*backups.* could not be found"), ("aws_access_key_id = a", "Partial credentials")],
)
def test_a_missing_profile_is_named(settings, tmp_path, monkeypatch, text, reason):
    (tmp_path / "config").write_text(f"[profile backups]\n{text}\n" if text else "")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    with pytest.raises(ServerError, match=f"BACKUP_PROFILE: {reason}"):
        stores.archive(settings, "s3://other/backups")


@pytest.mark.parametrize(
    ("lines", "endpoint", "region"),
    [
        (["endpoint_url = http://other:9", "region = eu-west-3"], "http://other:9", "eu-west-3"),
        (
            ["aws_access_key_id = a", "aws_secret_access_key = b"],
            "http://artifacts:1",
            "eu-central-1",
        ),
    ],
)
def test_a_profile_may_have_an_s3_and_a_region_of_its_own(
    settings, tmp_path, monkeypatch, lines, endpoint, region
):
    config = tmp_path / "config"
    config.write_text("\n".join(["[profile backups]", *lines, ""]))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    client = stores.archive(settings, "s3://other/backups").client

    assert (client.meta.endpoint_url, client.meta.region_name) == (endpoint, region)
