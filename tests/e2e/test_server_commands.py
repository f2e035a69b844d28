"""What an administrator types on a machine of the server: accounts and permissions."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from driving import until
from stacks import ask

from deploy.server import database
from deploy.server.database import Lock
from deploy.server.settings import Settings

pytestmark = pytest.mark.drill("deploy/server", "deploy/dev", "tests/e2e/stacks.py")


@pytest.fixture
def created(stack):
    made = stack.command("account", "edith")
    yield made
    stack.command("account", "--delete", "edith")


def password(done):
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("account edith has")]
    return line.rpartition(" ")[2]


def status(stack, done, path="experiments/get-by-name?experiment_name=Default"):
    return ask(stack, ("edith", password(done)), "GET", f"/api/2.0/mlflow/{path}").status_code


def test_a_new_account_gets_in_and_sees_nothing_of_others(stack, created):
    assert created.returncode == 0, created.stderr

    assert status(stack, created) == 403


def test_who_was_granted_reading_sees_what_others_made(stack, created):
    granted = stack.command("grant", "edith", "READ")

    assert granted.returncode == 0, granted.stderr
    assert status(stack, created) == 200


def test_a_grant_of_one_experiment_is_of_no_other(stack, created, admin):
    mine, other = (admin.create_experiment(f"{name} of the admin") for name in ("one", "other"))

    stack.command("grant", "edith", "READ", "--kind", "experiment", "--on", mine)

    seen = [status(stack, created, f"experiments/get?experiment_id={n}") for n in (mine, other)]
    assert seen == [200, 403]


def test_a_grant_is_changed_by_another_and_taken_back(stack, created, admin):
    experiment = admin.create_experiment("one that is shared")
    name = f"experiments/get?experiment_id={experiment}"
    on = ("--kind", "experiment", "--on", experiment)

    def write():
        path, login = "/api/2.0/mlflow/runs/create", ("edith", password(created))
        return ask(stack, login, "POST", path, json={"experiment_id": experiment}).status_code

    found = []
    for permission in ("READ", "EDIT", "READ", "NONE", "NONE"):
        done = stack.command("grant", "edith", permission, *on)
        found.append((done.returncode, status(stack, created, name), write()))

    assert found == [(0, 200, 403), (0, 200, 200), (0, 200, 403), (0, 403, 403), (0, 403, 403)]


def test_a_grant_on_one_thing_says_what_it_is(stack, created):
    done = stack.command("grant", "edith", "READ", "--on", "7")

    assert done.returncode == 1
    assert "expected --kind experiment or --kind registered_model with --on 7" in done.stderr


def test_a_new_password_takes_the_place_of_the_old_one(stack, created):
    changed = stack.command("account", "--new-password", "edith")

    assert changed.returncode == 0, changed.stderr
    assert password(changed) != password(created)
    assert status(stack, changed, "users/current") == 200


def test_an_account_that_is_there_is_refused_in_one_line(stack, created):
    again = stack.command("account", "edith")

    assert again.returncode == 1
    assert again.stderr.startswith("mlflow-server account: the server refused ")
    assert again.stderr.count("\n") == 1


@pytest.mark.parametrize("permission", ["READ", "NONE"])
def test_a_grant_to_nobody_is_refused_in_one_line(stack, permission):
    done = stack.command("grant", "nobody", permission)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_a_wrong_password_of_the_admin_is_told(stack):
    done = stack.command("grant", "nobody", "READ", environment={"MLFLOW_TRACKING_PASSWORD": "x"})

    assert done.returncode == 1
    assert "the server does not let admin in" in done.stderr


def test_a_folder_that_cannot_be_written_to_is_told_in_one_line(stack, tmp_path):
    (tmp_path / "file").write_text("")

    done = stack.command("backup", "--to", str(tmp_path / "file" / "backups"))

    assert done.returncode == 1
    assert done.stderr.startswith("mlflow-server backup: ")
    assert str(tmp_path) in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def backing_up(stack):
    """A backup is being made; it ends by a call."""
    with contextlib.ExitStack() as end:
        settings = Settings.read(stack._environment())
        end.enter_context(database.alone(settings, Lock.BACKUPS))
        yield end.close


def sessions(stack, *, granted):
    """States of the sessions that hold the lock of backups, or wait for it."""
    return stack.database.execute(
        "SELECT state FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' "
        f"AND objid = {int(Lock.BACKUPS)} AND granted = {granted}"
    ).split("\n")


def test_a_server_starts_while_a_backup_is_made(stack, backing_up):
    number = max(stack.servers)
    stack.servers[number].stop()

    stack.start_server(number)
    stack.await_server(number)

    assert sessions(stack, granted=True) == ["idle"]  # in no transaction, which could time out


def test_a_migration_waits_for_a_backup_that_is_made(stack, backing_up):
    with ThreadPoolExecutor(1) as pool:
        migrated = pool.submit(stack.command, "migrate")
        try:
            until(lambda: sessions(stack, granted=False) == ["active"], what="one that waits")
            done = migrated.done()
        finally:
            backing_up()

    assert not done
    assert migrated.result().returncode == 0
