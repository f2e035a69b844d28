"""Makes a verb of the command line from the model of an entry point's parameters.

What must be given is an argument, in the model's order, as is a list of runs; all else is an option
of the parameter's name, with a dash for each underscore. Values stay text: the model checks them,
as it does for MLproject, so that a value means the same by either way.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
from pydantic.fields import FieldInfo

from reprise.runtime.parameters import (
    Parameters,
    argument_words,
    default_text,
    expected,
    is_flag,
)

P = TypeVar("P", bound=Parameters)
EXIT_CODES = {
    0: "good",
    1: "the answer is no, or a run failed",
    2: "it could not be done",
    3: "it was done, and the server did not take the results (reprise sync)",
    130: "interrupted",
}


def epilog() -> str:
    """Say, at the end of a verb's help, what its exit codes mean."""
    return f"Exit code {', '.join(f'{code}: {text}' for code, text in EXIT_CODES.items())}."


def of_model(model: type[P], start: Callable[[P], None], *, example: str) -> click.Command:
    """Return the verb of an entry point.

    Parameters
    ----------
    model : type of Parameters
    start : callable
        Does it: takes the checked parameters.
    example : str
        A command line, for the help.
    """
    fields = model.model_fields

    def call(**given: Any) -> None:
        raw = {
            name: _text(value) for name, value in given.items() if value not in (None, (), False)
        }
        start(model.parse(raw, write=lambda name, value: _written(fields[name], name, value)))

    return click.Command(
        model.entry_point,
        params=[_parameter(name, field) for name, field in fields.items()],
        help=f"{model.__doc__}\n\nFor example: {example}",
        epilog=epilog(),
        callback=call,
    )


def words(parameters: Parameters) -> list[str]:
    """Write parameters as the words that a step's process takes: `--name value`, as MLproject."""
    return argument_words(parameters.raw())


def option(name: str) -> str:
    """Return the option of a parameter."""
    return f"--{name.replace('_', '-')}"


def _parameter(name: str, field: FieldInfo) -> click.Parameter:
    if field.is_required():
        return click.Argument([name], metavar=name.upper())
    if _extra(field, "arguments"):
        return click.Argument([name], nargs=-1, metavar=f"[{name.upper().removesuffix('S')}]...")
    if is_flag(field):
        return click.Option([option(name), name], is_flag=True, help=_help(field))
    short = [str(_extra(field, "short"))] if _extra(field, "short") else []
    takes = f"{_plain(expected(field))}; default: {default_text(field)}"
    return click.Option(
        [*short, option(name), name],
        metavar="VALUE",
        multiple=bool(_extra(field, "repeatable")),
        help=f"{_help(field)} ({takes})",
    )


def _help(field: FieldInfo) -> str:
    return _plain(str(field.description)).removeprefix("true: ")


def _plain(text: str) -> str:
    return text.replace("`", "")


def _text(value: Any) -> str:
    """Write what was given as the parameter's raw value: several values are words of one."""
    if value is True:
        return "true"
    return " ".join(value) if isinstance(value, tuple) else str(value)


def _written(field: FieldInfo, name: str, value: str) -> str:
    is_argument = field.is_required() or bool(_extra(field, "arguments"))
    return value if is_argument else f"{option(name)} {value}"


def _extra(field: FieldInfo, name: str) -> object:
    extra: Mapping[str, Any] = field.json_schema_extra or {}  # type: ignore[assignment]
    return extra.get(name)
