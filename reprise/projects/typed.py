"""A command as somebody has typed it: how it is recorded, and which may come back from a record.

A record is somebody else's words. Of those only such a command is run that starts a file of the
commit, by a program that takes nothing but a file and its arguments.
"""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from reprise.errors import ProjectError
from reprise.projects import containment
from reprise.projects.entry_points import refuse_odd_words
from reprise.record.schema import Step

_PYTHON = re.compile(r"python[\d.]*")
_RUN_FILES = frozenset({"bash", "sh", "dash", "zsh", "ksh", "Rscript"})
_SHOWN = 60


def step(words: Sequence[str]) -> Step:
    """Return the step of a command; that of Python is recorded as a script is."""
    program, *arguments = words
    is_option = not arguments or (arguments[0].startswith("-") and arguments[0] != "-m")
    if _PYTHON.fullmatch(PurePosixPath(program).name) and not is_option:
        name = arguments[1] if arguments[0] == "-m" and arguments[1:] else arguments[0]
        command = {"command": tuple(arguments)}
    else:
        name, command = program, {"words": tuple(words)}
    return Step.model_validate(
        {"entry_point": name, "raw_parameters": {}, "parameters": {}, **command}
    )


def arguments(step: Step) -> list[str]:
    """Return what was typed behind the name of what a step starts."""
    if step.command:
        return list(step.command[2 if step.command[0] == "-m" else 1 :])
    return list(step.words[1:])


def words(folder: Path, step: Step) -> list[str]:
    """Return the words of a recorded command, which must start a file of the commit.

    Parameters
    ----------
    folder : Path
        In which it runs.
    step : Step

    Raises
    ------
    ProjectError, CheckoutError
        If it starts something else.
    """
    refuse_odd_words(step.words)
    program, *arguments = step.words
    if "/" in program:
        containment.file_inside(folder, program, committed=True)
        return [f"./{PurePosixPath(program)}", *arguments]
    if program not in _RUN_FILES or not arguments:
        raise ProjectError(
            f"expected a command that starts a file of the commit, such as `bash run.sh` or "
            f"`./run.sh`, found {program[:_SHOWN]!a}, which a record may not start. Put the "
            "command into a script or an MLproject of the repository, and run that."
        )
    containment.file_inside(folder, arguments[0], committed=True)
    return list(step.words)
