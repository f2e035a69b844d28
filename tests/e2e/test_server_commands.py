"""What an administrator types on a machine of the server: accounts and permissions."""

import pytest
import requests


@pytest.fixture
def created(stack):
    made = stack.command("account", "edith")
    yield made
    stack.command("account", "--delete", "edith")


def password(done):
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("account edith has")]
    return line.rpartition(" ")[2]


def status(stack, done, path="experiments/get-by-name?experiment_name=Default"):
    answer = requests.get(
        f"{stack.address}/api/2.0/mlflow/{path}",
        auth=("edith", password(done)),
        verify=str(stack.tls.authority),
        timeout=60,
    )
    return answer.status_code


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


def test_a_grant_to_nobody_is_refused_in_one_line(stack):
    done = stack.command("grant", "nobody", "READ")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_a_wrong_password_of_the_admin_is_told(stack):
    done = stack.command("grant", "nobody", "READ", environment={"MLFLOW_TRACKING_PASSWORD": "x"})

    assert done.returncode == 1
    assert "the server does not let admin in" in done.stderr
