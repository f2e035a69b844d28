"""Settings of the server: wrong ones are refused in one line, and secrets are never shown."""

import json
from pathlib import Path

import boto3
import pytest
from complete_settings import STRONG
from moto import mock_aws

from deploy.server import __main__ as command
from deploy.server.errors import ServerError
from deploy.server.settings import Settings

GOOD = {
    "SERVER_NAME": "mlflow.example.org",
    "ALLOWED_NETWORKS": "10.0.0.0/8, 2001:db8::/32",
    "PGHOST": "database.example.org",
    "PGPASSWORD": STRONG,
    "PGSSLROOTCERT": "/etc/mlflow/database-ca.pem",
    "ARTIFACTS": "s3://bucket/artifacts",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "MLFLOW_AUTH_ADMIN_PASSWORD": STRONG[::-1],
    "MLFLOW_FLASK_SERVER_SECRET_KEY": STRONG * 2,
}
SECRETS = ("PGPASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "env"


def read(file, **changes):
    values = {**GOOD, **changes}
    lines = [f"{name}={value}" for name, value in values.items() if value is not None]
    file.write_text("\n".join(lines) + "\n")
    return Settings.read({"MLFLOW_SERVER_SETTINGS": str(file)})


def refusal(file, **changes):
    with pytest.raises(ServerError) as refused:
        read(file, **changes)
    text = str(refused.value)
    assert "\n" not in text
    return text


def test_complete_settings_are_read(file):
    settings = read(file)

    assert settings.address == "https://mlflow.example.org"
    assert [str(network) for network in settings.allowed_networks] == [
        "10.0.0.0/8",
        "2001:db8::/32",
    ]


def test_the_environment_overrides_the_file(file):
    read(file)
    environment = {"MLFLOW_SERVER_SETTINGS": str(file), "PORT": "8443"}

    assert Settings.read(environment).address == "https://mlflow.example.org:8443"


def test_other_variables_of_the_environment_are_no_settings(file):
    read(file)

    Settings.read({"MLFLOW_SERVER_SETTINGS": str(file), "PATH": "/bin", "HOME": "/root"})


@pytest.mark.parametrize("name", sorted({*GOOD} - {"PGSSLROOTCERT"}))
def test_a_missing_setting_is_named(file, name):
    assert f"{name} is missing" in refusal(file, **{name: None})


@pytest.mark.parametrize("name", sorted({*GOOD} - {"PGSSLROOTCERT"}))
def test_an_empty_setting_is_a_missing_one(file, name):
    assert f"{name} is missing" in refusal(file, **{name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVER_NAME", "https://mlflow.example.org"),
        ("SERVER_NAME", "mlflow.example.org; return 200"),
        ("ALLOWED_NETWORKS", "10.0.0.1/8"),
        ("ALLOWED_NETWORKS", "everybody"),
        ("ARTIFACTS", "/var/artifacts"),
        ("ARTIFACTS", "s3://bucket"),
        ("ARTIFACTS", "s3://bucket/artifacts/"),
        ("MLFLOW_S3_ENDPOINT_URL", "s3.example.org"),
        ("MLFLOW_S3_ENDPOINT_URL", "https://s3.example.org/bucket"),
        ("BACKUP_TO", "backups"),
        ("BACKUP_TO", "gs://bucket/backups"),
        ("BACKUP_TO", '/srv/"backups"'),
        ("PGSSLMODE", "disable"),
        ("PGSSLMODE", "prefer"),
        ("PORT", "0"),
        ("PORT", "https"),
        ("BACKUP_KEEP_DAYS", "0"),
    ],
)
def test_a_wrong_setting_is_named(file, name, value):
    assert refusal(file, **{name: value}).startswith(f"{name}: ")


def test_a_misspelt_setting_in_the_file_is_named(file):
    assert "ALOWED_NETWORKS is no setting" in refusal(file, ALOWED_NETWORKS="10.0.0.0/8")


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_of_the_keys_are_refused(file, name):
    text = refusal(file, **{name: STRONG})

    assert text.startswith("expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither")
    assert STRONG not in text


def test_a_binary_file_is_refused(file):
    file.write_bytes(b"SERVER_NAME=\xff\n")

    with pytest.raises(ServerError, match="the settings cannot be read"):
        Settings.read({"MLFLOW_SERVER_SETTINGS": str(file)})


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "weak",
    ["short", "a" * 40, "password-password-1", "Change-me-please-now", "abababababababababab"],
)
def test_a_weak_secret_is_refused_and_not_shown(file, name, weak):
    text = refusal(file, **{name: weak})

    assert text.startswith(f"{name}: expected a secret of at least 16 characters")
    assert weak not in text


def test_printed_settings_hold_no_secret(file):
    settings = read(file)

    assert STRONG not in repr(settings) + str(settings)


def test_programs_get_the_secrets_by_their_environment(file):
    variables = read(file).environment()

    assert variables["PGPASSWORD"] == STRONG
    assert variables["PGSSLMODE"] == "verify-full"
    assert "AWS_ACCESS_KEY_ID" not in variables
    assert not {name for name in variables if name.startswith(("SERVER", "TLS", "BACKUP"))}


def test_the_example_lacks_nothing_but_the_secrets(tmp_path):
    example = Path(command.__file__).with_name("env.example")

    with pytest.raises(ServerError) as refused:
        Settings.read({"MLFLOW_SERVER_SETTINGS": str(example)})

    missing = [part.split()[0] for part in str(refused.value).split("; ")]
    assert sorted(missing) == sorted(SECRETS)


def test_the_example_names_every_setting_of_a_machine():
    text = Path(command.__file__).with_name("env.example").read_text()
    left_out = {"LISTEN", "PORT", "RUN_FOLDER", "MLFLOW_AUTH_ADMIN_USERNAME"}

    for name in {name.upper() for name in Settings.model_fields} - left_out:
        assert f"\n{name}=" in text or f"\n#{name}=" in text


class TestSecretsManager:
    """Secrets of AWS, in an emulated one."""

    @pytest.fixture
    def secret(self, monkeypatch):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        with mock_aws():
            client = boto3.client("secretsmanager", region_name="eu-west-1")

            def secret(text):
                return client.create_secret(Name="one", SecretString=text)["ARN"]

            yield secret

    def test_a_secret_is_fetched_whole(self, file, secret):
        settings = read(file, PGPASSWORD=None, PGPASSWORD_SECRET=secret(STRONG))

        assert settings.pgpassword.get_secret_value() == STRONG

    def test_a_key_of_a_secret_is_fetched(self, file, secret):
        arn = secret(json.dumps({"username": "mlflow", "password": STRONG}))

        settings = read(file, PGPASSWORD=None, PGPASSWORD_SECRET=f"{arn}#password")

        assert settings.pgpassword.get_secret_value() == STRONG

    def test_a_weak_secret_from_aws_is_refused_too(self, file, secret):
        text = refusal(file, PGPASSWORD=None, PGPASSWORD_SECRET=secret("weak"))

        assert "found a weak one" in text

    def test_a_secret_is_fetched_by_its_name_with_the_keys_and_the_region_of_the_file(
        self, file, secret, monkeypatch
    ):
        secret(STRONG)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        own = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": STRONG}

        settings = read(
            file,
            PGPASSWORD=None,
            PGPASSWORD_SECRET="one",
            AWS_DEFAULT_REGION="eu-west-1",
            **own,
        )

        assert settings.pgpassword.get_secret_value() == STRONG

    def test_the_keys_of_another_s3_are_not_shown_to_aws(self, file, secret, monkeypatch):
        arn = secret(STRONG)
        own = {"AWS_ACCESS_KEY_ID": "AKIAOTHER", "AWS_SECRET_ACCESS_KEY": STRONG}
        shown = []
        client = boto3.client
        monkeypatch.setattr(boto3, "client", lambda *a, **w: shown.append(w) or client(*a, **w))

        read(
            file,
            PGPASSWORD=None,
            PGPASSWORD_SECRET=arn,
            MLFLOW_S3_ENDPOINT_URL="https://s3.example.org",
            **own,
        )

        assert shown == [{"region_name": "eu-west-1"}]

    @pytest.mark.parametrize("arn", ["arn:x", "arn:aws:secretsmanager", "no secret"])
    def test_a_text_that_is_no_arn_is_named(self, file, secret, arn):
        text = refusal(file, PGPASSWORD=None, PGPASSWORD_SECRET=arn)

        assert "PGPASSWORD_SECRET names a secret that cannot be read" in text

    def test_a_missing_key_is_named(self, file, secret):
        arn = secret(json.dumps({"user": "mlflow"}))

        text = refusal(file, PGPASSWORD=None, PGPASSWORD_SECRET=f"{arn}#password")

        assert "PGPASSWORD_SECRET: expected a secret whose JSON has the key 'password'" in text

    def test_a_secret_that_cannot_be_read_is_named(self, file, secret):
        arn = secret(STRONG).replace("one", "two")

        text = refusal(file, PGPASSWORD=None, PGPASSWORD_SECRET=arn)

        assert "PGPASSWORD_SECRET names a secret that cannot be read" in text


def test_the_command_reports_the_problem_in_one_line(file, monkeypatch, capsys):
    read(file)
    file.write_text(file.read_text().replace("s3://bucket/artifacts", "bucket"))
    monkeypatch.setenv("MLFLOW_SERVER_SETTINGS", str(file))
    monkeypatch.setattr("sys.argv", ["mlflow-server", "check"])

    code = command.main()

    assert code == 1
    output = capsys.readouterr()
    assert output.err.startswith("mlflow-server check: ARTIFACTS: ")
    assert output.err.count("\n") == 1
    assert output.out == ""
