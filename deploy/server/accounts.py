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
    """Make an account with a password of the server's choice, and print it once.

    Or give one that is there another password, or delete it.
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
    """Let an account read, edit or manage something of others, or everything of a kind.

    What it was granted on that before is taken back first; with NONE, that is all.
    """
    if on != EVERYTHING and not kind:
        raise ServerError(f"expected --kind experiment or --kind registered_model with --on {on}")
    service = Service(settings)
    service.ask("GET", "/2.0/mlflow/users/get", {"username": name})  # or there is no such account
    for each in (kind,) if kind else KINDS:
        what = {"username": name, "resource_type": each, "resource_id": on}
        service.ask("POST", f"{_PERMISSIONS}/revoke", what, also=HTTPStatus.NOT_FOUND)
        if permission != "NONE":
            try:
                service.ask("POST", f"{_PERMISSIONS}/grant", what | {"permission": permission})
            except ServerError as error:
                raise ServerError(f"{error} What {name} had before was taken back.") from None
    print(f"{name} has {permission} on {kind or 'experiments and registered models'} {on}")
