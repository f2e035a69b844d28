"""The replay of a run that was recorded from outside: its process is watched in the same way."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from reprise import tracking
from reprise.capture import code
from reprise.git import repository_root
from reprise.observing import inputs
from reprise.observing.begin import begin
from reprise.observing.environment import folders_of_project
from reprise.observing.observe import Process, observe
from reprise.process.launcher import Ended, Launcher
from reprise.record.schema import Code, RunRecord
from reprise.replay.original_run import OriginalRun
from reprise.replay.prepare import Request, Workspace
from reprise.runtime import source_artifacts
from reprise.trust import permissions


def declared(original: RunRecord, request: Request) -> dict[str, str]:
    """Return the parameters that are logged for a replay before it starts, as for the original.

    None of a run that records itself: it is given its raw parameters.
    """
    if original.observed is None:
        return {}
    values = {**original.step.parameters, **request.changes}
    return {name: shlex.quote(str(value)) for name, value in values.items()}


def provide_inputs(original: OriginalRun, request: Request, folder: Path) -> None:
    """Check what the original run has read, and put it where its replay will read it.

    Parameters
    ----------
    original : OriginalRun
    request : Request
        One that changes something may read something else.
    folder : Path
        The project's, in the checkout.

    Raises
    ------
    DataError, DigestMismatchError, NotAllowedError
        If an input of an exact replay is missing, has changed, or may not be read.
    """
    if original.record.observed is None or request.current_code:
        return
    at_hand = repository_root(Path.cwd())
    project = at_hand / original.record.code.project
    permitted = permissions.of_replay(repository_root(folder), at_hand, request.paths)
    for item in original.record.inputs:
        if request.is_exact or item.kept or not inputs.fault(item, project, permitted=permitted):
            inputs.provide([item], project, checkout=folder, permitted=permitted)


def run(
    original: OriginalRun,
    request: Request,
    workspace: Workspace,
    environment: Mapping[str, str],
) -> Ended:
    """Run the command of a replay to its end, and record it.

    Parameters
    ----------
    original : OriginalRun
    request : Request
    workspace : Workspace
    environment : mapping of str to str
        All variables, with that of the replay's run.
    """
    run_id = environment[tracking.GIVEN]
    step = original.record.step
    step = step.model_copy(
        update={
            "raw_parameters": request.raw_parameters(step),
            "parameters": {**step.parameters, **request.changes},
        }
    )
    begun = begin(
        _code(original, request, run_id),
        step,
        folder=workspace.folder,
        python=workspace.python,
        variables=environment,
        replays=original.run_id if request.is_exact else None,
    )
    tracking.log(run_id, tags=tracking.describe_source(tracking.get_run(run_id), begun.code))

    def start(variables: Mapping[str, str]) -> Ended:
        with Launcher(workspace.python, (), variables) as launcher:
            return launcher.run(workspace.words, folder=workspace.cwd, environment=variables)

    process = Process(
        run_id,
        workspace.folder,
        workspace.python,
        {**environment, **_search_path(original.record, workspace, environment)},
        declared(original.record, request),
        provided=frozenset(
            workspace.folder.resolve() / item.uri for item in original.record.inputs
        ),
    )
    return observe(process, begun, start)


def _code(original: OriginalRun, request: Request, run_id: str) -> Code:
    """Return the code of a replay: the recorded, or what is in this folder, carried."""
    if not request.current_code:
        return original.record.code
    with code.capture(Path.cwd()) as captured:
        source, tags = source_artifacts.carry(tracking.get_run(run_id), captured, Path())
    tracking.log(run_id, tags=tags)
    return source


def _search_path(
    record: RunRecord, workspace: Workspace, environment: Mapping[str, str]
) -> dict[str, str]:
    """Let the process find what was installed of the repository itself: in its checkout."""
    folders = folders_of_project(record.environment, repository_root(workspace.folder))
    given = environment.get("PYTHONPATH", "")
    path = [*filter(None, given.split(os.pathsep)), *folders]
    return {"PYTHONPATH": os.pathsep.join(path)} if folders else {}
