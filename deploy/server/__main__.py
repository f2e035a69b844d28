"""`mlflow-server <command>`: everything there is to do on a machine of the server."""

import argparse
import sys
from pathlib import Path

from deploy.server.errors import ServerError
from deploy.server.settings import Settings


def main() -> int:
    """Read the words and the settings, and do what they say; a user's mistake is one line."""
    words = _parser().parse_args()
    try:
        _do(words, Settings.read())
    except ServerError as error:
        print(f"mlflow-server {words.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"mlflow-server {words.command}: stopped", file=sys.stderr)
        return 130
    return 0


def _do(words: argparse.Namespace, settings: Settings) -> None:
    # Each command imports what it needs: the check of the settings must not take seconds.
    match words.command:
        case "check":
            print(f"the settings are complete; clients come to {settings.address}")
        case "serve":
            from deploy.server import serve

            serve.run(settings, words.number)
        case "nginx":
            from deploy.server import nginx

            nginx.run(settings, words.to)
        case "backup":
            from deploy.server import backup

            backup.run(settings, words.to or settings.backup_to)
        case "restore":
            from deploy.server import restore

            restore.run(settings, words.where or settings.backup_to, words.name)
        case "verify":
            from deploy.server import verify

            verify.run(settings, words.where or settings.backup_to, words.name)
        case "rewind":
            from deploy.server import rewind

            rewind.run(settings, words.to, words.profile)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mlflow-server", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("check", help="check the settings")
    serve = commands.add_parser("serve", help="start an MLflow server on its socket")
    serve.add_argument("number", type=int, help="which one of this machine")
    nginx = commands.add_parser("nginx", help="write nginx's configuration")
    nginx.add_argument("--to", type=Path, help="file (default: print it)")
    backup = commands.add_parser("backup", help="store the database and then the artifacts")
    backup.add_argument("--to", help="folder or s3://bucket/prefix (default: BACKUP_TO)")
    for name, what in (
        ("restore", "restore into an empty database and an empty bucket"),
        ("verify", "compare the server with a backup"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("--from", dest="where", help="where backups are (default: BACKUP_TO)")
        command.add_argument("name", nargs="?", default="", help="of the backup (default: newest)")
    rewind = commands.add_parser("rewind", help="bring artifacts back as they were at a time")
    rewind.add_argument("--to", required=True, help="time, like 2026-11-22T16:30:00+00:00")
    rewind.add_argument("--profile", default="", help="AWS profile that may read old versions")
    return parser


if __name__ == "__main__":
    sys.exit(main())
