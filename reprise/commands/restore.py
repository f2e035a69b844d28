"""Brings the code of a run back, its edits included, as a new branch or a new folder."""

from collections.abc import Mapping
from pathlib import Path

from reprise import console, tracking
from reprise.commands.parameters import RestoreParameters
from reprise.errors import ParameterError
from reprise.projects import checkout, restoring
from reprise.replay import original_run
from reprise.runtime import named_runs
from reprise.visible import word


def start(parameters: RestoreParameters) -> None:
    """Restore the code of a run, and print where it is.

    Raises
    ------
    ParameterError
        If the branch or the folder is there already.
    CheckoutError
        If the run's commit cannot be had.
    """
    if parameters.branch and parameters.folder:
        raise ParameterError("expected --branch or --folder, found both. Drop one.")
    with tracking.translating_errors():
        run_id = named_runs.settled(RestoreParameters, parameters.raw())["run_id"]
        original = original_run.read(run_id)
        code, here = original.record.code, Path.cwd()
        branch = parameters.branch or f"run-{tracking.short(original.run_id)}"
        folder = Path(parameters.folder) if parameters.folder else None
        if folder is None:
            restoring.refuse_branch(here, branch)
        else:
            restoring.refuse_folder(folder)
        allowed = parameters.allow_repository
        with checkout.repository(here, allowed=allowed) as repository, console.working() as stage:
            stage(f"looking for commit {code.commit}")
            source = repository.obtain(code, tracking.artifact_at)
            if folder is None:
                restoring.as_branch(repository, code, here, branch, allowed=allowed)
                place, commands = f"branch {branch}", _of_branch(branch)
            else:
                project = restoring.as_folder(repository, code, folder)
                place, commands = f"folder {folder}", {f"cd {word(project)}": "to the project"}
    console.say(f"{original.name}: the code of run {original.run_id} is in the {place}")
    edits = f" with edits of {', '.join(code.changed_files)}" if code.dirty else ""
    edits = "; edits are not known" if original.unknown else edits
    console.say(f"  commit {code.commit}, from {source}{edits}")
    console.next_commands(commands)


def _of_branch(branch: str) -> Mapping[str, str]:
    return {
        f"git diff HEAD {word(branch)} --": "how it differs from what is checked out",
        f"git switch {word(branch)}": "go on from it",
    }
