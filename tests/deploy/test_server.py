"""The programs on a machine of the server, and nginx in front of them."""

import inspect
import re
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
from complete_settings import SETTINGS, STRONG

from deploy.server import nginx, serve
from deploy.server.__main__ import _parser
from deploy.server.settings import PRINTED, Settings, setting

COMMANDS = _parser()._subparsers._group_actions[0].choices
SERVER = Path(serve.__file__).parent
UNITS = ("mlflow@.service", "mlflow-backup.service", "mlflow-backup.timer")


@pytest.fixture
def settings():
    return Settings.read(SETTINGS)


def test_no_secret_is_on_a_servers_command_line(settings):
    words = " ".join(serve.command(settings, 1))

    assert STRONG not in words
    assert STRONG[::-1] not in words
    assert "--backend-store-uri postgresql+psycopg2:// " in words


def test_a_server_has_accounts_and_answers_to_its_own_name(settings):
    words = " ".join(serve.command(settings, 1))

    assert "--app-name basic-auth" in words
    assert "--allowed-hosts mlflow.example.org " in words
    assert "--cors-allowed-origins https://mlflow.example.org " in words


def test_a_server_runs_no_code_for_clients(settings):
    assert serve.environment(settings)["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_a_user_without_a_permission_sees_nothing():
    assert "default_permission = NO_PERMISSIONS\n" in (SERVER / "auth.ini").read_text()


def test_each_server_has_a_socket_that_nginx_knows(settings):
    text = nginx.render(settings)

    for number in nginx.SERVERS:
        assert f"server unix:{serve.socket(settings, number)} " in text
        assert str(serve.socket(settings, number)) in " ".join(serve.command(settings, number))


def test_nginx_admits_only_the_networks_of_the_settings(settings):
    allowed = re.findall(r"^\s*(allow|deny) (.*);$", nginx.render(settings), re.MULTILINE)

    assert allowed == [("allow", "10.0.0.0/8"), ("allow", "192.0.2.0/24"), ("deny", "all")]


@pytest.mark.parametrize(
    ("listen", "line"), [("*", "listen 443 ssl"), ("127.0.0.1", "listen 127.0.0.1:443 ssl")]
)
def test_nginx_listens_on_the_address_of_the_settings(listen, line):
    assert line in nginx.render(Settings.read(SETTINGS | {"LISTEN": listen}))


def test_nginx_listens_on_ipv6_if_an_ipv6_network_is_allowed():
    both = Settings.read(SETTINGS | {"ALLOWED_NETWORKS": "10.0.0.0/8,2001:db8::/32"})

    assert "listen [::]:443 ssl" in nginx.render(both)
    assert "[::]" not in nginx.render(Settings.read(SETTINGS))


def test_no_secret_is_printed_for_scripts(settings, capsys):
    for name in PRINTED:
        setting(settings, name)

    printed = capsys.readouterr().out
    assert "mlflow.example.org\n" in printed
    assert STRONG not in printed
    assert STRONG[::-1] not in printed


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_one_that_systemd_understands(name, tmp_path):
    if subprocess.run(["which", "systemd-analyze"], capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: systemd is not here")
    for unit in UNITS:
        text = (SERVER / unit).read_text().replace("/opt/mlflow/venv/bin/python", "/bin/true")
        (tmp_path / unit.replace("@", "@1")).write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / name.replace("@", "@1")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", UNITS[:2])
def test_a_unit_is_sandboxed(name, tmp_path):
    if subprocess.run(["which", "systemd-analyze"], capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: systemd is not here")
    unit = tmp_path / name.replace("@", "@1")
    unit.write_text((SERVER / name).read_text())

    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_is_a_function_that_takes_its_words(name):
    words = {action.dest for action in COMMANDS[name]._actions} - {"help"}
    module, _, function = COMMANDS[name].get_default("does").partition(".")

    parameters = inspect.signature(getattr(import_module(f"deploy.server.{module}"), function))

    assert set(parameters.parameters) == {"settings", *words}


def test_every_command_is_in_the_documentation():
    text = (SERVER.parents[1] / "docs/server.md").read_text()
    inside = {"serve", "nginx", "check", "setting"}  # of `bootstrap` and the units

    assert [name for name in COMMANDS if f"mlflow-server {name}" not in text] == [
        name for name in COMMANDS if name in inside
    ]
