"""What a project says about itself: the table `[tool.reprise]` of its pyproject.toml.

steps = "steps"           the package whose modules are steps of this engine
preload = ["sklearn", …]  libraries that its steps import, to be loaded ahead of them
ui = "make ui"            the command that shows runs in a browser
metrics = ["accuracy"]    those that `reprise ls` shows; else those that most runs have

All are optional: a project without them runs as well, and starts a little later.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprise.backports import tomllib
from reprise.errors import ProjectError
from reprise.trust import documents, limits

FILE_NAME = "pyproject.toml"
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Settings:
    """The settings of a project.

    Attributes
    ----------
    steps : str
        Package whose modules call `reprise.runtime.launch.launch`; "": there is none.
    preload : tuple of str
        Names of modules.
    ui : str
        A command to type.
    metrics : tuple of str
        Names of metrics to show.
    """

    steps: str = ""
    preload: tuple[str, ...] = ()
    ui: str = "mlflow ui"
    metrics: tuple[str, ...] = ()

    def module(self, entry_point: str) -> str:
        """Return the module of a step.

        Raises
        ------
        ProjectError
            If the project names no package with steps.
        """
        if not self.steps:
            raise ProjectError(
                f"expected the package that has the step {entry_point}, found none named in "
                f'{FILE_NAME}. Add the table [tool.reprise] with steps = "<package>".'
            )
        return f"{self.steps}.{entry_point}"

    def is_step(self, words: list[str]) -> bool:
        """Return whether a command starts a step of this engine: `python -m <steps>.<name>`."""
        return bool(
            self.steps and words[:2] == ["python", "-m"] and words[2].startswith(f"{self.steps}.")
        )


def of(project: Path) -> Settings:
    """Read the settings of the project in a folder.

    Raises
    ------
    ProjectError
        If the file is no TOML, or a setting is of another type.
    """
    try:
        text = documents.read_text(project / FILE_NAME, largest=limits.YAML_BYTES)
        table = tomllib.loads(text).get("tool", {}).get("reprise", {})
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise ProjectError(
            f"expected TOML in {FILE_NAME}, found otherwise: {error}. Fix the file."
        ) from None
    if not isinstance(table, dict):
        raise ProjectError(f"expected the table [tool.reprise] in {FILE_NAME}. Fix the file.")
    steps, preload, ui = table.get("steps", ""), table.get("preload", []), table.get("ui", "")
    metrics = table.get("metrics", [])
    if not isinstance(metrics, list) or not all(isinstance(name, str) for name in metrics):
        raise ProjectError(
            f"expected metrics, a list of names, in [tool.reprise] of {FILE_NAME}, found "
            f"{metrics!r}. Fix the file."
        )
    names = [*([steps] if steps != "" else []), *(preload if isinstance(preload, list) else [])]
    if not isinstance(preload, list) or not isinstance(ui, str) or not all(map(_is_module, names)):
        raise ProjectError(
            "expected [tool.reprise] with steps, the name of a package, preload, a list of names "
            f"of modules, and ui, a command; found {steps!r}, {preload!r} and {ui!r} in "
            f"{FILE_NAME}. Fix the file."
        )
    return Settings(
        steps=steps, preload=tuple(preload), ui=ui or Settings.ui, metrics=tuple(metrics)
    )


def _is_module(name: Any) -> bool:
    return isinstance(name, str) and _MODULE.fullmatch(name) is not None
