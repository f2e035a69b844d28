"""Backup, loss of everything, restore, and verification, on a real server; and back in time."""

import datetime as dt
import hashlib
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from driving import Variables
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from stacks import new_account, new_stack

pytestmark = pytest.mark.drill("deploy/server", "deploy/dev", "tests/e2e/stacks.py")

RUNS = 200
THREADS = 8
LARGE = 12_000_000  # more than one part of an upload


@pytest.fixture(scope="module")
def doomed():
    """A server of this module's own, which is going to lose everything."""
    with new_stack() as stack, pytest.MonkeyPatch.context() as patch:
        for name, value in stack.client().items():
            patch.setenv(name, value)
        yield stack


@pytest.fixture(scope="module")
def client(doomed):
    return MlflowClient(doomed.address, doomed.address)


@pytest.fixture(scope="module")
def account(doomed):
    return new_account(doomed, "grace")


@pytest.fixture(scope="module")
def logged(client, tmp_path_factory):
    """Runs of all kinds: per run its parameters, history of a metric, status, and digests."""
    experiment = client.create_experiment("history")
    folder = tmp_path_factory.mktemp("logged")

    def log(number):
        chance = random.Random(number)
        run = client.create_run(experiment, tags={"number": str(number)})
        run_id = run.info.run_id
        client.log_param(run_id, "number", number)
        history = [chance.random() for _ in range(3)]
        for step, value in enumerate(history):
            client.log_metric(run_id, "loss", value, step=step, timestamp=step)
        sizes = [0, chance.randrange(1, 20_000), LARGE if number % 50 == 0 else 7]
        digests = {}
        for place, size in enumerate(sizes):
            path = folder / f"{number}-{place}.bin"
            path.write_bytes(chance.randbytes(size))
            digests[f"files/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
            client.log_artifact(run_id, str(path), "files")
            path.unlink()
        status = chance.choice(["FINISHED", "FAILED", "KILLED"])
        client.set_terminated(run_id, status)
        if number % 40 == 7:
            client.delete_run(run_id)  # as far as MLflow deletes one
        return run_id, {"history": history, "status": status, "digests": digests}

    with ThreadPoolExecutor(THREADS) as pool:
        runs = dict(pool.map(log, range(RUNS)))
    client.create_registered_model("tree")
    first = next(iter(runs))
    version = client.create_model_version("tree", f"runs:/{first}/files", run_id=first)
    client.set_registered_model_alias("tree", "champion", version.version)
    return runs


@pytest.fixture(scope="module")
def backed_up(doomed, account, logged):
    return doomed.command("backup")


@pytest.fixture(scope="module")
def lost(doomed, backed_up):
    """Nothing is left of the database and the bucket but their names."""
    doomed.stop_servers()
    doomed.database.execute("DROP DATABASE mlflow")
    empty(doomed.s3.client("owner"), "mlflow")
    doomed.s3.client("owner").delete_bucket(Bucket="mlflow")
    doomed.make_database()
    doomed.make_bucket()
    return doomed


@pytest.fixture(scope="module")
def restored(lost):
    done = lost.command("restore")
    lost.start_servers()
    return done


def empty(s3, bucket):
    """Delete every version of every object."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for found in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
            s3.delete_object(Bucket=bucket, Key=found["Key"], VersionId=found["VersionId"])


def digest_of(run_id, name, folder):
    path = download_artifacts(run_id=run_id, artifact_path=name, dst_path=folder)
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_a_backup_says_what_it_holds(backed_up):
    assert backed_up.returncode == 0, backed_up.stderr
    assert f"{RUNS} runs, {3 * RUNS} artifacts" in backed_up.stdout


def test_a_second_backup_stores_only_what_is_new(doomed, backed_up):
    def blobs():
        return {p.name: p.stat().st_mtime_ns for p in doomed.folder.glob("backups/blobs/*/*")}

    before = blobs()
    done = doomed.command("backup")

    assert done.returncode == 0, done.stderr
    assert blobs() == before
    assert len(list(doomed.folder.glob("backups/backups/*/manifest.json"))) == 2


def test_a_restore_refuses_a_database_with_something_in_it(doomed, backed_up):
    done = doomed.command("restore")

    assert done.returncode == 1
    assert "expected an empty database, found" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_restore_refuses_a_bucket_with_something_in_it(lost):
    lost.s3.client("owner").put_object(Bucket="mlflow", Key="artifacts/one", Body=b"1")

    done = lost.command("restore")
    empty(lost.s3.client("owner"), "mlflow")

    assert done.returncode == 1
    assert "expected nothing in s3://mlflow/artifacts, found files there" in done.stderr
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert lost.database.execute(tables, "mlflow") == "0"


def test_a_backup_of_an_empty_database_is_refused_before_anything_is_stored(lost):
    before = sorted(lost.folder.glob("backups/backups/*"))

    done = lost.command("backup")

    assert done.returncode == 1
    assert "the database has no tables; has the server ever run?" in done.stderr
    assert sorted(lost.folder.glob("backups/backups/*")) == before


def test_everything_is_there_after_a_restore(doomed, restored):
    assert restored.returncode == 0, restored.stderr

    done = doomed.command("verify")

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{3 * RUNS} files read" in done.stdout
    assert f"login, {RUNS} runs, 1 registered models" in done.stdout


def test_a_client_sees_every_run_as_it_was_logged(restored, client, logged):
    def now(run_id):
        history = [metric.value for metric in client.get_metric_history(run_id, "loss")]
        return history, client.get_run(run_id).info.status

    with ThreadPoolExecutor(THREADS) as pool:
        found = dict(zip(logged, pool.map(now, logged), strict=True))

    assert found == {run: (each["history"], each["status"]) for run, each in logged.items()}


def test_a_client_gets_the_artifacts_that_were_logged(restored, client, logged, tmp_path):
    for run_id in list(logged)[::10]:  # a large one among them; `verify` reads them all
        folder = tmp_path / run_id
        folder.mkdir()
        entries = client.list_artifacts(run_id, "files")
        found = {entry.path: digest_of(run_id, entry.path, folder) for entry in entries}

        assert found == logged[run_id]["digests"]


def test_an_alias_names_its_version(restored, client):
    assert client.get_model_version_by_alias("tree", "champion").version == "1"


def test_an_account_logs_in(doomed, restored, account):
    def status(password):
        where = f"{doomed.address}/api/2.0/mlflow/users/get?username={account.name}"
        auth = (account.name, password)
        return requests.get(where, auth=auth, verify=str(doomed.tls.authority), timeout=60)

    assert status(account.password).status_code == 200
    assert status(account.password + "x").status_code == 401


def test_verify_names_a_run_whose_metric_is_gone(doomed, restored, logged):
    run_id = next(iter(logged))
    saved = "SELECT json_agg(m) FROM metrics m WHERE run_uuid = '{}' AND step = 1"
    rows = doomed.database.execute(saved.format(run_id), "mlflow")
    doomed.database.execute(
        f"DELETE FROM metrics WHERE run_uuid = '{run_id}' AND step = 1", "mlflow"
    )

    done = doomed.command("verify")
    put_back = f"INSERT INTO metrics SELECT * FROM json_populate_recordset(NULL::metrics, '{rows}')"
    doomed.database.execute(put_back, "mlflow")

    assert done.returncode == 1
    assert f"metrics: {run_id} changed" in done.stdout
    assert doomed.command("verify").returncode == 0


@pytest.mark.parametrize("damage", ["changed", "is missing"])
def test_verify_names_an_artifact_that_is_damaged(doomed, restored, client, logged, damage):
    run_id = list(logged)[1]
    s3 = doomed.s3.client("owner")
    prefix = f"artifacts/{client.get_run(run_id).info.experiment_id}/{run_id}"
    key = s3.list_objects_v2(Bucket="mlflow", Prefix=prefix)["Contents"][1]["Key"]
    content = s3.get_object(Bucket="mlflow", Key=key)["Body"].read()
    if damage == "changed":
        s3.put_object(Bucket="mlflow", Key=key, Body=content[:-1] + b"!")
    else:
        s3.delete_object(Bucket="mlflow", Key=key)

    done = doomed.command("verify")
    s3.put_object(Bucket="mlflow", Key=key, Body=content)

    assert done.returncode == 1
    assert f"artifact {key.removeprefix('artifacts/')} {damage}" in done.stdout


def test_a_damaged_backup_is_not_restored(lost, restored):
    blob = max(lost.folder.glob("backups/blobs/*/*"), key=lambda path: path.stat().st_size)
    content = blob.read_bytes()
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    lost.database.execute("CREATE DATABASE other OWNER mlflow")
    other = {"PGDATABASE": "other", "ARTIFACTS": "s3://mlflow/artifacts/other"}

    done = lost.command("restore", environment=other)
    blob.write_bytes(content)

    assert done.returncode == 1
    assert f"blobs/{blob.name[:2]}/{blob.name} of the backup is damaged" in done.stderr
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert lost.database.execute(tables, "other") == "0"


def test_the_database_and_the_bucket_go_back_to_before_a_deletion(
    doomed, restored, client, logged, tmp_path
):
    base = doomed.database.base_backup()
    gone = [run_id for run_id in logged if client.get_run(run_id).info.lifecycle_stage == "active"]
    gone = gone[:20]
    before = dt.datetime.now(dt.UTC)
    for run_id in gone:
        doomed.database.execute(f"DELETE FROM tags WHERE run_uuid = '{run_id}'", "mlflow")
        client.delete_run(run_id)
    s3 = doomed.s3.client("owner")
    for run_id in gone:
        prefix = f"artifacts/{client.get_run(run_id).info.experiment_id}/{run_id}"
        for found in s3.list_objects_v2(Bucket="mlflow", Prefix=prefix)["Contents"]:
            s3.delete_object(Bucket="mlflow", Key=found["Key"])
    doomed.stop_servers()

    doomed.database.recover(base, before)
    rewound = doomed.command(
        *("rewind", "--to", before.isoformat(), "--profile", "owner"),
        environment=profile("owner", doomed.s3.user("owner"), tmp_path),
    )
    doomed.start_servers()

    assert rewound.returncode == 0, rewound.stderr
    assert "brought back 60 artifacts" in rewound.stdout
    verified = doomed.command("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    for run_id in gone:
        assert client.get_run(run_id).info.lifecycle_stage == "active"
        assert "number" in client.get_run(run_id).data.tags


def test_the_servers_own_credentials_cannot_rewind(doomed, restored):
    done = doomed.command("rewind", "--to", "2026-01-01T00:00:00+00:00")

    assert done.returncode == 1
    assert "may not read old versions" in done.stderr
    assert done.stderr.count("\n") == 1


def profile(name, keys, folder):
    """Return variables by which boto3 finds a profile of a user."""
    path = folder / "credentials"
    lines = [f"[{name}]", *(f"{key} = {value}" for key, value in keys.items())]
    path.write_text("\n".join(lines) + "\n")
    return Variables({"AWS_SHARED_CREDENTIALS_FILE": str(path)})


def test_a_backup_goes_to_another_s3_and_comes_back(doomed, restored, tmp_path):
    s3 = doomed.s3.client("owner")
    s3.create_bucket(Bucket="elsewhere")
    told = profile("other", doomed.s3.user("owner"), tmp_path)
    config = tmp_path / "config"
    config.write_text(f"[profile other]\nendpoint_url = {doomed.s3.endpoint}\n")
    told |= {
        "AWS_CONFIG_FILE": str(config),
        "BACKUP_PROFILE": "other",
        "BACKUP_TO": "s3://elsewhere/of/mlflow",
        "MLFLOW_S3_ENDPOINT_URL": doomed.s3.endpoint,
    }

    made = doomed.command("backup", environment=told)
    verified = doomed.command("verify", environment=told)

    assert made.returncode == 0, made.stderr
    assert verified.returncode == 0, verified.stdout + verified.stderr
    kept = s3.list_objects_v2(Bucket="elsewhere", Prefix="of/mlflow/blobs/")["KeyCount"]
    assert kept == len(list(doomed.folder.glob("backups/blobs/*/*")))
    other = {"PGDATABASE": "third", "ARTIFACTS": "s3://mlflow/artifacts/third"}
    doomed.database.execute("CREATE DATABASE third OWNER mlflow")
    assert doomed.command("restore", environment=told | other).returncode == 0


def test_old_backups_are_deleted_with_what_only_they_need(doomed, restored):
    archive = doomed.folder / "backups"
    newest = max(archive.glob("backups/*/manifest.json"))
    only = hashlib.sha256(b"only").hexdigest()
    orphan = archive / "blobs" / only[:2] / only
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"only")
    old = json.loads(newest.read_text()) | {"name": "2016-01-01T000000.000000Z"}
    old["artifacts"] = {"a": {"size": 4, "mark": "", "sha256": only}}
    (archive / "backups" / old["name"]).mkdir()
    (archive / "backups" / old["name"] / "manifest.json").write_text(json.dumps(old))

    done = doomed.command("backup")

    assert "deleted 1 older than 30 days" in done.stdout
    assert not orphan.exists()
    assert doomed.command("verify").returncode == 0


@pytest.fixture(scope="module")
def stopped(doomed, restored):
    """The server, with its MLflow servers stopped for good: the last tests of this module."""
    doomed.stop_servers()
    return doomed


def test_verify_tells_when_the_server_is_down(stopped):
    done = stopped.command("verify")

    assert done.returncode == 1
    assert "expected an MLflow server on this machine, found none that answers" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_server_refuses_the_tables_of_another_version_of_mlflow(stopped):
    sql = stopped.database.execute
    now = sql("SELECT version_num FROM alembic_version", "mlflow")
    sql("UPDATE alembic_version SET version_num = 'b7e4c1a90f23'", "mlflow")  # of MLflow 3.14

    done = stopped.command("serve", "1")
    sql(f"UPDATE alembic_version SET version_num = '{now}'", "mlflow")

    assert done.returncode == 1
    assert "Detected out-of-date database schema (found version b7e4c1a90f23" in done.stderr
    assert done.stderr.rstrip().endswith("Back up, then: mlflow-server migrate")
    assert "Traceback" not in done.stderr


def test_a_server_refuses_the_accounts_of_another_version_of_mlflow(stopped):
    sql = stopped.database.execute
    now = sql("SELECT version_num FROM alembic_version_auth", "mlflow")
    sql("UPDATE alembic_version_auth SET version_num = '8606fa83a998'", "mlflow")  # the first

    done = stopped.command("serve", "1")
    found = sql("SELECT version_num FROM alembic_version_auth", "mlflow")
    sql(f"UPDATE alembic_version_auth SET version_num = '{now}'", "mlflow")

    assert done.returncode == 1
    assert f"tables of revision {now}, found 8606fa83a998. Back up, then:" in done.stderr
    assert "Traceback" not in done.stderr
    assert found == "8606fa83a998"


def test_tables_of_this_version_stay_as_they_are(stopped):
    migrated = stopped.command("migrate")

    assert migrated.returncode == 0, migrated.stderr
    assert "ok      database: " in stopped.command("verify").stdout
