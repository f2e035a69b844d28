"""What an entry point of a project at some commit runs: a command of its MLproject, or a script."""

import functools
import os
import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reprise.errors import CheckoutError, ProjectError
from reprise.projects import containment, placeholders, project_file
from reprise.projects.mlproject import PLAIN_MODULE, Command, default, plain_entry_point
from reprise.record.schema import Step, as_text

if TYPE_CHECKING:
    from mlflow.projects._project_spec import EntryPoint, Project

LONGEST = 100_000  # characters: a word that is longer cannot be passed to a program
_SHOWN = 60
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN_NAME = re.compile(r"[\w./ +=@-]*")
_MALFORMED = (LookupError, AttributeError, TypeError, ValueError)  # what MLflow does not check


def words(
    folder: Path,
    entry_point: str,
    raw_parameters: Mapping[str, str],
    *,
    recorded: Collection[str] | None = None,
) -> list[str]:
    """Return the command of an entry point, as `mlflow run` would start it.

    See `command`, which returns its parameters too.
    """
    return command(folder, entry_point, raw_parameters, recorded=recorded).words


def command(
    folder: Path,
    entry_point: str,
    raw_parameters: Mapping[str, str],
    *,
    downloads: Path | None = None,
    recorded: Collection[str] | None = None,
) -> Command:
    """Return the command of an entry point, as `mlflow run` would start it.

    An entry point is one that the MLproject declares, or a script of the folder; a script is
    started without a shell.

    Parameters
    ----------
    folder : Path
        The project's.
    entry_point : str
    raw_parameters : mapping of str to str
        Values as they were given; what is left out takes the MLproject's default.
    downloads : Path, optional
        Where what parameters of type `path` name is fetched to; None: they stay as given.
    recorded : collection of str, optional
        The parameters whose values a record gives, and with them the entry point's name. Such
        values may be arguments of the project's own program, and no code; a script must be of the
        commit. None: the user has given everything.

    Raises
    ------
    ProjectError, CheckoutError
        If the folder has no such entry point, it needs more parameters, or a container; or a
        recorded value could act as code in its command.
    """
    file = project_file.found(folder)
    if file is None or not file.is_file():
        raise ProjectError(
            f"expected an MLproject with the entry point {entry_point}, found none in this "
            "commit's project folder. Name a run of an MLflow Project."
        )
    written = project_file.read(folder)
    refuse_odd_words(raw_parameters.values())
    if recorded is not None:
        containment.file_inside(folder, file.name)
    else:  # what the user gives may be anything, and mostly needs no MLflow to be understood
        plain = plain_entry_point(written, entry_point)
        filled_in = plain.fill_in(raw_parameters) if plain else None
        if filled_in:
            return filled_in
    import yaml
    from mlflow.exceptions import MlflowException

    try:
        project = _loaded(str(folder), file.read_bytes())
        if project.docker_env:
            raise ProjectError(
                "expected an MLproject with conda_env or python_env, found docker_env, which is "
                "not built here. Run it with MLflow's own backend: mlflow run without -b."
            )
        # MLflow has no list of them, and takes any other name that ends in .R for a command's text.
        declared = project._entry_points.get(entry_point)  # noqa: SLF001
        if declared is None:
            return _undeclared(folder, entry_point, raw_parameters, committed=recorded is not None)
        declared_parameters, others = declared.compute_parameters(dict(raw_parameters), None)
        if recorded is not None:
            _refuse_code(folder, declared, {name: raw_parameters[name] for name in recorded})
        line = declared.compute_command(
            dict(raw_parameters), None if downloads is None else str(downloads)
        )
    except (*_MALFORMED, MlflowException, yaml.YAMLError) as error:
        raise ProjectError(
            f"expected the entry point {entry_point} with its parameters in the MLproject of this "
            f"commit, found otherwise: {error} Check the name and the parameters."
        ) from None
    split = shlex.split(line) if PLAIN_MODULE.fullmatch(declared.command) else ["bash", "-c", line]
    return Command(split, {**declared_parameters, **others})


def other_defaults(folder: Path, step: Step) -> dict[str, str]:
    """Return parameters that a run had by default, and would not have by the MLproject's.

    Parameters
    ----------
    folder : Path
        The project's.
    step : Step
        What ran, whose defaults may be those of its program.
    """
    declared = project_file.read(folder).get("entry_points", {}).get(step.entry_point, {})
    had = {n: as_text(value) for n, value in step.parameters.items() if n not in step.locations}
    return {
        name: had[name]
        for name, spec in declared.get("parameters", {}).items()
        if name in had and name not in step.raw_parameters and default(spec) != had[name]
    }


@functools.lru_cache(maxsize=4)
def _loaded(folder: str, _content: bytes) -> "Project":
    """Read a folder's MLproject, once for the many runs that an audit checks."""
    from mlflow.projects.utils import load_project

    return load_project(folder)


def script(folder: Path, step: Step) -> list[str]:
    """Return the command of a recorded script, whose file must be of the commit.

    Raises
    ------
    ProjectError, CheckoutError
        If it is not: an option of Python's, a module of another, a file outside the folder.
    """
    refuse_odd_words(step.command)
    name, *arguments = step.command
    start = folder / step.folder
    if name != "-m":
        containment.file_inside(folder, name, committed=True)
        file = os.path.relpath(folder.resolve() / name, start.resolve())
        return ["python", f"./{file}" if file.startswith("-") else file, *arguments]
    module = arguments[0] if arguments else ""
    if not all(part.isidentifier() for part in module.split(".")):
        raise ProjectError(
            f"expected the name of a module after -m, found {module[:_SHOWN]!a}. The record was "
            "altered."
        )
    path = start.joinpath(*module.split("."))
    source = path.with_suffix(".py")
    source = source if source.is_file() else path / "__main__.py"
    containment.file_inside(folder, os.path.relpath(source, folder), committed=True)
    return ["python", *step.command]


def refuse_odd_words(texts: Iterable[str]) -> None:
    """Refuse texts that cannot be words of a command: with a NUL, not UTF-8, or without end.

    Raises
    ------
    ProjectError
        If there is one.
    """
    for text in texts:
        if "\0" in text or len(text) > LONGEST or _SURROGATE.search(text):
            raise ProjectError(
                f"expected a word of a command, at most {LONGEST} characters of UTF-8 without "
                f"NUL, found {text[:_SHOWN]!a}. The record was altered."
            )


def _undeclared(
    folder: Path, name: str, raw_parameters: Mapping[str, str], *, committed: bool
) -> Command:
    """Return the command of a script that the MLproject does not declare: words, for no shell."""
    suffix = Path(name).suffix
    if not _PLAIN_NAME.fullmatch(name) or suffix not in (".py", ".sh", ".R"):
        raise ProjectError(
            f"expected the entry point {ascii(name[:_SHOWN])[1:-1]} to be "
            "an entry point that the MLproject of this commit declares, or a "
            "script of it (.py, .sh or .R), found neither. Check the name."
        )
    refuse_odd_words(raw_parameters)
    containment.file_inside(folder, name, committed=committed)
    words = {
        ".py": ["python", name],
        ".sh": [os.environ.get("SHELL", "bash"), name],
        ".R": ["Rscript", "-e", f"mlflow::mlflow_source('{name}')", "--args"],
    }[suffix]
    arguments = [word for key, value in raw_parameters.items() for word in (f"--{key}", value)]
    logged = {shlex.quote(key): shlex.quote(value) for key, value in raw_parameters.items()}
    return Command([*words, *arguments], logged)


def _refuse_code(folder: Path, declared: "EntryPoint", values: Mapping[str, str]) -> None:
    """Refuse recorded values that the command of an entry point would take for code."""

    def is_own(name: str) -> bool:
        try:
            return containment.file_inside(folder, name).is_file()
        except CheckoutError:
            return False

    declarations = declared.parameters.items()
    defaults = {name: str(each.default) for name, each in declarations if each.default is not None}
    name = placeholders.dangerous(values, declared.command, defaults=defaults, is_own=is_own)
    undeclared = [name for name in values if name not in declared.parameters]
    if undeclared and not placeholders.takes_arguments(declared.command, is_own=is_own):
        name = name or undeclared[0]
    if name is not None:
        raise ProjectError(
            f"expected recorded parameters that are arguments of the project's own program, found "
            f"{name[:_SHOWN]!a} with {values[name][:_SHOWN]!a}, which could act as code in the "
            f"command of {declared.name}. If you trust it, run the entry point with it yourself."
        )
