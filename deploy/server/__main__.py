"""`mlflow-server <command>`: all commands on a machine of the server."""

import argparse
import sys
from importlib import import_module

from deploy.server.errors import ServerError
from deploy.server.settings import PRINTED, Settings

_TIME = "2026-11-22T16:30:00+00:00"


def main() -> int:
    """Read the arguments and the settings, and run the command; a user's error is one line."""
    words = vars(_parser().parse_args())
    command, does = words.pop("command"), words.pop("does")
    module, _, function = does.partition(".")
    try:
        settings = Settings.read()
        # Each command imports only its own modules: a check of the settings must not take seconds.
        getattr(import_module(f"deploy.server.{module}"), function)(settings, **words)
    except (ServerError, OSError) as error:  # OSError: a full disk, a folder without permission
        print(f"mlflow-server {command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"mlflow-server {command}: stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mlflow-server", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    def command(name: str, does: str, what: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=what, description=what)
        added.set_defaults(does=does)
        return added

    command("check", "settings.check", "check the settings")
    setting = command("setting", "settings.setting", "print one setting")
    setting.add_argument("name", choices=PRINTED)
    serve = command("serve", "serve.run", "start an MLflow server on its socket")
    serve.add_argument("number", type=int, help="which one of this machine")
    command("nginx", "nginx.run", "print nginx's configuration")
    account = command("account", "accounts.account", "make an account, and print its password")
    account.add_argument("name")
    instead = account.add_mutually_exclusive_group()
    instead.add_argument("--new-password", action="store_true", help="of an account that is there")
    instead.add_argument("--delete", action="store_true", help="delete it instead")
    grant = command("grant", "accounts.grant", "let an account see or change what others made")
    grant.add_argument("name")
    grant.add_argument("permission", choices=("READ", "EDIT", "MANAGE", "NONE"))
    grant.add_argument("--kind", default="", choices=("experiment", "registered_model"))
    grant.add_argument("--on", default="*", help="id of an experiment or name of a model")
    backup = command("backup", "backup.run", "store the database and then the artifacts")
    backup.add_argument("--to", default="", help="folder or s3://… (default: BACKUP_TO)")
    for name, what in (
        ("restore", "restore into an empty database and an empty bucket"),
        ("verify", "compare the server with a backup"),
    ):
        added = command(name, f"{name}.run", what)
        added.add_argument(
            "--from", dest="where", default="", help="folder or s3://… (default: BACKUP_TO)"
        )
        added.add_argument("name", nargs="?", default="", help="of the backup (default: newest)")
    rewind = command("rewind", "rewind.run", "bring artifacts back as they were at a time")
    rewind.add_argument("--to", required=True, help=f"time, like {_TIME}")
    rewind.add_argument("--profile", default="", help="AWS profile that may read old versions")
    command("migrate", "migrate.run", "bring the tables to the installed version of MLflow")
    return parser


if __name__ == "__main__":
    sys.exit(main())
