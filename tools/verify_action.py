"""The work of action.yml: verifies runs, and writes what a workflow shows of them.

It refuses pull requests from forks, as it runs recorded code, and the code of the pull request,
with whatever logins the workflow has. Its inputs are variables: see action.yml.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reprise import console

_PREFIX = "VERIFY_"
_OPTIONS = ("experiment", "sample", "seed", "model", "code", "policy", "allowed-signers")
_COULD_NOT = 2  # exit code


def main(environment: Mapping[str, str]) -> int:
    """Be the step; return its exit code, which is that of `reprise verify`."""
    is_allowed = environment.get(f"{_PREFIX}ALLOW_FORKS") == "true"
    refusal = "" if is_allowed else refused_change(environment)
    if refusal:
        console.say(f"::error::{refusal}")
        return _COULD_NOT
    folder = Path(environment.get(f"{_PREFIX}FOLDER") or "reprise-verify")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "verification.json"
    path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "reprise", *words(environment, path)]
    done = subprocess.run(command, check=False)
    if path.exists():
        publish(path, folder, environment)
    return done.returncode


def words(environment: Mapping[str, str], output: Path) -> list[str]:
    """Return the words of `reprise verify`: an input never becomes an option of another name."""
    given = {name: environment.get(f"{_PREFIX}{_variable(name)}", "") for name in _OPTIONS}
    options = [f"--{name}={value}" for name, value in given.items() if value]
    options.append(f"--output={output}")
    return ["verify", *options, "--", *environment.get(f"{_PREFIX}RUNS", "").split()]


def refused_change(environment: Mapping[str, str]) -> str:
    """Say why the event of a workflow is refused; "" if it is not.

    Also of events that run with the logins of the repository, but for somebody else's change.
    """
    path = environment.get("GITHUB_EVENT_PATH", "")
    event = _read(Path(path)) if path else {}
    own = environment.get("GITHUB_REPOSITORY", "")
    heads = [
        change["head"].get("repo")
        for change in (event.get("pull_request"),)
        if isinstance(change, dict) and isinstance(change.get("head"), dict)
    ]
    run = event.get("workflow_run")
    if isinstance(run, dict):
        heads.append(run.get("head_repository"))
    names = [head.get("full_name") if isinstance(head, dict) else None for head in heads]
    if all(name == own for name in names):
        return ""
    shown = ", ".join(str(name) for name in names)
    return (
        f"expected a change of {own}, found one of {shown}: verifying runs its code. Review it, "
        "then push it to a branch of your own, or set allow-forks."
    )


def publish(path: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """Write the report in every form, the summary of the job, and the outputs of the step."""
    from reprise.verification import formats  # with MLflow, which a refusal needs not wait for
    from reprise.verification.report import Report

    report = Report.model_validate_json(path.read_bytes())
    badge = folder / "reproduced.svg"
    badge.write_text(formats.badge(report), encoding="utf-8")
    (folder / "junit.xml").write_text(formats.junit(report), encoding="utf-8")
    _append(environment.get("GITHUB_STEP_SUMMARY"), formats.markdown(report))
    outputs = {
        "result": report.result,
        "report": path,
        "badge": badge,
    }
    lines = "".join(f"{name}={value}\n" for name, value in outputs.items())
    _append(environment.get("GITHUB_OUTPUT"), lines)


def _append(path: str | None, text: str) -> None:
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)


def _read(path: Path) -> dict[str, Any]:
    values = json.loads(path.read_bytes())
    return values if isinstance(values, dict) else {}


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


if __name__ == "__main__":
    sys.exit(main(os.environ))
