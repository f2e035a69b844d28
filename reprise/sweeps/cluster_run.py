"""One run of a project on a cluster, for `mlflow run -b reprise` with a scheduler."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reprise import env, tracking
from reprise.capture import code, untracked
from reprise.console import say
from reprise.errors import ProjectError
from reprise.process.launcher import Ended
from reprise.record.schema import ALLOW_UNTRACKED
from reprise.runtime.parameters import parse_argv
from reprise.runtime.source_artifacts import carry
from reprise.sweeps import runner
from reprise.sweeps.dask_executor import FILES, ClusterExecutor
from reprise.sweeps.executor import Task

SCHEDULER = "scheduler"  # of a backend's configuration


def make(
    run_id: str, words: Sequence[str], folder: Path, configuration: Mapping[str, Any]
) -> Ended:
    """Do the step of a run on a cluster, show what it prints, and return how it ended.

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
    ProjectError, ClusterError
        If the cluster cannot do it.
    """
    if list(words[:2]) != ["python", "-m"]:
        raise ProjectError(
            f"expected a command `python -m …` for a cluster, found {' '.join(words)!r}. "
            "Run it without a scheduler."
        )
    module, raw = words[2], parse_argv(words[3:])
    files = {name: str(configuration[name]) for name in FILES if name in configuration}
    run = tracking.get_run(run_id)
    with ClusterExecutor(str(configuration[SCHEDULER]), files=files) as executor:
        allowed = untracked.names(raw.get(ALLOW_UNTRACKED, ""))
        with code.capture(folder, allow_untracked=allowed) as captured:
            source = folder / Path(*module.split(".")).with_suffix(".py")
            source_code, tags = carry(run, captured, source)
        tracking.log(run_id, tags=tags)
        variables = {
            **tracking.environment(run.info.experiment_id),
            env.CODE: source_code.model_dump_json(),
        }
        runner.check_out(executor, source_code, folder, variables)
        (result,) = executor.run([Task(module, raw, {"MLFLOW_RUN_ID": run_id})])
    for line in result.output.splitlines():
        say(line)
    return Ended(result.exit_code, "")
