"""Write the locks from requirements*.in, and conda.yaml with the lock's digest.

MLflow names a conda environment after the text of conda.yaml, so a new lock must change that text.
"""

import re
import subprocess
from pathlib import Path

from reprise.console import say
from reprise.projects.environments import python_version
from reprise.record.digest import sha256_file

_PLATFORM = "x86_64-manylinux_2_28"
_LOCKS = (
    *("requirements", "requirements-dev"),
    *("deploy/server/requirements", "deploy/aws/requirements"),
)
# Packages of which only the files are read; no environment is built of these.
_FILES_ONLY = "tests/tables/packages"
_LOCKED = re.compile(r"(- -r requirements\.txt) # sha256:[0-9a-f]{64}")


def conda_yaml(text: str, lock_sha256: str) -> str:
    """Write a lock's digest into the text of a conda.yaml, in the line that names the lock."""
    changed, count = _LOCKED.subn(rf"\1 # sha256:{lock_sha256}", text)
    if count != 1:
        raise ValueError(f"expected one line '- -r requirements.txt # sha256:…', found {count}")
    return changed


def main() -> None:
    """Compile all locks, then bring conda.yaml up to date."""
    conda = Path("conda.yaml")
    text = conda.read_text(encoding="utf-8")
    for name in (*_LOCKS, _FILES_ONLY):
        command = [
            "uv",
            "pip",
            "compile",
            "--quiet",
            "--upgrade",
            "--generate-hashes",
            "--no-header",
        ]
        command += ["--python-version", python_version(text), "--python-platform", _PLATFORM]
        if name == _FILES_ONLY:
            command += ["--no-deps", "--only-binary", ":all:"]
        subprocess.run([*command, f"{name}.in", "--output-file", f"{name}.txt"], check=True)
    conda.write_text(conda_yaml(text, sha256_file(Path("requirements.txt"))), encoding="utf-8")
    say(f"locked for Python {python_version(text)} on {_PLATFORM}")


if __name__ == "__main__":
    main()
