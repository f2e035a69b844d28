"""Make accounts, and let them see what others have made."""

import secrets
from typing import Literal

from deploy.server.service import Service
from deploy.server.settings import Settings

Permission = Literal["READ", "EDIT", "MANAGE"]
KINDS = ("experiment", "registered_model")


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
    """Let an account read, edit or manage something of others, or everything of a kind."""
    service = Service(settings)
    for each in (kind,) if kind else KINDS:
        service.ask(
            "POST",
            "/3.0/mlflow/users/permissions/grant",
            {
                "username": name,
                "resource_type": each,
                "resource_id": on,
                "permission": permission,
            },
        )
    print(f"{name} has {permission} on {kind or 'experiments and registered models'} {on}")
