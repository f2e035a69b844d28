"""Typed parameters: one pydantic model per entry point is the source of names, types and bounds.

Values arrive as text, as `mlflow run -P name=value` hands them over. `parse` turns them into a
typed, frozen model, or raises one line that says what was expected, found, and what to do.
"""

import difflib
import sys
import textwrap
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from reprise.backports import Self
from reprise.errors import ParameterError
from reprise.record.reference import NamedRun
from reprise.record.schema import PERMISSIONS, as_text
from reprise.urls import without_credentials_within
from reprise.visible import is_text

EXPERIMENT = "experiment"  # the parameter that says where a run goes
NAMES_RUN = "names_run"  # in a field's extra schema: its value names a run
LONGEST = 6000  # characters of a value that MLflow logs without cutting it
_WIDTH = 80  # of help, as of the command's
_SHOWN = 500  # characters of a value in an error
_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_NOUNS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def as_mlflow_takes_it(name: str, value: str) -> str:
    """Write a parameter as on the command line of `mlflow run`."""
    return f"-P {name}={value}"


class Parameters(BaseModel):
    """Base of every entry point's parameters.

    A field that may be None takes an empty value as None: an MLproject cannot leave a parameter
    out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    entry_point: ClassVar[str]
    is_bookkeeping: ClassVar[bool] = False  # its runs are about other runs, and no results
    locations: ClassVar[frozenset[str]] = frozenset()  # parameters that only say where data is
    lists: ClassVar[frozenset[str]] = frozenset()  # parameters of several values, as `lists` writes

    @model_validator(mode="before")
    @classmethod
    def _empty_means_none(cls, values: Any) -> Any:
        optional = {n for n, field in cls.model_fields.items() if _unwrap(field.annotation)[1]}
        return {n: None if value == "" and n in optional else value for n, value in values.items()}

    @classmethod
    def parse(
        cls, raw: Mapping[str, Any], *, write: Callable[[str, str], str] = as_mlflow_takes_it
    ) -> Self:
        """Check and convert raw values.

        Parameters
        ----------
        raw : mapping of str to str
            Values as text, keyed by parameter name; what is left out takes its default.
        write : callable
            Writes a parameter's name and value as the user gives them, for an example.

        Raises
        ------
        ParameterError
            One line that names every wrong value and every unknown name.
        """
        try:
            cls._refuse_unloggable(raw)
            return cls(**raw)
        except ValidationError as error:
            problems = [cls._problem(dict(detail), write) for detail in error.errors()]
        raise ParameterError(*dict.fromkeys(problems))

    @classmethod
    def _refuse_unloggable(cls, raw: Mapping[str, Any]) -> None:
        """Refuse text that cannot be recorded: not UTF-8, or longer than MLflow logs."""
        texts = {name: value for name, value in raw.items() if isinstance(value, str)}
        problems = [
            *(
                f"{name} must be text in UTF-8 without NUL bytes; found {brief(value)}."
                for name, value in texts.items()
                if not is_text(value)
            ),
            *(
                f"{name} must be at most {LONGEST} characters; found {len(value)}, "
                f"{brief(value)}. Shorten it."
                for name, value in texts.items()
                if len(value) > LONGEST
            ),
        ]
        if problems:
            raise ParameterError(*problems)

    def raw(self) -> dict[str, str]:
        """Return the values as the text that `parse` turns back into an equal model."""
        return {name: as_text(value) for name, value in self}

    def given(self) -> dict[str, str]:
        """Return, as text, the values that are not the defaults."""
        fields = type(self).model_fields
        return {
            name: value
            for name, value in self.raw().items()
            if fields[name].is_required() or value != as_text(fields[name].default)
        }

    def typed(self) -> dict[str, Any]:
        """Return the checked values, JSON-able, keyed by name."""
        return self.model_dump(mode="json")

    def named_runs(self) -> dict[str, NamedRun]:
        """Return the runs that parameters name, by the parameter."""
        fields = type(self).model_fields
        return {name: NamedRun(str(text)) for name, text in self if text and _is_run(fields[name])}

    def wanted_experiment(self) -> str | None:
        """Return the name of the experiment that the user wants for the run; None: any."""
        return getattr(self, EXPERIMENT, None)

    def values(self) -> dict[str, Any]:
        """Return the typed values that can change a result: not where data is, or the run goes."""
        return self.model_dump(mode="json", exclude={*self.locations, *PERMISSIONS, EXPERIMENT})

    @classmethod
    def _problem(cls, detail: dict[str, Any], write: Callable[[str, str], str]) -> str:
        name = str(detail["loc"][0])
        if detail["type"] == "extra_forbidden":
            names = list(cls.model_fields)
            hint = "".join(
                f"did you mean {m!r}? " for m in difflib.get_close_matches(name, names, 1)
            )
            return f"there is no parameter {brief(name)}; {hint}It takes: {', '.join(names)}."
        field = cls.model_fields[name]
        example = as_text((field.examples or [field.default])[0])
        if detail["type"] == "missing":
            return f"{name} must be {expected(field)}; found none. Write: {write(name, example)}."
        is_secret = without_credentials_within(str(detail["input"])) != str(detail["input"])
        shown = brief(detail["input"])
        if is_secret or (name in cls.locations and "://" in shown):
            shown = "an address of another kind"  # not shown: it may hold a password
        sentence = f"{name} must be {expected(field)}; found {shown}."
        return f"{sentence} For example: {write(name, example)}."


def default_text(field: FieldInfo) -> str:
    """Write a parameter's default for people: `empty` where that is what it is."""
    return as_text(field.default) or "empty"


def expected(field: FieldInfo) -> str:
    """Describe in words what a parameter takes, e.g. "a whole number >= 1, or empty"."""
    if isinstance(field.json_schema_extra, dict) and "expected" in field.json_schema_extra:
        return str(field.json_schema_extra["expected"])
    kind, optional = _unwrap(field.annotation)
    if get_origin(kind) is Literal:
        choices = [str(choice) for choice in get_args(kind)]
        noun = "one of " + ", ".join(choices) if len(choices) > 1 else choices[0]
    else:
        noun = _NOUNS[kind]
    bounds = [
        f"{sign} {getattr(constraint, bound)}"
        for constraint in field.metadata
        for bound, sign in _BOUNDS.items()
        if getattr(constraint, bound, None) is not None
    ]
    words = " ".join([noun, " and ".join(bounds)]).strip()
    return words + (", or empty" if optional else "")


def help_text(model: type[Parameters]) -> str:
    """Explain an entry point of this folder's project and each of its parameters."""
    from reprise.projects import settings  # which a command that is right does without

    package = settings.of(Path.cwd()).steps
    command = f"python -m {package}.{model.entry_point}" if package else sys.argv[0]
    lines = [
        str(model.__doc__),
        "",
        f"usage: {command} [--name value ...]",
        "",
    ]
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else f"default: {default_text(field)}"
        lines.append(f"  --{name}  {field.description} ({expected(field)}; {default})")
    wrapped = (
        textwrap.wrap(line, _WIDTH, subsequent_indent="      ", break_on_hyphens=False) or [""]
        for line in lines
    )
    return "\n".join(line for several in wrapped for line in several)


def mlproject_type(field: FieldInfo) -> str:
    """Name the MLproject type of a parameter: `float` for numbers, else `string`."""
    kind, _ = _unwrap(field.annotation)
    return "float" if kind in (int, float) else "string"


def _is_run(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and NAMES_RUN in extra


def is_flag(field: FieldInfo) -> bool:
    """Return whether a parameter is false unless it is switched on."""
    return _unwrap(field.annotation)[0] is bool and field.default is False


def is_integer(model: type[Parameters], name: str) -> bool:
    """Return whether a parameter takes whole numbers."""
    field = model.model_fields.get(name)
    return field is not None and _unwrap(field.annotation)[0] is int


def asks_for_help(argv: Sequence[str]) -> bool:
    """Return whether a command line asks for help: `-h`, `--help`, or the word `help`."""
    return "-h" in argv or "--help" in argv or list(argv[:1]) == ["help"]


def parse_argv(argv: Sequence[str]) -> dict[str, str]:
    """Read `--name value` and `--name=value` pairs; a value may be empty or start with a dash.

    Raises
    ------
    ParameterError
        If a word stands where a name should, a value is missing, or a name comes twice.
    """
    raw: dict[str, str] = {}
    words = iter(argv)
    for word in words:
        if not word.startswith("--"):
            raise ParameterError(
                f"expected --name value pairs, found {word!r}. "
                f"Write -P name=value to mlflow run, or --name value to the module."
            )
        name, equals, value = word[2:].partition("=")
        if not equals:
            try:
                value = next(words)
            except StopIteration:
                raise ParameterError(
                    f"expected a value after {word}, found none. Write one."
                ) from None
        if not is_text(name + value):
            raise ParameterError(
                f"expected text in UTF-8 without NUL bytes after --, found {name!a} {value!a}. "
                "Rename it."
            )
        if name in raw:
            raise ParameterError(f"expected {name!r} once, found it twice. Drop one.")
        raw[name] = value
    return raw


def argument_words(raw: Mapping[str, str]) -> list[str]:
    """Write raw parameters as the words of a step's command line, which `parse_argv` reads."""
    return [word for name, value in raw.items() for word in (f"--{name}", value)]


def brief(value: Any) -> str:
    """Write a value for an error, shortened where nobody would read it to its end."""
    try:
        text = repr(value)
    except ValueError:  # a whole number with more digits than Python writes
        text = f"a number with more than {sys.get_int_max_str_digits()} digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _unwrap(annotation: Any) -> tuple[Any, bool]:
    """Split `X | None` into X and whether None is allowed."""
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not types.NoneType]
        return kinds[0], len(kinds) < len(get_args(annotation))
    return annotation, False
