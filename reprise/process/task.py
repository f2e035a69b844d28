"""What the engine asks of a step that it starts, beside the step's own parameters.

It travels as JSON in one variable, which the step reads once and removes, so that nothing that the
step starts takes it for its own. Both ends are the same engine: an engine of another commit is
asked by the protocol in `env` only.
"""

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from reprise import env
from reprise.backports import Self
from reprise.errors import TaskError


@dataclass(frozen=True, kw_only=True)
class StepTask:
    """What a step is to do for the process that started it; by default nothing.

    Attributes
    ----------
    ordered : mapping or None
        The fields of a `record.project_run.ProjectRun`: a run that the step is to make for itself.
    planned : mapping or None
        The fields of a `tracking.Plan`: the same, of a child run.
    key : str or None
        Names the planned run: where a finished run has this key, none is made.
    keep_models : bool
        Whether to store the model, or only its digest.
    report : str or None
        File to which to report the run and its metrics.
    cache : str or None
        Folder of artifacts that several processes read, each fetched once.
    captured : str or None
        Folder in which the step finds its source, captured ahead of it.
    """

    ordered: Mapping[str, Any] | None = None
    planned: Mapping[str, Any] | None = None
    key: str | None = None
    keep_models: bool = True
    report: str | None = None
    cache: str | None = None
    captured: str | None = None

    def to_json(self) -> str:
        """Write what is not the default."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        defaults = {field.name: field.default for field in fields(self)}
        return json.dumps({n: v for n, v in values.items() if v != defaults[n]})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` has written.

        Raises
        ------
        TaskError
            If it is something else.
        """
        try:
            values = json.loads(text)
        except ValueError:
            raise _refusal("no JSON") from None
        if not isinstance(values, dict):
            raise _refusal(f"{type(values).__name__} in the place of an object")
        hints = get_type_hints(cls)
        for name, value in values.items():
            if name not in hints:
                raise _refusal(f"the unknown name {name!r}")
            if not isinstance(value, _types(hints[name])):
                raise _refusal(f"{type(value).__name__} for {name}")
        return cls(**values)

    @classmethod
    def take(cls, environment: MutableMapping[str, str]) -> Self:
        """Read the task of this process, and remove it from its variables; none asks nothing.

        Raises
        ------
        TaskError
            If this engine cannot have written it.
        """
        text = environment.pop(env.TASK, None)
        return cls.from_json(text) if text is not None else cls()


def is_understood_in(project: Path) -> bool:
    """Return whether the steps in a project's folder have an engine that reads this `StepTask`.

    A project without an engine of its own has the installed one, which is this. Another commit of
    this engine has it where this file is the same there.
    """
    engine = project / "reprise"
    if not (engine / "__init__.py").is_file():
        return True
    theirs = engine.joinpath(*Path(__file__).parts[-2:])
    return theirs.is_file() and theirs.read_bytes() == Path(__file__).read_bytes()


def _refusal(found: str) -> TaskError:
    return TaskError(
        f"expected in {env.TASK} what this engine writes there, found {found}. "
        f"Only the engine sets it: unset {env.TASK}"
    )


def _types(hint: Any) -> tuple[type, ...]:
    """Return the classes that a field's type allows."""
    parts = get_args(hint) if type(None) in get_args(hint) else (hint,)
    return tuple(dict if getattr(part, "__origin__", None) is Mapping else part for part in parts)
