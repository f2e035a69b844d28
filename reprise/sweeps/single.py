"""One run of a project on a cluster, for `mlflow run -b reprise` with a scheduler."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reprise import code, tracking
from reprise.errors import ParameterError, ProjectError
from reprise.launcher import Ended
from reprise.parameters import ALLOW_UNTRACKED, parse_argv
from reprise.run import CODE, carry
from reprise.sweeps import plan
from reprise.sweeps.cluster import FILES, ClusterExecutor
from reprise.sweeps.executor import Task

SCHEDULER = "scheduler"  # of a backend's configuration


def make(
    run_id: str, words: Sequence[str], folder: Path, configuration: Mapping[str, Any]
) -> Ended:
    """Do the step of a run on a cluster, show what it prints, and tell how it ended.

    Parameters
    ----------
    run_id : str
        Of the run, which is there.
    words : sequence of str
        The step's command.
    folder : Path
        The project's.
    configuration : mapping
        Of the backend: the scheduler's address, and certificates.

    Raises
    ------
    ParameterError, ProjectError, ClusterError
        If the cluster cannot do it.
    """
    _check(configuration)
    if list(words[:2]) != ["python", "-m"]:
        raise ProjectError(
            f"expected a command `python -m …` for a cluster, found {' '.join(words)!r}. "
            "Run it without a scheduler."
        )
    module, raw = words[2], parse_argv(words[3:])
    files = {name: str(configuration[name]) for name in FILES if name in configuration}
    run = tracking.get_run(run_id)
    with ClusterExecutor(str(configuration[SCHEDULER]), files=files) as executor:
        allowed = raw.get(ALLOW_UNTRACKED, "").split(",")
        with code.capture(folder, allow_untracked=allowed) as captured:
            source = folder / Path(*module.split(".")).with_suffix(".py")
            found, tags = carry(run, captured, source)
        tracking.log(run_id, tags=tags)
        variables = {
            **tracking.environment(run.info.experiment_id),
            CODE: found.model_dump_json(),
        }
        plan.open_code(executor, found, folder, variables)
        (result,) = executor.run([Task(module, raw, {"MLFLOW_RUN_ID": run_id})])
    sys.stdout.write(result.output)
    return Ended(result.exit_code, "")


def _check(configuration: Mapping[str, Any]) -> None:
    address = str(configuration[SCHEDULER])
    if not address.startswith("tls://"):
        raise ParameterError(
            f"scheduler must be an address tls://host:port; found {address!r}. What is sent there "
            "is run there, so it is not spoken to without TLS."
        )
    missing = [n for n in FILES if n in configuration and not os.path.isfile(configuration[n])]  # noqa: PTH113
    if missing:
        raise ParameterError(
            f"{', '.join(missing)} must name files with a certificate or key; found "
            f"{', '.join(str(configuration[n]) for n in missing)}. Mend the backend's "
            "configuration."
        )
