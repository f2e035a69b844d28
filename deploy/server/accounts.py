"""Make accounts, and let them see what others have made."""

import secrets
from http import HTTPStatus
from typing import Literal

from deploy.server.errors import ServerError
from deploy.server.service import Service
from deploy.server.settings import Settings

Permission = Literal["READ", "EDIT", "MANAGE", "NONE"]
KINDS = ("experiment", "registered_model")
EVERYTHING = "*"
_PERMISSIONS = "/3.0/mlflow/users/permissions"


def account(settings: Settings, name: str, *, new_password: bool, delete: bool) -> None:
    """Make an account with a generated password, and print the password once.

    Or give an existing account a new password, or delete it.
    """
    service = Service(settings)
    if delete:
        service.ask("DELETE", "/2.0/mlflow/users/delete", {"username": name})
        print(f"account {name} deleted; the servers forget its password within a minute")
        return
    password = secrets.token_urlsafe(15)
    login = {"username": name, "password": password}
    if new_password:
        service.ask("PATCH", "/2.0/mlflow/users/update-password", login)
        print("the servers forget the old password within a minute")
    else:
        service.ask("POST", "/2.0/mlflow/users/create", login)
        print(f"let it read all that others make: mlflow-server grant {name} READ")
    print(f"account {name} has this password, which is not shown again: {password}")


def grant(settings: Settings, name: str, permission: Permission, *, on: str, kind: str) -> None:
    """Let an account read, edit or manage one thing of others, or everything of a kind.

    This replaces earlier grants on the same thing; NONE only removes them.
    """
    if on != EVERYTHING and not kind:
        raise ServerError(f"expected --kind experiment or --kind registered_model with --on {on}")
    service = Service(settings)
    service.ask("GET", "/2.0/mlflow/users/get", {"username": name})  # fails if it is missing
    for each in (kind,) if kind else KINDS:
        what = {"username": name, "resource_type": each, "resource_id": on}
        service.ask("POST", f"{_PERMISSIONS}/revoke", what, also=HTTPStatus.NOT_FOUND)
        if permission != "NONE":
            try:
                service.ask("POST", f"{_PERMISSIONS}/grant", what | {"permission": permission})
            except ServerError as error:
                raise ServerError(f"{error} The earlier grant of {name} was removed.") from None
    print(f"{name} has {permission} on {kind or 'experiments and registered models'} {on}")
