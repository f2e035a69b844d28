"""Start the whole server on loopback, and stop it with Ctrl-C: `make server`."""

import argparse
import signal
import subprocess
import sys
import threading
from pathlib import Path

from deploy.dev.processes import StackError
from deploy.dev.stack import ROOT, Stack
from deploy.server.errors import ServerError


def main() -> int:
    """Install missing packages, start everything, print how to use it, and wait for the end."""
    words = _parser().parse_args()
    installed = subprocess.run(
        [ROOT / "deploy/dev/install", "postgresql", "nginx", "ceph"], check=False
    )
    if installed.returncode != 0:
        return 1
    over = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: over.set())
    print(f"starting PostgreSQL, Ceph, MLflow and nginx in {words.folder} …", flush=True)
    try:
        with Stack(words.folder.resolve(), words.python, port=words.port) as stack:
            print(_welcome(stack), flush=True)
            over.wait()
            print("\nstopping …", flush=True)
    except (StackError, ServerError) as error:
        print(f"server: {error}", file=sys.stderr)
        return 1
    print(f"stopped; its data stay in {words.folder} for the next start")
    return 0


def _welcome(stack: Stack) -> str:
    variables = "\n".join(f"    export {name}={value}" for name, value in stack.client().items())
    return (
        f"ready at {stack.address}; log in as admin. In another shell:\n\n{variables}\n\n"
        "    mlflow run . --env-manager local -e train_dt -P max_depth=5\n\n"
        "Ctrl-C stops it."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make server", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".server"), help="where its data are")
    parser.add_argument("--port", type=int, default=8443, help="port of https")
    parser.add_argument(
        "--python", type=Path, default=Path(sys.executable), help="Python of the server's lock"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
