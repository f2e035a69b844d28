"""The server's settings, from the environment and a file, checked before anything starts."""

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from deploy.server.errors import ServerError

FILE = Path("/etc/mlflow/env")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_FILE_VARIABLE = "MLFLOW_SERVER_SETTINGS"
_SECRET_SUFFIX = "_SECRET"  # noqa: S105
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_REGION = 3  # where it stands in an ARN
_HTTPS = 443
_SHORTEST = 16
_FEWEST_CHARACTERS = 8  # different ones
_GUESSED = re.compile(r"passw|secret|change.?me|example|admin|mlflow|12345|qwert", re.IGNORECASE)
_DOMAIN = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"


def _strong(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if len(text) < _SHORTEST or len(set(text)) < _FEWEST_CHARACTERS or _GUESSED.search(text):
        raise ValueError(
            f"expected a secret of at least {_SHORTEST} characters that is no word, found a weak "
            "one; make one with: openssl rand -base64 32"
        )
    return value


def _words(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


Secret = Annotated[SecretStr, AfterValidator(_strong)]


class Settings(BaseModel):
    """The server's settings, named like their environment variables (see `env.example`).

    A secret `NAME` may also be given as `NAME_SECRET`: the ARN of a secret in AWS Secrets Manager,
    with the key in its JSON after a `#`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=str.upper)

    server_name: Annotated[str, Field(pattern=f"^{_DOMAIN}$")]
    listen: str = "*"
    port: Annotated[int, Field(ge=1, le=65535)] = _HTTPS
    allowed_networks: Annotated[tuple[Network, ...], BeforeValidator(_words), Field(min_length=1)]
    tls_certificate: Path = Path("/etc/mlflow/tls/server.crt")
    tls_key: Path = Path("/etc/mlflow/tls/server.key")

    pghost: Annotated[str, Field(min_length=1)]
    pgport: int = 5432
    pgdatabase: Annotated[str, Field(min_length=1)] = "mlflow"
    pguser: Annotated[str, Field(min_length=1)] = "mlflow"
    pgpassword: Secret
    pgsslmode: Annotated[str, Field(pattern="^(require|verify-ca|verify-full)$")] = "verify-full"
    pgsslrootcert: Path | None = None

    artifacts: Annotated[str, Field(pattern=r"^s3://[a-z0-9.-]+/[^/].*[^/]$")]
    mlflow_s3_endpoint_url: Annotated[str, Field(pattern=r"^(https?://[^/]+/?)?$")] = ""
    aws_default_region: Annotated[str, Field(min_length=1)]
    aws_access_key_id: str = ""
    aws_secret_access_key: SecretStr = SecretStr("")

    mlflow_auth_admin_username: Annotated[str, Field(min_length=1)] = "admin"
    mlflow_auth_admin_password: Secret
    mlflow_flask_server_secret_key: Secret

    run_folder: Path = Path("/run/mlflow")
    backup_to: Annotated[str, Field(pattern=r"""^(/[^"%\\]*|s3://[a-z0-9.-]+(/.*)?)?$""")] = ""
    backup_profile: str = ""
    backup_keep_days: Annotated[int, Field(ge=1)] = 30

    @model_validator(mode="after")
    def _has_both_keys(self) -> Self:
        if bool(self.aws_access_key_id) != bool(self.aws_secret_access_key.get_secret_value()):
            raise ValueError(
                "expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither of them (then "
                "this machine's role is used), found one"
            )
        return self

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the file that MLFLOW_SERVER_SETTINGS names; the environment overrides it.

        Raises
        ------
        ServerError
            If a setting is missing, unknown or wrong, or a secret is weak or cannot be read.
        """
        file = Path(environment.get(_FILE_VARIABLE, FILE))
        try:
            found = dict(dotenv_values(file, interpolate=False)) if file.exists() else {}
        except (OSError, UnicodeDecodeError) as error:
            raise ServerError(
                f"the settings cannot be read: {error}; run as root or mlflow"
            ) from None
        names = {name.upper() for name in cls.model_fields}
        known = names | {name + _SECRET_SUFFIX for name in names}
        found |= {name: value for name, value in environment.items() if name in known}
        values = _with_secrets({name: value for name, value in found.items() if value})
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ServerError(_in_a_line(error, file)) from None

    @property
    def address(self) -> str:
        """URL of the server for clients."""
        return f"https://{self.host}"

    @property
    def host(self) -> str:
        """Host header of the clients' requests."""
        return self.server_name if self.port == _HTTPS else f"{self.server_name}:{self.port}"

    def environment(self) -> dict[str, str]:
        """Return the variables for PostgreSQL's programs, boto3 and MLflow.

        Passwords are not in addresses or command lines, which other accounts could see.
        """
        variables = {
            name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in self
            if name.startswith(("pg", "aws_", "mlflow_")) and value is not None
        }
        return {name: value for name, value in variables.items() if value}


# The settings that `setting` prints; none is a secret.
PRINTED = tuple(
    name.upper() for name, field in Settings.model_fields.items() if field.annotation in (str, Path)
)


def check(settings: Settings) -> None:
    """Print that the settings are complete."""
    print(f"the settings are complete; the address for clients is {settings.address}")


def setting(settings: Settings, name: str) -> None:
    """Print the parsed value of one setting, for scripts."""
    print(getattr(settings, name.lower()))


def _with_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace each setting that names a secret with the secret."""
    found = {}
    for name, value in values.items():
        if name.endswith(_SECRET_SUFFIX) and name.removesuffix(_SECRET_SUFFIX):
            found[name.removesuffix(_SECRET_SUFFIX)] = _fetch(name, value, values)
        else:
            found[name] = value
    return found


def _fetch(name: str, where: str, values: Mapping[str, Any]) -> str:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    arn, _, key = where.partition("#")
    parts = arn.split(":")
    region = parts[_REGION] if len(parts) > _REGION else values.get("AWS_DEFAULT_REGION")
    # Keys for Amazon's S3 are keys of AWS; without keys, boto3 uses this machine's role.
    of_aws = all(n in values for n in _KEYS) and "MLFLOW_S3_ENDPOINT_URL" not in values
    keys = {n.lower(): values[n] for n in _KEYS} if of_aws else {}
    try:
        client = boto3.client("secretsmanager", region_name=region, **keys)
        answer = client.get_secret_value(SecretId=arn)
        text = str(answer["SecretString"])
        return str(json.loads(text)[key]) if key else text
    except (BotoCoreError, ClientError) as error:
        raise ServerError(
            f"{name} names a secret that cannot be read: {error}; let this machine's role read it"
        ) from None
    except (KeyError, TypeError, ValueError):
        raise ServerError(
            f"{name}: expected a secret whose JSON has the key {key!r}, found none in {arn}"
        ) from None


def _in_a_line(error: ValidationError, file: Path) -> str:
    """Return the problem of each wrong setting, without the values of secrets."""
    problems = []
    for each in error.errors(include_input=False, include_url=False):
        name = str(each["loc"][0]) if each["loc"] else ""
        if each["type"] == "missing":
            problems.append(f"{name} is missing")
        elif each["type"] == "extra_forbidden":
            problems.append(f"{name} is no setting")
        else:
            reason = each["msg"].removeprefix("Value error, ")
            problems.append(f"{name}: {reason}" if name else reason)
    return f"{'; '.join(problems)}. Fix it in {file} or the environment (see env.example)."
