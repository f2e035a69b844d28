"""A tracking server whose backend store is PostgreSQL, and the script that installs one."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from postgresql import INSTALL, REFUSED

NOBODY = 65534


@pytest.fixture(scope="module")
def team(project, postgresql_server):
    url, _ = postgresql_server
    on_server = replace(project.with_variables({"MLFLOW_TRACKING_URI": url}), store=url)
    return on_server.within("postgresql")


@pytest.fixture(scope="module")
def trained(team):
    return team.step("train_dt")


@pytest.fixture
def query(database):
    """Ask the database itself for rows."""
    with contextlib.closing(psycopg2.connect(database.replace("+psycopg2", ""))) as connection:

        def query(sql, *values):
            with connection.cursor() as cursor:
                cursor.execute(sql, values)
                return cursor.fetchall()

        yield query


def test_a_run_finishes(team, trained):
    assert trained.exit_code == 0, trained.stderr
    assert team.status(trained.run_id) == "FINISHED"


def test_a_run_has_its_record_and_results(team, trained):
    record = team.record(trained.run_id)

    assert record["step"]["entry_point"] == "train_dt"
    assert record["outputs"] != []
    assert team.metrics(trained.run_id) != {}


def test_the_artifacts_are_in_the_servers_folder(postgresql_server, team, trained):
    _, folder = postgresql_server

    (record,) = folder.rglob(f"{trained.run_id}/artifacts/provenance.json")

    assert record.read_bytes() == team.artifact(trained.run_id, "provenance.json")


def test_a_run_is_a_row_of_the_database(query, trained):
    rows = query("SELECT count(*) FROM runs WHERE run_uuid = %s", trained.run_id)

    assert rows == [(1,)]


def installed(programs, *, path, user=None):
    """Run the script as where PostgreSQL's programs are in a folder, and commands in a path."""
    with INSTALL.open() as script:
        return subprocess.run(
            [shutil.which("bash"), "-s"],
            stdin=script,
            env={"PG_ROOT": str(programs), "PATH": str(path)},
            user=user,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )


def test_the_script_does_nothing_where_the_programs_are(tmp_path):
    initdb = tmp_path / "15/bin/initdb"
    initdb.parent.mkdir(parents=True)
    initdb.touch()

    done = installed(tmp_path, path=tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_script_refuses_where_there_is_no_apt_get(tmp_path):
    done = installed(tmp_path, path=tmp_path)

    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert "no apt-get" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_script_refuses_who_is_not_root():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # pytest's folders are closed to others
        apt_get = Path(folder, "apt-get")
        apt_get.write_text("#!/bin/sh\nexit 1\n")
        apt_get.chmod(0o755)

        done = installed(folder, path=folder, user=NOBODY if os.geteuid() == 0 else None)

    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert "only root" in done.stderr
    assert done.stderr.count("\n") == 1
